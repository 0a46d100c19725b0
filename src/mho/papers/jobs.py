"""What is trained for a curve: one run a seed, in a folder whose name tells what decides its result."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from typing import Any, final

from mho.errors import Faults
from mho.papers.paper import Paper
from mho.runs import Experiment
from mho.runs.experiment import MAY_GROW
from mho.version import PHYSICS_VERSION

QUICK_EPOCHS, QUICK_IMAGES = 2, 5000
ADDRESS = 12


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Scale:
    """How much is trained.

    Attributes:
        epochs: of each run; the paper's own number if None.
        seeds: runs a curve, with seeds from 0 on.
        quick: few images and epochs, judged by the paper's quick checks.
        train_images: only the first so many; 0 is all, and what a verdict needs.
        test_images: likewise.
    """

    epochs: int | None = None
    seeds: int = 1
    quick: bool = False
    train_images: int = 0
    test_images: int = 0

    def __post_init__(self) -> None:
        faults = Faults("reproduce")
        faults.number("epochs", self.epochs, low=1, integer=True, optional=True)
        faults.number("seeds", self.seeds, low=1, high=1000, integer=True)
        faults.number("train_images", self.train_images, low=0, integer=True)
        faults.number("test_images", self.test_images, low=0, integer=True)
        if self.quick and (self.epochs is not None or self.train_images or self.test_images):
            faults.add(
                f"a quick training has {QUICK_EPOCHS} epochs of {QUICK_IMAGES:,} images, which its checks "
                "are made for; leave epochs and images out, or leave quick out"
            )
        faults.raise_any()

    @property
    def kind(self) -> str:
        """Folder of the results: those of whole trainings are kept apart from others."""
        if self.quick:
            return "quick"
        return "trial" if self.train_images or self.test_images else "results"

    def of(self, experiment: Experiment, seed: int) -> Experiment:
        """The experiment of a curve, this large, with this seed."""
        changes: dict[str, Any] = {"seed": seed, "train_images": self.train_images, "test_images": self.test_images}
        if self.quick:
            changes |= {"epochs": QUICK_EPOCHS, "train_images": QUICK_IMAGES}
        elif self.epochs is not None:
            changes["epochs"] = self.epochs
        return dataclasses.replace(experiment, training=dataclasses.replace(experiment.training, **changes))


@final
@dataclasses.dataclass(frozen=True)
class Job:
    """One run: a curve with a seed. `name` is that of its run folder."""

    curve: str
    seed: int
    experiment: Experiment
    name: str


def job(paper: Paper, curve: str, seed: int, scale: Scale) -> Job:
    """The run of a curve with a seed."""
    experiment = scale.of(paper.curves[curve](), seed)
    return Job(curve, seed, experiment, f"{curve}-s{seed}-{address(experiment)}")


def jobs(paper: Paper, curves: Sequence[str], scale: Scale) -> list[Job]:
    """The runs of some curves: the first seed of each, then the second of each, ..."""
    return [job(paper, curve, seed, scale) for seed in range(scale.seeds) for curve in curves]


def address(experiment: Experiment) -> str:
    """Hash what decides a result: description and version of the physics. More epochs leave the hash as it is."""
    tables = experiment.to_dict()
    for name in MAY_GROW:
        section, key = name.split(".")
        del tables[section][key]
    decides = [tables, PHYSICS_VERSION]
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:ADDRESS]
