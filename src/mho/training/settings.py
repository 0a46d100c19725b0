"""Settings of a training run, beside the arrays: its network (`mho.models`), data, task, rates and seeds."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, final

from mho.allowed import Allowed
from mho.data import DATA_SETS, FILE_FORMATS, check_name, file_of, task_of
from mho.errors import Faults, InvalidValue, InWords, nearest
from mho.imports import is_own
from mho.models import NETWORKS, find_builder
from mho.training.augmentations import AUGMENTATIONS
from mho.training.schedules import SCHEDULES, rates
from mho.training.tasks import Task, find_task

AUTO = "auto"
"""A task that the data decide."""
DRIVERS = ("auto", "online", "autograd")
MAX_SEED = 2**62
MAX_RATE = 1e6
"""Largest learning rate that is taken."""


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Training(metaclass=InWords):
    """The [training] section of a config.

    Attributes:
        task: "classification", "regression", "next_character", or a user's `module:Class`; "auto" becomes what the data
            are for, next_character for a text for example. Its options are a section of their own, [task].
        model: name of the network in `mho.models.NETWORKS`, or a user's `module:Net`; it takes the inputs of the data.
        data: "digits", "mnist", "cifar10", "text:FILE", "csv:FILE", a user's `module:function`, ... (`mho.data.load`).
        epochs: passes over the training examples, at least 1.
        lr: learning rate η, above 0 and at most 1e6; without it that of the task (`Task.lr`): 0.01, and 1 for
            next_character, whose loss is a mean over the characters of a sequence.
        lr_steps: other learning rates from some epochs on, counted from 1: {11: 0.005, 21: 0.0025}. Keys are kept as
            text, as TOML has them.
        schedule: "constant", or "cosine": from lr in the first epoch along half a wave to almost 0 in the last, as
            torch's CosineAnnealingLR; then `epochs` cannot be changed when a run is resumed.
        augment: random changes of the images in training, in turn: "crop" (margin of 4, random part) and "flip" (left
            for right); drawn by `data_seed`.
        batch_size: examples per step; 1 is the hardware's own mode and the papers' protocol.
        seed: seed of devices, weights and noise; replica r has seed + r. Or a list of one seed per replica.
        data_seed: seed of the order of the examples, shared by the replicas.
        replicas: networks trained side by side.
        driver: "online" (a static graph of nodes), "autograd", or "auto": online where the model allows it.
        exclude: patterns of layers that stay digital.
        checkpoint_every: steps between checkpoints inside an epoch; a checkpoint is always written at the end of an
            epoch.
        train_images: use only the first so many training examples; 0: all.
        test_images: use only the first so many test examples; 0: all.
        validation: training examples (of `train_images`) that are held out: their share, between 0 and 1, or their
            number; 0: none. They are drawn by `data_seed`; of tasks that are not shuffled, as of a text, they are the
            last. Their error chooses the epoch whose weights are kept beside those of the last.
        patience: epochs without a lower validation error after which the training stops; 0: it does not stop early.
    """

    task: str = AUTO
    model: str = "lenet"
    data: str = "digits"
    epochs: int = 30
    lr: float = None  # type: ignore[assignment]  # made in __post_init__
    lr_steps: Mapping[int | str, float] = dataclasses.field(default_factory=dict)
    schedule: str = "constant"
    augment: tuple[str, ...] = ()
    batch_size: int = 1
    seed: int | tuple[int, ...] = 0
    data_seed: int = 0
    replicas: int = 1
    driver: str = "auto"
    exclude: tuple[str, ...] = ()
    checkpoint_every: int = 10_000
    train_images: int = 0
    test_images: int = 0
    validation: float = 0
    patience: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "exclude", tuple(self.exclude))
        if isinstance(self.augment, list):
            object.__setattr__(self, "augment", tuple(self.augment))
        if isinstance(self.seed, list):
            object.__setattr__(self, "seed", tuple(self.seed))
        faults = Faults("training")
        if self.task == AUTO:
            self._choose_task(faults)
        self._check_names(faults)
        faults.choice("driver", self.driver, DRIVERS)
        if self.lr is None:
            self._choose_rate()
        faults.number("epochs", self.epochs, low=1, integer=True)
        faults.number("lr", self.lr, above=0.0, high=MAX_RATE)
        self._check_steps(faults)
        self._check_schedule(faults)
        self._check_augment(faults)
        faults.number("batch_size", self.batch_size, low=1, integer=True)
        if faults.number("data_seed", self.data_seed, low=0, high=MAX_SEED, integer=True):
            self._check_order(faults)
        if faults.number("replicas", self.replicas, low=1, integer=True) and isinstance(self.seed, tuple):
            self._check_seeds(self.seed, faults)
        elif not isinstance(self.seed, tuple):
            faults.number("seed", self.seed, low=0, high=MAX_SEED, integer=True)
        faults.number("checkpoint_every", self.checkpoint_every, low=1, integer=True)
        faults.number("train_images", self.train_images, low=0, integer=True)
        faults.number("test_images", self.test_images, low=0, integer=True)
        self._check_validation(faults)
        faults.raise_any()

    @property
    def seeds(self) -> list[int]:
        """Return the seed of each replica."""
        if isinstance(self.seed, tuple):
            return list(self.seed)
        return [self.seed + replica for replica in range(self.replicas)]

    def rate(self, epoch: int) -> float:
        """Return the learning rate of an epoch by the schedule.

        Args:
            epoch: counted from 1.
        """
        if self.schedule != "constant":
            return rates(self.schedule, self.lr, self.epochs)[epoch - 1]
        begun = [int(start) for start in self.lr_steps if int(start) <= epoch]
        return self.lr_steps[str(max(begun))] if begun else self.lr

    @property
    def changes_rate(self) -> bool:
        """Return True if epochs differ in their learning rates."""
        return bool(self.lr_steps) or self.schedule != "constant"

    def _choose_task(self, faults: Faults) -> None:
        """Set the task that the data are for."""
        try:
            check_name(self.data)
            object.__setattr__(self, "task", task_of(self.data))
        except (InvalidValue, TypeError, AttributeError) as error:
            object.__setattr__(self, "task", "classification")
            if (
                isinstance(error, InvalidValue) and file_of(self.data) is not None
            ):  # other faults are noted by _check_names
                faults.add(f"data: {error}")

    def _choose_rate(self) -> None:
        """Set the learning rate that the task has where none is given."""
        rate = Task.lr
        with contextlib.suppress(InvalidValue, TypeError, AttributeError):  # noted by _check_names
            rate = find_task(self.task).lr
        object.__setattr__(self, "lr", rate)

    def _check_names(self, faults: Faults) -> None:
        finders: dict[str, Callable[[str], object]] = {"task": find_task, "model": self._find_model, "data": check_name}
        for field, find in finders.items():
            name = getattr(self, field)
            if not isinstance(name, str):
                faults.add(f"{field} is {name!r}; give a name")
                continue
            try:
                find(name)
            except InvalidValue as error:
                faults.add(f"{field}: {error}")

    def _find_model(self, name: str) -> None:
        """Raise InvalidValue unless there is such a model, and, where mho knows both, it takes the data's images."""
        if is_own(name):
            find_builder(name)
            return
        source, file = DATA_SETS.get(str(self.data)), file_of(str(self.data))
        axes = None if source is not None or file is None else FILE_FORMATS[file.prefix].axes
        fitting = [
            known
            for known, one in NETWORKS.items()
            if (source is None or one.takes(source.example)) and (axes is None or axes in one.axes)
        ]
        if name not in NETWORKS:
            raise InvalidValue(
                f"no model {name!r}{nearest(name, fitting)} (the data {self.data} can train {', '.join(fitting)}; "
                "your own is module:Net)"
            )
        if axes is not None and name not in fitting:
            what = "a text" if axes == 0 else "tables, whose rows are examples"
            raise InvalidValue(f"{name} is not for {what}, and the data are {self.data}; use {' or '.join(fitting)}")
        if source is not None and name not in fitting:
            sizes, ours = ("×".join(map(str, image)) for image in (NETWORKS[name].image, source.example))
            raise InvalidValue(
                f"{name} takes images {sizes}, and those of the data {self.data} are {ours}; use {' or '.join(fitting)}"
            )

    def _check_schedule(self, faults: Faults) -> None:
        if faults.choice("schedule", self.schedule, SCHEDULES) and self.schedule != "constant" and self.lr_steps:
            faults.add(
                f"schedule is {self.schedule!r} and lr_steps is {dict(self.lr_steps)}, and both say the learning rate "
                "of an epoch; leave one of them out"
            )

    def _check_augment(self, faults: Faults) -> None:
        if not isinstance(self.augment, tuple):
            faults.add(f'augment is {self.augment!r}; give a list of names, for example ["crop", "flip"]')
            return
        for place, name in enumerate(self.augment):
            if name not in AUGMENTATIONS:
                faults.add(f"augment has {name!r}{nearest(str(name), AUGMENTATIONS)}")
            elif name in self.augment[:place]:
                faults.add(f"augment has {name!r} twice; once is enough")

    def _check_order(self, faults: Faults) -> None:
        """Note a seed of the order that has no effect."""
        if not isinstance(self.task, str):
            return
        try:
            shuffled = find_task(self.task).shuffled
        except InvalidValue:  # noted by _check_names
            return
        if self.data_seed and not shuffled:
            faults.add(
                f"data_seed is {self.data_seed}: it would have no effect, because the task {self.task} takes the "
                "examples in a fixed order; leave it at 0"
            )

    def _check_steps(self, faults: Faults) -> None:
        if not isinstance(self.lr_steps, Mapping):
            faults.add(f"lr_steps is {self.lr_steps!r}; write {{ 11 = 0.005 }} for a rate from epoch 11 on")
            return
        steps: dict[int, Any] = {}
        for start, rate in self.lr_steps.items():
            if not str(start).isdecimal() or int(start) < 2:
                faults.add(
                    f"lr_steps has the epoch {start!r}; give an integer of at least 2 (lr is the rate before it)"
                )
            elif int(start) in steps:
                faults.add(f"lr_steps has epoch {int(start)} twice")
            elif faults.number(f"lr_steps.{start}", rate, above=0.0, high=MAX_RATE):
                steps[int(start)] = rate
        object.__setattr__(self, "lr_steps", {str(start): steps[start] for start in sorted(steps)})

    def _check_validation(self, faults: Faults) -> None:
        if not faults.check("validation", self.validation, Allowed(low=0, integer=True, shares=True)):
            return
        if faults.number("patience", self.patience, low=0, integer=True) and self.patience and not self.validation:
            faults.add(
                f"patience is {self.patience}: it would have no effect, because it waits for a lower validation error "
                "and no example is held out; give validation = 0.1, or leave patience at 0"
            )

    def _check_seeds(self, seeds: tuple[int, ...], faults: Faults) -> None:
        if len(seeds) != self.replicas:
            faults.add(
                f"seed has {len(seeds)} values, and replicas is {self.replicas}; give replicas = {len(seeds)}, "
                "or one seed per replica"
            )
        for place, seed in enumerate(seeds):
            faults.number(f"seed {place} of the list", seed, low=0, high=MAX_SEED, integer=True)
