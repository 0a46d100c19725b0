"""CoNNTrA: networks whose weights are a few levels, trained without gradients."""

from mho.learning.combinatorial.descent import Progress, conntra
from mho.learning.combinatorial.result import ConntraResult, PackedNetwork, load_conntra

__all__ = ["ConntraResult", "PackedNetwork", "Progress", "conntra", "load_conntra"]
