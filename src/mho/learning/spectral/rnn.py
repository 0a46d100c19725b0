"""SpectralRNN: a recurrent network whose weights are computed from moments of its inputs and outputs."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self, final

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import validate_data
from torch import Tensor

from mho.errors import InvalidValue, InWords
from mho.learning.spectral.arrays import Floats
from mho.learning.spectral.bar import SequenceBar
from mho.learning.spectral.module import SpectralModule
from mho.learning.spectral.report import SpectralReport, solve
from mho.learning.spectral.setting import make_setting
from mho.learning.spectral.storage import pack, unpack
from mho.learning.spectral.stream import Stream, check_outputs
from mho.learning.spectral.weights import Weights
from mho.training.checkpoint import load_checkpoint, save_checkpoint


@final
class SpectralRNN(RegressorMixin, BaseEstimator, metaclass=InWords):  # type: ignore[misc]
    """A recurrent network learnt from moments of one sequence: no gradients, no starting point, one pass.

    h_t = f(A₁ x_t + U h_(t-1)), E[y_t | h_t] = A₂ᵀ h_t. Averages of y_t times score functions of the inputs are, by
    Stein's identity, sums of products of the weights; whitening, tensor power iteration and least squares recover them.
    The method needs inputs of a known or Gaussian density, hidden units d_h ≤ d_x (both directions together), matrices
    of full rank, outputs that depend on the units in different proportions (d_y ≥ d_h always suffices; a linear network
    needs it), and a state that stays bounded: of a quadratic network a recurrent matrix of small norm, about 0.1 for
    rows of A₁ of norm 1. Conditions that do not hold are refused by name. Errors fall with the root of the samples, and
    are of some per cent at a million.

    What is determined. Quadratic f: all weights but the order, sign and scale of a unit (a_i → c_i a_i,
    U_ij → c_i U_ij/c_j², A₂ᵢ → A₂ᵢ/c_i²); rows of A₁ have norm 1 and their largest entry is positive, and units come by
    falling ‖A₂ᵢ‖. Linear f: only A₂ᵀ Uᵏ A₁, as any invertible G makes GA₁, GUG⁻¹, A₂ᵀG⁻¹ an equal network: the
    attributes are one such network, its eigenvalues of U and its predictions are those of all.

    Results depend on the data, in order, on `density` and `seed`, not on how the sequence is cut into pieces.

    Args:
        hidden: hidden units d_h, of each direction.
        activation: f, "quadratic" (z²) or "linear" (z).
        bidirectional: add a second network that runs backward, with weights of its own: y_t = A₂ᵀh_t + B₂ᵀg_t.
            Quadratic only: the moments of a linear network do not tell its directions apart.
        density: density of the inputs. "gaussian": independent, mean and covariance estimated on the way; "markov": a
            Gaussian chain x_t - μ = Φ(x_(t-1) - μ) + ε_t, estimated on the way; these two are tested, with one false
            alarm in 1,000. A known density is `GaussianScores`, `MarkovScores`, or a function: the torch function of
            one independent input (d_x,) -> log p.
        seed: seed of the power iteration's random starts.
        verbose: show progress on standard error.

    Attributes:
        input_weight_: A₁, (d_h, d_x), or (2, d_h, d_x): forward and backward.
        recurrent_weight_: U, (d_h, d_h), or (2, d_h, d_h).
        output_weight_: A₂, (d_h, d_y), or (2, d_h, d_y).
        report_: `SpectralReport`: standard errors, singular values, conditioning. These four are computed when they are
            asked for.
        n_samples_seen_: times so far.
        n_features_in_: d_x.

    Raises:
        InvalidValue: from `fit`, or when weights are asked for, naming the condition that does not hold.

    Source: H. Sedghi, A. Anandkumar 2016, arXiv 1603.00954.
    """

    stream_: Stream
    _flat: bool
    _solution: tuple[Weights, SpectralReport] | None

    def __init__(
        self,
        hidden: int = 4,
        *,
        activation: str = "quadratic",
        bidirectional: bool = False,
        density: Any = "gaussian",
        seed: int = 0,
        verbose: bool = False,
    ) -> None:
        self.hidden = hidden
        self.activation = activation
        self.bidirectional = bidirectional
        self.density = density
        self.seed = seed
        self.verbose = verbose

    # Learning ------------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any) -> Self:
        """Learn from one sequence.

        Args:
            X: inputs (n, d_x), finite, in order of time.
            y: outputs (n, d_y) or (n,) of the same times.

        Raises:
            InvalidValue: for a wrong parameter, unfit data, or a condition that does not hold; the estimator is then as
                it was.
        """
        before = dict(self.__dict__)
        try:
            self._take(X, y, first=True)
            self._solved()
        except Exception:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise
        return self

    def partial_fit(self, X: Any, y: Any) -> Self:
        """Go on with the next piece of the sequence; weights are computed when they are asked for.

        Args: as of `fit`. Pieces may be of any length from 1 on and change no bit of the result.

        Raises:
            InvalidValue: for unfit data, or a state that latches or diverges; the estimator is then as it was.
        """
        before = dict(self.__dict__)
        try:
            self._take(X, y, first="stream_" not in self.__dict__)
        except Exception:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise
        return self

    def _take(self, X: Any, y: Any, *, first: bool) -> None:
        x, outputs = self._checked(X, y, reset=first)
        setting = make_setting(self.get_params(deep=False), x.shape[1], outputs.shape[1])
        if first:
            stream = Stream(setting)
        else:
            stream = self.stream_.copy()
            if stream.setting != setting:
                raise InvalidValue(
                    "hidden, activation, bidirectional, density and the number of outputs cannot change between two "
                    "pieces of a sequence; set them back, or fit anew"
                )
        with SequenceBar(stream.seen, len(x), show=self.verbose) as bar:
            stream.add(x, outputs, bar.step)
        self._flat = np.ndim(y) == 1
        self.stream_, self._solution = stream, None

    # Results -------------------------------------------------------------------------------------

    @property
    def input_weight_(self) -> Floats:
        """Return A₁, (d_h, d_x), or (2, d_h, d_x) of a bidirectional network, forward first."""
        return self._solved()[0].input

    @property
    def recurrent_weight_(self) -> Floats:
        """Return U, (d_h, d_h), or (2, d_h, d_h) of a bidirectional network, forward first."""
        return self._solved()[0].recurrent

    @property
    def output_weight_(self) -> Floats:
        """Return A₂, (d_h, d_y), or (2, d_h, d_y) of a bidirectional network, forward first."""
        return self._solved()[0].output

    @property
    def report_(self) -> SpectralReport:
        """Return the standard errors and the conditioning of the weights."""
        return self._solved()[1]

    @property
    def weights_(self) -> Weights:
        """Return the three matrices as a record."""
        return self._solved()[0]

    @property
    def n_samples_seen_(self) -> int:
        """Return how many times of the sequence have been learned from, at least 0."""
        self._check_fitted()
        return self.stream_.seen

    def predict(self, X: Any) -> Floats:
        """Return the expected outputs of a sequence, (n, d_y), or (n,) if `fit` had y of one axis, from states of 0.

        Args:
            X: inputs (n, d_x), in order of time.

        Raises:
            NotFittedError: before `fit`.
            InvalidValue: if the state diverges on these inputs.
        """
        self._check_fitted()
        x = self._rows(X)
        with np.errstate(over="ignore", invalid="ignore"):
            y = self.weights_.outputs(x)
        bad = np.flatnonzero(~np.isfinite(y).all(axis=1))
        if bad.size:
            raise InvalidValue(
                f"the state of the recovered network diverges on these inputs (time {int(bad[0])}): they are larger "
                "than those it was fitted to, or its recurrent weights are not known well; predict shorter sequences, "
                "or fit more samples"
            )
        return y[:, 0] if self._flat else y

    def states(self, X: Any) -> Floats:
        """Return the hidden states of a sequence, (n, d_h), from states of 0.

        Those of a bidirectional network are (n, 2·d_h): forward states, then backward states.

        Args:
            X: inputs (n, d_x), in order of time.

        Raises:
            NotFittedError: before `fit`.
        """
        self._check_fitted()
        x = self._rows(X)
        forward, *backward = self.weights_.parts()
        return np.hstack([forward.states(x), *(part.states(x[::-1])[::-1] for part in backward)])

    def to_torch(self, *, bound: float | None = None) -> SpectralModule:
        """Return the network as a torch module of Linear layers (float32): to fine-tune, or for `mho.convert`.

        Args:
            bound: largest magnitude of a weight that the layers hold, such as that of the devices; digital factors
                behind the layers make up for it. None: layers hold the weights as they are.
        """
        return SpectralModule(self.weights_, bound=bound)

    # Files ---------------------------------------------------------------------------------------

    def save(self, file: Path | str) -> None:
        """Write parameters and moments to a safetensors file; after `load`, `partial_fit` goes on to the bit.

        A density given as a function is not written.
        """
        save_checkpoint(Path(file), *self.state())

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return all that `save` writes: tensors, and notes in values that JSON has."""
        self._check_fitted()
        names = getattr(self, "feature_names_in_", None)
        return pack(self.stream_, self.get_params(deep=False), self._flat, None if names is None else list(names))

    @classmethod
    def load(cls, file: Path | str, *, density: Callable[[Tensor], Tensor] | None = None) -> SpectralRNN:
        """Return the estimator that `save` wrote.

        Args:
            file: the file.
            density: the function that the saved estimator had as its density.

        Raises:
            CheckpointError: for a file that is damaged or another's.
            InvalidValue: if a density is needed and not given, or the other way round.
        """
        return cls.from_state(*load_checkpoint(Path(file)), density=density, file=file)

    @classmethod
    def from_state(
        cls, tensors: dict[str, Tensor], notes: dict[str, Any], *, density: Any = None, file: Path | str = "the state"
    ) -> SpectralRNN:
        """Return the estimator whose `state` this is; `file` is where it was stored, for messages."""
        stream, parameters, flat, names = unpack(file, tensors, notes, density)
        made = cls(**parameters)
        made.stream_, made._flat, made._solution, made.n_features_in_ = stream, flat, None, stream.setting.inputs
        if names is not None:
            made.feature_names_in_ = np.array(names, object)
        return made

    # Inside --------------------------------------------------------------------------------------

    def _solved(self) -> tuple[Weights, SpectralReport]:
        self._check_fitted()
        if self._solution is None:
            self._solution = solve(self.stream_, self.seed)
        return self._solution

    def _checked(self, X: Any, y: Any, *, reset: bool) -> tuple[Floats, Floats]:
        given = np.asarray(y)
        if given.dtype.kind == "f" and given.ndim in (1, 2):  # before scikit-learn, which does not name the time
            check_outputs(given.reshape(len(given), -1), 0 if reset else self.stream_.seen)
        try:
            x, outputs = validate_data(
                self, X, y, reset=reset, dtype=np.float64, multi_output=True, y_numeric=True, estimator="SpectralRNN",
                ensure_all_finite=False,
            )  # fmt: skip
        except ValueError as error:
            raise InvalidValue(str(error)) from None
        _check_inputs(x)
        return x, np.asarray(outputs, np.float64).reshape(len(x), -1)

    def _rows(self, X: Any) -> Floats:
        try:
            x = validate_data(self, X, reset=False, dtype=np.float64, estimator="SpectralRNN", ensure_all_finite=False)
        except ValueError as error:
            raise InvalidValue(str(error)) from None
        _check_inputs(x)
        return np.asarray(x)

    def _check_fitted(self) -> None:
        if "stream_" not in self.__dict__:
            raise NotFittedError(
                "This SpectralRNN instance is not fitted yet. Call 'fit' with appropriate arguments first."
            )

    def __sklearn_is_fitted__(self) -> bool:
        return "stream_" in self.__dict__

    def __sklearn_clone__(self) -> SpectralRNN:
        """Return an unfitted estimator of equal parameters; a density is shared, as it does not change."""
        parameters = self.get_params(deep=False)
        density = parameters.pop("density")
        return SpectralRNN(**copy.deepcopy(parameters), density=density)


def _check_inputs(x: Floats) -> None:
    bad = np.flatnonzero(~np.isfinite(x).all(axis=1))
    if bad.size:
        raise InvalidValue(
            f"X holds NaN or infinite values, first in row {int(bad[0])}; a sequence cannot have gaps: give the part "
            "before it"
        )
