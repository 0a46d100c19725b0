"""CoNNTrA on cross-point arrays: a level is written by pulses, with error, and the loss comes from noisy reads."""

from __future__ import annotations

import copy
import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any, cast, final

import numpy as np
import torch
from torch import nn

from mho.arrays import Array
from mho.config import RPU
from mho.errors import InvalidValue, in_words
from mho.learning.combinatorial.chain import Layer, read_chain
from mho.learning.combinatorial.data import check_targets, error_of, loss_of, read_examples
from mho.learning.combinatorial.device import LevelStep, level_rpu
from mho.learning.combinatorial.levels import permutation, start_levels, values_of
from mho.learning.combinatorial.result import weights_of
from mho.learning.combinatorial.settings import Settings
from mho.nn import ArrayLayer, convert


@final
@dataclasses.dataclass(frozen=True)
class ArrayResult:
    """A network on arrays that was trained there.

    Attributes:
        model: on arrays, as it was left.
        loss: mean loss of the training examples, as read at the end.
        history: mean loss as read at the start and after each sweep; with noise it may rise.
        records: records of each sweep: `sweep`, `loss`, `train_error` as read, `evaluations`, `changes`, `writes`
            (pulses that wrote a level), `seconds`.
        indices: (W,), the levels that were written.
        stopped: "converged", "sweeps" or "asked".
    """

    model: nn.Module
    loss: float
    history: tuple[float, ...]
    records: tuple[dict[str, Any], ...]
    indices: np.ndarray[Any, np.dtype[np.int8]]
    stopped: str


@in_words
def conntra_on_arrays(
    model: nn.Module,
    x: Any,
    y: Any,
    levels: Sequence[float] = (-1, 0, 1),
    *,
    rpu: RPU | None = None,
    seed: int = 0,
    loss: str = "cross_entropy",
    start: str = "random",
    sweeps: int = 10,
    reads: int = 1,
    callback: Callable[[int, int], bool | None] | None = None,
    on_sweep: Callable[[dict[str, Any], nn.Module], None] | None = None,
) -> ArrayResult:
    """Train a network of a few levels on the arrays themselves: by reads and writes, without a gradient.

    The start is programmed exactly. Then weights are visited in random order: each level of a weight is written by
    pulses to its one cross-point, and the loss of all examples is read, the present level included, for a loss that
    was read once stays lucky; last, the level of the lowest reading is written again. Each of these writes has an error
    of its own. It takes a read of all examples an evaluation, 0.2 ms for 4-8-3 and 100 examples: for small networks.

    Args:
        model: as `conntra` takes it; left as it is.
        x: (n, ...) inputs.
        y: (n,) classes.
        levels: the values that weights may have, in units of the arrays.
        rpu: what the arrays are made of; its device must be a `LevelStep` of these levels. None: exact reads and writes
            (`level_rpu` makes others).
        seed: seed of start and order, and of all noise.
        loss: as `conntra` takes it.
        start: levels at the start, as for `conntra`.
        sweeps: at most.
        reads: readings of the loss that are averaged, at least 1.
        callback: called after each weight with the sweep, from 1 on, and the weights visited; returns true to stop.
        on_sweep: called after each sweep with its record, to which it may add, and the model on arrays.

    Raises:
        InvalidValue: for options out of range, or a device with other levels.
    """
    settings = Settings(levels=cast("tuple[float, ...]", levels), seed=seed, loss=loss, start=start, sweeps=sweeps)
    if isinstance(reads, bool) or not isinstance(reads, int) or reads < 1:
        raise InvalidValue(f"reads is {reads!r}; give an integer of at least 1")
    return _OnArrays(model, x, y, rpu or level_rpu(settings.levels), settings, reads).run(callback, on_sweep)


class _OnArrays:
    """One training."""

    def __init__(self, model: nn.Module, x: Any, y: Any, rpu: RPU, settings: Settings, reads: int) -> None:
        device = rpu.device
        if not isinstance(device, LevelStep) or not np.array_equal(
            device.tables()["levels"].values, np.array(settings.levels, np.float32)
        ):
            raise InvalidValue(
                f"the arrays have devices of {type(device).__name__}, and levels are {settings.levels}; give rpu="
                "mho.learning.level_rpu(levels, write_error=..., read=...)"
            )
        if rpu.scale is not None:
            raise InvalidValue(f"rpu.scale is {rpu.scale!r}, and the levels are the weights themselves; leave it out")
        self.settings, self.reads = settings, reads
        self.examples = read_examples(x, y)
        self.chain = read_chain(model, self.examples.x)
        check_targets(self.examples, self.chain.outputs, settings.loss)
        scales = {layer.name: 1.0 for layer in self.chain.layers}
        values = values_of(self.chain, settings.levels, scales)
        self.levels = start_levels(self.chain, settings, self.chain.gather(model), values)
        digital = copy.deepcopy(model)
        self.chain.scatter(weights_of(self.chain, self.levels, settings.levels, scales), digital)
        if isinstance(digital, (nn.Linear, nn.Conv2d)):
            digital = nn.Sequential(digital)
        self.model = convert(digital, rpu, seed=settings.seed, quiet=True).eval()
        modules = dict(self.model.named_modules())
        self.arrays: list[tuple[Layer, Array]] = []
        for layer in self.chain.layers:
            found: Any = modules[layer.name or "0"]
            assert isinstance(found, ArrayLayer)
            if len(found.crossbars) != 1:
                raise InvalidValue(
                    f"layer {layer.name} is on {len(found.crossbars)} arrays; CoNNTrA needs one per layer"
                )
            self.arrays.append((layer, found.crossbars[0]))
        self.writes = 0

    def run(
        self,
        callback: Callable[[int, int], bool | None] | None,
        on_sweep: Callable[[dict[str, Any], nn.Module], None] | None,
    ) -> ArrayResult:
        history, records, stopped = [self._read()[0]], list[dict[str, Any]](), "sweeps"
        trained = self.chain.trained()
        for sweep in range(1, self.settings.sweeps + 1):
            begun, changes, evaluations, before = time.perf_counter(), 0, 0, self.writes
            order = trained[permutation(self.settings.seed, f"sweep {sweep - 1}", len(trained))]
            for place, weight in enumerate(order):
                changes += self._visit(int(weight))
                evaluations += len(self.settings.levels)
                if callback is not None and callback(sweep, place + 1):
                    stopped = "asked"
                    break
            loss, error = self._read()
            history.append(loss)
            seconds = time.perf_counter() - begun
            records.append(
                {"sweep": sweep, "loss": loss, "train_error": error, "evaluations": evaluations, "changes": changes,
                 "writes": self.writes - before, "seconds": seconds}
            )  # fmt: skip
            if stopped == "asked":
                break
            if on_sweep is not None:
                on_sweep(records[-1], self.model)
            if not changes:
                stopped = "converged"
                break
        return ArrayResult(self.model, history[-1], tuple(history), tuple(records), self.levels, stopped)

    def _read(self) -> tuple[float, float]:
        """Return mean loss and error of all examples, each reading through the arrays' own noise."""
        losses, errors = 0.0, 0.0
        for _ in range(self.reads):
            with torch.no_grad():
                out = self.model(self.examples.x).double()
            losses += float(loss_of(out, self.examples, self.settings.loss))
            errors += error_of(out, self.examples)
        return losses / self.reads, errors / self.reads

    def _visit(self, weight: int) -> int:
        """Try all levels of a weight, leave it at that of the lowest reading, and return 1 if that is another."""
        now = int(self.levels[weight])
        found = [(self._read()[0], 0, now)]
        for level in range(len(self.settings.levels)):
            if level != now:
                self._write(weight, level)
                found.append((self._read()[0], 1, level))
        best = min(found)[2]
        self._write(weight, best)
        return int(best != now)

    def _write(self, weight: int, level: int) -> None:
        """Send pulses to one cross-point until it has a level."""
        layer, array = next(pair for pair in reversed(self.arrays) if pair[0].first <= weight)
        out, k = divmod(weight - layer.first, layer.fan_in + 1)
        steps = level - int(self.levels[weight])
        if not steps:
            return
        columns, rows = torch.zeros(abs(steps), array.in_features), torch.zeros(abs(steps), array.out_features)
        columns[:, k] = 1.0
        rows[:, out] = 1.0 if steps > 0 else -1.0
        array.pulse(columns, rows, length=1)
        self.levels[weight] = level
        self.writes += abs(steps)
