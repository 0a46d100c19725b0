"""Patches of maps as vectors, and errors back into maps, on every geometry a convolution can have."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from mho.kernels import feature_maps


@dataclasses.dataclass(frozen=True)
class Case:
    batch: int
    channels: int
    size: tuple[int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: tuple[int, int]
    bias: bool

    @property
    def out(self) -> tuple[int, ...]:
        reach = [d * (k - 1) + 1 for d, k in zip(self.dilation, self.kernel, strict=True)]
        whole = [s + 2 * p - r for s, p, r in zip(self.size, self.padding, reach, strict=True)]
        return tuple(w // step + 1 if w >= 0 else 0 for w, step in zip(whole, self.stride, strict=True))

    @property
    def geometry(self) -> feature_maps.Geometry:
        return feature_maps.Geometry(self.kernel, self.stride, self.dilation, self.padding, self.out)

    @property
    def torch_options(self) -> dict[str, tuple[int, int]]:
        return {"kernel_size": self.kernel, "stride": self.stride, "dilation": self.dilation, "padding": self.padding}


def pairs(low: int, high: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(low, high), st.integers(low, high))


# widths beyond 16 and kernels beyond 8 need more than one vector
CASES = st.builds(
    Case,
    batch=st.integers(1, 3),
    channels=st.integers(1, 3),
    size=pairs(1, 37),
    kernel=pairs(1, 11),
    stride=pairs(1, 4),
    dilation=pairs(1, 3),
    padding=pairs(0, 5),
    bias=st.booleans(),
).filter(lambda case: min(case.out) > 0)
LENET = Case(2, 16, (12, 12), (5, 5), (1, 1), (1, 1), (0, 0), True)
WIDE = Case(1, 2, (3, 50), (2, 19), (1, 3), (1, 1), (1, 7), False)


def maps_of(case: Case) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(case.batch, case.channels, *case.size, generator=generator)


def guarded(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """An array inside a larger one full of NaN, which shows what was written beside it."""
    size = int(np.prod(shape))
    whole = np.full(size + 64, np.nan, np.float32)
    return whole, whole[32 : 32 + size].reshape(shape)


def check_gathered(case: Case) -> None:
    maps = maps_of(case)
    whole, out = guarded((case.batch, int(np.prod(case.out)), case.channels * int(np.prod(case.kernel)) + case.bias))
    feature_maps.gather_patches(maps.numpy(), case.geometry, bias=case.bias, out=out)
    patches = F.unfold(maps, **case.torch_options).transpose(1, 2)
    if case.bias:
        patches = F.pad(patches, (0, 1), value=1.0)
    assert np.array_equal(out, patches.numpy())
    assert np.isnan(whole[:32]).all()
    assert np.isnan(whole[-32:]).all()


def check_scattered(case: Case) -> None:
    generator = torch.Generator().manual_seed(2)
    columns = case.channels * int(np.prod(case.kernel))
    vectors = torch.randn(case.batch, int(np.prod(case.out)), columns + case.bias, generator=generator)
    whole, out = guarded((case.batch, case.channels, *case.size))
    out.fill(0.0)
    feature_maps.scatter_patches(vectors.numpy(), out, case.geometry)
    assert np.array_equal(out, scattered(case, vectors.numpy()))
    assert np.isnan(whole[:32]).all()
    assert np.isnan(whole[-32:]).all()
    # one rounding a term, of at most 121 terms of order 1
    folded = F.fold(vectors[..., :columns].transpose(1, 2), case.size, **case.torch_options)
    np.testing.assert_allclose(out, folded.numpy(), atol=1e-4)


def scattered(case: Case, vectors: np.ndarray) -> np.ndarray:
    """The truth: vector after vector, number by number."""
    (high, wide), (top, left) = case.size, case.padding
    out = np.zeros((case.batch, case.channels, high, wide), np.float32)
    for b, v in np.ndindex(vectors.shape[:2]):
        down, aside = divmod(v, case.out[1])
        for at, (c, i, j) in enumerate(np.ndindex(case.channels, *case.kernel)):
            y = down * case.stride[0] - top + i * case.dilation[0]
            x = aside * case.stride[1] - left + j * case.dilation[1]
            if 0 <= y < high and 0 <= x < wide:
                out[b, c, y, x] += vectors[b, v, at]
    return out


@given(CASES)
@settings(max_examples=60, deadline=None)
def test_patches_are_those_of_torch(case):
    check_gathered(case)


@given(CASES.filter(lambda case: np.prod(case.out) * np.prod(case.kernel) < 3000))
@settings(max_examples=40, deadline=None)
def test_errors_of_patches_add_up_in_the_order_of_the_vectors(case):
    check_scattered(case)


@pytest.mark.parametrize("case", [LENET, WIDE], ids=["LeNet's second layer", "kernel wider than a vector"])
def test_named_geometries(case):
    check_gathered(case)
    check_scattered(case)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 7, 9), (2, 9, 7), (2, 8, 8), (3, 16, 100), (2, 33, 17), (0, 8, 8)])
def test_matrices_of_samples_are_turned(shape):
    values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    out = np.full((shape[0], shape[2], shape[1]), np.nan, np.float32)
    feature_maps.turn(values, out)()
    assert np.array_equal(out, values.transpose(0, 2, 1))
