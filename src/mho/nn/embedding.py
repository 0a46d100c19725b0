"""Vectors for words, read from the columns of an array."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NoReturn, final

import numpy as np
import torch
from torch import Tensor, nn

from mho.config import RPU
from mho.errors import Faults, InvalidValue
from mho.kernels.ops import Floats
from mho.nn.array_layer import ArrayLayer
from mho.nn.kinds import LayerKind, Matrix, register
from mho.nn.passage import PassageOf
from mho.spoken import kept_digital

INTEGERS = (torch.int32, torch.int64)


@final
class Embedding(ArrayLayer):
    """`torch.nn.Embedding` on one array of embedding_dim × num_embeddings: a column is the vector of one index.

    An index drives its column with 1 and all others with 0, so one column is read, with the noise of a read, and in an
    update pulsed. Takes integers (R·B, ...) from 0 to num_embeddings - 1 and returns (R·B, ..., embedding_dim). The
    column of `padding_idx` is read as all others, and no update pulses it. Time and memory of a simulated read are
    those of the whole array.

    Raises:
        InvalidValue: for sizes below 1, or a `padding_idx` that is no index.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        rpu: RPU,
        seed: int | Sequence[int] = 0,
        replicas: int = 1,
        name: str = "embedding",
    ) -> None:
        faults = Faults(f"layer {name}")
        faults.number("embedding_dim", embedding_dim, low=1, integer=True)
        if faults.number("num_embeddings", num_embeddings, low=1, integer=True):
            last = num_embeddings - 1
            faults.number("padding_idx", padding_idx, low=-num_embeddings, high=last, integer=True, optional=True)
        faults.raise_any()
        super().__init__(rpu, [(embedding_dim, num_embeddings)], bias=False, seed=seed, replicas=replicas, name=name)
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings

    @property
    def weight_shape(self) -> tuple[int, ...]:
        return (self.num_embeddings, self.embedding_dim)

    def as_weight(self, matrix: Tensor) -> Tensor:
        return matrix.mT

    def as_matrix(self, weight: Tensor) -> Tensor:
        return weight.mT

    def takes(self, shape: Sequence[int]) -> bool:
        return len(shape) > 0

    def is_sample(self, shape: Sequence[int]) -> bool:
        return len(shape) == 0

    def prepare(self, x: Tensor) -> Tensor:
        return check_indices(x, self.num_embeddings, self.name)

    def send(self, x: Tensor) -> list[Floats]:
        return [one_hot(x, self.num_embeddings)]

    def receive(self, answers: list[Floats], shape: torch.Size) -> Tensor:
        return torch.from_numpy(answers[0].reshape(*shape, self.embedding_dim))

    def send_back(self, grad: Tensor) -> list[Floats]:
        return [grad.contiguous().numpy().reshape(grad.shape[0], math.prod(grad.shape[1:-1]), self.embedding_dim)]

    def receive_back(self, answers: list[Floats], shape: torch.Size) -> NoReturn:
        raise AssertionError("indices take no gradient")

    def keep(self, number: int, x: list[Floats], d: list[Floats]) -> None:
        if self.padding_idx is not None:
            x[0][..., self.padding_idx] = 0  # drives nothing in the update
        super().keep(number, x, d)

    def extra_repr(self) -> str:
        """Return the sizes and options of the layer in words, as print(model) shows them."""
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"


def check_indices(x: Tensor, count: int, name: str) -> Tensor:
    """Return x, if it holds indices from 0 to count - 1.

    Raises:
        InvalidValue: for other numbers.
    """
    if x.dtype not in INTEGERS:
        raise InvalidValue(
            f"layer {name}: indices are {str(x.dtype).removeprefix('torch.')}; give integers from 0 to {count - 1}, "
            "for example x.long()"
        )
    wrong = x[(x < 0) | (x >= count)]
    if len(wrong):
        raise InvalidValue(
            f"layer {name}: index {int(wrong[0])} is out of range; the layer has {count} embeddings: give indices "
            f"from 0 to {count - 1}"
        )
    return x


def one_hot(x: Tensor, count: int) -> Floats:
    """Return vectors (S, T, count) of 0 with 1 at each index of x, (S, ...)."""
    indices = x.numpy().reshape(x.shape[0], -1) if x.numel() else np.zeros((x.shape[0], 0), np.int64)
    vectors = np.zeros((*indices.shape, count), np.float32)
    np.put_along_axis(vectors, indices[..., None], np.float32(1), axis=2)
    return vectors


def refuse_options(module: nn.Embedding, name: str) -> None:
    """Raise for options of an Embedding that change rows, or their gradient, digitally.

    Raises:
        InvalidValue: naming the options.
    """
    reasons = {
        "max_norm": "rescales rows before they are read, and arrays cannot be rescaled in part",
        "scale_grad_by_freq": "divides gradients by how often a word comes in a batch, which vectors do one by one",
        "sparse": "gives sparse gradients, and gradients of arrays are vectors already",
    }
    faults = [f"{name}={getattr(module, name)} {why}" for name, why in reasons.items() if getattr(module, name)]
    if faults:
        raise InvalidValue(
            f"layer {name}: {'; '.join(faults)}; make the Embedding without, or keep it digital: "
            f"{kept_digital([name])}",
            faults,
        )


def _make(module: nn.Embedding, **options: Any) -> Embedding:
    refuse_options(module, options["name"])
    return Embedding(module.num_embeddings, module.embedding_dim, module.padding_idx, **options)


def _passage(layer: Embedding) -> PassageOf:
    raise InvalidValue(f"layer {layer.name} takes indices, and the online driver numbers")


KIND = register(
    LayerKind(
        replaces=nn.Embedding,
        layer=Embedding,
        make=_make,
        matrices=lambda module: [Matrix(module.weight.mT)],
        vectors=lambda given, answer: math.prod(given),
        passage=_passage,
        twin=lambda layer: nn.Embedding(layer.num_embeddings, layer.embedding_dim, layer.padding_idx),
    )
)
