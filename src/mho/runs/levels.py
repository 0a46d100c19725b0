"""Run folders of CoNNTrA: config, metrics, checkpoint and packed weights of one network of a few levels."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, final

import torch
from torch import nn

from mho.data import Dataset, check_name
from mho.errors import CheckpointError, Faults, InvalidValue, nearest
from mho.learning.combinatorial import ConntraResult, Progress, conntra
from mho.learning.combinatorial.data import error_of, outputs_of, read_examples
from mho.learning.combinatorial.settings import Settings
from mho.models import build_model
from mho.runs.folder import (
    CHECKPOINT,
    CONFIG,
    METRICS,
    read_history,
    read_summary,
    refuse_used,
    write_config,
    write_metrics,
    write_summary,
)
from mho.tables import fields_from_table
from mho.toml_files import NONE, write_toml
from mho.training import sizes_of
from mho.version import PHYSICS_VERSION

PACKED = "weights.safetensors"
SECTION = "conntra"


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class LevelsExperiment:
    """The [conntra] section of a config: data, network, and the options of `mho.learning.conntra`.

    Attributes:
        data: "digits", "iris" (both embedded), "mnist", or a name that `mho.data.load` takes.
        train_images: only the first so many training examples; 0: all.
        test_images: likewise of the test.
        model: a name that `mho.models` has, or `module:Net`; "": a perceptron.
        hidden: units of each hidden layer of the perceptron.
        activation: of the perceptron: "tanh", "relu", "sigmoid" or "hardtanh".

    The others are those of `mho.learning.conntra`, of the same names.
    """

    data: str = "digits"
    train_images: int = 0
    test_images: int = 0
    model: str = ""
    hidden: tuple[int, ...] = (64,)
    activation: str = "tanh"
    levels: tuple[float, ...] = (-1.0, 0.0, 1.0)
    seed: int = 0
    loss: str = "cross_entropy"
    scale: float | str | None = None
    start: str = "random"
    order: str = "random"
    sweeps: int = 20
    batch_size: int | None = None
    batch_every: int | None = None
    gradient_every: int | None = None
    validation: float = 0.0
    tolerance: float = 1e-10
    time_limit: float | None = None

    def __post_init__(self) -> None:
        faults = Faults(SECTION)
        try:
            check_name(self.data)
        except InvalidValue as error:
            faults.add(str(error))
        for name in ("train_images", "test_images"):
            faults.number(name, getattr(self, name), low=0, integer=True)
        if not isinstance(self.hidden, (list, tuple)) or not all(type(units) is int for units in self.hidden):
            faults.add(f"hidden is {self.hidden!r}; give a list of integers")
        else:
            object.__setattr__(self, "hidden", tuple(self.hidden))
        faults.number("sweeps", self.sweeps, low=1, high=10**9, integer=True)  # without any nothing is learned
        try:
            settings = Settings(**self.options())
            object.__setattr__(self, "levels", settings.levels)
        except InvalidValue as error:
            faults.found += [fault for fault in error.faults if not fault.startswith("sweeps is ")]
        faults.raise_any()

    def options(self) -> dict[str, Any]:
        """Return what `mho.learning.conntra` takes."""
        known = {field.name for field in dataclasses.fields(Settings)}
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name in known}

    def build(self, data: Dataset) -> nn.Module:
        """Return the network, with initial weights of torch that the seed decides."""
        from mho.learning.combinatorial.classifier import perceptron

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            if self.model:
                return build_model(self.model, sizes_of(data))
            inputs, outputs = data.x_train[0].numel(), int(data.y_train.max()) + 1
            network = perceptron(inputs, self.hidden, outputs, self.activation)
        return network if data.x_train.dim() == 2 else nn.Sequential(nn.Flatten(), *network)

    def to_toml(self) -> str:
        """Return the complete config."""
        table = {
            name: NONE if value is None else list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self).items()
        }
        return write_toml({SECTION: table})

    @classmethod
    def from_dict(cls, tables: Mapping[str, Any]) -> LevelsExperiment:
        """Build from plain tables.

        Raises:
            InvalidValue: naming every fault at once.
        """
        for section in tables:
            if section != SECTION:
                raise InvalidValue(f"unknown section {section!r}{nearest(section, [SECTION])}")
        table = tables.get(SECTION, {})
        if not isinstance(table, Mapping):
            raise InvalidValue(f"{SECTION} is {table!r}; write a section [{SECTION}]")
        return fields_from_table(cls, table)


@final
class LevelsRun:
    """One training by CoNNTrA in its folder.

    Args:
        experiment: what to train.
        folder: where; it must not exist, or be empty, unless `resume`.
        data: of the experiment.
        resume: continue from the folder's checkpoint, if any.

    Raises:
        WrongUse: if the folder holds something already.
        InvalidValue: for a network or data that CoNNTrA does not take.

    Attributes:
        metrics: one entry a sweep, as in metrics.jsonl.
        result: once the training has ended.
    """

    def __init__(self, experiment: LevelsExperiment, folder: Path, data: Dataset, *, resume: bool = False) -> None:
        if not resume:
            refuse_used(folder)
        self.experiment, self.folder = experiment, folder
        self.data = data.first(experiment.train_images, experiment.test_images)
        self.model = experiment.build(self.data)
        self.test = read_examples(self.data.x_test, self.data.y_test, "_test")
        self.metrics: list[dict[str, Any]] = []
        self.result: ConntraResult | None = None
        if resume and (folder / METRICS).exists():
            self.metrics = read_history(folder / METRICS)

    def train(self, callback: Callable[[Progress], bool | None] | None = None) -> bool:
        """Train to the end, writing metrics and checkpoints on the way, then the packed weights.

        Args:
            callback: as `mho.learning.conntra` takes it.

        Returns:
            Whether the training came to its end.

        Raises:
            CheckpointError: for a checkpoint of another run, naming what differs.
        """
        new = not self.folder.exists()
        try:
            self.result = conntra(
                self.model, self.data.x_train, self.data.y_train, **self.experiment.options(),
                checkpoint=self._begin(), callback=callback, on_sweep=self._after_sweep,
            )  # fmt: skip
        except CheckpointError as error:
            raise CheckpointError(f"{error}\nor give another --out") from None
        except InvalidValue:
            if new:
                self._undo()
            raise
        done = [self._line(record) for record in self.result.records]
        kept = {line["epoch"]: line for line in self.metrics}
        self.metrics = [kept.get(line["epoch"], line) for line in done]
        write_metrics(self.folder, self.metrics)
        if self.result.stopped == "asked":
            return False
        self._conclude(self.result)
        return True

    def _begin(self) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        write_config(self.folder, self.experiment.to_toml())
        return self.folder / CHECKPOINT

    def _undo(self) -> None:
        """Leave no folder of a run that could not begin."""
        (self.folder / CONFIG).unlink(missing_ok=True)
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()

    def _after_sweep(self, record: dict[str, Any], model: nn.Module) -> None:
        record["test_error"] = error_of(outputs_of(model, self.test.x), self.test)
        self.metrics = [line for line in self.metrics if line["epoch"] < record["sweep"]]
        self.metrics.append(self._line(record))
        write_metrics(self.folder, self.metrics)

    def _line(self, record: Mapping[str, Any]) -> dict[str, Any]:
        line = {"epoch": record["sweep"], "train_loss": record["loss"]}
        names = ("train_error", "test_error", "validation_error", "evaluations", "changes", "seconds")
        return line | {name: record[name] for name in names if name in record}

    def _conclude(self, result: ConntraResult) -> None:
        """Write packed weights, and what the run ended with."""
        stored = result.save(self.folder / PACKED)
        weights = len(result.chain.trained())
        out = outputs_of(result.model, self.test.x)
        summary = {
            "title": f"CoNNTrA, {self.experiment.model or 'perceptron'} on {self.data.name}",
            "physics_version": PHYSICS_VERSION,
            "stopped": result.stopped,
            "loss": result.loss,
            "test_error": error_of(out, self.test),
            "weights": weights,
            "weight_bytes": stored,
            "float64_bytes": 8 * weights,
            "file_bytes": (self.folder / PACKED).stat().st_size,
            "evaluations": result.evaluations,
            "seconds": result.seconds,
        }
        write_summary(self.folder, summary)

    @property
    def summary(self) -> dict[str, Any]:
        """Return the end of the run, as summary.json has it."""
        return read_summary(self.folder)


def learn_conntra(experiment: LevelsExperiment, folder: Path, data: Dataset, *, resume: bool = False) -> dict[str, Any]:
    """Train a network in its folder to the end, as `mho learn conntra` does, and return its summary.

    Args: as of `LevelsRun`.
    """
    run = LevelsRun(experiment, folder, data, resume=resume)
    run.train()
    return run.summary
