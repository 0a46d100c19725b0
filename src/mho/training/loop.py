"""The fit loop: epochs of steps, errors counted on the way, and a state that can be stored at any step."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any, final

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mho.data import Dataset
from mho.nn import replica_outputs
from mho.training.drivers import choose_driver
from mho.training.optimizer import AnalogSGD
from mho.training.settings import Training

EVALUATION_BATCH = 250
TOGETHER = 64
"""Steps that the driver is given at once, at most; results do not depend on it."""


@final
@dataclasses.dataclass
class Progress:
    """Where a run is; what a display shows and what a checkpoint holds beside the tensors.

    Attributes:
        epoch: epochs finished.
        position: images of the current epoch that were trained on.
        steps: steps since the start.
        seconds: training time of the current epoch, test not included.
        losses: sum of the losses of this epoch's images, one a replica.
        wrong: images of this epoch classified wrongly when they were trained on, one a replica.
        metrics: one entry an epoch, as in metrics.jsonl.
    """

    epoch: int = 0
    position: int = 0
    steps: int = 0
    seconds: float = 0.0
    losses: list[float] = dataclasses.field(default_factory=list)
    wrong: list[int] = dataclasses.field(default_factory=list)
    metrics: list[dict[str, Any]] = dataclasses.field(default_factory=list)


@final
class Loop:
    """Trains a converted model on a data set; `progress`, `tensors()` and `restore()` make it resumable."""

    def __init__(self, model: nn.Module, optimizer: AnalogSGD, data: Dataset, settings: Training) -> None:
        self.model, self.optimizer, self.data, self.settings = model, optimizer, data, settings
        self.driver = choose_driver(
            model,
            optimizer,
            F.cross_entropy,
            sample=data.train_images[: settings.batch_size],
            prefer=settings.driver,
            per_replica=False,
        )
        self.progress = Progress(losses=[0.0] * settings.replicas, wrong=[0] * settings.replicas)
        self.together = TOGETHER

    def run(
        self,
        *,
        on_step: Callable[[Progress], None] = lambda progress: None,
        on_epoch: Callable[[Progress], None] = lambda progress: None,
    ) -> None:
        """Train to the last epoch.

        Args:
            on_step: sees the progress after each step, or after a few: at most `together`, and whenever their
                number is a multiple of `checkpoint_every`.
            on_epoch: sees it after each epoch.
        """
        while self.progress.epoch < self.settings.epochs:
            self._epoch(on_step)
            on_epoch(self.progress)

    def test_errors(self) -> list[float]:
        """Test error in per cent, one a replica, read through the arrays in evaluation mode."""
        images, labels = self.data.test_images, self.data.test_labels
        wrong = np.zeros(self.settings.replicas, np.int64)
        self.model.eval()
        with torch.no_grad():
            for start in range(0, len(labels), EVALUATION_BATCH):
                out = self._logits(images[start : start + EVALUATION_BATCH])
                wrong += _wrong(out.numpy(), labels[start : start + EVALUATION_BATCH])
        self.model.train()
        return [100.0 * int(w) / len(labels) for w in wrong]

    def tensors(self) -> dict[str, Tensor]:
        """All state that the future depends on, by name."""
        found = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        if self.optimizer.state:
            for i, state in self.optimizer.state_dict()["state"].items():
                found |= {f"optimizer.{i}.{k}": v for k, v in state.items() if isinstance(v, Tensor)}
        found["torch_generator"] = torch.get_rng_state()
        return found

    def restore(self, tensors: dict[str, Tensor], progress: Progress) -> None:
        """Continue from what `tensors()` and `progress` were; the model is filled by the caller."""
        stored: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith("optimizer."):
                _, i, key = name.split(".", 2)
                stored.setdefault(int(i), {})[key] = value
        if stored:
            self.optimizer.load_state_dict(self.optimizer.state_dict() | {"state": stored})
        torch.set_rng_state(tensors["torch_generator"])
        self.progress = progress

    def _epoch(self, on_step: Callable[[Progress], None]) -> None:
        progress, settings = self.progress, self.settings
        count = len(self.data.train_labels)
        order = epoch_order(settings.data_seed, progress.epoch, count)
        if settings.lr_steps:
            self._set_rate(settings.rate(progress.epoch + 1))
        self.model.train()
        while progress.position < count:
            began = time.perf_counter()
            every = settings.checkpoint_every
            self._steps(order[progress.position :], min(self.together, every - progress.steps % every))
            progress.seconds += time.perf_counter() - began
            on_step(progress)
        progress.metrics.append(self._metrics(count))
        progress.epoch += 1
        progress.position, progress.seconds = 0, 0.0
        progress.losses = [0.0] * settings.replicas
        progress.wrong = [0] * settings.replicas

    def _set_rate(self, rate: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def _steps(self, order: Tensor, most: int) -> None:
        """Train on the next batches, at most so many; one that is smaller than the others comes alone."""
        size = self.settings.batch_size
        count = max(1, min(most, len(order) // size))
        chosen = order[: count * size]
        images, labels = self.data.train_images[chosen], self.data.train_labels[chosen]
        batches = (images.unflatten(0, (count, -1)), labels.unflatten(0, (count, -1)))
        progress = self.progress
        for outcome, own in zip(self.driver.steps(*batches), batches[1], strict=True):
            for r, wrong in enumerate(_wrong(outcome.out, own)):
                progress.losses[r] += outcome.losses[r] * len(own)
                progress.wrong[r] += int(wrong)
        progress.position += len(labels)
        progress.steps += count

    def _logits(self, images: Tensor) -> Tensor:
        """(R, B, classes)."""
        return replica_outputs(self.model, images, per_replica=False)

    def _metrics(self, count: int) -> dict[str, Any]:
        progress = self.progress
        train = [100.0 * wrong / count for wrong in progress.wrong]
        losses = [loss / count for loss in progress.losses]
        test = self.test_errors()
        line: dict[str, Any] = {
            "epoch": progress.epoch + 1,
            "train_error": _mean(train),
            "test_error": _mean(test),
            "train_loss": _mean(losses),
            "seconds": progress.seconds,
            "images_per_second": self.settings.replicas * count / progress.seconds,
        }
        if self.settings.replicas > 1:
            line |= {
                "train_error_replicas": train,
                "test_error_replicas": test,
                "train_loss_replicas": losses,
            }
        return line


def epoch_order(data_seed: int, epoch: int, count: int) -> Tensor:
    """The order of the images in one epoch, a permutation that depends on nothing else."""
    generator = np.random.Generator(np.random.Philox(key=[data_seed, epoch]))
    return torch.from_numpy(generator.permutation(count))


def _wrong(out: npt.NDArray[np.float32], labels: Tensor) -> npt.NDArray[np.int64]:
    """How many of each replica's answers (R, B, classes) are not the label."""
    found: npt.NDArray[np.int64] = (out.argmax(axis=2) != labels.numpy()).sum(axis=1)
    return found


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
