"""ArrayLayer, the base of layers on arrays: reads in autograd's two directions, and vectors kept for the update."""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, final

import numpy as np
import torch
from torch import Tensor, nn

from mho.arrays import Array, build_array
from mho.config import RPU
from mho.errors import InvalidValue, WrongUse
from mho.kernels.ops import Floats
from mho.nn.compiled import outside_graphs
from mho.nn.layer_cycles import LayerCycles, check_tensor, through_arrays, unrecorded
from mho.nn.layer_state import load_digital, refuse_averages, scale_faults
from mho.nn.learning_layer import LearningLayer
from mho.nn.memory import Anchor, Memory

if TYPE_CHECKING:
    from mho.nn.kinds import Matrix


class ArrayLayer(LearningLayer):
    """A layer whose weights are the state of arrays, one for each group: a crossbar, or tiles where it is larger.

    The weights are buffers: no torch optimizer can move them, `mho.AnalogSGD` or `mho.AnalogOptimizer` does. The anchor
    is an empty parameter that requires grad: through it autograd's backward reaches the layer even
    where its input needs no gradient, and its `grad` tells when a backward has ended and when
    gradients were zeroed.

    `learns_scale` says whether the digital factor between weights and arrays is a parameter of the layer.

    In training mode each backward keeps its vectors (x, δ) until `AnalogSGD.step` pulses them, in the order of the
    forwards, also those of a layer that is used several times in a step. Gradients that are set to None or to zero
    take the vectors with them. In evaluation mode reads draw from the evaluation stream, and nothing is kept.

    What `torch.utils.checkpoint` recomputes is read from the arrays anew, with noise of its own.

    Attributes:
        time_first: whether the vectors of a use come step after step of time, and not sample after sample.
    """

    time_first = False

    def __init__(
        self,
        rpu: RPU,
        shapes: Sequence[tuple[int, int]],
        *,
        bias: bool,
        seed: int | Sequence[int],
        replicas: int,
        name: str,
    ) -> None:
        super().__init__()
        self.name = name
        self.has_bias = bias
        names = [name] if len(shapes) == 1 else [f"{name}.group{g}" for g in range(len(shapes))]
        self.arrays = nn.ModuleList(
            build_array(rpu, out, inputs + bias, seed=seed, replicas=replicas, name=label)
            for label, (out, inputs) in zip(names, shapes, strict=True)
        )
        self.crossbars: list[Array] = list(self.arrays)  # type: ignore[arg-type]
        self.replicas = self.crossbars[0].replicas
        self.anchor = Anchor.of(sum(a.replicas * a.out_features * a.in_features for a in self.crossbars))
        self.memory = Memory()
        self.learns_scale = self.crossbars[0].learns_scale
        self._watch_anchor()

    @final  # type: ignore[misc]
    def forward(self, x: Tensor) -> Tensor:
        """Send a batch (R·B, ...), or one sample, through the layer's arrays, as one node of autograd's graph.

        Arrays run outside torch.compile, which compiles the digital parts between them.

        Raises:
            InvalidValue: for a batch of a wrong shape.
            WrongUse: inside DistributedDataParallel, torch.jit.trace, torch.export or transforms of torch.func.
        """
        check_tensor(x, self.name)
        alone = self.replicas == 1 and self.is_sample(x.shape)
        x = self.prepare(x.unsqueeze(0) if alone else x)
        answer = through_arrays(x, self, LayerCycles)
        return answer.squeeze(0) if alone else answer

    def is_sample(self, shape: Sequence[int]) -> bool:
        """Return whether this is the shape of one sample without a batch, which a layer of one replica takes too."""
        return False

    @property
    def prepares(self) -> bool:
        """Return whether `prepare` computes something of a batch, such as a padding, and does not only check it."""
        return False

    @abc.abstractmethod
    def prepare(self, x: Tensor) -> Tensor:
        """Check a batch, and return it as `send` takes it: itself, or changed by functions that autograd sees.

        Raises:
            InvalidValue: for a wrong shape.
        """

    @abc.abstractmethod
    def send(self, x: Tensor) -> list[Floats]:
        """Return the inputs of each array for S samples (S, ...): (S, T, in), the bias column of 1 included.

        In memory of their own: they are kept until the update.
        """

    @abc.abstractmethod
    def receive(self, answers: list[Floats], shape: torch.Size) -> Tensor:
        """Return the output (S, ...) from each array's answers (S, T, out), for an input of this shape."""

    @abc.abstractmethod
    def send_back(self, grad: Tensor) -> list[Floats]:
        """Return δ (S, T, out) of each array from δ of the output (S, ...): the adjoint of `receive`."""

    @abc.abstractmethod
    def receive_back(self, answers: list[Floats], shape: torch.Size) -> Tensor:
        """Return δ of the input (S, ...) from each array's answers (S, T, in): the adjoint of `send`."""

    # Weights -------------------------------------------------------------------------------------

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """Shape of the weight of the torch layer that this layer replaces, out first."""
        held = self._held
        return (len(held) * held[0].out_features, held[0].in_features - self.has_bias)

    def as_weight(self, matrix: Tensor) -> Tensor:
        """Return matrices (R, out, in) of all arrays as weights (R, *weight_shape) of the torch layer."""
        return matrix.reshape(-1, *self.weight_shape)

    def as_matrix(self, weight: Tensor) -> Tensor:
        """Return weights (*weight_shape), or (R, *weight_shape), as matrices (out, in), or (R, out, in)."""
        return weight.flatten(weight.dim() - len(self.weight_shape) + 1)

    @property
    def weight(self) -> Tensor:
        """Exact weights in the shape of the torch layer's, (R, ...) where R > 1: a copy to read; `write` sets them."""
        whole = self.matrix()
        width = whole.shape[-1] - self.has_bias
        return self._read_only(self._shaped(self.as_weight(whole[..., :width]), self.weight_shape))

    @property
    def bias(self) -> Tensor | None:
        """Return the exact biases (out,), or (R, out) where R > 1: a read-only copy; None where the layer has none."""
        return self._read_only(self._shaped(self.matrix()[..., -1], self.weight_shape[:1])) if self.has_bias else None

    def read(self) -> tuple[Tensor, Tensor | None]:
        """Return weight and bias as one forward read of unit vectors sees them, noise and bounds included.

        Shapes are those of `weight` and `bias`; None where the layer has no bias. Noise comes from the stream of
        evaluation, hence training stays as it is.
        """
        whole = self.matrix(read=True)
        width = whole.shape[-1] - self.has_bias
        bias = self._shaped(whole[..., -1], self.weight_shape[:1]) if self.has_bias else None
        return self._shaped(self.as_weight(whole[..., :width]), self.weight_shape), bias

    def write(self, weight: Tensor, bias: Tensor | None = None) -> float:
        """Program the arrays so that they hold these weights, each clipped to the bounds of its devices; a scale stays.

        Args:
            weight: in the shape of `weight`, or of one replica for all alike.
            bias: (out,), or (R, out); None: the biases stay, if there are any.

        Returns:
            The share of the weights that bounds clipped, 0 to 1.

        Raises:
            InvalidValue: for another shape, values that are not finite, or a bias for a layer without bias.

        Warns:
            ClippedWeights: where bounds clipped more than 1 % of the weights of an array.
        """
        return self._write(weight, bias, choose=False)

    def program(self, weight: Tensor, bias: Tensor | None = None) -> float:
        """Program the arrays as `write` does, but for new weights: a scale that the RPU leaves open is chosen anew.

        Args:
            weight: in the shape of `weight`, or of one replica for all alike.
            bias: (out,), or (R, out); None: the biases stay, if there are any.

        Returns:
            The share of the weights that bounds clipped, 0 to 1.

        Raises:
            InvalidValue: for another shape, values that are not finite, or a bias for a layer without bias.
        """
        return self._write(weight, bias, choose=True)

    def _write(self, weight: Tensor, bias: Tensor | None = None, *, choose: bool) -> float:
        """Do as `write`; choose the scale anew, if the RPU leaves it open."""
        if bias is not None and not self.has_bias:
            raise InvalidValue(f"layer {self.name}: the layer has no bias; leave bias out")
        whole = self.matrix().clone()
        inputs = whole.shape[-1] - self.has_bias
        parts = [("weight", weight, self.weight_shape, whole[..., :inputs])]
        parts += [] if bias is None else [("bias", bias, self.weight_shape[:1], whole[..., inputs])]
        for label, values, shape, target in parts:
            given = torch.as_tensor(values, dtype=torch.float32).detach()
            if tuple(given.shape) not in (shape, (self.replicas, *shape)):
                also = f", or {(self.replicas, *shape)}" if self.replicas > 1 else ""
                raise InvalidValue(f"layer {self.name}: {label} has shape {tuple(given.shape)}; give {shape}{also}")
            if not torch.isfinite(given).all():  # before any group is programmed
                raise InvalidValue(f"layer {self.name}: the {label} to write holds NaN or infinite values")
            target.copy_(self.as_matrix(given) if label == "weight" else given)
        return self._program(whole, choose=choose)

    def _program(self, whole: Tensor, *, choose: bool) -> float:
        """Program the arrays with the weights of all, (R, out, in); return the share that bounds clipped."""
        each = zip(self.crossbars, whole.chunk(len(self.crossbars), dim=1), strict=True)
        shares = [array.adopt(part, choose=choose) for array, part in each]
        return sum(shares) / len(shares)

    @outside_graphs
    def matrix(self, *, read: bool = False) -> Tensor:
        """Return the weights of all arrays, (R, out, in), one array below the other, the bias column included.

        They are in units of the layer's weight: a scale is applied.

        Args:
            read: True for weights as one forward read of unit vectors sees them, with noise; False for the exact
                weights.
        """
        with torch.no_grad():
            return torch.cat([array.scaled_read() if read else array.scaled_weight for array in self._held], dim=1)

    @property
    def _held(self) -> list[Array]:
        """Return the arrays themselves, also where a stand-in takes their reads in `crossbars`, as to count them."""
        return list(self.arrays)  # type: ignore[arg-type]

    def _shaped(self, values: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Return a copy of values of all replicas in a shape, without the replica axis if there is a single replica."""
        whole = values.reshape(self.replicas, *shape).clone()
        return whole if self.replicas > 1 else whole[0]

    def __repr__(self) -> str:
        """Return the layer as `print(model)` shows it: its sizes, then what its arrays are made of."""
        first = self.crossbars[0]
        words = [self.extra_repr(), *first.rpu.words()]
        if len(first.tile_shapes) > 1:
            words.append(f"tiles={len(first.tile_shapes)}")
        if self.replicas > 1:
            words.append(f"replicas={self.replicas}")
        if not self.anchor.requires_grad:
            words.append("frozen")
        return f"{type(self).__name__}({', '.join(word for word in words if word)})"

    @property
    def trains(self) -> bool:
        return self.anchor.requires_grad

    def _apply_to_all(self, fn: Callable[[nn.Module], None]) -> None:
        nn.Module.apply(self, fn)

    def follow(self, matrices: Sequence[Matrix], before: Sequence[Matrix]) -> bool:
        """Program the arrays with what has changed of the matrices of the torch layer; return whether anything has.

        New weights choose a scale anew that the RPU leaves open.

        Args:
            matrices: matrices of the torch layer now, one for each array.
            before: the matrices as they were before.
        """
        pairs = list(zip(matrices, before, strict=True))
        weights = any(not torch.equal(now.weight, start.weight) for now, start in pairs)
        biases = any(now.bias is not None and not torch.equal(now.bias, start.bias) for now, start in pairs)  # type: ignore[arg-type]
        if not weights and not biases:
            return False
        whole = self.matrix().clone()
        for own, now in zip(whole.chunk(len(matrices), dim=1), matrices, strict=True):
            width = now.weight.shape[1]
            if weights:
                own[..., :width] = now.weight.detach()
            if biases and now.bias is not None:
                own[..., width] = now.bias.detach()
        self._program(whole, choose=weights)
        return True

    def register_parameter(self, name: str, param: nn.Parameter | None) -> None:
        """Refuse all but the anchor: a parameter beside it would stand for weights that are the state of arrays.

        Raises:
            WrongUse: as for prunings, which keep the weights as a parameter and make them anew in each forward.
        """
        if name != "anchor":
            raise WrongUse(
                f"layer {self.name}: {name} would be a parameter of a layer on arrays, whose weights are the state of "
                "devices, as prunings and norms of weights need it; make them permanent in the digital model before "
                "mho.convert, or keep the layer digital (exclude=)"
            )
        super().register_parameter(name, param)

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *arguments: Any) -> None:
        metadata, _, missing, _, faults = arguments
        # assign=True may replace the memory of arrays, and not the anchor, whose hook ends a backward; torch leaves
        # the wish in the state_dict, also for the next time
        metadata.pop("assign_to_params_buffers", None)
        refuse_averages(self, state, prefix)
        load_digital(self, state, prefix, missing, faults)
        faults += scale_faults(self, state, prefix)
        super()._load_from_state_dict(state, prefix, *arguments)

    # From samples to vectors ---------------------------------------------------------------------

    def by_sample(self, vectors: Floats, samples: int) -> Floats:
        """Return vectors of a use, (R, V, n), by the samples of a replica to which they belong, (R, samples, T, n).

        Raises:
            InvalidValue: where samples have different numbers of vectors.
        """
        replicas, count, width = vectors.shape
        if count % samples:
            raise InvalidValue(
                f"layer {self.name}: {samples} samples send {count} vectors, not the same number each, as packed "
                "sequences do; give samples of one length"
            )
        if self.time_first:
            return vectors.reshape(replicas, count // samples, samples, width).swapaxes(1, 2)
        return vectors.reshape(replicas, samples, count // samples, width)

    def by_replica(self, vectors: Floats) -> Floats:
        """Return vectors of samples (S, T, n) as (R, S/R·T, n)."""
        samples, count, width = vectors.shape
        whole = np.ascontiguousarray(vectors, np.float32)
        return whole.reshape(self.replicas, samples // self.replicas * count, width)

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if not keep_vars:  # a plain tensor: an anchor refuses to be copied from
            destination[f"{prefix}anchor"] = torch.empty(0)

    def __prepare_scriptable__(self) -> Any:
        """Refuse torch.jit.script, which asks each module for a stand-in."""
        raise unrecorded(self.name, "torch.jit.script")

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"memory": self.memory.renewed()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._watch_anchor()
