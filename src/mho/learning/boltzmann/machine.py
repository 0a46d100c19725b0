"""BoltzmannMachine: a deep Boltzmann machine that learns by probability flow, with the manners of scikit-learn."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import validate_data
from torch import Tensor

from mho.errors import CheckpointError, InvalidValue, InWords, WrongUse
from mho.learning.boltzmann import annealing, flow, storage
from mho.learning.boltzmann.annealing import LogLikelihood, LogPartition
from mho.learning.boltzmann.bar import LearningBar
from mho.learning.boltzmann.data import as_rows, binary, fingerprint, like, log_odds
from mho.learning.boltzmann.draws import Draws, Purpose
from mho.learning.boltzmann.likelihood import can_enumerate, hidden_log_sums
from mho.learning.boltzmann.network import Network
from mho.learning.boltzmann.plan import Plan, make_plan
from mho.learning.boltzmann.reconstruction import reconstruct
from mho.learning.boltzmann.sampling import gibbs, infer, mean_field, random_states
from mho.learning.boltzmann.structure import check_state_width, mask_of
from mho.learning.boltzmann.training import Progress, take_step, train
from mho.training.checkpoint import load_checkpoint, save_checkpoint

METHODS = ("auto", "exact", "ais")


@final
class BoltzmannMachine(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator, metaclass=InWords):  # type: ignore[misc]
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
        rpu: arrays for the couplings, one a pair of layers, read forward and backward; biases stay digital. None:
            floating point.
        coupling: "symmetric", or "asymmetric": two arrays a pair, one for each direction.
        method: "vpf", "cd" or "ml".
        k: Gibbs sweeps of "cd"; None: 1.
        sweeps: clamped Gibbs sweeps of the inference after the bottom-up pass; None: 0 where that pass is exact (one
            hidden layer without links inside), else 3.
        temperature: T of the inference of hidden units, above 0.
        lr: learning rate η of couplings and biases; gradients are means over a mini-batch.
        lr_end: learning rate at the end of the last epoch, to which it falls linearly; None: `lr` throughout.
        batch_size: examples a step.
        epochs: passes over the data.
        weight_std: standard deviation of the initial couplings; biases of hidden units begin at 0.
        visible_bias: where the biases of visible units begin: at "zero", or, with "data", at the log-odds of the mean
            of the first examples (Hinton 2012, section 8).
        threshold: units are 1 where the data are above; None: the data must be binary.
        dtype: "float32" or "float64", of states and couplings in floating point.
        seed: of initial couplings, order, states, devices, noise and pulses.
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
        """Whether all epochs are done."""
        return self._has_weights() and self.progress_.epoch >= self.epochs

    # What scikit-learn asks ----------------------------------------------------------------------

    def transform(self, X: Any) -> Any:
        """Return the probabilities of the highest layer's units being 1, (n, size), by mean field (`hidden`)."""
        return self.hidden(X)[-1]

    def score(self, X: Any, y: Any = None) -> float:
        """Return the mean log-likelihood of examples in nats, as `log_likelihood(X)` does: exact for small machines.

        Large machines take seconds: 100 chains of 1,000 temperatures.
        """
        self._check_fitted()
        return self.log_likelihood(X).mean

    def hidden(self, X: Any) -> list[Any]:
        """Return the probabilities of each hidden layer's units being 1, one (n, size) a layer.

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

    # Physics -------------------------------------------------------------------------------------

    @property
    def weights_(self) -> Tensor:
        """W, symmetric (units, units) with visible units first: a copy of the exact couplings."""
        network = self._network()
        structure = network.structure
        whole = torch.zeros(structure.units, structure.units, dtype=network.dtype)
        for block, matrix in zip(structure.blocks, network.couplings.matrices(), strict=True):
            rows, columns = structure.slices[block.lower], structure.slices[block.upper]
            whole[rows, columns] = matrix
            whole[columns, rows] = matrix.T
        return whole

    @property
    def biases_(self) -> Tensor:
        """b, (units,) with visible units first: a copy."""
        return torch.cat(self._network().biases)

    def set_weights(self, W: Any, b: Any = None) -> None:
        """Set the couplings, and the biases if given; arrays hold them within the bounds of their devices.

        Args:
            W: symmetric (units, units), 0 where units are not linked.
            b: (units,).

        Raises:
            InvalidValue: for another shape, values that are not finite, or a W that is not symmetric or has couplings
                where there are no links.
        """
        network = self._network()
        structure = network.structure
        whole = torch.as_tensor(W).detach().to(network.dtype)
        if tuple(whole.shape) != (structure.units, structure.units) or not bool(torch.isfinite(whole).all()):
            raise InvalidValue(
                f"W has shape {tuple(whole.shape)}; give finite numbers ({structure.units}, {structure.units})"
            )
        if not torch.equal(whole, whole.T):
            raise InvalidValue("W is not symmetric; give for example (W + W.T) / 2")
        if bool((whole[~mask_of(structure)] != 0).any()):
            raise InvalidValue("W has couplings between units that are not linked; set them to 0, or change the mask")
        biases = None if b is None else torch.as_tensor(b).detach().to(network.dtype)
        if biases is not None and (tuple(biases.shape) != (structure.units,) or not bool(torch.isfinite(biases).all())):
            raise InvalidValue(f"b has shape {tuple(biases.shape)}; give finite numbers ({structure.units},)")
        network.couplings.write([whole[structure.slices[b.lower], structure.slices[b.upper]] for b in structure.blocks])
        if biases is not None:
            for own, given in zip(network.biases, biases.split(list(structure.sizes)), strict=True):
                own.copy_(given)

    def energy(self, states: Any) -> Any:
        """Return E(s), (n,), of states (n, units), visible units first: E = -½ sᵀW s - bᵀs of the exact couplings."""
        return like(states, self._network().energy(self._states(states)))

    def objective(self, states: Any) -> float:
        """Return the flow K of states (n, units): the mean over them of Σ exp((E(s) - E(s'))/2) over one-unit flips s'.

        Of the exact couplings, not as arrays are read.
        """
        network = self._network()
        return flow.objective(network.exact(network.dtype), self._states(states))

    def gradient(self, states: Any) -> tuple[Any, Any]:
        """Return ∂K/∂W (units, units) and ∂K/∂b (units,) of states (n, units); `mho.learning.boltzmann.flow`.

        W_ij = W_ji is one parameter, so ∂K/∂W is symmetric; it is 0 where units are not linked.
        """
        network = self._network()
        W, b = flow.gradient(network.exact(network.dtype), self._states(states))
        return like(states, W), like(states, b)

    def infer(self, X: Any, *, seed: int | None = None) -> Any:
        """Draw the hidden units of examples (n, visible) as learning does, and return whole states (n, units).

        Args:
            X: examples.
            seed: of the draws; None: the machine's.
        """
        network, plan = self._network(), self.plan()
        v = self._examples(X, reset=False)
        draws = Draws(_seed(seed, plan.seed), Purpose.INFERENCE)
        sweeps = getattr(plan.rule, "sweeps", 0)
        with network.couplings.evaluating():
            states = infer(network, v, draws, sweeps=sweeps, temperature=float(self.temperature)).states
        return like(X, torch.cat(states, dim=1))

    def sample(
        self,
        n: int | None = None,
        *,
        sweeps: int = 1000,
        temperature: float = 1.0,
        start: Any = None,
        probabilities: bool = False,
        seed: int | None = None,
    ) -> Any:
        """Return visible units (n, size) after Gibbs sweeps of as many independent chains.

        Args:
            n: chains; None: 100, or one an example of `start`.
            sweeps: over all layers, at least 1.
            temperature: T of all units, above 0.
            start: examples (n, visible) to start from, in place of random units.
            probabilities: return the probability of each visible unit in its last draw; not for machines with links
                inside the visible layer.
            seed: of the draws; None: the machine's. Equal seeds give equal samples; on arrays the noise is new.
        """
        network, plan = self._network(), self.plan()
        count = n if n is not None else 100 if start is None else len(start)
        _at_least("n", count, 1)
        _at_least("sweeps", sweeps, 1)
        if isinstance(temperature, bool) or not isinstance(temperature, (int, float)) or not 0 < temperature < math.inf:
            raise InvalidValue(f"temperature is {temperature!r}; give a number greater than 0")
        if start is not None and count != len(start):
            raise InvalidValue(f"n is {n}, and start has {len(start)} examples; leave n out")
        draws = Draws(_seed(seed, plan.seed), Purpose.SAMPLING)
        with network.couplings.evaluating():
            if start is None:
                states = random_states(network, count, draws)
            else:
                v = self._examples(start, reset=False)
                states = infer(network, v, draws, sweeps=0, temperature=temperature).states
            states = gibbs(network, states, draws, sweeps=sweeps, temperature=temperature)
            if not probabilities:
                return like(start, states[0])
            if network.structure.inside(0) is not None:
                raise WrongUse("visible units are linked and have no common probabilities; leave probabilities out")
            return like(start, torch.sigmoid(network.drive(0, states) / temperature))

    def reconstruct(self, X: Any, *, known: Any = None, sweeps: int = 1, seed: int | None = None) -> Any:
        """Return probabilities (n, visible) of visible units as hidden units would have them.

        Args:
            X: corrupted examples (n, visible).
            known: bool (visible,) or (n, visible), True for units to trust: they stay as they are, and only the others
                are drawn. None: no unit is trusted, and X is only where the chain starts.
            sweeps: times that hidden units are inferred and visible units drawn; the result is the mean over the later
                half.
            seed: of the draws; None: the machine's.

        Raises:
            WrongUse: for a machine without hidden units if nothing is known.
        """
        network, plan = self._network(), self.plan()
        v = self._examples(X, reset=False)
        _at_least("sweeps", sweeps, 1)
        draws = Draws(_seed(seed, plan.seed), Purpose.INFERENCE, 1)
        with network.couplings.evaluating():
            return like(X, reconstruct(network, v, draws, known=known, sweeps=sweeps))

    # Likelihood ----------------------------------------------------------------------------------

    def free_energy(self, X: Any) -> Any:
        """Return F(v) = -log Σ_h exp(-E(v, h)), (n,) float64, of the exact couplings.

        Raises:
            WrongUse: where more than 14 linked hidden units would have to be enumerated, as in most deep machines.
        """
        network = self._network()
        return like(X, -hidden_log_sums(network, self._examples(X, reset=False)))

    def log_partition(
        self, *, method: str = "auto", chains: int = 100, temperatures: int = 1000, base: Any = None,
        seed: int | None = None,
    ) -> LogPartition:  # fmt: skip
        """Return log Z of the exact couplings.

        Args:
            method: "exact": by enumeration; "ais": annealed importance sampling; "auto": exact where at most 20 units
                have to be enumerated.
            chains: of the annealing.
            temperatures: of the annealing.
            base: biases (visible,) at the start of the annealing; None: the machine's.
            seed: of the annealing's draws; None: the machine's.

        Raises:
            WrongUse: for "exact" with too many units.
        """
        network, plan = self._network(), self.plan()
        if method not in METHODS:
            raise InvalidValue(f"method is {method!r}; give one of {', '.join(METHODS)}")
        if method == "exact" or (method == "auto" and can_enumerate(network.structure)):
            return annealing.exact_partition(network)
        _at_least("chains", chains, 2)
        _at_least("temperatures", temperatures, 1)
        draws = Draws(_seed(seed, plan.seed), Purpose.ANNEALING)
        start = None if base is None else torch.as_tensor(base)
        return annealing.anneal(
            network.exact(network.dtype), draws, chains=chains, temperatures=temperatures, base=start
        )

    def log_likelihood(
        self, X: Any, *, method: str = "auto", chains: int = 100, temperatures: int = 1000, seed: int | None = None
    ) -> LogLikelihood:
        """Return the log-likelihood of examples; options as of `log_partition`.

        Where hidden units cannot be summed, as in most deep machines, it is the mean-field lower bound. Annealing tends
        to find too small a Z, and so too high a likelihood, where it is given too few temperatures.
        """
        network = self._network()
        v = self._examples(X, reset=False)
        log_z = self.log_partition(method=method, chains=chains, temperatures=temperatures, base=log_odds(v), seed=seed)
        return annealing.log_likelihood(network, v, log_z)

    def pseudo_log_likelihood(self, X: Any) -> Any:
        """Return Σ_i log p(v_i | other units), (n,), for visible units, with mean-field hidden units."""
        network = self._network()
        return like(X, annealing.pseudo_log_likelihood(network.exact(network.dtype), self._examples(X, reset=False)))

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
        """Return the parameters, checked together."""
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
        """Return couplings and biases; the initial ones if there are none yet."""
        if not self._has_weights():
            plan = self.plan()
            self.network_, self.progress_ = plan.network(), Progress()
            self.n_features_in_ = plan.structure.sizes[0]
        return self.network_

    def _examples(self, X: Any, *, reset: bool) -> Tensor:
        """Return data as binary visible units (n, size)."""
        if not reset:
            self._network()
        try:
            rows = validate_data(
                self, as_rows(X), reset=reset, dtype="numeric", ensure_all_finite=False, estimator="BoltzmannMachine"
            )
        except ValueError as error:
            raise InvalidValue(str(error)) from None
        return binary(rows, self.threshold, make_plan(self.get_params(deep=False), rows.shape[1]).dtype)

    def _states(self, states: Any) -> list[Tensor]:
        """Return states of all units, one tensor (n, size) a layer."""
        network = self._network()
        rows = np.atleast_2d(as_rows(states))
        check_state_width(rows.shape[1], network.structure)
        return network.structure.split(binary(rows, None, network.dtype, "states"))

    def _check_width(self, plan: Plan, width: int) -> None:
        expected = plan.structure.sizes[0]
        if width != expected:
            raise InvalidValue(
                f"X has {width} features, but the first of layers is {expected}; give X of (n, {expected}), or "
                f"layers=[{width}, ...] (None: the width of the data)"
            )


def _seed(seed: int | None, own: int) -> int:
    if seed is None:
        return own
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**63:
        raise InvalidValue(f"seed is {seed!r}; give an integer from 0 to 2**63 - 1, or None")
    return int(seed)


def _at_least(name: str, value: Any, low: int) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < low:
        raise InvalidValue(f"{name} is {value!r}; give an integer of at least {low}")
