"""CoNNTrA: networks whose weights are levels, by coordinate descent on the loss."""

from __future__ import annotations

import copy
import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import nn

from mho.errors import InvalidValue
from mho.learning.combinatorial.batch import Batch
from mho.learning.combinatorial.chain import Chain, read_chain
from mho.learning.combinatorial.checkpoint import State, read_state, write_state
from mho.learning.combinatorial.data import (
    Examples,
    check_targets,
    error_of,
    loss_of,
    mean_share,
    outputs_of,
)
from mho.learning.combinatorial.levels import (
    UNIT_EXAMPLES,
    permutation,
    scales_of,
    start_levels,
    unit_scales,
    values_of,
)
from mho.learning.combinatorial.memory import Floats, Integers
from mho.learning.combinatorial.result import ConntraResult, weights_of
from mho.learning.combinatorial.settings import LOSSES, Settings

PARTS = 4
"""Parts of a sweep. Between them values are computed afresh, so rounding cannot add up, and a checkpoint is written."""
SLICE_SECONDS = 0.1
"""Seconds between two looks at the clock, about."""


@final
@dataclasses.dataclass(frozen=True)
class Progress:
    """Progress of a training, for a callback.

    Attributes:
        sweep: counted from 1.
        visited: weights visited in this sweep.
        weights: in all.
        loss: mean loss of the batch.
        evaluations: levels evaluated so far.
        changes: weights changed in this sweep.
        seconds: seconds of descent so far.
    """

    sweep: int
    visited: int
    weights: int
    loss: float
    evaluations: int
    changes: int
    seconds: float


@final
class Descent:
    """One training, step by step.

    Args:
        model: the torch model.
        train: examples to train on.
        held: examples to validate on, or None.
        settings: the options.
    """

    def __init__(self, model: nn.Module, train: Examples, held: Examples | None, settings: Settings) -> None:
        self.model, self.train, self.held, self.settings = model, train, held, settings
        self.chain: Chain = read_chain(model, train.x)
        check_targets(train, self.chain.outputs, settings.loss)
        if held is not None:
            if held.x.shape[1:] != train.x.shape[1:]:
                raise InvalidValue(f"an example of x_val has shape {tuple(held.x.shape[1:])}, of x {self.chain.shape}")
            check_targets(held, self.chain.outputs, settings.loss, "_val")
        if settings.batch_size is not None and settings.batch_size > len(train):
            raise InvalidValue(f"batch_size is {settings.batch_size}, of {len(train)} examples; give at most that")
        given = self.chain.gather(model)
        if not np.isfinite(given).all():
            raise InvalidValue("the model's weights hold NaN or infinite values")
        self._network = copy.deepcopy(model).double().eval()
        self.trained = self.chain.trained()
        self.scales = scales_of(self.chain, settings, given)
        levels = start_levels(self.chain, settings, given, values_of(self.chain, settings.levels, self.scales))
        if settings.scale == "unit":
            some = train.x[:UNIT_EXAMPLES]
            self.scales = unit_scales(self.chain, self._network, some, levels, settings.levels)
        self.values = values_of(self.chain, settings.levels, self.scales)
        self.state = State.start(levels)
        self._batch: Batch | None = None
        self._batch_number = -1
        self._file: Path | None = None
        self._every, self._written = 0.0, time.monotonic()

    # Checkpoints ---------------------------------------------------------------------------------

    def continue_from(self, file: Path, every: float) -> None:
        """Keep a checkpoint in a file, and continue from it if it exists."""
        self._file, self._every = file, every
        if file.exists():
            self.state = read_state(file, self._description(), self.chain.weights)

    def _description(self) -> dict[str, Any]:
        """Return what decides the bits of the training."""
        table = self.settings.decisive()
        if self.settings.start != "random" or self.settings.scale == "mean":
            table["initial weights"] = _digest(self.chain.gather(self.model))
        table["network"] = self.chain.to_table()
        table["data"] = self.train.digest()
        table["validation data"] = self.held.digest() if self.held is not None else None
        return table

    def _write(self, *, now: bool = False) -> None:
        if self._file is not None and (now or time.monotonic() - self._written >= self._every):
            write_state(self._file, self.state, self._description())
            self._written = time.monotonic()

    # Descent -------------------------------------------------------------------------------------

    def run(
        self,
        callback: Callable[[Progress], bool | None] | None = None,
        on_sweep: Callable[[dict[str, Any], nn.Module], None] | None = None,
    ) -> ConntraResult:
        """Train until the end, the limit of time, or a callback that says so; see `conntra`."""
        state, stopped = self.state, "sweeps"
        if not state.history:
            self._measure(record=False)
        begun = state.seconds
        while len(state.records) < self.settings.sweeps and not state.converged:
            stop = self._sweep(callback, begun)
            if stop is not None:
                stopped = stop
                break
            self._measure(record=True)
            if on_sweep is not None:
                on_sweep(state.records[-1], self._network)
            state.converged = state.changes == 0 and self.settings.batch_size is None
            state.begin_sweep()
            self._write(now=len(state.records) == self.settings.sweeps or state.converged)
        if state.converged:
            stopped = "converged"
        return self._result(stopped)

    def _sweep(self, callback: Callable[[Progress], bool | None] | None, begun: float) -> str | None:
        """Visit all weights that were not visited yet; return why it stopped before the end, or None."""
        state, settings = self.state, self.settings
        steps = (
            [settings.batch_every, settings.gradient_every] if settings.order == "gradient" else [settings.batch_every]
        )
        part = min([step for step in steps if step is not None], default=-(-len(self.trained) // PARTS))
        every = settings.batch_every or len(self.trained)
        while not state.visited[self.trained].all():
            done = int(state.visited[self.trained].sum())
            before = len(state.records) * len(self.trained) + done
            batch = self._load(before // every if settings.batch_size else 0)
            stop = every - before % every if settings.batch_size else part
            order = self._order(batch)[: min(part, stop)]
            reason = self._visit(batch, order, callback, begun)
            state.levels[:] = batch.memory.level
            state.visited[order] = 1
            if reason is not None:
                return reason
            self._write()
        return None

    def _visit(
        self, batch: Batch, order: Integers, callback: Callable[[Progress], bool | None] | None, begun: float
    ) -> str | None:
        """Visit weights in order; looks at the clock and the callback in between change no result."""
        state, settings, at, size = self.state, self.settings, 0, 64
        share = mean_share(settings.loss, batch.examples, self.chain.outputs)
        done = int(state.visited[self.trained].sum())
        while at < len(order):
            clock, before = time.perf_counter(), (batch.evaluations, batch.changes)
            batch.visit(
                order[at : at + size], first_only=settings.order == "gradient", tolerance=settings.tolerance * share
            )
            spent = time.perf_counter() - clock
            at = min(at + size, len(order))
            state.seconds += spent
            state.evaluations += batch.evaluations - before[0]
            state.changes += batch.changes - before[1]
            size = max(1, min(2 * size, int(size * SLICE_SECONDS / max(spent, 1e-6))))
            if callback is not None:
                progress = Progress(
                    len(state.records) + 1, done + at, len(self.trained), batch.total / share,
                    state.all_evaluations + state.evaluations, state.changes, state.seconds,
                )  # fmt: skip
                if callback(progress):
                    return "asked"
            if settings.time_limit is not None and state.seconds - begun >= settings.time_limit:
                return "time"
        return None

    def _load(self, number: int) -> Batch:
        """Return the batch of this number, with all values computed from the levels that weights have."""
        if self._batch is None or self._batch_number != number:
            examples = self._examples(number)
            flat = examples.x.reshape(len(examples), -1).numpy()
            code = LOSSES[self.settings.loss]
            self._batch = Batch(self.chain, flat, examples.targets(self.chain.outputs), self.values, code)
            self._batch_number = number
        self._batch.load(self.state.levels)
        return self._batch

    def _examples(self, number: int) -> Examples:
        """Return the examples of a batch: all, or the next of a shuffled epoch."""
        size = self.settings.batch_size
        if size is None:
            return self.train
        batches = len(self.train) // size
        places = permutation(self.settings.seed, f"epoch {number // batches}", len(self.train))
        start = number % batches * size
        return self.train.part(np.sort(places[start : start + size]))

    def _order(self, batch: Batch) -> Integers:
        """Return the weights that were not visited in this sweep, in the order in which they are to be."""
        state, settings = self.state, self.settings
        order: Integers = self.trained[permutation(settings.seed, f"sweep {len(state.records)}", len(self.trained))]
        order = order[state.visited[order] == 0]
        if settings.order == "random":
            return order
        slopes = self._slopes()
        batch.memory.slopes[:] = slopes
        # what the gradient promises of the best level: slopes times steps, the lowest of all levels
        promise = np.empty(self.chain.weights)
        for layer, values in zip(self.chain.layers, self.values, strict=True):
            steps = values[None, :] - values[state.levels[layer.places]][:, None]
            promise[layer.places] = (slopes[layer.places][:, None] * steps).min(axis=1)
        ranked: Integers = order[np.argsort(promise[order], kind="stable")]
        return ranked

    def _slopes(self) -> Floats:
        """Return the gradient of the loss of the batch at each weight (W,)."""
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # the sums of a gradient depend on threads, and the order on the gradient
        try:
            self._fill()
            self._network.zero_grad()
            examples = self._examples(self._batch_number)
            share = len(examples)
            for start in range(0, len(examples), 1000):
                part = examples.part(np.arange(start, min(start + 1000, share)))
                with torch.enable_grad():
                    own = loss_of(self._network(part.x.double()), part, self.settings.loss)
                    (own * (len(part) / share)).backward()
            slopes: Floats = self.chain.gather(self._network, gradient=True)
            return slopes
        finally:
            torch.set_num_threads(threads)

    # Measures ------------------------------------------------------------------------------------

    def _fill(self) -> None:
        weights = weights_of(self.chain, self.state.levels, self.settings.levels, self.scales)
        self.chain.scatter(weights, self._network)

    def _measure(self, *, record: bool) -> None:
        """Measure losses and errors of all examples, and keep the best levels."""
        state, settings = self.state, self.settings
        self._fill()
        out = outputs_of(self._network, self.train.x, double=True)
        state.history.append(float(loss_of(out, self.train, settings.loss)))
        row: dict[str, Any] = {"sweep": len(state.records) + 1, "loss": state.history[-1]}
        row["train_error"] = error_of(out, self.train)
        if self.held is not None:
            out = outputs_of(self._network, self.held.x, double=True)
            row["validation_error"] = error_of(out, self.held)
            row["validation_loss"] = float(loss_of(out, self.held, settings.loss))
            merit = (row["validation_error"], row["validation_loss"])
            if state.best is None or merit < state.best:
                state.best, state.best_levels = merit, state.levels.copy()
        row |= {
            "evaluations": state.evaluations,
            "changes": state.changes,
            "seconds": state.seconds - state.all_seconds,
        }
        if record:
            state.records.append(row)

    def _result(self, stopped: str) -> ConntraResult:
        state = self.state
        levels = state.levels if self.held is None or state.best_levels is None else state.best_levels
        weights = weights_of(self.chain, levels, self.settings.levels, self.scales)
        trained = copy.deepcopy(self.model)
        self.chain.scatter(weights, trained)
        out = outputs_of(trained, self.train.x)
        loss = float(loss_of(out, self.train, self.settings.loss))
        return ConntraResult(
            trained, loss, tuple(state.history), tuple(state.records), self.settings.levels, levels.copy(),
            dict(self.scales), self.chain, stopped,
        )  # fmt: skip


def _digest(row: np.ndarray[Any, Any]) -> str:
    import hashlib

    return hashlib.sha256(row.tobytes()).hexdigest()[:16]
