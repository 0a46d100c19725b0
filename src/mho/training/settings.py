"""What a training run is told, beside the arrays."""

from __future__ import annotations

import dataclasses
from typing import final

from mho.errors import Faults, nearest

DATA = ("digits", "mnist")
DRIVERS = ("auto", "online", "autograd")
MAX_SEED = 2**62


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Training:
    """The [training] section of a config.

    Attributes:
        data: "digits" or "mnist".
        epochs: passes over the training images, at least 1.
        lr: learning rate η.
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

    data: str = "digits"
    epochs: int = 30
    lr: float = 0.01
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
        if self.data not in DATA:
            faults.add(f"data is {self.data!r}{nearest(str(self.data), DATA)}")
        if self.driver not in DRIVERS:
            faults.add(f"driver is {self.driver!r}{nearest(str(self.driver), DRIVERS)}")
        faults.number("epochs", self.epochs, low=1, integer=True)
        faults.number("lr", self.lr, above=0.0, high=1e6)
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

    def _check_seeds(self, seeds: tuple[int, ...], faults: Faults) -> None:
        if len(seeds) != self.replicas:
            faults.add(
                f"seed has {len(seeds)} values, and replicas is {self.replicas}; give replicas = {len(seeds)}, "
                "or one seed a replica"
            )
        for place, seed in enumerate(seeds):
            faults.number(f"seed {place} of the list", seed, low=0, high=MAX_SEED, integer=True)
