"""Learning rates of the epochs, by the name of a schedule: those of torch's schedulers."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch.optim import lr_scheduler

SCHEDULES: dict[str, Callable[[torch.optim.Optimizer, int], lr_scheduler.LRScheduler]] = {
    "constant": lambda optimizer, epochs: lr_scheduler.LambdaLR(optimizer, lambda epoch: 1.0),
    "cosine": lambda optimizer, epochs: lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs),
}
"""What makes the scheduler of an optimizer for a number of epochs, after each of which it is stepped."""


@functools.lru_cache(maxsize=64)
def rates(schedule: str, lr: float, epochs: int) -> tuple[float, ...]:
    """Return the learning rate of each epoch, as torch's scheduler sets it.

    Args:
        schedule: a name in `SCHEDULES`.
        lr: rate of the first epoch.
        epochs: how many there are.
    """
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    scheduler = SCHEDULES[schedule](optimizer, epochs)
    found = []
    for _ in range(epochs):
        found.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        scheduler.step()
    return tuple(found)
