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
from mho.measurements.record import Floats, Notes, Trace
from mho.measurements.tables import ENDURANCE, alternates, needed
from mho.measurements.text import FileFaults
from mho.spoken import option

Ints = npt.NDArray[np.int64]
LISTED = 6
"""So many turning points are listed in a note."""
MOST_PULSES = 2**53
"""Above it a float has gaps between whole numbers."""
RAMP = 5
"""A single pulse the other way is questioned where runs of at least so many pulses stand on both its sides."""
FEW = 10
"""Among fewer readings none is called far from the others,"""
FAR = 20.0
"""and among more where it is so many times as far from its neighbours as readings mostly are."""
WAYS = {1: "up", -1: "down"}
SURE = 3.0
"""Steps go against the direction of their pulses where more do than those of noise alone, by 3 standard errors."""


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Series:
    """N readings of one device.

    Attributes:
        device: its name.
        label: label of the column, for errors and notes.
        lines: (N,) on which they stand.
        values: (N,), NaN for gaps.
        counts: (N - 1,) pulses between one reading and the next, 0 where they are not connected.
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
    """Return pulses between rows by a column that counts them, where it restarts, and whether it also counts down.

    Args:
        numbers: (N,) whole or NaN.
    """
    steps = np.nan_to_num(np.diff(numbers), nan=0.0)
    falls = steps < 0
    # a count that falls once starts anew, a count that falls again and again counts down
    beside = np.concatenate([[False], falls[:-1]]) | np.concatenate([falls[1:], [False]])
    starts = np.flatnonzero(falls & ~beside)
    steps[starts] = 0.0
    return np.abs(steps).astype(np.int64), tuple(int(start) + 1 for start in starts), bool((falls & beside).any())


def trace_of(parts: Sequence[Series], form: Format, faults: FileFaults, notes: Notes) -> Trace | None:
    """Return the trace of one device from its parts, one after another without pulses between.

    Notes faults, and gives no trace, where there are too few readings, all are equal, or they are not those of a
    staircase.
    """
    values: list[Floats] = []
    pulses: list[Ints] = []
    for part in parts:
        signs = _signs(part, form, faults, notes)
        kept = np.flatnonzero(np.isfinite(part.values))
        inner = [place for place in np.flatnonzero(~np.isfinite(part.values)) if len(kept) and place < kept[-1]]
        if inner:
            at = f" (line{'s' * (len(inner) > 1)} {_listed([part.lines[k] for k in inner])})" if part.lines else ""
            notes.add(
                f"{len(inner)} gap{'s' * (len(inner) > 1)} in column {part.label}{at}, where pulses are not followed"
            )
        _note_slips(part, notes)
        _note_outliers(part, notes)
        if len(kept):
            if values:
                pulses.append(np.zeros(1, dtype=np.int64))
            values.append(part.values[kept])
            pulses.append(np.where(np.diff(kept) == 1, (part.counts * signs)[kept[:-1]], 0))
            if form.columns is None:
                _check_staircase(part, values[-1], pulses[-1], faults)
    if not _enough(parts, values, faults):
        return None
    moved = np.concatenate(pulses)
    if not moved.any():
        faults.add(
            "no two readings have known pulses between them: give a column that counts pulses (number), pulses sent "
            "before "
            "each reading (sent), or leave fewer gaps",
            parts[0].lines[0],
            parts[0].label,
        )
        return None
    return Trace(parts[0].device, np.concatenate(values), moved)


def _note_slips(part: Series, notes: Notes) -> None:
    """Note each single pulse that goes against the ramps on both its sides, which may be a wrong sign in the file."""
    if part.signs is None or not part.lines:
        return
    ends = np.flatnonzero(np.diff(part.signs)) + 1
    runs = [(int(begin), int(end)) for begin, end in itertools.pairwise([0, *ends, len(part.signs)])]
    for before, (place, end), after in zip(runs, runs[1:], runs[2:], strict=False):
        way, around = int(part.signs[place]), int(part.signs[before[0]])
        long = min(before[1] - before[0], after[1] - after[0]) >= RAMP
        if end - place == 1 and long and way == -around and int(part.signs[after[0]]) == around:
            notes.add(
                f"line {part.lines[place]}: a single pulse {WAYS[way]} within a ramp {WAYS[-way]}; if that is a slip, "
                "mend the file"
            )


def _note_outliers(part: Series, notes: Notes) -> None:
    """Note each reading that lies farther from both of its neighbours than half of the range of all others."""
    kept = np.flatnonzero(np.isfinite(part.values))
    values = part.values[kept]
    if len(values) < FEW or not part.lines:
        return
    before, after = values[1:-1] - values[:-2], values[1:-1] - values[2:]
    apart = np.where(before * after > 0, np.minimum(np.abs(before), np.abs(after)), 0.0)
    far = np.flatnonzero(apart > FAR * np.median(np.abs(before + after) / 2)) + 1
    others = np.delete(values, far)
    for place in far if len(others) else ():
        if apart[place - 1] > np.ptp(others) / 2:
            notes.add(
                f"line {part.lines[kept[place]]}: a reading of {values[place]:g} lies far from those beside it; if "
                "that is a slip, mend the file, or leave the cell empty"
            )


def _check_staircase(part: Series, values: Floats, pulses: Ints, faults: FileFaults) -> None:
    """Note a fault where each pulse switches the device from one end of its range to the other."""
    if alternates(values) and (part.signs is None or np.mean(pulses[1:] * pulses[:-1] <= 0) >= 0.8):
        fault = f"readings jump from one end to the other in every row: {ENDURANCE}; {needed()}"
        faults.add(fault, part.lines[0], part.label)


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
        line = first.lines[place] if first.lines else 1  # a device without a row of a read
        faults.add(f"{where}{what}; give at least two", line, first.label)
    return False


def _signs(part: Series, form: Format, faults: FileFaults, notes: Notes) -> Ints:
    """(N - 1,) the direction of the pulses after each row."""
    if part.signs is not None:
        wrong = _contradiction(part)
        if wrong and form.columns is None:
            faults.add(wrong, part.lines[0], part.label)
        elif wrong:
            notes.warn(f"column {part.label}: {wrong}")
        return part.signs[1:]
    rows = len(part.values)
    if form.turns is not None:
        return _given_turns(part, form, faults)
    if form.sign is not None:
        return np.full(max(rows - 1, 0), form.sign, dtype=np.int64)
    signs = np.zeros(max(rows - 1, 0), dtype=np.int64)
    ends = [0, *part.starts, rows]
    if part.starts:
        listed = _listed([part.lines[start] for start in part.starts])
        notes.add(f"the count of pulses starts anew at line {listed}: {len(ends) - 1} ramps that are not connected")
    for begin, end in itertools.pairwise(ends):
        kept = begin + np.flatnonzero(np.isfinite(part.values[begin:end]))
        if len(kept) < 2:
            continue
        ramps = find_ramps(part.values[kept])
        _note_ramps(part, kept, ramps, len(ends) > 2, notes)
        # the pulses across a gap are not followed, so their direction does not matter
        signs[kept[:-1]] = ramps.signs(len(kept))
    return signs


def _given_turns(part: Series, form: Format, faults: FileFaults) -> Ints:
    """Return the directions that `turns` gives."""
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


def _contradiction(part: Series) -> str:
    """Return how readings contradict the directions of their pulses; "" if they do not."""
    assert part.signs is not None
    ways = np.unique(part.signs)
    values = part.values[np.isfinite(part.values)]
    if len(ways) == 1 and ways[0] != 0 and len(values) > 1:
        ramps = find_ramps(values)
        if ramps.turns or not ramps.clear or ramps.first == ways[0]:
            return ""
        verb = "rises" if ramps.first > 0 else "falls"
        return (
            f"it {verb} under pulses that are said to go {WAYS[int(ways[0])]}: a branch of depression is mirrored by "
            "the custom "
            f"of NeuroSim's fitting tool, and {option('reverse', 'NAME')} reads the column of this name from its last "
            f"row; resistances are told by {option('unit', 'Ohm')}; other names by {option('columns', '...')}"
        )
    steps = np.diff(part.values)
    for way in (1, -1):
        own = np.sign(steps[(part.signs[1:] == way) & np.isfinite(steps)] * way)
        if -np.sum(own) < SURE * np.sqrt(len(own)) or len(own) == 0:
            return ""
    return (
        "readings fall at pulses that are said to go up, and rise at those that are said to go down: if they are "
        "resistances "
        f"give {option('unit', 'Ohm')}; if the words are meant the other way give the directions as -1 and +1 "
        f"({option('columns', '...,voltage,...')})"
    )


def _note_ramps(part: Series, kept: Ints, ramps: Ramps, block: bool, notes: Notes) -> None:
    """Note how a series without directions was read."""
    way, other = WAYS[ramps.first], WAYS[-ramps.first]
    lines = [part.lines[place] for place in kept]
    where = f"column {part.label}" + (f", from line {lines[0]}" if block else "")
    jumps = [turn.place for turn in ramps.turns if turn.place in ramps.jumps]
    if jumps:
        places = _listed([lines[place] for place in jumps])
        notes.add(
            f"{where}: readings jump back after line {places}, where other ramps start ({option('turns')} changes it)"
        )
        return
    if not ramps.turns:
        if ramps.clear:
            notes.add(f"{where}: one ramp {way}, by its trend ({option('direction')} changes it)")
        else:
            notes.warn(
                f"{where}: pulses taken as {way}, but the readings move no more than their noise; give "
                f"{option('direction')}"
            )
        return
    turns = _listed([int(kept[turn.place]) + 1 for turn in ramps.turns])
    ends = _listed([lines[turn.place] for turn in ramps.turns])
    text = f"{where}: turning point{'s' * (len(ramps.turns) > 1)} found at reading {turns} (line {ends}), "
    text += f"{way} then {other}"
    unsure = [turn for turn in ramps.turns if turn.last > turn.first]
    if unsure:
        widest = max(unsure, key=lambda turn: turn.last - turn.first)
        text += f"; by the noise {'one of them' if len(ramps.turns) > 1 else 'it'} could be anywhere in lines "
        text += f"{lines[widest.first]} to {lines[widest.last]}"
    notes.add(f"{text} ({option('turns')} changes it)")


def _listed(numbers: Sequence[int]) -> str:
    more = f" and {len(numbers) - LISTED} more" if len(numbers) > LISTED else ""
    return ", ".join(map(str, numbers[:LISTED])) + more
