"""Counters of an array, and the place of each in a kernel's `counts`."""

from __future__ import annotations

PULSES = 0
COINCIDENCES = 1
SATURATED_PROBABILITIES = 2
BOUND_HITS = 3
CLIPPED_READS = 4
HALVINGS = 5
EVALUATION_CLIPPED_READS = 6
EVALUATION_HALVINGS = 7
NOT_FINITE = 8
"""Not a counter of the array: outputs or weights that are no number, which raise."""

COUNTERS = (
    "pulses",
    "coincidences",
    "saturated_probabilities",
    "bound_hits",
    "clipped_reads",
    "halvings",
    "evaluation_clipped_reads",
    "evaluation_halvings",
)
SIZE = 9
