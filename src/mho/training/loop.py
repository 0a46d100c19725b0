"""The fit loop: epochs of steps, errors added up on the way, and a state that can be stored at any step."""

from __future__ import annotations

import collections
import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from mho.compiler.clock import preparing
from mho.data import Dataset
from mho.errors import InvalidValue
from mho.models import forget, stateful_modules
from mho.training.array_optimizer import ArrayOptimizer
from mho.training.augmentations import AUGMENTATIONS, Augmented
from mho.training.callbacks import NAMES
from mho.training.drivers import choose_driver
from mho.training.evaluation import evaluated
from mho.training.settings import Training
from mho.training.tasks import Task
from mho.training.validation import best_line, split

TOGETHER = 64
"""Steps that the driver is given at once, at most; results do not depend on it."""
STATE = "state"
"""Begins the names of tensors that a model keeps from batch to batch."""


@final
@dataclasses.dataclass
class Progress:
    """Progress of a run: what a display shows and a checkpoint holds, beside the tensors.

    Attributes:
        epoch: epochs finished.
        position: examples of the current epoch that were trained on.
        steps: steps since the start.
        seconds: training time of the current epoch, without tests and without the time in which kernels are compiled or
            read from the disk.
        losses: sum of the losses of this epoch's examples, one per replica.
        errors: sum of the task's errors of this epoch's examples when they were trained on, one per replica.
        metrics: one entry per epoch, as in metrics.jsonl.
    """

    epoch: int = 0
    position: int = 0
    steps: int = 0
    seconds: float = 0.0
    losses: list[float] = dataclasses.field(default_factory=list)
    errors: list[float] = dataclasses.field(default_factory=list)
    metrics: list[dict[str, Any]] = dataclasses.field(default_factory=list)


@final
class Loop:
    """Trains a converted model for a task; `progress`, `tensors()` and `restore()` make it resumable.

    Args:
        model: as `mho.convert` returned it.
        optimizer: optimizer of this model.
        data: examples, as `task.prepare` returned them; `settings.validation` of those to train on are held out.
        settings: epochs, rates, order, driver.
        task: what is trained for, as `prepare` returned it.
        names: names of the replicas, for the lines of metrics.jsonl; (): they have none there.

    Attributes:
        data: the examples, without those that are held out.
        validation: inputs and targets of the examples that are held out; None without validation.
        chance: what guessing reaches on the test; None where the task does not say.
        examples: so many make an epoch.
        words: what examples of these data are called, in the plural.

    Raises:
        InvalidValue: if validation leaves no example to train on.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: ArrayOptimizer,
        data: Dataset,
        settings: Training,
        task: Task,
        *,
        names: Sequence[str] = (),
    ) -> None:
        self.names = tuple(names)
        self.model, self.optimizer, self.settings, self.task = model, optimizer, settings, task
        self.data, self.validation = split(data, settings, task)
        data = self.data
        self.chance = task.chance(data)
        self.words = task.examples_of(data)
        self.examples = len(self._order(0))
        kinds = {name: AUGMENTATIONS[name] for name in settings.augment}
        self._augmented = Augmented(kinds, data.x_train, seed=settings.data_seed)
        self.driver = choose_driver(
            model,
            optimizer,
            task.loss,
            sample=data.x_train[: settings.batch_size],
            prefer=settings.driver,
            per_replica=False,
        )
        forget(model)  # of the sample
        self.progress = Progress(losses=[0.0] * settings.replicas, errors=[0.0] * settings.replicas)
        self.together = TOGETHER

    def run(
        self,
        *,
        on_step: Callable[[Progress], None] = lambda progress: None,
        on_epoch: Callable[[Progress], None] = lambda progress: None,
        until: int | None = None,
    ) -> None:
        """Train to the last epoch, or until the patience is over.

        Args:
            on_step: sees the progress after each step, or after a few: at most `together`, and whenever their
                number is a multiple of `checkpoint_every`.
            on_epoch: sees it after each epoch.
            until: number of epochs after which to pause; None: the last.
        """
        while not self.finished and (until is None or self.progress.epoch < until):
            self._epoch(on_step)
            on_epoch(self.progress)

    @property
    def finished(self) -> bool:
        """Return True if the last epoch is done, or the patience is over."""
        return self.progress.epoch >= self.settings.epochs or self.out_of_patience

    @property
    def out_of_patience(self) -> bool:
        """Return True if `settings.patience` epochs have passed since the lowest validation error."""
        metrics, patience = self.progress.metrics, self.settings.patience
        best = best_line(metrics)
        return patience > 0 and best is not None and len(metrics) - 1 - best >= patience

    @property
    def is_best(self) -> bool:
        """Return True if the last finished epoch has the lowest validation error so far."""
        metrics = self.progress.metrics
        return bool(metrics) and best_line(metrics) == len(metrics) - 1

    def test_errors(self) -> list[float]:
        """Return the test error in per cent, one per replica, read through the arrays in evaluation mode."""
        return self._means(self.data.x_test, self.data.y_test, self._measured)["error"]

    def tensors(self) -> dict[str, Tensor]:
        """Return all tensors that the rest of the training depends on, by name, for `restore`.

        They are the state_dict of the model ("model."), the optimizer's state, the states of modules that keep some
        from batch to batch, and the state of torch's generator.
        """
        found = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        if self.optimizer.state:
            for i, state in self.optimizer.state_dict()["state"].items():
                found |= {f"optimizer.{i}.{k}": v for k, v in state.items() if isinstance(v, Tensor)}
        for i, module in enumerate(stateful_modules(self.model)):
            found |= {f"{STATE}.{i}.{k}": part for k, part in enumerate(module.state or ())}
        found["torch_generator"] = torch.get_rng_state()
        return found

    def restore(self, tensors: dict[str, Tensor], progress: Progress) -> None:
        """Continue from where another loop of the same settings was.

        Args:
            tensors: what `tensors` returned there; those of the model are loaded by the caller.
            progress: what `progress` was there.
        """
        stored: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith("optimizer."):
                _, i, key = name.split(".", 2)
                stored.setdefault(int(i), {})[key] = value
        if stored:
            self.optimizer.load_state_dict(self.optimizer.state_dict() | {"state": stored})
        for number, module in enumerate(stateful_modules(self.model)):
            count = sum(name.startswith(f"{STATE}.{number}.") for name in tensors)
            module.state = tuple(tensors[f"{STATE}.{number}.{k}"] for k in range(count)) or None
        torch.set_rng_state(tensors["torch_generator"])
        self.progress = progress

    def _epoch(self, on_step: Callable[[Progress], None]) -> None:
        progress, settings = self.progress, self.settings
        order = self._order(progress.epoch)
        if settings.changes_rate:
            self._set_rate(settings.rate(progress.epoch + 1))
        self.model.train()
        if not progress.position:
            forget(self.model)
        while progress.position < len(order):
            began, prepared = time.perf_counter(), preparing.seconds
            every = settings.checkpoint_every
            self._steps(order[progress.position :], min(self.together, every - progress.steps % every))
            progress.seconds += time.perf_counter() - began - (preparing.seconds - prepared)
            on_step(progress)
        progress.metrics.append(self._metrics(len(order)))
        self.optimizer.advance([loss / len(order) for loss in progress.losses])
        progress.epoch += 1
        progress.position, progress.seconds = 0, 0.0
        progress.losses = [0.0] * settings.replicas
        progress.errors = [0.0] * settings.replicas

    def _order(self, epoch: int) -> Tensor:
        """Return the places of the epoch's examples."""
        settings, count = self.settings, len(self.data.x_train)
        return self.task.order(epoch, count, batch_size=settings.batch_size, seed=settings.data_seed)

    def _set_rate(self, rate: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def _steps(self, order: Tensor, most: int) -> None:
        """Train on the next batches, at most `most`; a batch that is smaller than the others comes alone."""
        size = self.settings.batch_size
        count = max(1, min(most, len(order) // size))
        chosen = order[: count * size]
        x, y = self._augmented(self.data.x_train[chosen], chosen, self.progress.epoch), self.data.y_train[chosen]
        outcomes = self.driver.steps(x.unflatten(0, (count, -1)), y.unflatten(0, (count, -1)))
        progress = self.progress
        for outcome in outcomes:
            for r, loss in enumerate(outcome.losses):
                progress.losses[r] += loss * outcome.out.shape[1]
        for r, out in enumerate(torch.from_numpy(np.concatenate([outcome.out for outcome in outcomes], axis=1))):
            progress.errors[r] = _added(progress.errors[r], self.task.error(out, y))
        progress.position += len(chosen)
        progress.steps += count

    def _means(
        self, x: Tensor, y: Tensor, measure: Callable[[Tensor, Tensor], dict[str, Tensor]]
    ) -> dict[str, list[float]]:
        """Return means over examples of what a function measures of each, one per replica; of the error in per cent."""
        replicas = self.settings.replicas
        sums: collections.defaultdict[str, list[float]] = collections.defaultdict(lambda: [0.0] * replicas)
        self.model.eval()
        for places, out in evaluated(self.model, x, self.task):
            for r, own in enumerate(out):
                for name, values in measure(own, y[places]).items():
                    sums[name][r] = _added(sums[name][r], values)
        self.model.train()
        errors = [100.0 * total / len(y) for total in sums.pop("error")]
        return {"error": errors} | {name: [total / len(y) for total in totals] for name, totals in sums.items()}

    def _measured(self, out: Tensor, y: Tensor) -> dict[str, Tensor]:
        """Return the error of each example and the task's further metrics."""
        further = self.task.metrics(out, y)
        if "error" in further:
            raise InvalidValue("the task has a metric named error, which its method error gives; name it otherwise")
        return {"error": self.task.error(out, y), **further}

    def _validated(self, out: Tensor, y: Tensor) -> dict[str, Tensor]:
        """Return the error of each example, and as the loss of each the mean loss of them all."""
        return {"error": self.task.error(out, y), "loss": self.task.loss(out, y).expand(len(y))}

    def _metrics(self, count: int) -> dict[str, Any]:
        progress, replicas = self.progress, self.settings.replicas
        test = self._means(self.data.x_test, self.data.y_test, self._measured)
        held = {} if self.validation is None else self._means(*self.validation, self._validated)
        values = {
            "train_error": [100.0 * error / count for error in progress.errors],
            "test_error": test.pop("error"),
            "train_loss": [loss / count for loss in progress.losses],
            **{f"test_{name}": means for name, means in test.items()},
            **{f"validation_{name}": means for name, means in held.items()},
        }
        for part in ("train", "test", "validation"):
            for r, loss in enumerate(values.get(f"{part}_loss", ())):
                for name, value in self.task.derived(loss).items():
                    values.setdefault(f"{part}_{name}", [0.0] * replicas)[r] = value
        line: dict[str, Any] = {
            "epoch": progress.epoch + 1,
            **{name: sum(each) / replicas for name, each in values.items()},
            "seconds": progress.seconds,
            f"{self.words}_per_second": replicas * count / progress.seconds,
        }
        if replicas > 1:
            line |= {f"{name}_replicas": each for name, each in values.items()}
        return line | ({NAMES: list(self.names)} if self.names else {})


def _added(total: float, values: Tensor) -> float:
    """Add numbers one after another, so that the sum does not depend on how many come at once."""
    for value in values.tolist():
        total += value
    return total
