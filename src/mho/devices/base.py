"""Base of device laws: fields, a scalar function `pulse`, and the source of its code."""

from __future__ import annotations

import abc
import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any, ClassVar, dataclass_transform

import numpy as np
import numpy.typing as npt

from mho.compiler.law import read_law
from mho.compiler.model import DeviceModel
from mho.devices.fields import as_per_cell, check_numbers
from mho.devices.options import OPTIONS, PARTS, Options
from mho.devices.per_cell import PerCell
from mho.devices.symmetry import symmetry_points
from mho.devices.table import Table, table_from
from mho.errors import Faults, InvalidValue, InWords, LawError, WrongUse
from mho.imports import class_name
from mho.per_replica import check_lists, lengths

FIRST = ("dw_min", "up_down")
"""Fields shared by several laws that stand before a law's own fields; other shared fields stand behind."""


@dataclass_transform(kw_only_default=True, frozen_default=True)
class Device(Options, abc.ABC, metaclass=InWords):
    """Base of device laws: how a cross-point responds to a pulse. Subclass it: annotated fields, then `pulse`.

    Each field is a number, the same for the whole array, or `mho.per_cell(...)`, drawn for every
    cell or given for each (`values=`); or a list of one number per replica; or `mho.table(...)`, an array. `w_max` and
    `w_min` are obligatory: the array clips to them after every pulse. The fields of `Options` come with every law.

    A law may use its arguments, `math`, module constants that are numbers, and scalar functions of its own module or
    of `mho.devices`; nothing else. It is compiled from its source, in which literals are read as float32, and runs as
    plain Python in the reference.

    Optional closed form: `pulses(w, n, up, cell, z)` is the weight after n pulses of one
    direction in distribution (and exactly `pulse` for n = 1), and `reach(n, up, cell)` how far
    any of their partial sums can go; arrays use it where no bound is within reach. `symmetry(cell)` may say
    where an up and a down step cancel (`symmetry_point`); its fields are NumPy arrays, and it may use all of Python.

    A law that needs more than w says so: with `states = ("history",)` it is `pulse(w, h, up, cell, z) -> (w, h)`, h a
    hidden number of each cell, 0 at first; with several names h has each, `h.history`, and the law returns a tuple of
    all. With `draws = 2` z is a pair of normals; `read(w, cell, z)` is the weight that a read sees, where z is fresh
    for every vector; `rest(w, cell, dt, z)` the weight after a time dt without pulses, applied after every update with
    dt = 1.

    `class Law(Device, shared=True)` declares fields for several laws: each has them as its own.
    """

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]
    pulse_driven: ClassVar[bool] = True
    states: ClassVar[tuple[str, ...]] = ()
    draws: ClassVar[int] = 1
    shares_fields: ClassVar[bool] = False

    def __init_subclass__(cls, *, shared: bool = False, **options: Any) -> None:
        super().__init_subclass__(**options)
        own = inspect.get_annotations(cls) | vars(cls)
        taken = [name for name in (*OPTIONS, *PARTS) if name in own]
        if taken:
            raise LawError(
                f"{cls.__name__}.{taken[0]}: an option of every device has this name (mho.devices.Options); rename it"
            )
        cls.shares_fields = shared
        if not shared:
            _take_shared_fields(cls)
            dataclasses.dataclass(frozen=True, kw_only=True)(cls)

    def __post_init__(self) -> None:
        faults = Faults(type(self).__name__)
        self._take_tables(faults)
        self.take_effects(faults)
        self.conductance_fault(faults)
        names = [field.name for field in dataclasses.fields(self) if field.name not in PARTS]
        numbers = [name for name in names if not isinstance(getattr(self, name), Table)]
        check_numbers(self, faults, numbers)
        if faults.found or check_lists(self, faults, names):
            faults.raise_any()
            return
        self._check_options(faults)
        fields = self.parameters()
        for name, parameter in fields.items():
            faults.number(name, parameter.mean)
        if self.pulse_driven:
            missing = [name for name in ("w_max", "w_min") if name not in fields]
            if missing:
                raise LawError(
                    f"{type(self).__name__} has no {' and no '.join(missing)}: the array clips to "
                    "[w_min, w_max]. Add for example  w_max: float = mho.per_cell(0.6, spread=0.3)"
                )
            if not faults.found and fields["w_min"].mean >= fields["w_max"].mean:
                faults.add(
                    f"w_min is {fields['w_min'].mean:g} and w_max is {fields['w_max'].mean:g}; "
                    "w_min must be below w_max"
                )
        if self.options() and not self.pulse_driven:
            faults.add(
                f"{', '.join(self.options())}: {type(self).__name__} is exact, so it would have no effect; remove it"
            )
        self._more_faults(faults)
        faults.raise_any()
        read_law(type(self))

    def _check_options(self, faults: Faults) -> None:
        """Raise what is wrong with options, and with the other fields too: without their effects these can be asked."""
        self.option_faults(faults)
        if faults.found:
            try:
                dataclasses.replace(self, **dict.fromkeys(OPTIONS, 0.0))  # type: ignore[arg-type]
            except InvalidValue as error:
                faults.found += error.faults
            faults.raise_any()

    def _take_tables(self, faults: Faults) -> None:
        """Make tables of what was given for them."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not isinstance(field.default, Table) or isinstance(value, Table):
                continue
            if isinstance(value, (bool, int, float, PerCell)):
                faults.add(f"{field.name} is {value!r}; give a table: mho.table([...]), or rows of numbers")
                continue
            try:
                object.__setattr__(self, field.name, table_from(value))
            except InvalidValue as error:
                faults.add(f"{field.name}: {error}")

    def _more_faults(self, faults: Faults) -> None:
        """Note what else is wrong with the values; laws with further rules override it."""

    def cells_refused(self, cells: Mapping[str, Any]) -> str | None:
        """Return the fault of drawn fields in words, or None; laws with rules for several fields override it.

        Args:
            cells: fields by name, arrays that broadcast to (R, P, N), a number for each device.
        """
        return None

    @staticmethod
    @abc.abstractmethod
    def pulse(w: Any, *arguments: Any) -> Any:
        """Return the weight after one pulse, pulse(w, up, cell, z), by the equation in the docstring of the class.

        Args:
            w: weight before the pulse, in units of weight; a law with hidden states takes their record h behind it.
            up: True for a pulse up.
            cell: record of the fields of one device, as drawn.
            z: drawn anew from N(0, 1) for each pulse; a pair of such numbers where the law has draws = 2.

        The array clips what a law returns to [w_min, w_max].
        """

    def parameters(self) -> dict[str, PerCell]:
        """Return every field that is a number as a `PerCell`, as declared, then those of effects that are on."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        own = {
            name: as_per_cell(value)
            for name, value in values.items()
            if name not in (*OPTIONS, *PARTS) and not isinstance(value, Table)
        }
        return own | self.options()

    def tables(self) -> dict[str, Table]:
        """Return every field that is a table, by name, in the order of declaration."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, Table)}

    def symmetry_point(self, cells: Mapping[str, npt.ArrayLike] | None = None) -> npt.NDArray[np.float64]:
        """Return the weight at which an up and a down pulse without noise cancel: training pulls weights there.

        Args:
            cells: fields as `Crossbar.cell_parameters()` gives them; without, the nominal device.

        Returns:
            A weight for each cell, in the shape of the cells, () without; NaN where no state or every state is such a
            point: for `ConstantStep` every state if `up_down` is 1, else none.

        Raises:
            WrongUse: for a device that takes no pulses, or for the nominal device if it has lists.
            InvalidValue: if fields are missing.
        """
        name = type(self).__name__
        if not self.pulse_driven:
            raise WrongUse(f"{name} takes no pulses, so it has no symmetry point")
        if cells is None:
            if lengths(self):
                raise WrongUse(
                    f"{name}.symmetry_point: the device has lists, and a point for each replica; ask "
                    "rpu.of_replica(0).device.symmetry_point()"
                )
            cells = {field: parameter.mean for field, parameter in self.parameters().items()}
        missing = [field for field in self.parameters() if field not in cells]
        if missing:
            raise InvalidValue(f"{name}.symmetry_point: cells have no {', '.join(missing)}; give every field")
        return symmetry_points(self, cells)

    def mean_step(self) -> float:
        """Return the nominal size of one step in units of weight: it sets the gains C_x = C_δ = √(η / (BL·Δw_min)).

        By default the mean of the field `dw_min`. Arrays ask the device of each replica, so a law that overrides this
        sees numbers only.

        Raises:
            WrongUse: for a device with lists, which has a step for each replica.
            LawError: for a law without a field `dw_min` that does not override this.
        """
        if lengths(self):
            raise WrongUse(
                f"{type(self).__name__}.mean_step: the device has lists, and a step for each replica; ask "
                "rpu.of_replica(0).device.mean_step()"
            )
        parameters = self.parameters()
        if "dw_min" not in parameters:
            raise LawError(
                f"{type(self).__name__} has no field dw_min: define  def mean_step(self) -> float,  "
                "the nominal size of one step, so that the pulse gains can be set"
            )
        return parameters["dw_min"].mean

    def model(self) -> DeviceModel:
        """Return what devices do, as kernels take it: the law and the effects that are on."""
        return DeviceModel(type(self), tuple(type(effect) for effect in self.active_effects()))

    def hidden_states(self) -> tuple[str, ...]:
        """Return the names of the states that reads do not see: the written weight where that is another, the law's."""
        return self.model().hidden

    @classmethod
    def law_name(cls) -> str:
        """Return the name that a file can hold: the class for laws of mho, `module:Class` for a user's."""
        return class_name(cls, "mho.devices")

    @classmethod
    def law_hash(cls) -> str:
        """Return a hash of the law's source: two laws of equal hash have the same physics."""
        return read_law(cls).hash


def _take_shared_fields(cls: type[Device]) -> None:
    """Make the fields of a base of several laws fields of this law, the first before its own."""
    shared: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if vars(base).get("shares_fields"):
            shared |= inspect.get_annotations(base)
    known = {field.name for field in dataclasses.fields(cls)}
    shared = {name: kind for name, kind in shared.items() if name not in known}
    first = {name: shared[name] for name in FIRST if name in shared}
    cls.__annotations__ = first | inspect.get_annotations(cls) | shared
