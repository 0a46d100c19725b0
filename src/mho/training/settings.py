"""What a training run is told, beside the arrays."""

from __future__ import annotations

import dataclasses
from typing import final

from mho.errors import Faults, nearest

DATA = ("digits", "mnist")
DRIVERS = ("auto", "online", "autograd")


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Training:
    """The [training] section of a config.

    Attributes:
        data: "digits" or "mnist".
        epochs: passes over the training images, at least 1.
        lr: learning rate η.
        batch_size: images a step; 1 is the hardware's own mode and the papers' protocol.
        seed: seed of devices, weights and noise; replica r has seed + r.
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
    seed: int = 0
    data_seed: int = 0
    replicas: int = 1
    driver: str = "auto"
    exclude: tuple[str, ...] = ()
    checkpoint_every: int = 10_000
    train_images: int = 0
    test_images: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "exclude", tuple(self.exclude))
        faults = Faults("training")
        if self.data not in DATA:
            faults.add(f"data is {self.data!r}{nearest(str(self.data), DATA)}")
        if self.driver not in DRIVERS:
            faults.add(f"driver is {self.driver!r}{nearest(str(self.driver), DRIVERS)}")
        faults.number("epochs", self.epochs, low=1, integer=True)
        faults.number("lr", self.lr, above=0.0, high=1e6)
        faults.number("batch_size", self.batch_size, low=1, integer=True)
        for name in ("seed", "data_seed"):
            faults.number(name, getattr(self, name), low=0, high=2**62, integer=True)
        faults.number("replicas", self.replicas, low=1, integer=True)
        faults.number("checkpoint_every", self.checkpoint_every, low=1, integer=True)
        faults.number("train_images", self.train_images, low=0, integer=True)
        faults.number("test_images", self.test_images, low=0, integer=True)
        faults.raise_any()
