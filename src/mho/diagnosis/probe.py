"""A few examples sent through a copy of a model: what its arrays get, with their own reads and with exact ones."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Sequence
from typing import final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from mho.arrays import Array
from mho.errors import InvalidValue
from mho.nn import ArrayLayer, array_layers, replica_outputs
from mho.nn.memory import Memory

Floats = npt.NDArray[np.float32]
Counts = npt.NDArray[np.int64]
Loss = Callable[[Tensor, Tensor], Tensor]


@final
@dataclasses.dataclass(frozen=True)
class Pass:
    """One forward and backward pass of K images; of every array its numbers, in the order of the model.

    Attributes:
        x: inputs of the update cycle, (R, K, T, in), T vectors an image.
        d: likewise δ, (R, K, T, out).
        clipped: outputs that stayed clipped, forward and backward, (2, R).
        outputs: of the network, (R, K, ...).
    """

    x: list[Floats]
    d: list[Floats]
    clipped: list[Counts]
    outputs: Floats


@final
class Probe:
    """A copy of a model, so that nothing of the model itself moves: no stream, no counter, no weight.

    Digital layers are in evaluation mode, arrays in training mode, as training reads them. δ is that of a training
    step: of the mean loss over a batch. Frozen layers are thawed in the copy, so that their reads are seen too.

    Args:
        model: converted.
        images: (K, ...), shared by the replicas.
        targets: (K, ...).
        loss: (outputs (K, ...), targets) to their mean loss.
        batch: images a step.
    """

    def __init__(self, model: nn.Module, images: Tensor, targets: Tensor, *, loss: Loss, batch: int) -> None:
        self.model = copy.deepcopy(model).eval()
        self.images, self.targets, self.loss, self.batch = images.detach(), targets, loss, batch
        self.paths = array_layers(self.model)
        self.layers = list(self.paths.values())
        self.replicas = self.layers[0].replicas
        self.frozen = {path for path, layer in self.paths.items() if not layer.anchor.requires_grad}
        for layer in self.layers:
            layer.train().requires_grad_()

    @property
    def arrays(self) -> list[tuple[str, Array]]:
        """Every array with the path of its layer."""
        return [(path, array) for path, layer in self.paths.items() for array in layer.arrays]  # type: ignore[misc]

    def trained(self, one: Pass) -> list[bool]:
        """Return of each array whether training moves it: its layer is not frozen, and a backward met it."""
        return [path not in self.frozen and x.size > 0 for (path, _), x in zip(self.arrays, one.x, strict=True)]

    def real(self, *, only: int | None = None) -> Pass:
        """A pass through the arrays as they are, each with noise of its own; or with one real and all others exact."""
        for layer in self.layers:
            layer.crossbars = list(layer.arrays)  # type: ignore[arg-type]
        if only is not None:
            chosen = self.arrays[only][1]
            for layer in self.layers:
                layer.crossbars = [array if array is chosen else _Exact(array) for array in layer.crossbars]  # type: ignore[misc]
        return self._pass()

    def exact(self) -> Pass:
        """A pass through the exact weights."""
        for layer in self.layers:
            layer.crossbars = [_Exact(array) for array in layer.arrays]  # type: ignore[misc, arg-type]
        return self._pass()

    def outputs_after(self, moves: Sequence[Floats]) -> Floats:
        """Return exact outputs (R, K, ...) when the weights have moved, by (R, out, in) for each array."""
        place = iter(moves)
        for layer in self.layers:
            layer.crossbars = [_Exact(array, next(place)) for array in layer.arrays]  # type: ignore[misc, arg-type]
        with torch.no_grad():
            return self._outputs().numpy()

    def gradients(self, outputs: Floats) -> Floats:
        """Return the derivative (R, K, ...) of each example's loss by its outputs (R, K, ...)."""
        with torch.enable_grad():
            out = torch.from_numpy(outputs).requires_grad_()
            (found,) = torch.autograd.grad(self._total(out), out)
        return found.numpy()

    # Inside --------------------------------------------------------------------------------------

    def _pass(self) -> Pass:
        for layer in self.layers:
            layer.memory = Memory(steered=True)
            layer.anchor.grad = None
        counted = [self._clipped()]
        with torch.enable_grad():
            outputs = self._outputs()
            counted.append(self._clipped())
            (self._total(outputs) / self.batch).backward()
        counted.append(self._clipped())
        x: list[Floats] = []
        d: list[Floats] = []
        for layer in self.layers:
            uses = layer.memory.in_order()
            for i, array in enumerate(layer.arrays):
                x.append(self._by_image(layer, [use.x[i] for use in uses], array.in_features))  # type: ignore[arg-type]
                d.append(self._by_image(layer, [use.d[i] for use in uses], array.out_features))  # type: ignore[arg-type]
        clipped = [np.stack([middle - start, end - middle]) for start, middle, end in zip(*counted, strict=True)]
        return Pass(x, d, clipped, outputs.detach().numpy())

    def _outputs(self) -> Tensor:
        return replica_outputs(self.model, self.images, per_replica=False)

    def _total(self, outputs: Tensor) -> Tensor:
        """Return the summed loss of outputs (R, K, ...)."""
        means = [self.loss(own, self.targets) for own in outputs]
        if any(mean.numel() != 1 for mean in means):
            raise InvalidValue(f"loss returns {tuple(means[0].shape)}; give one that returns the mean of a batch")
        return torch.stack(means).sum() * len(self.images)

    def _clipped(self) -> list[Counts]:
        return [array.counters()["clipped_reads"].numpy() for _, array in self.arrays]

    def _by_image(self, layer: ArrayLayer, uses: Sequence[Floats], size: int) -> Floats:
        """Return the vectors (R, K, T, size) of the uses of an array of a layer; without a use T is 0."""
        none = np.zeros((self.replicas, len(self.images), 0, size), np.float32)
        return np.concatenate([none, *(layer.by_sample(use, len(self.images)) for use in uses)], axis=2)


@final
class _Exact:
    """Stands in for an array in a layer: the product with its exact weights, moved or not, without noise or bounds."""

    def __init__(self, array: Array, move: Floats | None = None) -> None:
        self.name, self.weight, self.learns_scale = array.name, array.scaled_weight.numpy(), array.learns_scale
        if move is not None:
            self.weight = self.weight + move

    def read_vectors(self, inputs: Floats, *, backward: bool) -> Floats:
        return product(inputs, self.weight if backward else self.weight.transpose(0, 2, 1))


def product(a: Floats, b: Floats) -> Floats:
    """Matrix product by torch, whose number of threads training sets: NumPy's may depend on the machine's."""
    out: Floats = torch.matmul(torch.from_numpy(a), torch.from_numpy(b)).numpy()
    return out
