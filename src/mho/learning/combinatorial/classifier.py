"""A classifier in scikit-learn's manner whose weights are levels."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, Self, final

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets, unique_labels
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import nn

from mho.errors import InvalidValue, InWords, nearest
from mho.learning.combinatorial.bar import DescentBar
from mho.learning.combinatorial.data import outputs_of
from mho.learning.combinatorial.result import ConntraResult
from mho.learning.combinatorial.train import conntra

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "hardtanh": nn.Hardtanh,
}


def perceptron(inputs: int, hidden: Sequence[int], outputs: int, activation: str = "tanh") -> nn.Sequential:
    """Return a network inputs-hidden-outputs in plain torch, with an activation behind each hidden layer.

    Raises:
        InvalidValue: for an unknown activation, or a hidden layer without units.
    """
    if activation not in ACTIVATIONS:
        raise InvalidValue(f"activation is {activation!r}{nearest(str(activation), ACTIVATIONS)}")
    for units in hidden:
        if isinstance(units, bool) or not isinstance(units, (int, np.integer)) or units < 1:
            raise InvalidValue(f"hidden is {tuple(hidden)!r}; give the units of each hidden layer, at least 1")
    sizes, parts = [inputs, *map(int, hidden), outputs], list[nn.Module]()
    for width, out in itertools.pairwise(sizes):
        parts += [nn.Linear(width, out), ACTIVATIONS[activation]()]
    return nn.Sequential(*parts[:-1])


@final
class ConntraClassifier(ClassifierMixin, BaseEstimator, metaclass=InWords):  # type: ignore[misc]
    """A multilayer perceptron of a few levels, trained by `conntra` (P. Date et al. 2020, arXiv 2009.00540).

    Args:
        hidden: units of each hidden layer; () for none.
        activation: "tanh", "relu", "sigmoid" or "hardtanh".
        levels: the values that weights and biases may have.
        loss: "cross_entropy", "squared", "hinge" or "zero_one".
        scale: a digital factor of each layer; None (1), "fan_in" or a number.
        start: "random" levels, or "threshold" or "nearest" of torch's initial weights.
        order: "random" or "gradient".
        sweeps: largest number of sweeps in `fit`; `partial_fit` makes one sweep.
        batch_size: examples of a mini-batch; None, or more than there are: all.
        validation: share of the examples held out, on which the best sweep is chosen.
        standardize: subtract the mean of each input and divide by its standard deviation, digitally.
        seed: seed of start, order, batches and held-out examples.
        time_limit: seconds of descent in `fit`.
        verbose: show a bar on standard error.

    Attributes:
        classes_: labels.
        result_: the `ConntraResult` of the last `fit` or `partial_fit`.
        model_: the torch model; it takes standardized inputs.
        n_features_in_: inputs.
    """

    def __init__(
        self,
        hidden: Sequence[int] = (8,),
        *,
        activation: str = "tanh",
        levels: Sequence[float] = (-1, 0, 1),
        loss: str = "cross_entropy",
        scale: float | str | None = None,
        start: str = "random",
        order: str = "random",
        sweeps: int = 50,
        batch_size: int | None = None,
        validation: float = 0.0,
        standardize: bool = True,
        seed: int = 0,
        time_limit: float | None = None,
        verbose: bool = False,
    ) -> None:
        self.hidden = hidden
        self.activation = activation
        self.levels = levels
        self.loss = loss
        self.scale = scale
        self.start = start
        self.order = order
        self.sweeps = sweeps
        self.batch_size = batch_size
        self.validation = validation
        self.standardize = standardize
        self.seed = seed
        self.time_limit = time_limit
        self.verbose = verbose

    def fit(self, X: Any, y: Any) -> Self:
        """Train from the start, and return the classifier.

        Args:
            X: (n, inputs) finite numbers.
            y: (n,) labels of any kind, of at least two classes.

        Raises:
            InvalidValue: for labels of one class, or a parameter out of range.
            ValueError: by scikit-learn, for another shape, or values that are not finite.
        """
        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        return self._train(X, y, unique_labels(y), None, self.sweeps)

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Self:
        """Make one sweep on these examples, from the levels that the weights have, and return the classifier.

        Args:
            X: (n, inputs) finite numbers; the first call decides how they are standardized.
            y: (n,) labels.
            classes: all labels that will come, in the first call.

        Raises:
            InvalidValue: without classes in the first call, with others in a later call, or for a label that is not
                among them.
            ValueError: by scikit-learn, for another shape, or values that are not finite.
        """
        first = not hasattr(self, "result_")
        X, y = validate_data(self, X, y, dtype=np.float64, reset=first)
        check_classification_targets(y)
        if first and classes is None:
            raise InvalidValue("classes is missing: give all labels in the first call of partial_fit")
        if not first and classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise InvalidValue(f"classes is {list(classes)!r}, and the first call had {list(self.classes_)!r}")
        labels = np.unique(classes) if first else self.classes_
        unknown = np.setdiff1d(y, labels)
        if unknown.size:
            raise InvalidValue(f"y holds {unknown[0]!r}, which is not among classes; give all labels in the first call")
        return self._train(X, y, labels, None if first else self.result_, 1)

    def _train(
        self,
        X: npt.NDArray[Any],
        y: npt.NDArray[Any],
        labels: npt.NDArray[Any],
        before: ConntraResult | None,
        sweeps: int,
    ) -> Self:
        if len(labels) < 2:
            raise InvalidValue(f"y holds one class, {labels[0]!r}: a classifier needs at least two")
        self.classes_ = labels
        if before is None:
            self.mean_ = X.mean(axis=0) if self.standardize else np.zeros(X.shape[1])
            spread = X.std(axis=0) if self.standardize else np.ones(X.shape[1])
            self.spread_ = np.where(spread > 0, spread, 1.0)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(self.seed)
                model: nn.Module = perceptron(X.shape[1], self.hidden, len(labels), self.activation)
        else:
            model = before.model
        size = None if self.batch_size is None or self.batch_size >= len(X) else self.batch_size
        with DescentBar(sweeps, show=self.verbose) as bar:
            self.result_ = conntra(
                model, self._inputs(X), np.searchsorted(labels, y), self.levels, seed=self.seed, loss=self.loss,
                scale=self.scale if before is None else dict(before.scales),
                start=self.start if before is None else "nearest", order=self.order, sweeps=sweeps, batch_size=size,
                validation=self.validation, time_limit=self.time_limit, callback=bar.step,
            )  # fmt: skip
        self.model_ = self.result_.model
        return self

    def _inputs(self, X: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        return ((X - self.mean_) / self.spread_).astype(np.float32)

    def decision_function(self, X: Any) -> npt.NDArray[np.float64]:
        """Return the outputs of the network: (n, classes), or for two classes their difference (n,).

        Args:
            X: (n, inputs) finite numbers.

        Raises:
            NotFittedError: before `fit`.
            ValueError: by scikit-learn, for another shape, or values that are not finite.
        """
        outputs = self._outputs(X)
        return outputs[:, 1] - outputs[:, 0] if len(self.classes_) == 2 else outputs

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Return the label of the largest output of each example, (n,).

        Args:
            X: (n, inputs) finite numbers.

        Raises:
            NotFittedError: before `fit`.
            ValueError: by scikit-learn, for another shape, or values that are not finite.
        """
        outputs = self._outputs(X)
        return self.classes_[outputs.argmax(axis=1)]  # type: ignore[no-any-return]

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Return the softmax of the outputs, (n, classes), from 0 to 1.

        Args:
            X: (n, inputs) finite numbers.

        Raises:
            NotFittedError: before `fit`.
            ValueError: by scikit-learn, for another shape, or values that are not finite.
        """
        return torch.from_numpy(self._outputs(X)).softmax(dim=1).numpy()

    def _outputs(self, X: Any) -> npt.NDArray[np.float64]:
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return outputs_of(self.model_, torch.from_numpy(self._inputs(X))).numpy()
