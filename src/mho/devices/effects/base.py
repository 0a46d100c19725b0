"""Base of effects: fields, and static functions for the hooks beside the law."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any, ClassVar, dataclass_transform

from mho.compiler.hooks import SHARED, Hooks, read_hooks
from mho.devices.fields import as_per_cell, check_numbers
from mho.devices.per_cell import PerCell
from mho.errors import Faults, InWords, LawError
from mho.imports import class_name
from mho.per_replica import check_lists


@dataclass_transform(kw_only_default=True, frozen_default=True)
class Effect(Hooks, metaclass=InWords):
    """Something that a device of any law may do. Subclass it: annotated fields, then one or more hooks.

    The hooks, all static and scalar, are those of `mho.compiler.hooks.Hooks`:

    - `written(w, cell, z)`: the weight to be read after a pulse has written w; the next pulse starts from w itself;
    - `seen(w, cell, z)`: the weight w as a single read sees it (a z makes every vector's read another: a slow pass);
    - `aged(w, cell, dt, z)`: the weight after a time dt without pulses, in updates;
    - `holds(cell)`: True if the device never moves;
    - `accepts_pulse(up, cell)`, `moves_up(up, cell)`: whether it responds to pulses of a direction, and where it goes.

    z ~ N(0, 1) is fresh each time and drawn under keys of the effect's own name. `cell` has the effect's fields, and
    the device's `w_max` and `w_min`. What stands at a hook follows the rules of laws (`mho.Device`).

    A field is a number, `mho.per_cell(...)`, or a list of one number per replica; the array calls it
    `Sag.rate`, after the class and the field. Put effects on any law: `ConstantStep(effects=(Sag(rate=0.01),))`; they
    act in this order, after those of mho.
    """

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]
    flat: ClassVar[bool] = False
    """Whether its fields are fields of every law, for effects of mho."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        taken = [name for name in SHARED if name in inspect.get_annotations(cls)]
        if taken:
            raise LawError(f"{cls.__name__}.{taken[0]}: a field of every device has this name; rename it")
        dataclasses.dataclass(frozen=True, kw_only=True)(cls)

    def __post_init__(self) -> None:
        faults = Faults(type(self).__name__)
        names = [field.name for field in dataclasses.fields(self)]
        check_numbers(self, faults, names)
        if faults.found or check_lists(self, faults, names):
            faults.raise_any()
            return
        for name in names:
            faults.number(name, as_per_cell(getattr(self, name)).mean)
        if not faults.found:
            self._more_faults(faults)
        faults.raise_any()
        read_hooks(type(self))

    def _more_faults(self, faults: Faults) -> None:
        """Note what else is wrong with the values; effects with ranges override it."""

    def parameters(self) -> dict[str, PerCell]:
        """Return every field as a `PerCell`, by the name that arrays call it."""
        return {whole: as_per_cell(getattr(self, own)) for own, whole in self.hook_fields().items()}

    @classmethod
    def hook_fields(cls) -> Mapping[str, str]:
        """Return the names that arrays have for the effect's fields, by field: `Sag.rate` for `rate` of `Sag`."""
        names = [field.name for field in dataclasses.fields(cls)]
        return {name: name if cls.flat else f"{cls.__name__}.{name}" for name in names}

    @classmethod
    def effect_name(cls) -> str:
        """Return the name that a file can hold: the class for effects of mho, `module:Class` for a user's."""
        return class_name(cls, "mho.devices.effects")

    @classmethod
    def effect_hash(cls) -> str:
        """Return a hash of the effect's source: two effects of equal hash have the same physics."""
        return read_hooks(cls).hash
