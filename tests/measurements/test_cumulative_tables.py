"""XBTorch's jump tables: states, changes and cumulative probabilities, for SET and RESET."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from scipy import stats

import mho
from mho.errors import InvalidValue
from mho.measurements import Format, JumpTables, read_measured, read_pulses
from mho.measurements.cumulative_tables import POINTS, quantiles, read_cumulative_tables
from mho.measurements.jump_table_device import jump_table_device
from tests.helpers.command import mho as run

STATES = np.linspace(5e-6, 3e-5, 12)
CHANGES = np.linspace(-3e-5, 3e-5, 101)
MEANS = 2e-6 * (1.5 - np.linspace(0, 1, 12))
WIDTH = 1e-6


def cdf(sign: float) -> np.ndarray:
    return stats.norm.cdf((CHANGES - sign * MEANS[:, None]) / WIDTH)


def write(folder, *, prefix="exp_1.35V", turn=False, delimiter=" ", names=("axis_level_G", "axis_level_dG", "cdf")):
    for way, sign in (("set", 1), ("reset", -1)):
        table = cdf(sign)
        for name, values in zip(names, (STATES, CHANGES, table.T if turn else table), strict=True):
            np.savetxt(folder / f"{prefix}_{way}_{name}.txt", values, delimiter=delimiter)


def check(found) -> None:
    assert isinstance(found, JumpTables)
    assert found.states_up == pytest.approx(STATES)
    assert found.jumps_up.shape == found.jumps_down.shape == (12, len(POINTS))
    # a table of changes 0.6 widths apart: linear between them the distribution is wider by (0.6 widths)²/12 at most
    middle = found.jumps_up[:, len(POINTS) // 2]
    assert middle == pytest.approx(MEANS, abs=0.05 * WIDTH)
    assert found.jumps_down[:, len(POINTS) // 2] == pytest.approx(-MEANS, abs=0.05 * WIDTH)


def test_folders_and_files(tmp_path):
    write(tmp_path)
    (tmp_path / "README.md").write_text("# cdf\nwords")
    files = sorted(tmp_path.glob("*.txt"))
    for given in (tmp_path, files, files[::-1], tmp_path / "exp_1.35V_set_cdf.txt"):
        check(read_measured(given))
    with pytest.raises(InvalidValue, match="have no effect"):
        read_measured(tmp_path, Format(decimal="."))
    write(tmp_path, prefix="exp_1.5V")
    with pytest.raises(InvalidValue, match=r"tables of 2 devices; name one of exp_1\.35V_reset_cdf\.txt, exp_1\.5V"):
        read_measured(tmp_path)
    check(read_measured(tmp_path / "exp_1.5V_reset_cdf.txt"))


@pytest.mark.parametrize("options", [{"turn": True}, {"delimiter": ","}, {"names": ("axis_G", "axis_dG", "cdf")}])
def test_other_ways_to_write_them(options, tmp_path):
    write(tmp_path, **options)
    found = read_measured(tmp_path)
    check(found)
    assert any("turned round" in note for note in found.notes) == ("turn" in options)


def test_square_tables_are_turned_as_they_rise(tmp_path):
    """30 states and 30 changes: probabilities rise along the changes, whichever way they run."""
    changes = np.linspace(-3e-5, 3e-5, 12)
    for turn in (False, True):
        for way, sign in (("set", 1), ("reset", -1)):
            # steps that grow with the state, so that probabilities fall along it
            table = stats.norm.cdf((changes - sign * 2e-6 * (1 + sign * np.linspace(0, 1, 12)[:, None])) / 9e-6)
            for name, values in zip(
                ("axis_G", "axis_dG", "cdf"), (STATES, changes, table.T if turn else table), strict=True
            ):
                np.savetxt(tmp_path / f"{way}_{name}.txt", values)
        found = read_measured(tmp_path)
        assert np.all(np.diff(found.jumps_up, axis=1) >= 0)
        assert any("turned round" in note for note in found.notes) == turn


def test_one_file_with_headings(tmp_path):
    lines = ["device 7", "axis_G (S)", " ".join(map(str, STATES)), "# axis_dG: " + " ".join(map(str, CHANGES))]
    for way, sign in (("SET", 1), ("RESET", -1)):
        lines += [f"{way} cdf", *(" ".join(map(str, row)) for row in cdf(sign))]
    (tmp_path / "device.txt").write_text("\n".join(lines))
    check(read_measured(tmp_path / "device.txt"))
    check(read_cumulative_tables([tmp_path / "device.txt"]))


def test_quantiles_invert_the_distribution():
    """Exact where the distribution is piecewise linear: uniform, an atom at 0, and mass beyond the ends."""
    changes = np.array([-1.0, 0.0, 0.0 + 1e-12, 1.0, 3.0])
    below = np.array([[0.0, 0.2, 0.6, 0.8, 1.0], [0.1, 0.1, 0.1, 0.1, 0.9]])
    found = quantiles(changes, below, np.array([0.0, 0.1, 0.4, 0.7, 0.9, 1.0]))
    assert found[0] == pytest.approx([-1, -0.5, 0, 0.5, 2, 3], abs=1e-9)
    assert found[1] == pytest.approx([-1, -1, 1.75, 2.5, 3, 3], abs=1e-9)


@pytest.mark.parametrize("place", [0, 5, 11])
@pytest.mark.parametrize("way", ["set", "reset"])
def test_drawn_steps_have_the_distribution_of_the_table(way, place, tmp_path):
    """Steps of 20,000 devices at three states, by the compiled law.

    The standard error of their mean is 0.007 widths, and of a quantile at 5 % 0.015; linear between changes 0.6 widths
    apart, the distribution of the table differs from the normal by 0.02 widths; 161 quantiles from it by less.
    """
    write(tmp_path)
    device, zero, unit = jump_table_device(read_measured(tmp_path))
    start = (STATES[place] - zero) / unit
    wide = dataclasses.replace(device, w_max=2.0, w_min=-2.0)  # no bound clips a step from the first or last state
    array = mho.Crossbar(mho.RPU(device=wide, update=mho.Pulses(length=1)), 100, 200)
    array.write(torch.full((100, 200), float(start)))
    sign = 1 if way == "set" else -1
    array.pulse(torch.ones(1, 200), sign * torch.ones(1, 100))
    moved = (array.weight.double().numpy().ravel() - float(np.float32(start))) * unit / WIDTH
    table = cdf(sign)[place]
    wanted = np.interp([0.05, 0.25, 0.5, 0.75, 0.95], table, CHANGES) / WIDTH
    mean = np.sum(np.diff(table) * (CHANGES[1:] + CHANGES[:-1]) / 2) / WIDTH
    assert moved.mean() == pytest.approx(mean, abs=4 * 0.007 + 0.005)
    assert np.quantile(moved, [0.05, 0.25, 0.5, 0.75, 0.95]) == pytest.approx(wanted, abs=4 * 0.015 + 0.01)


@pytest.mark.parametrize(
    ("file", "change", "parts"),
    [
        ("set_axis_level_G", lambda v: v[::-1], ("line 2, column 1", "is not above", "states in ascending order")),
        (
            "set_axis_level_dG",
            lambda v: v[:-1],
            ("probabilities are 12 rows of 101, for 12 states (", "and 100 changes ("),
        ),
        ("reset_cdf", lambda v: np.where(v > 0.99, 1.5, v), ("1.5 is no probability; give 0 to 1", "line 1, column")),
        ("reset_cdf", lambda v: v[:, ::-1], ("is less than", "cumulative probabilities never fall", "line 1")),
        ("reset_cdf", lambda v: 0.3 * v, ("the changes hold 30 % of the distribution", "line 10", "and 2 more")),
        ("reset_cdf", lambda v: np.where(v > 0.99, np.nan, v), ("'nan' is no probability",)),
    ],
)
def test_damage_is_named(file, change, parts, tmp_path):
    write(tmp_path)
    path = tmp_path / f"exp_1.35V_{file}.txt"
    np.savetxt(path, change(np.loadtxt(path)), fmt="%.6g")
    with pytest.raises(InvalidValue) as error:
        read_measured(tmp_path)
    assert all(part in str(error.value) for part in (*parts, path.name)), str(error.value)


def test_all_faults_are_told_at_once(tmp_path):
    write(tmp_path)
    for way in ("set", "reset"):
        (tmp_path / f"exp_1.35V_{way}_axis_level_G.txt").write_text("1e-6\nx\n3e-6\n")
    (tmp_path / "exp_1.35V_set_cdf.txt").write_text("0 0.5 1\n0 0.5\n")
    with pytest.raises(InvalidValue) as error:
        read_measured(tmp_path)
    text = str(error.value)
    for part in ("set_axis_level_G.txt: line 2, column 1: 'x' is no number", "reset_axis_level_G.txt: line 2",
                 "set_cdf.txt: line 2: the row has 2 probabilities, and the first has 3"):  # fmt: skip
        assert part in text
    (tmp_path / "exp_1.35V_reset_cdf.txt").unlink()
    with pytest.raises(InvalidValue, match=r"probabilities \(cdf\) of RESET is missing; name the files of all six"):
        read_measured(tmp_path)


def test_ways_that_are_exchanged_are_told(tmp_path):
    write(tmp_path)
    up, down = (tmp_path / f"exp_1.35V_{way}_cdf.txt" for way in ("set", "reset"))
    up_text, down_text = up.read_text(), down.read_text()
    up.write_text(down_text)
    assert any("SET: its changes are -" in note for note in read_measured(tmp_path).notes)
    down.write_text(up_text)
    with pytest.raises(InvalidValue, match="exchange the two"):
        read_measured(tmp_path)


def test_a_table_alone_is_no_staircase(tmp_path):
    write(tmp_path)
    with pytest.raises(InvalidValue, match=r"cumulative distribution.*axis_G, axis_dG and cdf"):
        read_pulses(tmp_path / "exp_1.35V_set_cdf.txt")


def test_they_go_to_a_trained_network_in_one_command(tmp_path):
    (tmp_path / "tables").mkdir()
    write(tmp_path / "tables")
    small = ["--set", "training.train_images=8", "--set", "training.test_images=8", "--epochs", "1", "--model", "mlp"]
    done = run("train", "--measured", "tables", "--out", "run", *small, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert 'law = "JumpTable"' in (tmp_path / "run" / "config.toml").read_text()
