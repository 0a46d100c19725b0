"""Files of measured pulses: the layouts that people write, damage to them, and what reading must come to."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from mho.errors import InvalidValue
from mho.measurements import JumpTables, Measurement, read_measured

DEVICES = Path(os.environ.get("MHO_DATA", "")) / "devices"
UP = 4 * (1 - np.exp(-np.arange(1, 51) / 20)) + 1
DOWN = 1 + (UP[-1] - 1) * np.exp(-np.arange(1, 51) / 15)
BOTH = [*UP, *DOWN]


def column(values, digits=6):
    return "\n".join(f"{value:.{digits}f}" for value in values)


def columns(*values, by=","):
    return "\n".join(by.join(cell if isinstance(cell, str) else f"{cell:.6g}" for cell in row) for row in zip(*values))  # noqa: B905


TURN = [(1, 49), (-1, 50)]
TWO = [(1, 49), (0, 1), (-1, 49)]
COUNT = range(1, 101)
WAYS = ["up"] * 50 + ["down"] * 50
LAYOUTS = {
    "a ramp up": (column(UP), [(1, 49)], UP),
    "a ramp down": ("G\n" + column(DOWN), [(-1, 49)], DOWN),
    "up then down": (column(BOTH), TURN, BOTH),
    "three ramps": (column([*BOTH, *UP]), [(1, 49), (-1, 50), (1, 50)], [*BOTH, *UP]),
    "ramps that start anew": (column([*UP, *UP, *UP]), [(1, 49), (0, 1), (1, 49), (0, 1), (1, 49)], [*UP] * 3),
    "count": ("pulse,G (uS)\n" + columns(COUNT, BOTH), TURN, BOTH),
    "count without names": (columns(COUNT, BOTH, by=" "), TURN, BOTH),
    "count by ten": (columns(range(0, 1000, 10), BOTH, by="\t"), [(10, 49), (-10, 50)], BOTH),
    "count that starts anew": ("n;G\n" + columns([*COUNT[:50], *COUNT[:50]], BOTH, by=";"), TWO, BOTH),
    "count down": ("n,G\n" + columns([*range(50), *range(49, -1, -1)], BOTH), [(1, 49), (0, 1), (-1, 49)], BOTH),
    "count with an index": (",pulse,G\n" + columns(range(100), range(0, 200, 2), BOTH), [(2, 49), (-2, 50)], BOTH),
    "up and down": (columns(UP, DOWN), TWO, BOTH),
    "down and up": ("reset,set\n" + columns(DOWN, UP), [(-1, 49), (0, 1), (1, 49)], [*DOWN, *UP]),
    "up and down, unequal": (
        "LTP (uS),LTD (uS)\n" + columns(UP, [*(f"{v:.6f}" for v in DOWN[:30]), *[""] * 20]),
        [(1, 49), (0, 1), (-1, 29)],
        [*UP, *DOWN[:30]],
    ),
    "count, up and down": ("pulse,up,down\n" + columns(COUNT[:50], UP, DOWN), TWO, BOTH),
    "words": ("type,G\n" + columns(WAYS, BOTH), TURN, BOTH),
    "phrases": ("op,G\n" + columns(["SET pulse"] * 50 + ["RESET pulse"] * 50, BOTH), TURN, BOTH),
    "a word known and its opposite not": ("type,G\n" + columns(["nosto"] * 50 + ["RESET"] * 50, BOTH), TURN, BOTH),
    "words of no known language": ("vaihe,G\n" + columns((["nosto"] * 50 + ["lasku"] * 50), BOTH), TURN, BOTH),
    "words of no known language, again": (
        "vaihe,G\n" + columns((["nosto"] * 50 + ["lasku"] * 50) * 2, [*BOTH, *BOTH]),
        [(1, 49), (-1, 50), (1, 50), (-1, 50)],
        [*BOTH, *BOTH],
    ),
    "units in brackets in a second line": (
        "pulse,type,conductance\n(-),[-],(nS)\n" + columns(COUNT, WAYS, BOTH),
        TURN,
        BOTH,
    ),
    "signs": ("pulse,G\n" + columns([1] * 50 + [-1] * 50, BOTH), TURN, BOTH),
    "ones and zeros": ("direction,G\n" + columns([1] * 50 + [0] * 50, BOTH), TURN, BOTH),
    "volts": ("V (V),G\n" + columns([1.2] * 50 + [-1.4] * 50, BOTH), TURN, BOTH),
    "volts, negative ones raise": ("V (V),G\n" + columns([-1.2] * 50 + [1.4] * 50, BOTH), TURN, BOTH),
    "reads of one voltage": ("V (V),G (S)\n" + columns([0.1] * 100, BOTH), TURN, BOTH),
    "time": ("t (s),G (S)\n" + columns(np.arange(100) * 0.25, BOTH), TURN, BOTH),
    "time without a name": (columns(np.arange(100) * 0.25, BOTH), TURN, BOTH),
    "cycles": (
        "cycle,pulse,G\n" + columns([1] * 100 + [2] * 100, [*COUNT, *COUNT], [*BOTH, *BOTH]),
        [*TURN, (0, 1), *TURN],
        [*BOTH, *BOTH],
    ),
    "a read voltage without a name": (columns(COUNT, BOTH, [0.1] * 100), TURN, BOTH),
    "names with volts": ("Pulse,at 0.5V\n" + columns(COUNT, BOTH), TURN, BOTH),
    "count, time, volts, current": (
        "Pulse #,t (s),Vpulse (V),I (A)\n" + columns(COUNT, np.arange(100) / 7, [1.0] * 50 + [-1.0] * 50, BOTH),
        TURN,
        BOTH,
    ),
}
DIALECTS = {
    "semicolon, decimal comma": lambda text: text.replace(",", ";").replace(".", ","),
    "tab, decimal comma": lambda text: text.replace(",", "\t").replace(".", ","),
    "blanks": lambda text: re.sub(",", "   ", text),
    "blanks, decimal comma": lambda text: text.replace(",", "  ").replace(".", ","),
    "quotes": lambda text: re.sub(r"[^,\n]+", lambda cell: f'"{cell[0]}"', text),
    "quotes, decimal comma": lambda text: re.sub(r"[^,\n]+", lambda cell: '"' + cell[0].replace(".", ",") + '"', text),
    "Windows": lambda text: text.replace("\n", "\r\n"),
    "old Mac": lambda text: text.replace("\n", "\r"),
    "mark": lambda text: "\ufeff" + text,
    "UTF-16": lambda text: text.encode("utf-16"),
    "UTF-16 without a mark": lambda text: text.encode("utf-16-be"),
    "latin-1": lambda text: text.replace("uS", "µS").encode("latin-1"),
    "trailing delimiters": lambda text: text.replace("\n", ",,\n") + ",,\n,,\n,,\n",
    "comments": lambda text: "# measured by me, 300 K\n% chip 7\n" + text.replace("\n", "\n# half\n", 1),
    "heading in a comment": lambda text: "# " + text,
    "blank lines": lambda text: "\n\n" + text + "\n\n\n",
    "double spacing": lambda text: text.replace("\n", "\n\n"),
    "minus signs of a typographer": lambda text: text.replace("e-", "e−"),
    "lines above the heading": lambda text: "My chip\nVset,1.5\nDate,2024-05-01,Kyoto\n\n" + text,
    "units below the names": lambda text: text.replace("G (uS)", "G").replace("\n", "\n-,uS\n", 1),
}
DEVICE_LAYOUTS = {
    "names": "cell,n,G\n" + "\n".join(f"a{d},{k},{v:.5f}" for d in (1, 2) for k, v in enumerate(BOTH)),
    "names by turns": "cell,G\n" + "\n".join(f"a{d},{v:.5f}" for v in BOTH for d in (1, 2)),
    "numbers": "device,G\n" + "\n".join(f"{d},{v:.5f}" for d in (1, 2) for v in BOTH),
    "columns": "a1 (uS),a2 (uS)\n" + columns(BOTH, BOTH),
    "columns without names": columns(BOTH, np.array(BOTH) * 2),
    "count and columns": "n,a1,a2\n" + columns(COUNT, BOTH, BOTH),
}
SEEDS = [
    *(text for text, _, _ in LAYOUTS.values()),
    *DEVICE_LAYOUTS.values(),
    *(change("pulse,G (uS)\n" + columns(COUNT, BOTH) + "\n") for change in DIALECTS.values()),
]
JUNK = [
    "",
    "abc",
    "-",
    "1e999",
    "NaN",
    '"',
    '""',
    "1,5",
    "1;5",
    "#",
    "-1e-400",
    "0x1F",
    "µ",
    "up",
    "1_000",
    "9" * 400,
    "∞",
]


@st.composite
def damaged(draw, seeds=SEEDS):
    """A file of one of the layouts with one to four kinds of damage."""
    seed = draw(st.sampled_from(seeds))
    data = bytearray(seed if isinstance(seed, bytes) else seed.encode())
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(
            st.sampled_from(["flip", "delete", "repeat", "swap", "delimiter", "decimal", "junk", "cut", "insert"])
        )
        lines = bytes(data).split(b"\n")
        at = draw(st.integers(0, len(lines) - 1))
        if kind == "flip" and data:
            for place in draw(st.lists(st.integers(0, len(data) - 1), max_size=8)):
                data[place] ^= 1 << draw(st.integers(0, 7))
            continue
        if kind == "cut":
            begin = draw(st.integers(0, len(data)))
            data = data[begin:] if draw(st.booleans()) else data[:begin]
            continue
        if kind == "delimiter":
            old, new = (draw(st.sampled_from([b",", b";", b"\t", b" ", b"|"])) for _ in range(2))
            lines = [line.replace(old, new) for line in lines] if draw(st.booleans()) else lines
            lines[at] = lines[at].replace(old, new)
        elif kind == "decimal":
            lines[at:] = [line.replace(b".", b",") for line in lines[at:]]
        elif kind == "delete":
            del lines[at : at + draw(st.integers(1, 120))]
        elif kind == "repeat":
            lines[at:at] = lines[at : at + 1] * draw(st.integers(1, 40))
        elif kind == "swap":
            lines.reverse()
        elif kind == "insert":
            lines.insert(at, draw(st.binary(max_size=20)))
        else:
            cells = re.split(rb"([,;\t ])", lines[at])
            cells[draw(st.integers(0, len(cells) - 1))] = draw(st.sampled_from(JUNK)).encode()
            lines[at] = b"".join(cells)
        data = bytearray(b"\n".join(lines))
    return bytes(data)


def check_outcome(file, form=None):
    """A reading or a refusal that names its file and, unless it is about the file as a whole, line and column."""
    try:
        found = read_measured(file, form)
    except InvalidValue as error:
        text = str(error)
        assert Path(file).name.split("_")[0] in text  # of a pair either
        whole = ("it is empty", "it is no text", "it is an", "it is a ", "it is packed", "there is no", "jump table")
        assert re.search(r"line \d+(?:, | and )column \d+", text) or any(part in text for part in whole), text
    else:
        assert isinstance(found, Measurement | JumpTables)
        assert all(isinstance(note, str) and note for note in found.notes)
