"""BoltzmannMachine: a deep Boltzmann machine that learns by probability flow, with the manners of scikit-learn."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, final

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import validate_data
from torch import Tensor

from mho.errors import CheckpointError, InvalidValue, WrongUse
from mho.learning.boltzmann import storage
from mho.learning.boltzmann.bar import LearningBar
from mho.learning.boltzmann.data import as_rows, binary, fingerprint, like
from mho.learning.boltzmann.energy_model import EnergyModel
from mho.learning.boltzmann.network import Network
from mho.learning.boltzmann.plan import Plan, make_plan
from mho.learning.boltzmann.sampling import mean_field
from mho.learning.boltzmann.training import Progress, take_step, train
from mho.training.checkpoint import load_checkpoint, save_checkpoint


@final
class BoltzmannMachine(EnergyModel, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A Boltzmann machine of binary units in layers, in floating point or on cross-point arrays.

    Energy E(s) = -½ sᵀW s - bᵀs with s ∈ {0, 1}ⁿ, W symmetric with zero diagonal. Learns by variational probability
    flow ("vpf": infer hidden units of each example, then one descent step on the flow K(v, h)), by contrastive
    divergence ("cd"), or by the exact gradient of the log-likelihood ("ml", small machines).

    Results depend on `seed` and the data only: every draw is named by seed, purpose and step. In floating point they
    are equal to the bit on one machine, one version of torch and one number of torch's threads, whose matrix products
    add up in their own order; on arrays reads and pulses are those of `mho.Crossbar`, equal with any number of threads.

    Args:
        layers: units of each layer, the visible layer first, for example [784, 500, 500]. The first may be None: the
            width of the data. One layer is a machine without hidden units; it needs `intra_layer` or `mask`.
        intra_layer: layers with links inside: None, True (all), a list of layer indices, or a dict from layer index to
            True or a symmetric bool matrix. Linked units are drawn one after another, which takes time.
        mask: the links in place of those between neighbouring layers: a symmetric bool matrix (units, units) of all
            links, or a dict from (lower, upper) layer to a bool matrix.
        rpu: arrays for the couplings, one per pair of layers, read forward and backward; biases stay digital. None:
            floating point.
        coupling: "symmetric", or "asymmetric": two arrays per pair, one for each direction.
        method: "vpf", "cd" or "ml".
        k: Gibbs sweeps of "cd"; None: 1.
        sweeps: clamped Gibbs sweeps of the inference after the bottom-up pass; None: 0 where that pass is exact (one
            hidden layer without links inside), else 3.
        temperature: T of the inference of hidden units, above 0.
        lr: learning rate η of couplings and biases; gradients are means over a mini-batch.
        lr_end: learning rate at the end of the last epoch, to which it falls linearly; None: `lr` throughout.
        batch_size: examples per step.
        epochs: passes over the data.
        weight_std: standard deviation of the initial couplings; biases of hidden units begin at 0.
        visible_bias: where the biases of visible units begin: at "zero", or, with "data", at the log-odds of the mean
            of the first examples (Hinton 2012, section 8).
        threshold: units are 1 where the data are above; None: the data must be binary.
        dtype: "float32" or "float64", of states and couplings in floating point.
        seed: seed of initial couplings, order, states, devices, noise and pulses.
        verbose: show a progress bar on standard error.

    Attributes:
        n_features_in_: visible units.
        feature_names_in_: names of the columns of the data, where they had names.

    Raises:
        InvalidValue: from `fit` and all that needs the couplings, naming every wrong parameter.

    Source: Z. Liu, J. Quek, S. Lin 2018, arXiv 1711.07732.
    """

    network_: Network
    progress_: Progress

    def __init__(
        self,
        layers: Any,
        *,
        intra_layer: Any = None,
        mask: Any = None,
        rpu: Any = None,
        coupling: str = "symmetric",
        method: str = "vpf",
        k: int | None = None,
        sweeps: int | None = None,
        temperature: float = 1.0,
        lr: float = 0.05,
        lr_end: float | None = None,
        batch_size: int = 100,
        epochs: int = 10,
        weight_std: float = 0.01,
        visible_bias: str = "zero",
        threshold: float | None = None,
        dtype: str = "float32",
        seed: int = 0,
        verbose: bool = False,
    ) -> None:
        self.layers = layers
        self.intra_layer = intra_layer
        self.mask = mask
        self.rpu = rpu
        self.coupling = coupling
        self.method = method
        self.k = k
        self.sweeps = sweeps
        self.temperature = temperature
        self.lr = lr
        self.lr_end = lr_end
        self.batch_size = batch_size
        self.epochs = epochs
        self.weight_std = weight_std
        self.visible_bias = visible_bias
        self.threshold = threshold
        self.dtype = dtype
        self.seed = seed
        self.verbose = verbose

    # Learning ------------------------------------------------------------------------------------

    def fit(
        self, X: Any, y: Any = None, *, resume: bool = False, on_step: Callable[[BoltzmannMachine], Any] | None = None
    ) -> BoltzmannMachine:
        """Learn from examples, from new couplings on.

        Args:
            X: (n, units) binary, or any numbers with `threshold`; images (n, ...) are flattened.
            y: ignored.
            resume: go on where `load` or a stopped `fit` is, to the bit, up to `epochs`; X must be as it was.
            on_step: sees the machine after each step; True stops learning, which `fit(X, resume=True)` continues.

        Raises:
            InvalidValue: for a wrong parameter, unfit data, or learning that diverges.
            CheckpointError: if it resumes with other data.
        """
        going_on = resume and self._has_weights()
        v = self._examples(X, reset=not going_on)
        if going_on:
            plan = self.plan()
            if self.progress_.data not in ("", fingerprint(v)):
                raise CheckpointError(
                    "the examples are not those that learning began with; give the same X in the same order, or fit "
                    "anew without resume"
                )
        else:
            plan = make_plan(self.get_params(), v.shape[1])
            self._check_width(plan, v.shape[1])
            self.network_, self.progress_ = plan.network(v), Progress()
        self.progress_.data = fingerprint(v)
        with LearningBar(plan, len(v), self.progress_) if self.verbose else contextlib.nullcontext() as bar:

            def after_step() -> bool:
                if bar is not None:
                    bar.step(self.progress_)
                return on_step is not None and on_step(self) is True

            train(self.network_, plan, v, self.progress_, after_step)
        return self

    def partial_fit(self, X: Any, y: Any = None) -> BoltzmannMachine:
        """Learn from these examples once, in their order, in mini-batches of `batch_size`, at the learning rate `lr`.

        Args: as of `fit`. The first call makes new couplings.

        Raises:
            WrongUse: with `lr_end`, as no last epoch is known.
        """
        if self.lr_end is not None:
            raise WrongUse("lr_end is for fit: partial_fit knows no last epoch; leave lr_end out, and set lr as you go")
        begun = self._has_weights()
        v = self._examples(X, reset=not begun)
        if not begun:
            plan = make_plan(self.get_params(), v.shape[1])
            self._check_width(plan, v.shape[1])
            self.network_, self.progress_ = plan.network(v), Progress()
        plan = self.plan()
        for batch in v.split(plan.batch_size):
            take_step(self.network_, plan, batch, self.progress_, plan.lr)
        self.progress_.position, self.progress_.loss = 0, 0.0
        return self

    @property
    def finished(self) -> bool:
        """Return whether all epochs are done."""
        return self._has_weights() and self.progress_.epoch >= self.epochs

    # What scikit-learn asks ----------------------------------------------------------------------

    def transform(self, X: Any) -> Any:
        """Return the probabilities that the units of the highest layer are 1, (n, size), by mean field.

        Args:
            X: (n, units), as of `fit`.

        Raises:
            NotFittedError: before `fit`.
            WrongUse: for a machine without hidden units.
        """
        return self.hidden(X)[-1]

    def score(self, X: Any, y: Any = None) -> float:
        """Return the mean log-likelihood of examples in nats, as `log_likelihood(X)` does: exact for small machines.

        Large machines take seconds: 100 chains of 1,000 temperatures.

        Args:
            X: (n, units), as of `fit`.
            y: ignored.

        Raises:
            NotFittedError: before `fit`.
        """
        self._check_fitted()
        return self.log_likelihood(X).mean

    def hidden(self, X: Any) -> list[Any]:
        """Return the probabilities of each hidden layer's units being 1, a tensor (n, size) per layer.

        Exact for one hidden layer without links inside; otherwise mean field. On arrays they are noisy.

        Raises:
            WrongUse: for a machine without hidden units.
        """
        self._check_fitted()
        v = self._examples(X, reset=False)
        if len(self.network_.biases) == 1:
            raise WrongUse("the machine has no hidden units, so there is nothing to transform to; give a second layer")
        with self.network_.couplings.evaluating():
            return [like(X, activity) for activity in mean_field(self.network_, v)[1:]]

    @property
    def _n_features_out(self) -> int:
        return len(self.network_.biases[-1])

    def __sklearn_is_fitted__(self) -> bool:
        return self._has_weights()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags

    # Files ---------------------------------------------------------------------------------------

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return all that `save` writes: tensors, the memory itself, and notes in values that JSON has."""
        network = self._network()
        names = getattr(self, "feature_names_in_", None)
        parameters = self.get_params(deep=False)
        return storage.pack(parameters, network, self.progress_, None if names is None else list(names))

    def save(self, file: Path | str) -> None:
        """Write parameters, couplings, biases and progress to a safetensors file; `load` goes on from it to the bit."""
        save_checkpoint(Path(file), *self.state())

    @classmethod
    def load(cls, file: Path | str) -> BoltzmannMachine:
        """Return the machine that `save` wrote; `fit(X, resume=True)` goes on.

        Raises:
            CheckpointError: for a file that is damaged, no machine's, or of another version of mho.
        """
        stored = storage.unpack(Path(file), *load_checkpoint(Path(file)))
        machine = cls(**stored.parameters)
        machine._take(stored)
        return machine

    def restore(self, file: Path | str) -> BoltzmannMachine:
        """Take over what a machine of the same parameters saved, `epochs` and `verbose` excepted.

        Raises:
            CheckpointError: naming what differs, before anything is changed.
        """
        return self.restore_state(*load_checkpoint(Path(file)), file=Path(file))

    def restore_state(self, tensors: dict[str, Tensor], notes: dict[str, Any], *, file: Path) -> BoltzmannMachine:
        """Take over the `state` of a machine of the same parameters; `file` is where it was stored, for messages."""
        stored = storage.unpack(file, tensors, notes)
        stored.check_same(self.get_params(deep=False))
        self._take(stored)
        return self

    # Inside --------------------------------------------------------------------------------------

    def plan(self) -> Plan:
        return make_plan(self.get_params(deep=False), getattr(self, "n_features_in_", None))

    def _take(self, stored: storage.Stored) -> None:
        network = make_plan(self.get_params(deep=False), stored.visible).network()
        stored.fill(network)
        self.network_, self.progress_, self.n_features_in_ = network, stored.progress, stored.visible
        if stored.names is not None:
            self.feature_names_in_ = np.array(stored.names, object)

    def _has_weights(self) -> bool:
        return "network_" in self.__dict__

    def _check_fitted(self) -> None:
        if not self._has_weights():
            raise NotFittedError(
                "This BoltzmannMachine instance is not fitted yet. Call 'fit' with appropriate arguments first."
            )

    def _network(self) -> Network:
        if not self._has_weights():
            plan = self.plan()
            self.network_, self.progress_ = plan.network(), Progress()
            self.n_features_in_ = plan.structure.sizes[0]
        return self.network_

    def _examples(self, X: Any, *, reset: bool) -> Tensor:
        if not reset:
            self._network()
        try:
            rows = validate_data(
                self, as_rows(X), reset=reset, dtype="numeric", ensure_all_finite=False, estimator="BoltzmannMachine"
            )
        except ValueError as error:
            raise InvalidValue(str(error)) from None
        return binary(rows, self.threshold, make_plan(self.get_params(deep=False), rows.shape[1]).dtype)

    def _check_width(self, plan: Plan, width: int) -> None:
        expected = plan.structure.sizes[0]
        if width != expected:
            raise InvalidValue(
                f"X has {width} features, but the first of layers is {expected}; give X of (n, {expected}), or "
                f"layers=[{width}, ...] (None: the width of the data)"
            )
