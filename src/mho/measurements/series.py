"""Readings of one device in one column, the pulses between them, and what joins several to a trace."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import final

import numpy as np
import numpy.typing as npt

from mho.measurements.formats import Format
from mho.measurements.ramps import Ramps, find_ramps
from mho.measurements.record import Floats, Trace
from mho.measurements.text import FileFaults

Ints = npt.NDArray[np.int64]
LISTED = 6
"""So many turning points are listed in a note."""
MOST_PULSES = 2**53
"""Above it a float has gaps between whole numbers."""
WAYS = {1: "up", -1: "down"}


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Series:
    """N readings of one device.

    Attributes:
        device: its name.
        label: of the column, for errors and notes.
        lines: (N,) on which they stand.
        values: (N,), NaN for gaps.
        counts: (N - 1,) pulses between one and the next, 0 where they are not connected.
        starts: indices at which the count of pulses begins anew.
        signs: (N,) +1, -1 or 0, the direction of the pulses before each; None: it is in the readings.
    """

    device: str
    label: str
    lines: tuple[int, ...]
    values: Floats
    counts: Ints
    starts: tuple[int, ...]
    signs: Ints | None


def counted(numbers: Floats) -> tuple[Ints, tuple[int, ...], bool]:
    """Pulses between rows by a column that counts them, where it starts anew, and whether it also counts down.

    Args:
        numbers: (N,) whole or NaN.
    """
    steps = np.nan_to_num(np.diff(numbers), nan=0.0)
    falls = steps < 0
    # a count that falls once starts anew, one that falls again and again counts down
    beside = np.concatenate([[False], falls[:-1]]) | np.concatenate([falls[1:], [False]])
    starts = np.flatnonzero(falls & ~beside)
    steps[starts] = 0.0
    return np.abs(steps).astype(np.int64), tuple(int(start) + 1 for start in starts), bool((falls & beside).any())


def trace_of(parts: Sequence[Series], form: Format, faults: FileFaults) -> tuple[Trace | None, list[str]]:
    """The trace of one device from its parts, one after another without pulses between, and notes.

    Notes faults, and gives no trace, where there are too few readings or all are equal.
    """
    values: list[Floats] = []
    pulses: list[Ints] = []
    notes: list[str] = []
    for part in parts:
        signs, more = _signs(part, form, faults)
        notes += more
        kept = np.flatnonzero(np.isfinite(part.values))
        gaps = len(part.values) - len(kept)
        if gaps:
            inner = gaps - (len(part.values) - 1 - int(kept[-1]) if len(kept) else 0)
            if inner:
                notes.append(f"{inner} gap{'s' * (inner > 1)} in column {part.label}, where pulses are not followed")
        if len(kept):
            if values:
                pulses.append(np.zeros(1, dtype=np.int64))
            values.append(part.values[kept])
            pulses.append(np.where(np.diff(kept) == 1, (part.counts * signs)[kept[:-1]], 0))
    if not _enough(parts, values, faults):
        return None, notes
    moved = np.concatenate(pulses)
    if not moved.any():
        faults.add(
            "no two readings have known pulses between them; leave fewer gaps, or give direction",
            parts[0].lines[0],
            parts[0].label,
        )
        return None, notes
    return Trace(parts[0].device, np.concatenate(values), moved), notes


def _enough(parts: Sequence[Series], values: Sequence[Floats], faults: FileFaults) -> bool:
    """Note a fault unless there are two readings that differ."""
    first = parts[0]
    where = f"{first.device}: " if len(parts) > 1 else ""
    found = np.concatenate(values) if values else np.empty(0)
    if len(found) >= 2 and np.ptp(found) > 0:
        return True
    if len(found) >= 2:
        last = max(part.lines[-1] for part in parts)
        fault = f"all readings down to line {last} are {found[0]:g}; give readings that pulses change"
        faults.add(where + fault, first.lines[0], first.label)
    else:
        place = next((int(k) for k in np.flatnonzero(np.isfinite(first.values))), 0)
        what = "the only reading of the device" if len(found) else "the column has no reading"
        faults.add(f"{where}{what}; give at least two", first.lines[place], first.label)
    return False


def _signs(part: Series, form: Format, faults: FileFaults) -> tuple[Ints, list[str]]:
    """(N - 1,) the direction of the pulses after each row, and notes."""
    if part.signs is not None:
        return part.signs[1:], _trend_notes(part)
    rows = len(part.values)
    if form.turns is not None:
        return _given_turns(part, form, faults), []
    if form.sign is not None:
        return np.full(max(rows - 1, 0), form.sign, dtype=np.int64), []
    signs = np.zeros(max(rows - 1, 0), dtype=np.int64)
    notes: list[str] = []
    ends = [0, *part.starts, rows]
    if part.starts:
        listed = _listed([part.lines[start] for start in part.starts])
        notes.append(f"the count of pulses starts anew at line {listed}: {len(ends) - 1} ramps that are not connected")
    for begin, end in itertools.pairwise(ends):
        kept = begin + np.flatnonzero(np.isfinite(part.values[begin:end]))
        if len(kept) < 2:
            continue
        ramps = find_ramps(part.values[kept])
        notes += _ramp_notes(part, kept, ramps, len(ends) > 2)
        # the pulses across a gap are not followed, so their direction does not matter
        signs[kept[:-1]] = ramps.signs(len(kept))
    return signs, notes


def _given_turns(part: Series, form: Format, faults: FileFaults) -> Ints:
    """The directions that `turns` gives."""
    rows = len(part.values)
    turns = list(form.turns or ())
    beyond = [turn for turn in turns if turn >= rows]
    if beyond:
        faults.add(
            f"turns are {turns}, and the column has {rows} readings; give numbers below {rows}", None, part.label
        )
        return np.zeros(max(rows - 1, 0), dtype=np.int64)
    ramp = np.searchsorted(np.array(turns, dtype=np.int64), np.arange(1, rows), side="right")
    end = turns[0] if turns else rows
    head = part.values[:end][np.isfinite(part.values[:end])]
    first = form.sign or (find_ramps(head).first if len(head) > 1 else 1)
    return np.where(ramp % 2 == 0, first, -first).astype(np.int64)


def _trend_notes(part: Series) -> list[str]:
    """A warning where all pulses are said to go one way and the readings go the other."""
    assert part.signs is not None
    ways = np.unique(part.signs)
    values = part.values[np.isfinite(part.values)]
    if len(ways) != 1 or ways[0] == 0 or len(values) < 2:
        return []
    ramps = find_ramps(values)
    if ramps.turns or not ramps.clear or ramps.first == ways[0]:
        return []
    verb = "rises" if ramps.first > 0 else "falls"
    return [f"column {part.label} {verb} under pulses that are said to go {WAYS[int(ways[0])]}"]


def _ramp_notes(part: Series, kept: Ints, ramps: Ramps, block: bool) -> list[str]:
    """How a series without directions was read."""
    way, other = WAYS[ramps.first], WAYS[-ramps.first]
    lines = [part.lines[place] for place in kept]
    where = f"column {part.label}" + (f", from line {lines[0]}" if block else "")
    jumps = [turn.place for turn in ramps.turns if turn.place in ramps.jumps]
    if jumps:
        places = _listed([lines[place] for place in jumps])
        return [f"{where}: readings jump back after line {places}, where other ramps start (turns changes it)"]
    if not ramps.turns:
        if not ramps.clear:
            return [f"{where}: pulses taken as {way}, but the readings move no more than their noise; give direction"]
        return [f"{where}: one ramp {way}, by its trend (direction changes it)"]
    turns = _listed([int(kept[turn.place]) + 1 for turn in ramps.turns])
    ends = _listed([lines[turn.place] for turn in ramps.turns])
    text = f"{where}: turning point{'s' * (len(ramps.turns) > 1)} found at reading {turns} (line {ends}), "
    text += f"{way} then {other}"
    unsure = [turn for turn in ramps.turns if turn.last > turn.first]
    if unsure:
        widest = max(unsure, key=lambda turn: turn.last - turn.first)
        text += f"; by the noise {'one' if len(ramps.turns) > 1 else 'it'} could be anywhere in lines "
        text += f"{lines[widest.first]} to {lines[widest.last]}"
    return [f"{text} (turns changes it)"]


def _listed(numbers: Sequence[int]) -> str:
    more = f" and {len(numbers) - LISTED} more" if len(numbers) > LISTED else ""
    return ", ".join(map(str, numbers[:LISTED])) + more
