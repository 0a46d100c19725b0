"""Outputs of a model for a test: in batches, without a trace in what the model keeps from batch to batch."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from mho.models import apart, forget, stateful_modules
from mho.nn import replica_outputs
from mho.training.tasks.base import Task

EVALUATION_BATCH = 250


def evaluated(model: nn.Module, x: Tensor, task: Task | None) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the places (B,) and the outputs (R, B, ...) of the batches of a test, each example once.

    Args:
        model: in the mode in which it is to answer; states that it keeps for its training are left as they are.
        x: inputs (n, ...), shared by the replicas.
        task: says which examples follow one another, for a model that keeps a state; None: none do.
    """
    carried = bool(stateful_modules(model)) and task is not None
    batches = (
        task.test_batches(len(x), batch_size=EVALUATION_BATCH)
        if carried and task is not None
        else torch.arange(len(x)).split(EVALUATION_BATCH)
    )
    with apart(model):
        for places in batches:
            if not carried:
                forget(model)
            with torch.no_grad():
                out = replica_outputs(model, x[places], per_replica=False)
            yield places, out
