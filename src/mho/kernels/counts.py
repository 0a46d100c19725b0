"""Columns of a kernel's `counts` (R, SIZE): the counters of an array, and a flag."""

from __future__ import annotations

PULSES = 0  # pulses that lines have sent, rows and columns
COINCIDENCES = 1  # coincidences that have moved a cross-point
SATURATED_PROBABILITIES = 2  # pulse probabilities above 1, which were cut to 1
BOUND_HITS = 3  # pulses that would have left a device's bounds
CLIPPED_READS = 4  # outputs at the bound α of the circuit
HALVINGS = 5  # halvings of inputs by bound management
EVALUATION_CLIPPED_READS = 6  # outputs at the bound in evaluation
EVALUATION_HALVINGS = 7  # halvings in evaluation
NOT_FINITE = 8
"""Flag, not a counter of the array: above 0 if values were infinite or NaN, which the array reports as an error."""

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
