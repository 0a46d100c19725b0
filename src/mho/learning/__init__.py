"""Rules and procedures of learning beyond backpropagation with SGD; checkpoints are those of `mho.training`."""

import importlib
from typing import TYPE_CHECKING, Any

from mho.errors import no_such_name
from mho.learning.combinatorial import (
    ArrayResult,
    ConntraResult,
    LevelStep,
    PackedNetwork,
    conntra,
    conntra_on_arrays,
    level_rpu,
    load_conntra,
)
from mho.learning.report import ArrayShift, Distances, ZeroShiftReport
from mho.learning.weight_programming import LearnedWeights, WeightProgramming, learn_weights
from mho.learning.zero_shifting import ZeroShifting, zero_shift

if TYPE_CHECKING:
    from mho.learning.boltzmann import BoltzmannMachine
    from mho.learning.combinatorial.classifier import ConntraClassifier
    from mho.learning.spectral import SpectralRNN

LATE = {
    "BoltzmannMachine": "mho.learning.boltzmann",
    "ConntraClassifier": "mho.learning.combinatorial.classifier",
    "SpectralRNN": "mho.learning.spectral",
}
"""Names that are imported when they are asked for: estimators import scikit-learn, which takes a second."""

__all__ = [
    "ArrayResult",
    "ArrayShift",
    "BoltzmannMachine",
    "ConntraClassifier",
    "ConntraResult",
    "Distances",
    "LearnedWeights",
    "LevelStep",
    "PackedNetwork",
    "SpectralRNN",
    "WeightProgramming",
    "ZeroShiftReport",
    "ZeroShifting",
    "conntra",
    "conntra_on_arrays",
    "learn_weights",
    "level_rpu",
    "load_conntra",
    "zero_shift",
]


def __getattr__(name: str) -> Any:
    if name in LATE:
        return getattr(importlib.import_module(LATE[name]), name)
    raise no_such_name(__name__, name)
