"""Coordinate descent as it is written down: every level of every weight by a full pass in float64. The truth."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from mho.learning.combinatorial.chain import read_chain
from mho.learning.combinatorial.data import loss_of, read_examples
from mho.learning.combinatorial.memory import Floats, Integers


def descend(
    model: nn.Module, x: Any, y: Any, values: Floats, levels: Any, order: Integers, *, loss: str, tolerance: float
) -> tuple[list[int], list[float]]:
    """Visit weights in order, and give each the level of the lowest loss.

    Args:
        model: the network.
        x: (n, ...) inputs.
        y: (n,) classes, or (n, outputs) numbers.
        values: (layers, L), what levels are worth in each layer.
        levels: (W,), the start.
        order: places of weights.
        loss: as `conntra` takes it.
        tolerance: the mean loss must fall by more than this.

    Returns:
        The levels (W,), and the mean loss at the start and after every weight.
    """
    examples, network = read_examples(x, y), copy.deepcopy(model).double().eval()
    chain = read_chain(network, examples.x)
    levels = [int(level) for level in levels]
    row_of = [row for row, layer in enumerate(chain.layers) for _ in range(layer.out * (layer.fan_in + 1))]

    def measure() -> float:
        weights = values[row_of, levels]
        chain.scatter(weights, network)
        with torch.no_grad():
            return float(loss_of(network(examples.x.double()), examples, loss))

    losses = [measure()]
    for weight in order:
        now, best, lowest = levels[weight], levels[weight], losses[-1] - tolerance
        for level in range(values.shape[1]):
            levels[weight] = level
            if level != now and measure() < lowest:
                best, lowest = level, measure()
        levels[weight] = best
        losses.append(measure())
    return levels, losses
