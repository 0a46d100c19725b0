"""conntra: train a network whose weights are levels, as one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from torch import nn

from mho.errors import InvalidValue, in_words
from mho.learning.combinatorial.data import Examples, read_examples
from mho.learning.combinatorial.descent import Descent, Progress
from mho.learning.combinatorial.levels import permutation
from mho.learning.combinatorial.result import ConntraResult
from mho.learning.combinatorial.settings import Settings


@in_words
def conntra(
    model: nn.Module,
    x: Any,
    y: Any,
    levels: Sequence[float] = (-1, 0, 1),
    *,
    seed: int = 0,
    loss: str = "cross_entropy",
    scale: float | str | Mapping[str, float] | None = None,
    start: str = "random",
    order: str = "random",
    sweeps: int = 50,
    batch_size: int | None = None,
    batch_every: int | None = None,
    gradient_every: int | None = None,
    x_val: Any = None,
    y_val: Any = None,
    validation: float = 0.0,
    tolerance: float = 1e-10,
    time_limit: float | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_every: float = 30.0,
    callback: Callable[[Progress], bool | None] | None = None,
    on_sweep: Callable[[dict[str, Any], nn.Module], None] | None = None,
) -> ConntraResult:
    """Train a network whose weights are levels: visit weights in random order, and give each the level of lowest loss.

    The loss never rises: a level is taken only if the loss, followed in float64, falls. A change of one weight is
    followed up through the layers, not by a full pass. A sweep visits every weight once, biases too; the training ends
    after a sweep without a change, or after `sweeps`. One level of one weight tried on all examples is one evaluation;
    levels of a weight whose input is 0 in all examples are not tried. A network without convolutions takes 8 bytes of
    memory per feature and example; so does a network with convolutions, whose features are many: give `batch_size`.

    Args:
        model: a torch model on the CPU, a chain of Linear, Conv2d, Tanh, ReLU, Sigmoid, Hardtanh, MaxPool2d,
            AvgPool2d and Flatten; it is left as it is.
        x: (n, ...) inputs, as the model takes them.
        y: (n,) classes, integers from 0 on, or with the loss "squared" also (n, outputs) numbers.
        levels: the values that weights may have, at least two, in any order.
        seed: seed of the start, of the order of weights, of batches and of the held-out examples.
        loss: "cross_entropy"; "squared", the mean of (z - t)² over examples and outputs, t is 1 at the class and 0
            elsewhere; "hinge", torch's multi_margin_loss; "zero_one", the share of wrong answers.
        scale: a digital factor of each layer, so that weights are worth level times scale: None (1), "fan_in"
            (1/√inputs), "mean" (the mean |w| above 0.7 times the mean |w| of the weights that the model came with),
            "unit" (pre-activations have a root mean square of 1 at the start, over 1,000 examples), a number, or
            numbers by name of the layer. None is the plain rule; on MNIST a scale halves the test error.
        start: "random" levels; "threshold": 0 where |w| is below 0.7 of its mean in the layer, for ternary levels, and
            for others the nearest in proportion; "nearest": the level nearest to w. Rounding torch's initial weights
            to (-1, 0, 1) gives the zero network, which no single change improves.
        order: "random", or "gradient": weights whose gradient promises most come first, the level that it points to is
            tried first, and the first that lowers the loss is taken.
        sweeps: at most, at least 0.
        batch_size: examples of a mini-batch; None: all. With mini-batches the loss of all examples may rise.
        batch_every: weights visited from one mini-batch to the next; None: a sweep.
        gradient_every: weights visited from one gradient to the next; None: a quarter of a sweep.
        x_val: inputs on which the validation error is measured after each sweep: the levels of the lowest are kept.
        y_val: their targets.
        validation: or this share of the examples, held out by the seed.
        tolerance: the mean loss must fall by more than this, at least 0.
        time_limit: seconds of descent.
        checkpoint: a file that is written as the training goes on. If it exists the training continues from it, with
            the bits that it would have had; it may have more `sweeps` than before.
        checkpoint_every: seconds between two writes of it, at least 0.
        callback: called with a `Progress` about ten times per second; returns true to stop.
        on_sweep: called after each sweep with its record, to which it may add, and the model as it is, in float64.

    Returns:
        The model with levels as weights, its loss and the history. Print `result.records` for a table of sweeps.

    Raises:
        InvalidValue: for options out of range, a layer that is not supported, by name, values that are not finite, or
            labels that are no classes.
        CheckpointError: for a checkpoint of another model, data, options, machine or version, naming what differs.

    Source: P. Date et al. 2020, arXiv 2009.00540.
    """
    settings = Settings(
        levels=cast("tuple[float, ...]", levels), seed=seed, loss=loss, scale=scale, start=start, order=order,
        sweeps=sweeps,
        batch_size=batch_size, batch_every=batch_every, gradient_every=gradient_every, validation=validation,
        tolerance=tolerance, time_limit=time_limit,
    )  # fmt: skip
    train, held = _split(x, y, x_val, y_val, settings)
    descent = Descent(model, train, held, settings)
    if checkpoint is not None:
        descent.continue_from(Path(checkpoint), checkpoint_every)
    return descent.run(callback, on_sweep)


def _split(x: Any, y: Any, x_val: Any, y_val: Any, settings: Settings) -> tuple[Examples, Examples | None]:
    """Return examples to train on and to validate on."""
    examples = read_examples(x, y)
    if (x_val is None) != (y_val is None):
        raise InvalidValue("x_val and y_val go together; give both, or neither")
    if x_val is not None:
        if settings.validation:
            raise InvalidValue("x_val and validation both give examples to validate on; give one of them")
        return examples, read_examples(x_val, y_val, "_val")
    if not settings.validation:
        return examples, None
    count = round(settings.validation * len(examples))
    if not 0 < count < len(examples):
        raise InvalidValue(
            f"validation={settings.validation} of {len(examples)} examples are {count}; give another share"
        )
    places = permutation(settings.seed, "validation", len(examples))
    return examples.part(np.sort(places[count:])), examples.part(np.sort(places[:count]))
