"""Pictures of a Boltzmann machine: filters, samples, reconstructions, and its learning curve."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, final

import numpy as np
import numpy.typing as npt
import torch
from matplotlib.axes import Axes
from torch import Tensor

from mho.learning.boltzmann import BoltzmannMachine
from mho.learning.boltzmann.draws import Draws, Purpose
from mho.report.drawing import save
from mho.report.figures import TEST_COLOR
from mho.report.images import image_grid, labelled_rows

SHOWN = 100
ROWS = 12 / 28
"""Part of the rows that is lost, as twelve of MNIST's 28."""
FLIPPED = 0.1
EXAMPLES = 10
SWEEPS = 200
"""Gibbs sweeps from test examples to the samples shown."""
FILLING = 50


@final
@dataclasses.dataclass(frozen=True)
class Drawing:
    """A figure that waits to be drawn.

    Attributes:
        draw: draws on the axes that it is given.
        size: width and height in inches.
    """

    draw: Callable[[Axes], Any]
    size: tuple[float, float]


def write_machine_figures(
    machine: BoltzmannMachine, test: Tensor, shape: tuple[int, int] | None, folder: Path
) -> list[str]:
    """Write PNG files of a machine into a folder and return their names.

    Args: as of `machine_drawings`; the folder exists.
    """
    drawings = machine_drawings(machine, test, shape)
    for name, drawing in drawings.items():
        save(drawing.draw, folder / f"{name}.png", size=drawing.size)
    return [f"{name}.png" for name in drawings]


def machine_drawings(machine: BoltzmannMachine, test: Tensor, shape: tuple[int, int] | None) -> dict[str, Drawing]:
    """Return the figures of a machine by name: learning, samples, filters, reconstructions.

    Args:
        machine: that has learned.
        test: (n, units) examples, reconstructed and sampled from.
        shape: (height, width) of an example; None: it is no picture, and there is a learning curve only.
    """
    found: dict[str, Drawing] = {}
    history = machine.progress_.history
    if history:
        found["learning"] = Drawing(partial(learning_curve, history, machine.plan().rule.measure), (5.0, 3.2))
    if shape is None:
        return found
    visible = machine.network_.structure.inside(0) is None
    samples = machine.sample(start=test[:SHOWN], sweeps=SWEEPS, probabilities=visible)
    found["samples"] = Drawing(partial(image_grid, _pictures(samples, shape)), (5.0, 5.0))
    if len(machine.layers) == 1:
        return found
    weights = machine.weights_[: test.shape[1], test.shape[1] : test.shape[1] + machine.layers[1]].T[:SHOWN]
    limit = float(weights.abs().quantile(0.995)) or 1.0
    found["filters"] = Drawing(partial(image_grid, _pictures(weights, shape), limit=limit), (5.0, 5.0))
    rows = {name: _pictures(values, shape) for name, values in reconstructions(machine, test[:EXAMPLES], shape).items()}
    found["reconstructions"] = Drawing(partial(labelled_rows, rows), (7.0, 4.2))
    return found


def corrupted(v: Tensor, shape: tuple[int, int], seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return examples with 10 % of their pixels flipped, with 12/28 of their rows zeroed, and which pixels are left.

    Args:
        v: (n, units) of 0 and 1.
        shape: (height, width).
        seed: of the pixels that flip.
    """
    flips = Draws(seed, Purpose.CORRUPTION).bernoulli(torch.full_like(v, FLIPPED))
    lost = round(ROWS * shape[0])
    known = torch.ones(shape, dtype=torch.bool)
    known[(shape[0] - lost) // 2 : (shape[0] - lost) // 2 + lost] = False
    return (v - flips).abs(), v * known.flatten(), known.flatten()


def reconstructions(machine: BoltzmannMachine, v: Tensor, shape: tuple[int, int]) -> dict[str, Tensor]:
    """Return examples, corrupted examples, and what the machine makes of them: label to (n, units).

    Flipped pixels: one pass up and down. Lost rows: the other rows are known, and the mean of Gibbs samples fills in.
    """
    flipped, cut, known = corrupted(v, shape, machine.seed)
    return {
        "example": v,
        "10 % flipped": flipped,
        "reconstructed": machine.reconstruct(flipped),
        "rows lost": cut,
        "filled in": machine.reconstruct(cut, known=known, sweeps=FILLING),
    }


def learning_curve(history: Sequence[Mapping[str, Any]], measure: str, ax: Axes) -> Axes:
    """Draw what the rule measures against epochs."""
    ax.plot([line["epoch"] for line in history], [line[measure] for line in history], "o-", color=TEST_COLOR, ms=3)
    ax.set_xlabel("epoch")
    ax.set_ylabel(measure.replace("_", " "))
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(True, lw=0.5, alpha=0.25)
    return ax


def _pictures(values: Tensor, shape: tuple[int, int]) -> npt.NDArray[Any]:
    return np.asarray(values.detach()).reshape(-1, *shape)
