"""One finding of a diagnosis, and how a check looks for it."""

from __future__ import annotations

import abc
import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, final

from mho.diagnosis.cures import Settings, in_layer, in_python, of_training, on_command_line
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
        settings: what to try, as after `--set` of `mho train`: "backward.noise_management=true".
        other: what else to try, in words.
        aside: settings that do what `other` says, as after `--set`; () where words alone say it.
        basis: what the advice supposes, and where it was seen to help; "" where the check's own numbers say it.
        hopeless: whether no setting takes the fault away, so that a training which goes well speaks against it.
        rank: among faults those of the least rank come first: 0 of a cause that makes other checks fail too, 2 of what
            may be a symptom of any of them.
    """

    check: str
    array: str
    replica: int
    lost: float
    number: str
    meaning: str
    settings: Settings = ()
    other: str = ""
    aside: Settings = ()
    basis: str = ""
    hopeless: bool = False
    rank: int = 1

    @property
    def cure(self) -> str:
        """Return what to try, as options of `mho train`; "" where nothing is known."""
        return self._cure(on_command_line)

    @property
    def cure_in_python(self) -> str:
        """Return what to try, as a script gives it; "" where nothing is known."""
        return self._cure(in_python)

    def _cure(self, typed: Callable[[Settings], str]) -> str:
        other = f"{self.other} ({typed(self.aside)})" if self.aside else self.other
        return _or(typed(self.settings), other)

    @property
    def fault(self) -> bool:
        """Return True if more is lost than kept: `lost` is above one half."""
        return self.lost > LIMIT

    def to_dict(self) -> dict[str, Any]:
        """Return the finding in values that JSON has, as summary.json has it: its fields, `fault` and `cure`."""
        table = dataclasses.asdict(self) | {"settings": list(self.settings), "aside": list(self.aside)}
        del table["rank"], table["hopeless"]
        return table | {"lost": round(self.lost, 4), "fault": self.fault, "cure": self.cure}


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
        batch: examples per training step; None: not known.
        frozen: share of the weights on arrays that training does not move.
        layered: whether arrays of the network differ in their descriptions.
    """

    replica: int
    arrays: Sequence[ArrayNumbers]
    read: Sequence[ArrayNumbers]
    swing: float
    odds: str
    lr: float
    batch: int | None = 1
    frozen: float = 0.0
    layered: bool = False


class Check(abc.ABC):
    """One way in which an array or a learning rate can spoil training.

    Every check says which share is lost of what it looks at; its docstring says of what, and why half is the limit.
    Each supposes that all the rest is exact, so that one fault is not told by every check.
    """

    name: ClassVar[str]
    meaning: ClassVar[str]

    @abc.abstractmethod
    def look(self, network: NetworkNumbers) -> Finding | None:
        """Return the finding of a replica in the array where it is worst; None where there is nothing to look at.

        Args:
            network: numbers of one replica of a network, from a probe of its training.
        """

    def found(
        self,
        network: NetworkNumbers,
        numbers: ArrayNumbers,
        lost: float,
        number: str,
        *,
        settings: Settings = (),
        other: str = "",
        aside: Settings = (),
        basis: str = "",
        hopeless: bool = False,
    ) -> Finding:
        """Return a finding in one array; its settings are of this layer where the arrays of the network differ.

        Args:
            network: numbers of the replica.
            numbers: numbers of the array.
            lost: share that is lost of what the check looks at, 0 to 1; above one half it is a fault.
            number: what was measured, in words.
            settings: what to try, as after `--set` of `mho train`.
            other: what else to try, in words.
            aside: settings that do what `other` says.
            basis: what the advice supposes, and where it was seen to help.
            hopeless: whether no setting takes the fault away.
        """
        if network.layered and settings:
            own = in_layer(settings, numbers.name)
            if own is None:
                other = _or(f"for layer {numbers.name}: {in_python(settings)}", other)
            settings = own or ()
        if network.layered and aside and not of_training(aside):
            own = in_layer(aside, numbers.name)
            if own is None:
                other = f"{other}, for layer {numbers.name}: {in_python(aside)}"
            aside = own or ()
        return Finding(
            check=self.name,
            array=numbers.name,
            replica=numbers.replica,
            lost=lost,
            number=number,
            meaning=self.meaning,
            settings=settings,
            other=other,
            aside=aside,
            basis=basis,
            hopeless=hopeless,
        )

    def idle(self, network: NetworkNumbers, why: str) -> Finding:
        """Return a finding that nothing is lost, because the check is about nothing in this network.

        Args:
            network: numbers of the replica.
            why: the reason, half a sentence.
        """
        return Finding(
            check=self.name,
            array="",
            replica=network.replica,
            lost=0.0,
            number=f"does not apply: {why}",
            meaning=self.meaning,
        )


def _or(first: str, second: str) -> str:
    return f"{first}, or {second}" if first and second else first or second


def of_powers(lost: float, kept: float) -> float:
    """Share of `lost` in the sum of two powers."""
    return lost / (lost + kept) if math.isfinite(lost) and lost > 0 else 0.0


def per_cent(share: float) -> str:
    """A share for people: 0.4 %, 12 %, over 99 %."""
    if 0.99 < share < 1:
        return f"over 99{UNIT}"
    return f"0{UNIT}" if share < 5e-5 else f"{100 * share:.2g}{UNIT}" if share < 1 else f"100{UNIT}"
