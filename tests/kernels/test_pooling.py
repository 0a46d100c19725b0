"""Pooling kernels equal torch, for maps in either order and numbers of any kind."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mho.kernels import feature_maps

WINDOWS = {
    "pairs": (2, 2, 0),
    "overlapping": (3, 2, 1),
    "flat": ((1, 3), (2, 1), (0, 1)),
    "with gaps": (2, 3, 0),
}


def pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return value if isinstance(value, tuple) else (value, value)


@pytest.mark.parametrize("last", [False, True], ids=["channels first", "channels last"])
@pytest.mark.parametrize("window", WINDOWS)
# channels and windows of a row on both sides of the eight that are turned together
@pytest.mark.parametrize("shape", [(3, 16, 24, 24), (2, 11, 19, 9), (2, 3, 20, 20), (1, 1, 5, 4)])
def test_maxima_and_their_places_equal_those_of_torch(shape, window, last):
    kernel, stride, padding = map(pair, WINDOWS[window])
    maps = torch.randint(-3, 4, shape, generator=torch.Generator().manual_seed(1)).float()  # many are equal
    maps.view(-1)[::29], maps.view(-1)[::31] = -math.inf, math.nan
    maps[:, 0, :4, :4] = -math.inf  # whole windows of it
    wanted, places = F.max_pool2d(maps, kernel, stride, padding, return_indices=True)
    own = np.ascontiguousarray(maps.numpy().transpose(0, 2, 3, 1)) if last else maps.numpy()
    pooling = feature_maps.Pooling(kernel, stride, padding, tuple(wanted.shape[2:]))
    out, chosen = np.zeros(wanted.shape, np.float32), np.zeros(wanted.shape, np.int32)
    feature_maps.max_pool(own, pooling, out, chosen, last=last)()
    assert np.array_equal(out, wanted.numpy(), equal_nan=True)
    assert np.array_equal(chosen, places.numpy())
    errors = torch.randn(wanted.shape, generator=torch.Generator().manual_seed(2)).numpy()
    back = np.zeros(own.shape, np.float32)
    feature_maps.max_unpool(errors, chosen, back, last=last)()
    expected = torch.zeros(*shape[:2], shape[2] * shape[3])
    expected.scatter_add_(2, places.flatten(2), torch.from_numpy(errors).flatten(2))
    back = back.transpose(0, 3, 1, 2) if last else back
    np.testing.assert_allclose(back.reshape(expected.shape), expected.numpy(), rtol=1e-6)  # sums in another order
