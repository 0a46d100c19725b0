"""Rules and procedures of learning beyond backpropagation with SGD."""

import importlib
from typing import TYPE_CHECKING, Any

from mho.learning.report import ArrayShift, Distances, ZeroShiftReport
from mho.learning.zero_shifting import ZeroShifting, zero_shift

if TYPE_CHECKING:
    from mho.learning.boltzmann import BoltzmannMachine

LATE = {"BoltzmannMachine": "mho.learning.boltzmann"}
"""Names that are imported when they are asked for: estimators import scikit-learn, which takes a second."""

__all__ = ["ArrayShift", "BoltzmannMachine", "Distances", "ZeroShiftReport", "ZeroShifting", "zero_shift"]


def __getattr__(name: str) -> Any:
    if name in LATE:
        return getattr(importlib.import_module(LATE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
