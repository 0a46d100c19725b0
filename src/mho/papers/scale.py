"""Scale of a reproduction: whole curves, quick curves, or a trial on some images."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, final

from mho.errors import Faults

if TYPE_CHECKING:
    from mho.papers.study import Study

QUICK_EPOCHS, QUICK_IMAGES = 2, 5000
"""Epochs and training images of the quick version of a training of `mho train`."""


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Scale:
    """Scale of the trainings of a reproduction.

    Attributes:
        epochs: epochs of each run; the paper's own number if None.
        seeds: runs per curve, with seeds from 0 on.
        quick: the quick version of each study, judged by the paper's quick checks.
        train_images: only the first so many training images; 0 is all, and what a verdict needs.
        test_images: only the first so many test images; 0 is all, and what a verdict needs.
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
                f"a quick training has {QUICK_EPOCHS} epochs of {QUICK_IMAGES:,} images, or what its study says, and "
                "checks made for that; leave epochs and images out, or leave quick out"
            )
        faults.raise_any()

    @property
    def kind(self) -> str:
        """Name of the folder of results: those of whole trainings are kept apart from others."""
        if self.quick:
            return "quick"
        return "trial" if self.train_images or self.test_images else "results"

    def of(self, study: Study) -> Study:
        """Return the study of a curve, this large.

        Raises:
            InvalidValue: if it has no images of which only some could be used.
        """
        if self.quick:
            return study.quick()
        if self.train_images or self.test_images:
            study = study.with_images(train=self.train_images, test=self.test_images)
        return study if self.epochs is None else study.with_epochs(self.epochs)
