"""What an improvement of an array is: one property made better, all others kept."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable
from typing import Any, final

from mho.config import RPU
from mho.devices import Device
from mho.devices.fields import as_per_cell
from mho.devices.per_cell import PerCell
from mho.errors import MhoError
from mho.learning import ZeroShifting
from mho.per_replica import map_lists


@final
class NotApplicable(MhoError):
    """An improvement cannot be made to this array: the message says why, in half a sentence."""


@final
@dataclasses.dataclass(frozen=True)
class Setup:
    """What an improvement changes: an array, and the zero-shifting before the first epoch.

    Attributes:
        rpu: description of the array, of numbers and not of lists.
        zero_shifting: None: none.
    """

    rpu: RPU
    zero_shifting: ZeroShifting | None = None

    def with_device(self, **fields: Any) -> Setup:
        """Return the setup with other fields of its device."""
        return dataclasses.replace(self, rpu=self.rpu.replace(device=dataclasses.replace(self.rpu.device, **fields)))


class Improvement(abc.ABC):
    """One property of an array that is made better.

    Attributes:
        key: short name for `--only`, such as "smaller-steps".
        name: phrase for tables, such as "steps half as large".
    """

    key: str
    name: str

    @abc.abstractmethod
    def apply(self, setup: Setup) -> Setup:
        """Return the improved setup.

        Raises:
            NotApplicable: saying why there is nothing to improve here.
            InvalidValue: where the parts of the improved array cannot work together.
        """


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class FieldChange(Improvement):
    """Other values of some fields of the device.

    Attributes:
        fields: names of the fields; those that the device does not have are left out.
        change: the better value of a field.
        missing: why nothing can be changed, where the device has none of the fields.
        done: why nothing is left to improve, where no value changes.
    """

    key: str
    name: str
    fields: tuple[str, ...]
    change: Callable[[PerCell], PerCell]
    missing: str
    done: str

    def apply(self, setup: Setup) -> Setup:
        device = setup.rpu.device
        known = own_fields(device)
        present = [name for name in self.fields if name in known]
        if not present:
            raise NotApplicable(self.missing.format(law=type(device).__name__))
        better = {name: self.change(as_per_cell(getattr(device, name))) for name in present}
        changed = {
            name: value if value.varies else value.mean
            for name, value in better.items()
            if value != as_per_cell(getattr(device, name))
        }
        if not changed:
            raise NotApplicable(self.done)
        return setup.with_device(**changed)


def own_fields(device: Device) -> tuple[str, ...]:
    """Return the names of the numbers of a device, those of effects of every law included."""
    parameters = device.parameters()
    return tuple(field.name for field in dataclasses.fields(device) if field.name in parameters)


def spreading(device: Device) -> tuple[str, ...]:
    """Return the names of the fields that differ from device to device."""
    return tuple(name for name in own_fields(device) if as_per_cell(getattr(device, name)).varies)


def lists_of(rpu: RPU) -> bool:
    """Return whether replicas differ in any number of an array."""
    return map_lists(rpu, lambda values: values[0]) is not rpu
