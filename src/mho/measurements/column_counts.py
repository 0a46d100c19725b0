"""Columns that count: pulses so far, pulses sent before a reading, cycles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mho.measurements.column import Column, of_role
from mho.measurements.record import Floats
from mho.measurements.vocabulary import (
    WORDS,
    direction_of,
)

MOST_READS = 10
"""So many rows with one count of pulses are reads of one state; more are a cycle."""


def counts_up(values: Floats) -> bool:
    """Return True if unnamed numbers count pulses: whole, and ascending in even steps or from 0 or 1, or restarting."""
    if len(values) < 3 or np.any(values != np.round(values)) or np.min(values) < 0:
        return False
    steps = np.diff(values)
    ascending = steps[steps > 0]
    if len(ascending) < 0.6 * len(steps) or len(ascending) == 0:
        return False
    usual = np.median(ascending)
    return bool(np.mean(ascending == usual) >= 0.8 or values[0] <= 1)


def is_axis(values: Floats) -> bool:
    """Return True if numbers are evenly spaced, as times are."""
    steps = np.diff(values)
    return len(steps) > 2 and bool(np.all(steps > 0) and np.ptp(steps) <= 0.01 * np.mean(steps))


def decide_counts(columns: Sequence[Column]) -> None:
    """Tell pulses so far, pulses sent before a reading, and cycles from each other."""
    ways = {direction_of(c.name): c for c in of_role(columns, "number", "sent") if direction_of(c.name)}
    if len(ways) == 2 and any(np.any(np.diff(column.finite) < 0) for column in ways.values()):
        ways[1].decide("sent_up", f"its name ({ways[1].name})")
        ways[-1].decide("sent_down", f"its name ({ways[-1].name})")
    found = of_role(columns, "number")
    for column in list(found):
        if _is_sent(column, alone=len(found) == 1):
            column.decide("sent", "whole numbers that do not count on")
            found.remove(column)
        elif np.any(column.finite < 0):
            column.decide("?", "")
            found.remove(column)
    sent = of_role(columns, "sent_up") or of_role(columns, "sent")
    for column in [*sent[1:], *(found if sent else [])]:
        column.decide(
            "cycle" if column.words & WORDS["cycle"] else "second count", "another column counts the pulses sent"
        )
    if sent or not found:
        return
    found.sort(key=lambda column: -np.count_nonzero(np.diff(column.finite)))
    for column in found[1:]:
        column.decide(
            "cycle" if column.words & WORDS["cycle"] else "second count", f"column {found[0].label} counts the pulses"
        )
    best = found[0]
    steps = np.diff(best.finite)
    runs = len(steps) / max(int(np.count_nonzero(steps)), 1)
    if len(steps) > 2 and (runs > MOST_READS or (runs > 1.5 and best.words & WORDS["cycle"])):
        best.decide("cycle", "it stays the same for many rows")


def _is_sent(column: Column, *, alone: bool) -> bool:
    """Return True if whole numbers are pulses since the reading before: they rise and fall in turn, or never change."""
    values = column.finite
    if column.words & WORDS["cycle"] and not column.words & WORDS["pulse"]:
        return False
    if np.any(values < 0):
        return bool(np.any(values > 0))
    steps = np.diff(values)
    if len(steps) > 2 and not steps.any():
        return alone and values[0] > 0 and bool(column.words & (WORDS["pulse"] | WORDS["sent"]))
    turns = np.count_nonzero(steps[1:] * steps[:-1] < 0)
    restarts = np.count_nonzero(np.isin(values[1:][steps < 0], (0, 1))) > 0.5 * np.count_nonzero(steps < 0)
    return len(steps) > 4 and bool(turns > 0.3 * len(steps)) and not restarts
