"""Reading measured pulses and jump tables."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mho.errors import InvalidValue
from mho.measurements import Format, JumpTables, read_jump_table, read_measured, read_pulses
from mho.measurements.ramps import find_ramps
from tests.helpers.checkout import ROOT
from tests.helpers.measured_files import (
    BOTH,
    COUNT,
    DEVICE_LAYOUTS,
    DEVICES,
    DIALECTS,
    DOWN,
    LAYOUTS,
    TURN,
    TWO,
    UP,
    WAYS,
    check_outcome,
    column,
    columns,
    damaged,
)

real = pytest.mark.skipif("MHO_DATA" not in os.environ, reason="MHO_DATA names no folder with devices")


def ramps(trace):
    """Pulses as runs: [(pulses between readings, how many times), ...]."""
    runs: list[list[int]] = []
    for pulse in trace.pulses.tolist():
        if runs and runs[-1][0] == pulse:
            runs[-1][1] += 1
        else:
            runs.append([pulse, 1])
    return [tuple(run) for run in runs]


def read(tmp_path, text, form=None, name="device.csv"):
    file = tmp_path / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_pulses(file, form)


def refusal(tmp_path, text, form=None, name="device.csv"):
    with pytest.raises(InvalidValue) as caught:
        read(tmp_path, text, form, name)
    assert name in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout, tmp_path):
    text, expected, values = LAYOUTS[layout]
    found = read(tmp_path, text)
    (trace,) = found.traces
    assert ramps(trace) == expected
    assert np.allclose(trace.values, values, rtol=0, atol=1e-5)  # six digits are written
    assert trace.device == "device"
    if len(set(expected)) > 1 or "\n" not in text:
        assert found.notes


@pytest.mark.parametrize(
    ("heading", "names", "readings"),
    [
        ("sample", ("nosto", "lasku"), BOTH),  # its name says what it is
        ("vaihe", ("nosto", "lasku"), [*DOWN, *DOWN]),  # both fall
        ("vaihe", ("nosto", "lasku"), [*UP, *[float(v) / 4 for v in DOWN]]),  # the second starts elsewhere
        ("vaihe", ("P", "D2"), [*UP, *UP]),
        ("vaihe", ("set", "initial"), [*UP, *UP]),  # one is a direction, and the other need not be its opposite
    ],
)
def test_two_names_are_devices_unless_they_continue_one_series(heading, names, readings, tmp_path):
    text = f"{heading},G\n" + columns([names[0]] * 50 + [names[1]] * 50, readings)
    assert [trace.device for trace in read(tmp_path, text).traces] == list(names)


def test_a_single_pulse_the_other_way_within_a_ramp_is_questioned_by_its_line(tmp_path):
    ways = ["up"] * 50 + ["down"] * 50
    ways[19] = "down"  # line 21, below the heading
    noted = "\n".join(read(tmp_path, "type,G\n" + columns(ways, BOTH)).notes)
    assert "line 21: a single pulse down within a ramp up; if that is a slip, mend the file" in noted
    ways[19] = "up"
    assert "single pulse" not in "\n".join(read(tmp_path, "type,G\n" + columns(ways, BOTH)).notes)
    by_turns = ["up", "down"] * 50  # a protocol, not a slip
    assert "single pulse" not in "\n".join(read(tmp_path, "type,G\n" + columns(by_turns, BOTH)).notes)


def test_a_reading_far_from_its_neighbours_is_questioned_by_its_line(tmp_path):
    readings = [float(v) for v in BOTH]
    assert "lies far" not in "\n".join(read(tmp_path, "G\n" + column([*readings, *readings])).notes)
    readings[30] /= 100  # a comma that slipped
    noted = [n for n in read(tmp_path, "type,G\n" + columns(WAYS, readings)).notes if "lies far" in n]
    assert noted == [
        f"line 32: a reading of {readings[30]:g} lies far from those beside it; if that is a slip, mend the file, or "
        "leave the cell empty"
    ]


def test_gaps_are_named_by_their_lines(tmp_path):
    readings = [*BOTH]
    readings[4] = readings[9] = "OVERFLOW"
    (gaps,) = [n for n in read(tmp_path, "n,G (uS)\n" + columns(COUNT, readings)).notes if " gap" in n]
    assert "2 gaps in column" in gaps
    assert "(lines 6, 11), where pulses are not followed" in gaps


def test_resistances_that_fall_are_pulses_up(tmp_path):
    text = "vaihe,R (kOhm)\n" + columns(["nosto"] * 50 + ["lasku"] * 50, [1000 / float(v) for v in BOTH])
    found = read(tmp_path, text)
    (trace,) = found.traces
    assert ramps(trace) == TURN
    assert "rise at 'nosto' and fall at 'lasku'" in str(found.decisions)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_dialects(dialect, tmp_path):
    text = "pulse,G (uS)\n" + "\n".join(f"{k},{v:.6e}" for k, v in enumerate(BOTH, 1)) + "\n"
    found = read(tmp_path, DIALECTS[dialect](text))
    (trace,) = found.traces
    assert ramps(trace) == TURN
    assert np.allclose(trace.values, BOTH, rtol=1e-6)  # seven digits are written
    assert found.unit in ("uS", "µS")


@pytest.mark.parametrize("scale", [1e-12, 1e-9, 1e-6, 1.0, 1e9])
@pytest.mark.parametrize("shift", [0.0, -10.0])
def test_any_scale(scale, shift, tmp_path):
    found = read(tmp_path, "\n".join(f"{(value + shift) * scale:.6e}" for value in BOTH))
    assert ramps(found.traces[0]) == TURN


def test_decimal_commas_of_one_column(tmp_path):
    text = column(BOTH, 3).replace(".", ",")
    found = read(tmp_path, text)
    assert ramps(found.traces[0]) == TURN
    assert any('decimal signs; give delimiter="comma"' in note for note in found.notes)
    counted = "\n".join(f"{k},{value * 100:.0f}" for k, value in enumerate(BOTH))
    found = read(tmp_path, counted)
    assert np.allclose(found.traces[0].values, np.round(np.array(BOTH) * 100))
    assert read(tmp_path, counted, Format(delimiter="none", decimal=",")).traces[0].values[1] == pytest.approx(1.138)


@pytest.mark.parametrize("layout", DEVICE_LAYOUTS)
def test_several_devices(layout, tmp_path):
    found = read(tmp_path, DEVICE_LAYOUTS[layout])
    assert [ramps(trace) for trace in found.traces] == [TURN, TURN]
    names = [trace.device for trace in found.traces]
    if "without" not in layout and layout != "numbers":
        assert names == ["a1", "a2"]
    renamed = read(tmp_path, DEVICE_LAYOUTS[layout], Format(devices=["x", "y"]))
    assert [trace.device for trace in renamed.traces] == ["x", "y"]
    assert "devices names 1, and the table has 2" in refusal(tmp_path, DEVICE_LAYOUTS[layout], Format(devices=["x"]))


def test_pairs_of_columns_are_devices(tmp_path):
    for head in ("a up,a down,b up,b down\n", ""):
        found = read(tmp_path, head + columns(UP, DOWN, UP * 2, DOWN * 2))
        assert [ramps(trace) for trace in found.traces] == [TWO, TWO]
        assert found.traces[1].values[0] == pytest.approx(2 * UP[0], abs=1e-4)  # six digits
        assert [trace.device for trace in found.traces] == (["a", "b"] if head else ["device 1", "device 2"])


def test_several_files(tmp_path):
    for name in ("one", "two"):
        (tmp_path / f"{name}.csv").write_text("G (uS)\n" + column(BOTH))
    found = read_pulses([tmp_path / "one.csv", tmp_path / "two.csv"])
    assert [trace.device for trace in found.traces] == ["one", "two"]
    assert found.unit == "uS"
    (tmp_path / "chip_up.csv").write_text(column(UP))
    (tmp_path / "chip_down.csv").write_text(column(DOWN))
    found = read_pulses([tmp_path / "chip_up.csv", tmp_path / "chip_down.csv"])
    assert [(trace.device, ramps(trace)) for trace in found.traces] == [("chip", TWO)]
    (tmp_path / "two.csv").write_text("G (nS)\n" + column(BOTH))
    with pytest.raises(InvalidValue, match=r"two\.csv: its readings are in nS, those of .*one\.csv in uS"):
        read_pulses([tmp_path / "one.csv", tmp_path / "two.csv"])


@pytest.mark.parametrize("gap", ["", "NaN", "--", "#N/A", "n/a", "inf", "9.91e37", "-"])
def test_gaps(gap, tmp_path):
    cells = [f"{value:.6f}" for value in BOTH]
    cells[10] = cells[11] = cells[70] = gap
    found = read(tmp_path, "n,G\n" + columns(COUNT, cells))
    assert ramps(found.traces[0]) == [(1, 9), (0, 1), (1, 37), (-1, 20), (0, 1), (-1, 28)]
    assert len(found.traces[0].values) == 97
    assert any("3 gaps" in note for note in found.notes)


def test_options_say_what_is_not_found_out(tmp_path):
    text = columns(UP, DOWN)
    found = read(tmp_path, text, Format(columns="reading,reading"))
    assert [ramps(trace) for trace in found.traces] == [[(1, 49)], [(-1, 49)]]
    found = read(tmp_path, text, Format(columns=["reading", "skip"], direction="down", every=3, unit="nS"))
    assert ramps(found.traces[0]) == [(-3, 49)]
    assert found.unit == "nS"
    found = read(tmp_path, column(BOTH), Format(turns=[20, 60]))
    assert ramps(found.traces[0]) == [(1, 19), (-1, 40), (1, 40)]
    found = read(tmp_path, column(BOTH), Format(turns=[20], direction="down"))
    assert ramps(found.traces[0]) == [(-1, 19), (1, 80)]
    found = read(tmp_path, "7.5,1\n8.5,2\n" + text, Format(header=2))
    assert len(found.traces[0].values) == 100
    found = read(tmp_path, text.replace(",", "@"), Format(delimiter="@"))
    assert ramps(found.traces[0]) == TWO
    assert ramps(read(tmp_path, text.encode("utf-16-le"), Format(encoding="utf-16-le")).traces[0]) == TWO


def test_options_are_checked(tmp_path):
    with pytest.raises(InvalidValue, match=r"'reeding' is no kind of column; did you mean 'reading'") as caught:
        Format(columns="reeding", direction="left", decimal=";", delimiter="dot", every=0, turns=[3, 2], encoding="x-1")
    assert len(caught.value.faults) == 7
    for columns_ in ("number,number,reading", "number", "direction,voltage,up"):
        with pytest.raises(InvalidValue):
            Format(columns=columns_)
    text = columns(UP, DOWN)
    assert "the table has 2 columns, and columns names 1" in refusal(tmp_path, text, Format(columns="reading"))
    assert "direction is given, but this column says it" in refusal(
        tmp_path, text, Format(columns="up,down", direction="up")
    )
    counted = "n,G\n" + columns(COUNT, BOTH)
    assert "every is given, but this column counts" in refusal(tmp_path, counted, Format(every=2))
    latin = "G\n1\n2\nµ\n".encode("latin-1")
    assert "line 4, column 1: it is not utf-8" in refusal(tmp_path, latin, Format(encoding="utf-8"))
    assert "line 1, column 1: nothing stands below" in refusal(tmp_path, "G", Format(header=1))
    assert "the column has 100 readings" in refusal(tmp_path, column(BOTH), Format(turns=[100]))


def test_units(tmp_path):
    for head, unit in {"G [µS]": "µS", "Conductance (S)": "S", "G / nS": "nS", "G_uS": "uS", "G": "a.u."}.items():
        assert read(tmp_path, f"{head}\n{column(BOTH)}").unit == unit
    assert read(tmp_path, "1.1 nS\n1.2 nS\n1.4 nS\n").unit == "nS"
    current = read(tmp_path, f"I (nA)\n{column(BOTH)}")
    assert current.unit == "nA"
    assert any("current in nA is taken as it is" in note for note in current.notes)
    ohms = read(tmp_path, f"R (kOhm)\n{column(1 / np.array(BOTH))}")
    assert ohms.unit == "mS"
    assert ramps(ohms.traces[0]) == TURN
    assert "line 3, column 1 ('R (Ohm)'): a resistance of 0" in refusal(tmp_path, "R (Ohm)\n5\n0\n7\n8\n")
    assert "it is in nS, and column 1 ('up (uS)') in uS" in refusal(tmp_path, f"up (uS),down (nS)\n{columns(UP, DOWN)}")


def saturating(rng, turns, readings, *, dw=0.02, c2c=0.3, noise=0.0):
    """Readings of a soft-bounds device."""
    weight, way, found = -1.0, 1, []
    for place in range(readings):
        way = -way if place in turns else way
        weight = np.clip(weight + way * dw * (1 - way * weight) * (1 + c2c * rng.standard_normal()), -1, 1)
        found.append(weight + noise * rng.standard_normal())
    return np.array(found)


def test_turning_points_in_noise():
    """Equal ramps are exact; other turns of noisy devices lie in the range that is told."""
    rng = np.random.default_rng(1)
    for noise in (0.0, 0.02, 0.05):
        for _ in range(10):
            found = find_ramps(saturating(rng, (100, 200, 300), 400, noise=noise))
            assert [turn.place for turn in found.turns] == [99, 199, 299]
            found = find_ramps(saturating(rng, (60, 150), 180, noise=noise))
            assert all(
                turn.first - 2 <= place <= turn.last + 2 for turn, place in zip(found.turns, (59, 149), strict=True)
            )
            assert noise > 0.02 or [turn.place for turn in found.turns] == pytest.approx([59, 149], abs=5)
    alone = find_ramps(saturating(rng, (), 400, noise=0.1))
    assert (alone.first, alone.turns, alone.clear) == (1, (), True)
    flat = find_ramps(rng.standard_normal(200))
    assert not flat.clear


def test_ramps_that_only_the_noise_moves_are_told(tmp_path):
    found = read(tmp_path, column(np.random.default_rng(0).standard_normal(100)))
    assert any("no more than their noise; give direction" in note for note in found.notes)


FAULTS = {
    "text": ("hello\nworld\n", "line 1, column 1: 'hello' begins a text without a number"),
    "empty": ("", "it is empty"),
    "blank": ("\n\n \n", "it is empty"),
    "one number": ("3.5\n", "line 1, column 1: the only reading of the device; give at least two"),
    "all equal": ("G\n2\n2\n2\n", "line 2, column 1 ('G'): all readings down to line 4 are 2"),
    "a word": ("n,G\n1,2\n2,3\n3,x\n4,5\n5,6\n", "line 4, column 2 ('G'): 'x' is no number; give a number like 1.5e-6"),
    "a stray cell": ("n,G\n1,2\n2,3\n3,4,9\n4,5\n5,6\n", "line 4, column 3: '9' stands beyond the 2 columns"),
    "many columns": (",".join("1" * 1_000_000), "line 1, column 1001: the line has 1000000 columns"),
    "a direction": ("dir,G\nup,1\nup,2\nupp,3\nup,4\nup,5\nup,6\n", "line 4, column 1 ('dir'): 'upp' is no direction"),
    "image": (b"\x89PNG\r\n\x1a\n123", "it is an image (PNG), not text; export its table as CSV"),
    "spreadsheet": (b"PK\x03\x04zip", "it is a spreadsheet"),
    "binary": (bytes(range(256)) * 40, "it is no text"),
    "one row": ("1.0,1.1,1.2,1.3\n", "line 1, column 1: the table is one row of 4 columns; give readings one below"),
    "units by turns": ("1.1 nS\n1.2 nS\n1.3 uS\n", "line 3, column 2: the reading is in uS, and that of line 1 in nS"),
    "no readings": ("n,V (V)\n1,0.1\n2,0.1\n", "column 1 ('n'): read as number ('1' ...), column 2"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_told(fault, tmp_path):
    text, expected = FAULTS[fault]
    assert expected in refusal(tmp_path, text)


def test_a_count_that_is_not_whole(tmp_path):
    text = "n,G\n1,2\n2,3\n2.5,4\n4,5\n"
    assert "line 4, column 1 ('n'): '2.5' is no count of pulses" in refusal(
        tmp_path, text, Format(columns="number,reading")
    )


def test_many_faults_are_counted(tmp_path):
    text = "n,G\n" + "\n".join(f"{k},{'x' if k % 3 == 0 else k}" for k in range(1, 100))
    told = refusal(tmp_path, text)
    assert told.count("is no number") == 10
    assert told.endswith("and 23 more")


def test_files_that_are_none(tmp_path):
    for path, what in ((tmp_path, "it is a folder"), (tmp_path / "no.csv", "there is no file"), ("a\0b", "a")):
        with pytest.raises(InvalidValue, match=what):
            read_pulses(path)
    with pytest.raises(InvalidValue, match="no file is given"):
        read_pulses([])


@real
def test_the_hfo2_device():
    found = read_pulses(DEVICES / "hfo2_reram_pulses.csv")
    (trace,) = found.traces
    assert ramps(trace) == [(1, 999), (0, 1), (-1, 999)]
    assert trace.values[[0, 999, 1000, 1999]].tolist() == [-0.84444, 1.0667, 0.76667, -1.3556]
    assert "because column 1 rises and column 2 falls" in found.notes[0]


@real
def test_the_hfo2_device_in_one_column(tmp_path):
    data = np.loadtxt(DEVICES / "hfo2_reram_pulses.csv", delimiter=",")
    found = read(tmp_path, column(data.T.ravel()))
    assert ramps(found.traces[0]) == [(1, 999), (-1, 1000)]


def write_tables(folder):
    """A pair of jump tables: 5 states, 4 points."""
    states = np.linspace(1e-6, 5e-6, 5)
    points = np.array([0, 0.3, 0.7, 1])
    for way, name in ((1, "increasing"), (-1, "decreasing")):
        jumps = np.add.outer(points, way * np.linspace(2, 3, 5)) * 1e-8
        rows = [", ".join(f"{value:.6e}" for value in row) for row in (states, points, *jumps)]
        (folder / f"dG_{name}.txt").write_text("\n".join(["Row 1 Gbins, Row 2 CDF", *rows[:2], "", *rows[2:]]) + "\n")


def test_jump_tables(tmp_path):
    write_tables(tmp_path)
    up, down = tmp_path / "dG_increasing.txt", tmp_path / "dG_decreasing.txt"
    (tmp_path / "notes.md").write_text("some words")
    for paths in (tmp_path, up, down, [up, down], [down, up]):
        found = read_measured(paths)
        assert isinstance(found, JumpTables)
        assert found.jumps_up.shape == (5, 4)
        assert found.jumps_up[0] == pytest.approx([2e-8, 2.3e-8, 2.7e-8, 3e-8])
        assert found.jumps_down[4] == pytest.approx([-3e-8, -2.7e-8, -2.3e-8, -2e-8])
        assert found.states_down[[0, -1]] == pytest.approx([1e-6, 5e-6])
        assert found.points_up.tolist() == [0, 0.3, 0.7, 1]
    for name in ("a.txt", "b.txt"):
        shutil.copy(up if name == "b.txt" else down, tmp_path / name)
    assert read_measured([tmp_path / "a.txt", tmp_path / "b.txt"]).jumps_up[0, 0] == pytest.approx(2e-8)
    with pytest.raises(InvalidValue, match="give the increasing table first"):
        read_jump_table(down, up)
    with pytest.raises(InvalidValue, match=r"a\.txt: it is one jump table, and a device has two"):
        read_measured(tmp_path / "a.txt")
    with pytest.raises(InvalidValue, match="have no effect"):
        read_measured(up, Format(decimal="."))
    down.unlink()
    with pytest.raises(InvalidValue, match=r"there is no dG_decreasing\.txt beside it"):
        read_measured(tmp_path)
    up.unlink()
    with pytest.raises(InvalidValue, match="without one pair of jump tables"):
        read_measured(tmp_path)


@pytest.mark.parametrize(
    ("line", "old", "new", "told"),
    [
        (2, "2.000000e-06", "9e-06", r"line 2, column 3: '3.000000e-06' is not above 9e-06"),
        (2, "2.000000e-06", "abc", r"line 2, column 2: 'abc' is no number"),
        (3, "7.000000e-01", "2.0", r"line 3, column 3: '2.0' is no point of a distribution; give 0 to 1"),
        (6, "2.300000e-08", "", r"line 6, column 1: '' is no jump"),
        (6, "2.300000e-08", "1e-10", r"line 6, column 1: 1e-10 is less than the jump above"),
        (6, ", 3.300000e-08", "", r"line 6, column 5: the row has 4 jumps; give 5"),
        (7, "2.7", "\n2.7", r"line 3, column 4: 4 points of the distribution, and 3 rows of jumps"),
    ],
)
def test_faults_of_jump_tables(line, old, new, told, tmp_path):
    write_tables(tmp_path)
    up = tmp_path / "dG_increasing.txt"
    lines = up.read_text().split("\n")
    assert old in lines[line - 1]
    lines[line - 1] = lines[line - 1].replace(old, new, 1) if not new.startswith("\n") else ""
    up.write_text("\n".join(lines))
    with pytest.raises(InvalidValue, match=told) as caught:
        read_measured(tmp_path)
    assert "dG_increasing.txt" in str(caught.value)


@real
def test_the_enode_tables():
    found = read_measured(DEVICES / "enode")
    assert isinstance(found, JumpTables)
    lines = (DEVICES / "enode" / "dG_increasing.txt").read_text().splitlines()
    jumps = np.array([line.split(",") for line in lines[4:]], dtype=float)
    assert found.jumps_up.shape == (48, 122)
    assert np.array_equal(found.jumps_up, jumps.T)
    assert found.states_up[[0, -1]].tolist() == [0.00029772, 0.00097828]


@settings(max_examples=500, suppress_health_check=[HealthCheck.too_slow])
@given(damaged())
def test_damaged_pulses(data):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "damaged.csv"
        file.write_bytes(data)
        check_outcome(file)


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_damaged_jump_tables(data):
    with tempfile.TemporaryDirectory() as folder:
        write_tables(Path(folder))
        file = Path(folder) / f"dG_{data.draw(st.sampled_from(['increasing', 'decreasing']))}.txt"
        seed = bytearray(file.read_bytes())
        for _ in range(data.draw(st.integers(1, 3))):
            place = data.draw(st.integers(0, len(seed) - 1))
            size = data.draw(st.integers(0, 60))
            seed[place : place + size] = data.draw(
                st.sampled_from([b"", b",", b"\n", b"x", b"9", b"-", b"1e5", b"\x00"])
            )
            if not seed:
                break
        file.write_bytes(bytes(seed))
        check_outcome(Path(folder) / "dG_increasing.txt")


@pytest.mark.parametrize(
    "text",
    [
        "# Title\n\nProse, with a number or 2.\n\n| a | table |\n|---|---|\n| 1 | 2 |\n",
        "[tool]\nname = 'x'\nversion = 1\n",
        "def f(x):\n    return x + 1\n",
        '{"epoch": 1, "test_error": 2.5}\n{"epoch": 2, "test_error": 2.0}\n',
    ],
)
def test_other_text_is_told(tmp_path, text):
    file = tmp_path / "other.txt"
    file.write_text(text)
    check_outcome(file)


def test_any_file_of_this_checkout_is_told():
    """Prose, code and pages, which no table damaged at random comes near."""
    for file in sorted(ROOT.rglob("*.*")):
        if file.suffix in {".md", ".toml", ".html", ".jsonl", ".cff"} and ".venv" not in file.parts:
            check_outcome(file)
