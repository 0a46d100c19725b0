"""The curves of Date et al. 2020: CoNNTrA against backpropagation, rounding and straight-through training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from mho.papers.date_2020.study import Backpropagation, Combinatorial, OnArrays
from mho.papers.study import Study

IMAGES = 8000
"""Training images of MNIST; the test is whole."""
NOISE = (0.0, 0.1, 0.2, 0.5, 1.0)
ERRORS = (0.0, 0.1, 0.2, 0.3, 0.5)

_iris: dict[str, Any] = {"data": "iris", "hidden": 8}
_mnist: dict[str, Any] = {"data": "mnist", "hidden": 64, "train_images": IMAGES}
_lenet: dict[str, Any] = {"data": "mnist", "hidden": 0, "train_images": IMAGES}

CURVES: Mapping[str, Callable[..., Study]] = {
    "iris_backpropagation": partial(Backpropagation, epochs=60, lr=0.02, batch=10, **_iris),
    "iris_rounded": partial(Backpropagation, epochs=60, lr=0.02, batch=10, weights="rounded", **_iris),
    "iris_straight_through": partial(
        Backpropagation, epochs=60, lr=0.02, batch=10, weights="straight_through", **_iris
    ),
    "iris_conntra": partial(Combinatorial, epochs=30, **_iris),
    "iris_conntra_unit": partial(Combinatorial, epochs=30, scale="unit", **_iris),
    "mnist_backpropagation": partial(Backpropagation, epochs=30, **_mnist),
    "mnist_rounded": partial(Backpropagation, epochs=30, weights="rounded", **_mnist),
    "mnist_straight_through": partial(Backpropagation, epochs=30, weights="straight_through", **_mnist),
    "mnist_conntra": partial(Combinatorial, epochs=10, **_mnist),
    "mnist_conntra_unit": partial(Combinatorial, epochs=10, scale="unit", **_mnist),
    "mnist_conntra_fan_in": partial(Combinatorial, epochs=10, scale="fan_in", **_mnist),
    "lenet_backpropagation": partial(Backpropagation, epochs=15, **_lenet),
    "lenet_rounded": partial(Backpropagation, epochs=15, weights="rounded", **_lenet),
    "lenet_straight_through": partial(Backpropagation, epochs=15, weights="straight_through", **_lenet),
    "lenet_conntra_unit": partial(Combinatorial, epochs=3, scale="unit", batch_size=500, batch_every=10_000, **_lenet),
    **{f"read_noise_{noise:g}": partial(OnArrays, read_noise=noise, **_iris) for noise in NOISE},
    **{f"write_error_{error:g}": partial(OnArrays, write_error=error, **_iris) for error in ERRORS[1:]},
}
