"""One finding of a diagnosis, and how a check looks for it."""

from __future__ import annotations

import abc
import dataclasses
import math
from collections.abc import Sequence
from typing import Any, ClassVar, final

from mho.diagnosis.numbers import ArrayNumbers

UNIT = "\u00a0%"
LIMIT = 0.5
"""A fault costs more than is left."""


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
    """What one check found, where it is worst.

    Attributes:
        check: its name.
        array: name of the array, or "" for the whole network.
        replica: number.
        lost: share that is lost of what a training step should carry, 0 to 1; comparable between checks.
        number: what was measured, in words.
        meaning: what follows from it where it is a fault.
        cure: what to try.
    """

    check: str
    array: str
    replica: int
    lost: float
    number: str
    meaning: str
    cure: str

    @property
    def fault(self) -> bool:
        """Whether more is lost than kept."""
        return self.lost > LIMIT

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return dataclasses.asdict(self) | {"lost": round(self.lost, 4), "fault": self.fault}


@final
@dataclasses.dataclass(frozen=True)
class NetworkNumbers:
    """One replica of a network.

    Attributes:
        replica: number.
        arrays: numbers of each that training moves.
        read: numbers of every array, also of those that are frozen.
        swing: what a training step changes of `odds`, root of the mean square; below 1 a gradient tells the way.
        odds: what is looked at: "the log-odds of other examples".
        lr: the largest learning rate.
    """

    replica: int
    arrays: Sequence[ArrayNumbers]
    read: Sequence[ArrayNumbers]
    swing: float
    odds: str
    lr: float


class Check(abc.ABC):
    """One way in which an array or a learning rate can spoil training.

    Every check says which share is lost of what it looks at; its docstring says of what, and why half is the limit.
    Each supposes that all the rest is exact, so that one fault is not told by every check.
    """

    name: ClassVar[str]
    meaning: ClassVar[str]

    @abc.abstractmethod
    def look(self, network: NetworkNumbers) -> Finding | None:
        """The finding of a replica, where it is worst; None where there is nothing to look at."""

    def found(self, numbers: ArrayNumbers, lost: float, number: str, cure: str) -> Finding:
        """A finding in one array."""
        return Finding(
            check=self.name,
            array=numbers.name,
            replica=numbers.replica,
            lost=lost,
            number=number,
            meaning=self.meaning,
            cure=cure,
        )

    def idle(self, network: NetworkNumbers, why: str) -> Finding:
        """A finding that says why the check is about nothing in a network."""
        return Finding(
            check=self.name,
            array="",
            replica=network.replica,
            lost=0.0,
            number=f"does not apply: {why}",
            meaning=self.meaning,
            cure="",
        )


def of_powers(lost: float, kept: float) -> float:
    """Share of `lost` in the sum of two powers."""
    return lost / (lost + kept) if math.isfinite(lost) and lost > 0 else 0.0


def per_cent(share: float) -> str:
    """A share for people: 0.4 %, 12 %, over 99 %."""
    if 0.99 < share < 1:
        return f"over 99{UNIT}"
    return f"0{UNIT}" if share < 5e-5 else f"{100 * share:.2g}{UNIT}" if share < 1 else f"100{UNIT}"
