"""Fisher's irises, of which the measures are standardized."""

from __future__ import annotations

import numpy as np

from mho.data.dataset import Dataset
from mho.data.source import Source

EVERY = 3
"""Each third flower is in the test: the file has them species by species."""


def iris() -> Dataset:
    """150 irises of three species (R. A. Fisher 1936; UCI, by way of scikit-learn): 100 to train, 50 to test.

    The four measures are standardized by mean and standard deviation of those to train.
    """
    import torch
    from sklearn.datasets import load_iris  # a second to import

    x, y = load_iris(return_X_y=True)
    test = np.arange(len(x)) % EVERY == EVERY - 1
    x = (x - x[~test].mean(axis=0)) / x[~test].std(axis=0)
    inputs, classes = torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.int64)
    return Dataset("iris", inputs[~test], classes[~test], inputs[test], classes[test])


DATA_SET = Source(load=lambda folder: iris(), example=(4,))
