"""Rules and procedures of learning beyond backpropagation with SGD."""

from mho.learning.combinatorial import ConntraResult, PackedNetwork, conntra, load_conntra
from mho.learning.report import ArrayShift, Distances, ZeroShiftReport
from mho.learning.zero_shifting import ZeroShifting, zero_shift

__all__ = [
    "ArrayShift",
    "ConntraResult",
    "Distances",
    "PackedNetwork",
    "ZeroShiftReport",
    "ZeroShifting",
    "conntra",
    "load_conntra",
    "zero_shift",
]
