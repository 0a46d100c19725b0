"""Staircases written in the layouts of people and instruments, read back to the numbers that they were made from."""

from __future__ import annotations

import dataclasses
import itertools
import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mho.cli.measured import show_reading
from mho.errors import InvalidValue
from mho.measurements import Measurement, read_pulses
from tests.helpers.command import mho as run_mho
from tests.helpers.measured_files import check_outcome, damaged

PRINTED = 2e-6
"""Relative: seven digits are written."""


@dataclasses.dataclass(frozen=True)
class Stairs:
    """A device that was read after each pulse: G in siemens, the first reading before any pulse."""

    g: np.ndarray
    pulses: np.ndarray

    @property
    def signs(self) -> np.ndarray:
        """(K,) of the pulse before each reading; that of the first reading does not count."""
        return np.concatenate([self.pulses[:1], self.pulses])

    @property
    def count(self) -> np.ndarray:
        return np.arange(len(self.g))

    @property
    def numbers(self) -> list[str]:
        return list(map(str, self.count))

    @property
    def cycles(self) -> list[str]:
        """Of 40 pulses each."""
        return [str(1 + max(k - 1, 0) // 40) for k in self.count]

    @property
    def volts(self) -> np.ndarray:
        """Of reads at 0.1 and 0.25 V by turns."""
        return np.where(self.count % 2, 0.1, 0.25)

    def stamps(self, form: str) -> list[str]:
        """A time for each reading, a minute apart."""
        return [form.format(h=1 + k // 60, m=f"{k % 60:02d}") for k in self.count]


def stairs(pulses: int = 20, ramps: int = 2, noise: float = 0.0, seed: int = 0) -> Stairs:
    """Soft bounds between 5 and 60 uS, up first, ramps of equal length."""
    rng = np.random.default_rng(seed)
    g, found, way = 8e-6, [8e-6], []
    for ramp in range(ramps):
        for _ in range(pulses):
            g += (60e-6 - g) * 0.11 if ramp % 2 == 0 else (5e-6 - g) * 0.13
            found.append(g)
            way.append(1 if ramp % 2 == 0 else -1)
    values = np.array(found) * (1 + noise * rng.standard_normal(len(found)))
    return Stairs(values, np.array(way))


Table = tuple[list[str], list[list[object]]]
"""Names of the columns, and their cells down the rows: numbers are formatted, texts stand as they are."""
Expected = list[tuple[np.ndarray, np.ndarray]]
"""Values and pulses of each device."""
Layout = Callable[[Stairs], tuple[Table, Expected]]
WAYS = {
    "en": ("up", "down", "read"),
    "de": ("SETZEN", "Rücksetzen", "Lesen"),
    "fr": ("potentiation", "dépression", "lecture"),
    "es": ("potenciación", "depresión", "lectura"),
    "zh": ("增强", "抑制", "读"),
    "ja": ("セット", "リセット", "読み出し"),
    "set": ("SET", "RESET", "READ"),
    "pulse": ("LTP pulse", "LTD pulse", "verify"),
}
"""Words for pulses up, pulses down and reads."""


def broken(s: Stairs, at: Sequence[int]) -> np.ndarray:
    """Its pulses, those that begin a ramp not followed."""
    pulses = s.pulses.copy()
    pulses[list(at)] = 0
    return pulses


def halves(s: Stairs) -> tuple[np.ndarray, np.ndarray]:
    """Readings after up pulses, and after down pulses, of two ramps of equal length."""
    half = len(s.pulses) // 2
    return s.g[1 : half + 1], s.g[half + 1 :]


def pulses_of_halves(s: Stairs) -> np.ndarray:
    half = len(s.pulses) // 2
    return np.array([1] * (half - 1) + [0] + [-1] * (half - 1))


def two(s: Stairs) -> np.ndarray:
    return np.concatenate(halves(s))


def one(s: Stairs) -> Expected:
    return [(s.g, s.pulses)]


def by_words(language: str) -> Layout:
    up, down, _ = WAYS[language]
    return lambda s: ((["mode", "G (S)"], [[up if way > 0 else down for way in s.signs], list(s.g)]), one(s))


def pulse_and_read_rows(s: Stairs, language: str = "en", words: bool = True) -> tuple[Table, Expected]:
    """A row for each pulse, with the current during the pulse, and a row for the read after it."""
    up, down, read = WAYS[language]
    phase: list[object] = [read]
    volts: list[object] = [0.2]
    amps: list[object] = [0.2 * s.g[0]]
    for way, g in zip(s.pulses, s.g[1:], strict=True):
        phase += [up if way > 0 else down, read]
        volts += [1.6 * way, 0.2]
        amps += [1.6 * way * g * 2.3, 0.2 * g]
    names, columns = ["V (V)", "I (A)"], [volts, amps]
    return ((["Phase", *names], [phase, *columns]) if words else (names, columns)), one(s)


def phases(s: Stairs, volts: bool = True) -> tuple[Table, Expected]:
    """As above, but the words only tell pulses from reads."""
    (names, columns), expected = pulse_and_read_rows(s)
    columns[0] = ["read" if word == "read" else "pulse" for word in columns[0]]
    if not volts:
        names, columns = ["Phase", "G (S)"], [columns[0], [value / 0.2 for value in columns[2]]]
    return (names, columns), expected


def sent_up_and_down(s: Stairs) -> tuple[Table, Expected]:
    kept, pulses = every_third(s)
    up, down = ([str(max(way * n, 0)) for n in [0, *pulses]] for way in (1, -1))
    return (["up pulses", "down pulses", "G (S)"], [up, down, list(s.g[kept])]), [(s.g[kept], np.array(pulses))]


def programming_log(s: Stairs) -> tuple[Table, Expected]:
    """Pulses in rows of their own, several at once, and reads."""
    ends = [*range(0, len(s.pulses), 7), len(s.pulses)]
    parts = [(a, b) for a, b in itertools.pairwise(ends) if len(set(s.pulses[a:b])) == 1]
    mode: list[object] = ["verify"]
    sent: list[object] = ["0"]
    g: list[object] = [s.g[0]]
    kept, pulses, at = [0], [], 0
    for a, b in parts:
        if a != at:
            mode += ["none"]
            sent += ["0"]
            g += [s.g[a]]
            continue
        mode += ["inc" if s.pulses[a] > 0 else "dec", "verify"]
        sent += [str(b - a), "0"]
        g += ["", s.g[b]]
        kept.append(b)
        pulses.append(int(s.pulses[a:b].sum()))
        at = b
    return (["mode", "pulses sent", "G (S)"], [mode, sent, g]), [(s.g[kept], np.array(pulses))]


def every_third(s: Stairs) -> tuple[list[int], list[int]]:
    """Indices of readings that are kept, and pulses between them, each of one direction."""
    half = len(s.pulses) // 2
    kept = [*range(0, half, 3), *range(half, len(s.g), 4)]
    return kept, [int(s.pulses[a:b].sum()) for a, b in itertools.pairwise(kept)]


def sent_signed(s: Stairs) -> tuple[Table, Expected]:
    kept, pulses = every_third(s)
    return (["pulses applied", "G (S)"], [["0", *(f"{n:+d}" for n in pulses)], list(s.g[kept])]), [
        (s.g[kept], np.array(pulses))
    ]


def sent_and_words(s: Stairs) -> tuple[Table, Expected]:
    kept, pulses = every_third(s)
    words = ["SET", *("SET" if n > 0 else "RESET" for n in pulses)]
    table = (["op", "NP", "G (S)"], [words, [str(abs(n)) for n in [0, *pulses]], list(s.g[kept])])
    return table, [(s.g[kept], np.array(pulses))]


def before_and_after(s: Stairs) -> tuple[Table, Expected]:
    words = ["up" if way > 0 else "down" for way in s.pulses]
    return (["direction", "G before (S)", "G after (S)"], [words, list(s.g[:-1]), list(s.g[1:])]), one(s)


def steps_apart(s: Stairs) -> tuple[Table, Expected]:
    """Each row a step of its own, from a state that the row above does not end in."""
    order = np.argsort(np.sin(np.arange(len(s.pulses)) * 7.0))
    words = ["up" if s.pulses[k] > 0 else "down" for k in order]
    values = np.column_stack([s.g[:-1][order], s.g[1:][order]]).ravel()
    pulses = np.column_stack([s.pulses[order], np.zeros(len(order), dtype=int)]).ravel()[:-1]
    table = (["direction", "G before (S)", "G after (S)"], [words, list(s.g[:-1][order]), list(s.g[1:][order])])
    return table, [(values, pulses)]


def devices_in_rows(s: Stairs) -> tuple[Table, Expected]:
    table = np.stack([s.g, s.g * 1.4, s.g * 0.8])
    names = ["device", *(str(k) for k in s.count)]
    return (names, [["a1", "a2", "a3"], *map(list, table.T)]), [(row, s.pulses) for row in table]


def devices_by_name(names: list[str], cells: list[list[object]]) -> Layout:
    def make(s: Stairs) -> tuple[Table, Expected]:
        count = len(s.g)
        columns = [[cell for cell in column for _ in range(count)] for column in cells]
        values = [s.g * (1 + 0.3 * k) for k in range(len(cells[0]))]
        table = (
            [*names, "pulse", "G (S)"],
            [*columns, [str(k) for _ in values for k in s.count], list(np.concatenate(values))],
        )
        return table, [(each, s.pulses) for each in values]

    return make


def repeated_reads(s: Stairs) -> tuple[Table, Expected]:
    count = [str(k) for k in s.count for _ in range(3)]
    g = [float(v) * (1 + d) for v in s.g for d in (-1e-3, 0, 1e-3)]
    return (["pulse", "G (S)"], [count, g]), one(s)


def own_units(s: Stairs) -> tuple[Table, Expected]:
    """Cells with their units, which change with the range of the instrument."""
    cells = [f"{v * 1e6:.7g} uS" if v > 2e-5 else f"{v * 1e9:.7g} nS" for v in s.g]
    unit = 1e6 if s.g[0] > 2e-5 else 1e9
    return (["pulse", "G"], [[str(k) for k in s.count], cells]), [(s.g * unit, s.pulses)]


def units(cells: int, text: str) -> list[object]:
    return [text] * cells


def in_halves(columns: Callable[[np.ndarray, np.ndarray], dict[str, Sequence[object]]]) -> Layout:
    """A layout with readings after up pulses in one column, and after down pulses in another."""

    def make(s: Stairs) -> tuple[Table, Expected]:
        return as_table(columns(*halves(s))), [(two(s), pulses_of_halves(s))]

    return make


def times(scale: float) -> Callable[[Callable[[Stairs], dict[str, Sequence[object]]]], Layout]:
    """A layout that is read to the numbers of siemens times a factor."""
    return lambda columns: lambda s: (as_table(columns(s)), [(s.g * scale, s.pulses)])


def as_table(columns: dict[str, Sequence[object]]) -> Table:
    return list(columns), [list(column) for column in columns.values()]


WHOLE: dict[str, Callable[[Stairs], dict[str, Sequence[object]]]] = {
    "one column": lambda s: {"G (S)": s.g},
    "count": lambda s: {"pulse #": s.numbers, "Conductance (S)": s.g},
    "time": lambda s: {"t (s)": s.count * 0.01, "G (S)": s.g},
    "date and time": lambda s: {"timestamp": s.stamps("2025-03-0{h} 10:{m}:07"), "G (S)": s.g},
    "German date": lambda s: {"Datum": s.stamps("0{h}.03.2025 10:{m}"), "Leitwert (S)": s.g},
    "clock": lambda s: {"Uhrzeit": s.stamps("1{h}:{m}:03.5"), "G (S)": s.g},
    "ISO 8601": lambda s: {"time": s.stamps("2025-03-01T1{h}:{m}:07Z"), "G (S)": s.g},
    "signs": lambda s: {"polarity": list(map(str, s.signs)), "G (S)": s.g},
    "voltage of pulses": lambda s: {"Vpulse (V)": 1.3 * s.signs, "G (S)": s.g},
    "voltage of pulses, negative sets": lambda s: {"Vg": -2.0 * s.signs, "G (S)": s.g},
    "negative currents": lambda s: {
        "pulse": s.numbers,
        "U_lese / V": units(len(s.g), "-0.1"),
        "I_lese / A": -0.1 * s.g,
    },
    "currents at voltages by turns": lambda s: {"pulse": s.numbers, "Vread (V)": s.volts, "I (A)": s.g * s.volts},
    "currents at an unnamed voltage by turns": lambda s: {
        "pulse": s.numbers,
        "polarity": list(map(str, s.signs)),
        "V (V)": s.volts,
        "I (A)": s.g * s.volts,
    },
    "resistances, words": lambda s: {"op": ["SET" if w > 0 else "RESET" for w in s.signs], "Widerstand [Ω]": 1 / s.g},
    "differences": lambda s: {"pulse": s.numbers, "G (S)": s.g, "dG (S)": [0.0, *np.diff(s.g)]},
    "differences without a name": lambda s: {"pulse": s.numbers, "G (S)": s.g, "update (S)": [0.0, *np.diff(s.g)]},
    "mean and deviation": lambda s: {"pulse": s.numbers, "mean G (S)": s.g, "std G (S)": 1e-7 * (2 + np.sin(s.count))},
    "least, mean and most": lambda s: {
        "pulse": s.numbers,
        "min G (S)": s.g * 0.9,
        "mean G (S)": s.g,
        "max G (S)": s.g * 1.1,
    },
    "gate leakage": lambda s: {"pulse": s.numbers, "Id (A)": s.g, "Ig (A)": 1e-12 * (3 + np.cos(s.count))},
    "temperature and settings": lambda s: {
        "pulse": s.numbers,
        "G (S)": s.g,
        "T (K)": 300 + np.sin(s.count),
        "Vread (V)": units(len(s.g), "0.1"),
        "width (us)": units(len(s.g), "10"),
    },
    "cycles": lambda s: {"cycle": s.cycles, "pulse": s.numbers, "G (S)": s.g},
    "cycles alone": lambda s: {"cycle": s.cycles, "G (S)": s.g},
    "EasyEXPERT": lambda s: {"DataName": units(len(s.g), "DataValue"), "Index": s.numbers, "Gm": s.g},
    "Keithley's buffer": lambda s: {
        "Index": s.numbers,
        "Reading": s.g,
        "Unit": units(len(s.g), "Amp DC"),
        "Range Digits": units(len(s.g), "6.5"),
    },
    "Clarius": lambda s: {"Time": s.count * 1.5, "AnodeV": units(len(s.g), "0.5"), "AnodeI": s.g},
}
"""Layouts of the whole device, in siemens or amperes."""
LAYOUTS: dict[str, Layout] = {
    **{name: times(1)(columns) for name, columns in WHOLE.items()},
    **{f"words, {language}": by_words(language) for language in WAYS},
    "count in microsiemens": times(1e6)(lambda s: {"n": s.numbers, "G [µS]": s.g * 1e6}),
    "currents in uA at mV": times(1e3)(
        lambda s: {"pulse": s.numbers, "Vread (mV)": units(len(s.g), "200"), "I (uA)": 0.2e6 * s.g}
    ),
    "resistances": times(1e3)(lambda s: {"pulse": s.numbers, "R (kOhm)": 1e-3 / s.g}),
    "LTP and LTD": in_halves(lambda up, down: {"LTP (S)": up, "LTD (S)": down}),
    "count, LTP and LTD": in_halves(
        lambda up, down: {"Pulse number": list(map(str, range(len(up)))), "G_LTP (S)": up, "G_LTD (S)": down}
    ),
    "NeuroSim's two times": in_halves(
        lambda up, down: {
            "Time[ns]_LTP": 0.3 * np.arange(len(up)),
            "Conductance_LTP": up,
            "Time[ns]_LTD": 0.4 + 0.3 * np.arange(len(up)),
            "Conductance_LTD": down,
        }
    ),
    "pulse rows and read rows": pulse_and_read_rows,
    "pulse rows and read rows, German": lambda s: pulse_and_read_rows(s, "de"),
    "pulse rows and read rows by voltage": lambda s: pulse_and_read_rows(s, words=False),
    "pulse rows and read rows, directions by voltage": phases,
    "pulse rows and read rows, directions by readings": lambda s: phases(s, volts=False),
    "up pulses and down pulses sent": sent_up_and_down,
    "programming log": programming_log,
    "pulses sent, signed": sent_signed,
    "pulses sent and words": sent_and_words,
    "before and after": before_and_after,
    "steps apart": steps_apart,
    "devices in rows": devices_in_rows,
    "devices by name": devices_by_name(["cell"], [["A1", "B2"]]),
    "devices by row and column": devices_by_name(["row", "col"], [["0", "0", "1"], ["0", "1", "0"]]),
    "devices in columns": lambda s: (
        as_table({"pulse": s.numbers, "dev1 (S)": s.g, "dev2 (S)": s.g * 1.2}),
        [(s.g, s.pulses), (s.g * 1.2, s.pulses)],
    ),
    "several reads of each state": repeated_reads,
    "units in cells": own_units,
}

TITLES = {
    "none": [],
    "a title": ["My sample"],
    "a title with a number": ["Sample 12 run 3"],
    "settings": ["Instrument: B1500A", "Read voltage: 0.1 V", "Pulse width = 100 us", "Date: 2024-05-01"],
    "a wide row of settings": ["Setup title@x", "SMU2@WGFMU1@0.000000@1.500000@0.1@0.00000002@0.005@2@5e-3s@", "Data"],
    "comments": ["# T = 300 K", "# read 0.1, 20 pulses"],
    "LabVIEW": ["LabVIEW Measurement@", "Writer_Version@2", "Separator@Tab", "***End_of_Header***@", "", "Channels@1@@",
                "Samples@101@101@", "***End_of_Header***@"],
}  # fmt: skip
DELIMITERS = {",": ",", ";": ";", "tab": "\t", "|": "|", "blanks": "  "}
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "cp1252")
HEADINGS = ("as they are", "units below", "repeated", "no heading")


NUMERIC = re.compile(r"-?\d+\.\d+(e-?\d+)?( [un]S)?")


def written(table: Table, delimiter: str, decimal: str, title: Sequence[str], heading: str) -> str:
    """The table as a text."""
    names, columns = table
    rows = []
    for row in zip(*columns, strict=True):
        cells = [f"{cell:.7g}" if not isinstance(cell, str) else str(cell) for cell in row]
        rows.append([cell.replace(".", decimal) if NUMERIC.fullmatch(cell) else cell for cell in cells])
    heads = [list(names)]
    if heading == "units below":
        parts = [name.rsplit(" ", 1) if name.endswith((")", "]")) else [name, ""] for name in names]
        heads = [[bare for bare, _ in parts], [unit.strip("()[]") for _, unit in parts]]
    elif heading == "no heading":
        heads = []
    lines = [*heads, *rows]
    if any(delimiter in cell or (delimiter == "  " and " " in cell) for row in lines for cell in row):
        lines = [[f'"{cell}"' for cell in row] for row in lines]
    head = [line.replace("@", delimiter.strip(" ") or " ") for line in title]
    return "\n".join([*head, *(delimiter.join(row) for row in lines)]) + "\n"


def check(text: bytes, expected: Expected, rtol: float = PRINTED, **options: object) -> Measurement:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "device.txt"
        file.write_bytes(text)
        found = read_pulses(file, **options)
    assert [len(trace.values) for trace in found.traces] == [len(values) for values, _ in expected]
    for trace, (values, pulses) in zip(found.traces, expected, strict=True):
        assert np.allclose(trace.values, values, rtol=rtol, atol=0), found.notes
        assert trace.pulses.tolist() == pulses.tolist(), found.notes
    return found


def can_be_written(layout: str, delimiter: str, encoding: str, heading: str) -> bool:
    """Texts that are ambiguous, or not in the character set, are not tried."""
    table, _ = LAYOUTS[layout](stairs())
    texts = [*table[0], *(cell for column in table[1] for cell in column[:3] if isinstance(cell, str))]
    if delimiter == "blanks" and any(" " in text or not text for text in texts):
        return False
    if heading == "units below" and (delimiter == "blanks" or any("/" in name for name in table[0])):
        return False
    try:
        "".join(texts).encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout(layout: str) -> None:
    table, expected = LAYOUTS[layout](stairs())
    text = written(table, ",", ".", [], "as they are").encode()
    found = check(text, expected)
    assert all(made.column and made.taken_as and made.why for made in found.decisions)
    # what the notes say the columns are, given as an option, is read as before
    kinds = [kinds[1] for note in found.notes if (kinds := re.match('columns read as "(.*?)"', note))]
    if kinds and not found.warnings:
        check(text, expected, columns=kinds[0])


@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(st.data())
def test_layouts_in_any_dialect(data: st.DataObject) -> None:
    layout = data.draw(st.sampled_from(sorted(LAYOUTS)))
    delimiter = data.draw(st.sampled_from(sorted(DELIMITERS)))
    decimal = data.draw(st.sampled_from(".,"))
    encoding = data.draw(st.sampled_from(ENCODINGS))
    heading = data.draw(st.sampled_from(HEADINGS[:2]))
    title = data.draw(st.sampled_from(sorted(TITLES)))
    pulses, seed = data.draw(st.integers(10, 40)), data.draw(st.integers(0, 99))
    if not can_be_written(layout, delimiter, encoding, heading):
        delimiter, encoding, heading = "tab", "utf-8", "as they are"
    table, expected = LAYOUTS[layout](stairs(pulses=pulses, ramps=2, seed=seed))
    if len(table[0]) == 1 and delimiter in ",|blanks":
        delimiter = "tab"
    text = written(table, DELIMITERS[delimiter], decimal, TITLES[title], heading)
    check(text.encode(encoding), expected)


def sweep(columns: int = 2) -> Table:
    """A loop 0, 1, -1, 0 V of a filament, as a current."""
    up, down = np.arange(0, 1.0, 0.05), np.arange(1.0, -1.0, -0.05)
    volts = np.concatenate([up, down, np.arange(-1.0, 0.025, 0.05)])
    amps = volts * np.where(np.arange(len(volts)) < 40, 3e-6, 8e-6) + 1e-9
    return ["Voltage (V)", "Current (A)"][:columns], [list(np.round(volts, 6)), list(amps)]


def waveform(rows: int = 4000) -> Table:
    time = np.arange(rows) * 1e-7
    volts = np.where(np.arange(rows) % 40 < 10, 1.5, 0.0)
    return ["Time (s)", "Voltage (V)", "Current (A)"], [list(time), list(volts), list(volts * 1e-5 + 1e-9)]


def endurance(names: list[str], seed: int = 0) -> Table:
    rng = np.random.default_rng(seed)
    columns = [list((4e3 if k % 2 else 3e5) * rng.lognormal(0, 0.15, 60)) for k in range(len(names) - 1)]
    return names, [[str(k) for k in range(60)], *columns]


def switched(words: bool) -> Table:
    rng = np.random.default_rng(1)
    ohms = [(4e3 if k % 2 else 3e5) * float(rng.lognormal(0, 0.2)) for k in range(60)]
    column = [["RESET", "SET"][k % 2] for k in range(60)] if words else [str(k) for k in range(60)]
    return (["operation" if words else "n", "R (Ohm)"], [column, ohms])


def distribution() -> Table:
    grid = 1 / (1 + np.exp(-(np.linspace(-6, 6, 24)[:, None] - np.linspace(-1, 1, 20)[None])))
    return [], [list(column) for column in grid.T]


def retention() -> Table:
    time = np.logspace(0, 4, 30)
    return ["Time (s)", "G (S)"], [list(time), list(2e-5 * time**-0.05)]


def growing() -> Table:
    volts = np.round(0.5 + 0.05 * np.arange(40), 3)
    return ["pulse amplitude (V)", "G (S)"], [list(volts), list(1e-6 * np.exp(volts))]


OTHERS: dict[str, tuple[Table, str]] = {
    "a sweep": (sweep(), "I-V sweep"),
    "a sweep without names": (([], sweep()[1]), "I-V sweep"),
    "a sweep of a transistor": ((["Vg", "Id"], sweep()[1]), "I-V sweep"),
    "pulses that grow": (growing(), "sweep of the pulse's amplitude"),
    "pulses that grow, by their voltage": ((["V", "G (S)"], growing()[1]), "sweep of the pulse's amplitude"),
    "a waveform": (waveform(), "sampled waveform"),
    "endurance": (endurance(["Cycle", "HRS (Ohm)", "LRS (Ohm)"]), "endurance"),
    "endurance, on and off": (endurance(["cycle", "R_off", "R_on"]), "endurance"),
    "endurance by operations": (endurance(["cycle", "RESET R (Ohm)", "SET R (Ohm)"]), "endurance"),
    "a cell that is switched": (switched(False), "endurance"),
    "a cell that is switched, words": (switched(True), "endurance"),
    "a distribution": (distribution(), "cumulative distribution"),
    "retention": (retention(), "retention"),
    "retention of two states": (endurance(["time (s)", "HRS (Ohm)", "LRS (Ohm)"]), "retention"),
}


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("dialect", [(",", "."), (";", ","), ("\t", ".")])
def test_other_tables_are_refused_by_name(kind: str, dialect: tuple[str, str], tmp_path: Path) -> None:
    table, name = OTHERS[kind]
    file = tmp_path / "other.csv"
    file.write_text(written(table, *dialect, [], "as they are" if table[0] else "no heading"))
    with pytest.raises(InvalidValue, match=name) as caught:
        read_pulses(file)
    assert "staircase" in str(caught.value)  # what would be needed


SEEDS = [
    *(written(layout(stairs(pulses=12))[0], ",", ".", [], "as they are") for layout in LAYOUTS.values()),
    *(written(table, ";", ",", [], "as they are") for table, _ in OTHERS.values() if len(table[1][0]) < 200),
]


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(damaged(SEEDS))
def test_damaged_layouts_end_in_a_reading_or_a_refusal(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "damaged.csv"
        file.write_bytes(data)
        check_outcome(file)


def test_a_mirrored_branch_is_refused_and_reversed(tmp_path: Path) -> None:
    s = stairs()
    up, down = halves(s)
    text = written((["LTP (S)", "LTD (S)"], [list(up), list(down[::-1])]), ",", ".", [], "as they are")
    file = tmp_path / "mirrored.csv"
    file.write_text(text)
    with pytest.raises(InvalidValue, match=r"rises under pulses that are said to go down.*reverse="):
        read_pulses(file)
    for column in ("LTD", "LTD (S)", "2"):
        found = check(text.encode(), [(two(s), pulses_of_halves(s))], reverse=column)
        assert any("from its last row" in note for note in found.notes)
    with pytest.raises(InvalidValue, match="did you mean 'LTD'"):
        read_pulses(file, reverse="LTDD")
    believed = read_pulses(file, columns="up,down")  # as the user says
    assert len(believed.warnings) == 1
    assert set(believed.warnings) <= set(believed.notes)


def test_words_that_contradict_the_readings(tmp_path: Path) -> None:
    s = stairs()
    words = ["SET" if way > 0 else "RESET" for way in s.signs]
    file = tmp_path / "ohms.csv"
    file.write_text(written((["op", "value"], [words, list(1 / s.g)]), ",", ".", [], "as they are"))
    with pytest.raises(InvalidValue, match='unit="Ohm"'):
        read_pulses(file)
    found = read_pulses(file, unit="Ohm")
    assert found.unit == "S"
    assert np.allclose(found.traces[0].values, s.g, rtol=PRINTED)


def test_rows_or_columns_is_asked(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    cells = np.where(np.arange(30) % 2, 5e3, 2e5) * rng.lognormal(0, 0.1, (10, 30))
    table: Table = ([], [[str(k) for k in range(7, 17)], *map(list, cells.T)])
    file = tmp_path / "cells.csv"
    file.write_text(written(table, "\t", ".", [], "no heading"))
    with pytest.raises(InvalidValue, match=r"rows or columns\?.*With transpose"):
        read_pulses(file)


def test_options_as_keywords(tmp_path: Path) -> None:
    s = stairs()
    volts = written((["n", "I (A)"], [[str(k) for k in s.count], list(-0.2 * s.g)]), ",", ".", [], "as they are")
    found = check(volts.encode(), one(s), read_voltage=-0.2)
    assert found.unit == "S"
    found = check(volts.encode(), [(0.2 * s.g, s.pulses)])
    assert found.unit == "A"
    assert any("negative" in note for note in found.notes)
    table = written(
        (["a", "b", "c"], [["5", *["4"] * (len(s.g) - 1)], list(s.g), list(s.g)]), ",", ".", [], "as they are"
    )
    check(table.encode(), [(s.g, 4 * s.pulses)], columns="sent,reading,skip")
    file = tmp_path / "volts.csv"
    file.write_text(volts)
    with pytest.raises(InvalidValue, match="read_volts is no option for reading files; did you mean 'read_voltage'"):
        read_pulses(file, read_volts=0.1)
    with pytest.raises(InvalidValue, match="read_voltage is 0"):
        read_pulses(file, read_voltage=0)
    file.write_text(written((["G (S)"], [list(s.g)]), ";", ".", [], "as they are"))
    with pytest.raises(InvalidValue, match="the readings are no currents"):
        read_pulses(file, read_voltage=0.1)


def test_blocks_below_each_other() -> None:
    """The heading again above each ramp, as in exports that were put one below the other."""
    s = stairs()
    table, _ = LAYOUTS["one column"](s)
    lines = written((["n", "G (S)"], [[str(k) for k in s.count], list(s.g)]), ",", ".", [], "as they are").splitlines()
    lines.insert(22, lines[0])
    found = check("\n".join(lines).encode(), [(s.g, broken(s, [20]))])
    assert any("repeated at line 23" in note for note in found.notes)
    assert table


def test_ten_thousand_samples_are_told_at_once() -> None:
    """A waveform is refused before any ramps are looked for, whose search grows with the square of its turns."""
    calls = []

    def no_ramps(values: np.ndarray) -> None:
        calls.append(len(values))
        raise AssertionError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mho.measurements.series.find_ramps", no_ramps)
        with pytest.raises(InvalidValue, match="sampled waveform"):
            check(written(waveform(10_000), ",", ".", [], "as they are").encode(), [])
    assert not calls


def test_the_terminal_says_how_a_file_was_read(tmp_path: Path) -> None:
    s = stairs(noise=1e-3)
    table = (
        ["n", "I (A)", "Vread (V)", "temp"],
        [[str(k) for k in s.count], list(0.1 * s.g), ["0.1"] * len(s.g), ["300"] * len(s.g)],
    )
    (tmp_path / "a.csv").write_text(written(table, ",", ".", [], "as they are"))
    fitted = run_mho("device", "fit", "a.csv", "--out", "fitted", "--law", "ConstantStep", "--json", cwd=tmp_path)
    assert fitted.returncode == 0, fitted.stderr
    for part in ("taken as", "count of pulses", "voltage of the read", "temperature, left out", "turning point", "I/V"):
        assert part in fitted.stderr
    assert fitted.stdout.startswith("{")
    refused = run_mho("train", "--measured", "a.csv", "--columns", "number,reading", "--out", "run", cwd=tmp_path)
    assert refused.returncode == 1
    assert "the table has 4 columns" in refused.stderr
    alone = run_mho("train", "--read-voltage", "0.1", "--out", "run", cwd=tmp_path)
    assert "--read-voltage has no effect without --measured" in alone.stderr


def test_noise_alone_is_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "G (S)\n" + "\n".join(f"{v:.6e}" for v in np.random.default_rng(0).normal(1, 0.1, 60))
    (tmp_path / "flat.csv").write_text(text)
    show_reading(read_pulses(tmp_path / "flat.csv"))
    assert "warning: column 1 ('G (S)'): pulses taken as" in capsys.readouterr().err
