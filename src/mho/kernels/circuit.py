"""Columns of `mho.kernels.ops.Circuit.numbers`, the numbers of a reading circuit, in the array's units."""

from __future__ import annotations

NOISE = 0  # σ, standard deviation of the noise of an output
BOUND = 1  # α, largest |output|; infinite: no bound
INPUT_BOUND = 2  # largest |input| after division by s; infinite: no bound
INPUT_STEP = 3  # step of the input converter (DAC); 0: continuous
OUTPUT_STEP = 4  # step of the output converter (ADC); 0: continuous
