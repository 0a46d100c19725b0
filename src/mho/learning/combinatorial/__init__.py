"""CoNNTrA: networks whose weights are a few levels, trained without gradients."""

from mho.learning.combinatorial.descent import Progress
from mho.learning.combinatorial.device import LevelStep, level_rpu
from mho.learning.combinatorial.on_arrays import ArrayResult, conntra_on_arrays
from mho.learning.combinatorial.result import ConntraResult, PackedNetwork, load_conntra
from mho.learning.combinatorial.train import conntra

__all__ = [
    "ArrayResult",
    "ConntraResult",
    "LevelStep",
    "PackedNetwork",
    "Progress",
    "conntra",
    "conntra_on_arrays",
    "level_rpu",
    "load_conntra",
]
