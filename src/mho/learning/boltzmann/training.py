"""Loop of learning: epochs of steps, which can stop and go on after any step."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any, final

from torch import Tensor

from mho.errors import InvalidValue
from mho.learning.boltzmann.draws import Draws, Purpose
from mho.learning.boltzmann.network import Network
from mho.learning.boltzmann.plan import Plan


@final
@dataclasses.dataclass
class Progress:
    """Progress of learning: with couplings and biases, all that the rest of the learning depends on.

    Attributes:
        epoch: epochs finished.
        position: examples of the current epoch that were learned from.
        steps: steps since the start; the number under which a step draws.
        loss: sum over the examples of this epoch of what the rule measures.
        history: a dict an epoch: "epoch", and the mean of what the rule measures under its name.
        data: fingerprint of the examples; empty where they came by `partial_fit`.
    """

    epoch: int = 0
    position: int = 0
    steps: int = 0
    loss: float = 0.0
    history: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    data: str = ""


def train(network: Network, plan: Plan, v: Tensor, progress: Progress, on_step: Callable[[], bool]) -> bool:
    """Learn from visible units v (n, size) until the plan's last epoch, in a random order of each epoch's own.

    Args:
        network: moved in place.
        plan: rule, rate, epochs.
        v: binary examples.
        progress: where to begin; kept up to date.
        on_step: called after each step; True stops.

    Returns:
        Whether the last epoch is done.
    """
    while progress.epoch < plan.epochs:
        order = Draws(plan.seed, Purpose.ORDER, progress.epoch).order(len(v))
        while progress.position < len(v):
            batch = v[order[progress.position : progress.position + plan.batch_size]]
            rate = plan.rate((progress.epoch + progress.position / len(v)) / plan.epochs)
            take_step(network, plan, batch, progress, rate)
            if progress.position == len(v):
                _end_epoch(plan, progress, len(v))
                if on_step():
                    return progress.epoch >= plan.epochs
                break
            if on_step():
                return False
    return True


def take_step(network: Network, plan: Plan, batch: Tensor, progress: Progress, rate: float) -> None:
    """Learn from one mini-batch (n, size) at a learning rate.

    Raises:
        InvalidValue: once what the rule measures is no longer finite.
    """
    step = plan.rule.step(network, batch, Draws(plan.seed, Purpose.TRAINING, progress.steps))
    if not math.isfinite(step.loss):
        raise InvalidValue(
            f"BoltzmannMachine: learning has diverged in epoch {progress.epoch + 1}, step {progress.steps}: the "
            f"{plan.rule.measure} is {step.loss}; give a smaller lr than {rate:g}"
        )
    network.couplings.update(step.moves, rate)
    for bias, move in zip(network.biases, step.biases, strict=True):
        bias.add_(move, alpha=rate)
    progress.loss += step.loss
    progress.steps += 1
    progress.position += len(batch)


def _end_epoch(plan: Plan, progress: Progress, count: int) -> None:
    progress.epoch += 1
    progress.history.append({"epoch": progress.epoch, plan.rule.measure: progress.loss / count})
    progress.position, progress.loss = 0, 0.0
