"""What a training run is told, beside the arrays."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, final

from mho.errors import Faults, nearest
from mho.models import NETWORKS

DATA = ("digits", "mnist")
DRIVERS = ("auto", "online", "autograd")
IMAGE = (1, 28, 28)
"""Channels, height and width of both data sets."""
MAX_SEED = 2**62


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Training:
    """The [training] section of a config.

    Attributes:
        model: name of the network in `mho.models.NETWORKS`; it takes the images of the data.
        data: "digits" or "mnist".
        epochs: passes over the training images, at least 1.
        lr: learning rate η.
        lr_steps: other learning rates from some epochs on, counted from 1: {11: 0.005, 21: 0.0025}. Keys are kept as
            text, as TOML has them.
        batch_size: images a step; 1 is the hardware's own mode and the papers' protocol.
        seed: seed of devices, weights and noise; replica r has seed + r. Or a list of one seed a replica.
        data_seed: seed of the order of the images, shared by the replicas.
        replicas: networks trained side by side.
        driver: "online" (a static chain without autograd), "autograd", or "auto": online where the model allows it.
        exclude: patterns of layers that stay digital.
        checkpoint_every: steps between checkpoints inside an epoch (one is always written at its end).
        train_images: use only the first so many training images; 0: all.
        test_images: use only the first so many test images; 0: all.
    """

    model: str = "lenet"
    data: str = "digits"
    epochs: int = 30
    lr: float = 0.01
    lr_steps: Mapping[int | str, float] = dataclasses.field(default_factory=dict)
    batch_size: int = 1
    seed: int | tuple[int, ...] = 0
    data_seed: int = 0
    replicas: int = 1
    driver: str = "auto"
    exclude: tuple[str, ...] = ()
    checkpoint_every: int = 10_000
    train_images: int = 0
    test_images: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "exclude", tuple(self.exclude))
        if isinstance(self.seed, list):
            object.__setattr__(self, "seed", tuple(self.seed))
        faults = Faults("training")
        self._check_model(faults)
        if self.data not in DATA:
            faults.add(f"data is {self.data!r}{nearest(str(self.data), DATA)}")
        if self.driver not in DRIVERS:
            faults.add(f"driver is {self.driver!r}{nearest(str(self.driver), DRIVERS)}")
        faults.number("epochs", self.epochs, low=1, integer=True)
        faults.number("lr", self.lr, above=0.0, high=1e6)
        self._check_steps(faults)
        faults.number("batch_size", self.batch_size, low=1, integer=True)
        faults.number("data_seed", self.data_seed, low=0, high=MAX_SEED, integer=True)
        if faults.number("replicas", self.replicas, low=1, integer=True) and isinstance(self.seed, tuple):
            self._check_seeds(self.seed, faults)
        elif not isinstance(self.seed, tuple):
            faults.number("seed", self.seed, low=0, high=MAX_SEED, integer=True)
        faults.number("checkpoint_every", self.checkpoint_every, low=1, integer=True)
        faults.number("train_images", self.train_images, low=0, integer=True)
        faults.number("test_images", self.test_images, low=0, integer=True)
        faults.raise_any()

    @property
    def seeds(self) -> list[int]:
        """The seed of each replica."""
        if isinstance(self.seed, tuple):
            return list(self.seed)
        return [self.seed + replica for replica in range(self.replicas)]

    def rate(self, epoch: int) -> float:
        """The learning rate of an epoch, counted from 1."""
        begun = [int(start) for start in self.lr_steps if int(start) <= epoch]
        return self.lr_steps[str(max(begun))] if begun else self.lr

    def _check_model(self, faults: Faults) -> None:
        if not isinstance(self.model, str) or self.model not in NETWORKS:
            faults.add(f"model is {self.model!r}{nearest(str(self.model), NETWORKS)}")
        elif NETWORKS[self.model].image != IMAGE:
            sizes, ours = ("×".join(map(str, image)) for image in (NETWORKS[self.model].image, IMAGE))
            faults.add(f"model is {self.model!r}, which takes images {sizes}, and those of the data are {ours}")

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
            elif faults.number(f"lr_steps.{start}", rate, above=0.0, high=1e6):
                steps[int(start)] = rate
        object.__setattr__(self, "lr_steps", {str(start): steps[start] for start in sorted(steps)})

    def _check_seeds(self, seeds: tuple[int, ...], faults: Faults) -> None:
        if len(seeds) != self.replicas:
            faults.add(
                f"seed has {len(seeds)} values, and replicas is {self.replicas}; give replicas = {len(seeds)}, "
                "or one seed a replica"
            )
        for place, seed in enumerate(seeds):
            faults.number(f"seed {place} of the list", seed, low=0, high=MAX_SEED, integer=True)
