"""Rules and procedures of learning beyond backpropagation with SGD."""

from mho.learning.report import ArrayShift, Distances, ZeroShiftReport
from mho.learning.zero_shifting import ZeroShifting, zero_shift

__all__ = ["ArrayShift", "Distances", "ZeroShiftReport", "ZeroShifting", "zero_shift"]
