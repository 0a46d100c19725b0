"""Numbers of a reading circuit, in the order in which kernels have them: columns of `ops.Circuit.numbers`."""

from __future__ import annotations

NOISE = 0  # σ, standard deviation of an output
BOUND = 1  # α of the outputs
INPUT_BOUND = 2  # of the inputs, behind their scale
INPUT_STEP = 3  # of the input converter; 0: continuous
OUTPUT_STEP = 4  # of the output converter; 0: continuous
