"""A curve to be compared: lines of epochs of one or several seeds, and what is known of the training behind them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, final

from mho.intervals import Interval, error_interval

ERROR, LOSS = "test_error", "train_loss"
Lines = Sequence[Mapping[str, Any]]


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Origin:
    """Origin of a curve: facts about its training, None where unknown.

    Attributes:
        data: name of the data set.
        measure: what the errors are, in words: "error", "distance".
        data_seed: seed of the order of the examples.
        train_images, test_images: the first so many examples; 0 is all.
        seeds_known: whether the numbers of the seeds are those of the trainings.
    """

    data: str | None = None
    measure: str | None = None
    data_seed: int | None = None
    train_images: int | None = None
    test_images: int | None = None
    seeds_known: bool = False


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Curve:
    """One curve.

    Attributes:
        label: for legends and tables.
        source: as the user gave it.
        seeds: seed to its lines, by rising `epoch`, each with `test_error` (%) and perhaps `train_loss`.
        origin: what is known of the training.
    """

    label: str
    source: str
    seeds: Mapping[int, Lines]
    origin: Origin = Origin()

    @property
    def last(self) -> int:
        """Last epoch that every seed has."""
        return min(int(lines[-1]["epoch"]) for lines in self.seeds.values())

    def at(self, epoch: int, name: str = ERROR) -> dict[int, float]:
        """Return a number of an epoch by seed; seeds that lack it are left out."""
        return {
            seed: line[name]
            for seed, lines in self.seeds.items()
            for line in lines
            if line["epoch"] == epoch and line.get(name) is not None
        }

    def has(self, name: str) -> bool:
        """Return whether any line has a number."""
        return any(line.get(name) is not None for lines in self.seeds.values() for line in lines)

    @property
    def epochs(self) -> list[int]:
        """All epochs that any seed has."""
        return sorted({line["epoch"] for lines in self.seeds.values() for line in lines})

    @property
    def final(self) -> Interval:
        """Error of the last epoch over seeds."""
        return error_interval(self.at(self.last).values())
