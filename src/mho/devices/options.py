"""Options of every device beside its law: effects as fields of the device."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

from mho.devices.conductance import Conductance
from mho.devices.effects import EFFECTS, Effect
from mho.devices.fields import is_on
from mho.devices.per_cell import PerCell
from mho.errors import Faults, InvalidValue


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Effects that every law may have; at 0 they cost nothing and stand in no file.

    The fields but the last two are those of `mho.devices.effects`, where each is described: WriteNoise, ReadVariation,
    Stuck, Decay, Drift, Diffusion. Each but `stuck` is a number, `mho.per_cell(...)`, or a list of one number a
    replica. Weights are in normalised units; time is counted in optimizer steps: `AnalogSGD.step` lets 1 pass for every
    array (`Crossbar.rest` lets more pass).

    Attributes:
        effects: further effects, for example a user's own (`mho.Effect`), in the order in which they act.
        conductance: which conductance a weight is, if it is known; arrays do not depend on it.
    """

    write_noise: float = 0.0
    read_variation: float = 0.0
    stuck: float = 0.0
    decay: float = 0.0
    decay_to: float = 0.0
    drift: float = 0.0
    diffusion: float = 0.0
    effects: tuple[Effect, ...] = ()
    conductance: Conductance | None = None

    def active_effects(self) -> tuple[Effect, ...]:
        """Return the effects that are on, in the order in which they act."""
        flat = [cls(**values) for cls, values in self._given()]
        on = [effect for effect in flat if any(is_on(value) for value in effect.parameters().values())]
        return (*on, *self.effects)

    def _given(self) -> list[tuple[type[Effect], dict[str, Any]]]:
        """Return the effects of every law of which a field is not 0, with their fields."""
        every = [(cls, {name: getattr(self, name) for name in cls.hook_fields()}) for cls in flat_effects()]
        return [(cls, values) for cls, values in every if any(value != 0 for value in values.values())]

    def options(self) -> dict[str, PerCell]:
        """Return the fields of all effects that are on, by the names that arrays call them."""
        return {name: value for effect in self.active_effects() for name, value in effect.parameters().items()}

    def option_faults(self, faults: Faults) -> None:
        """Note in `faults` the values of effects that are out of range, each with what is allowed."""
        for cls, values in self._given():
            try:
                cls(**values)
            except InvalidValue as error:
                faults.found += error.faults

    def conductance_fault(self, faults: Faults) -> None:
        """Note a fault in `faults` if the field `conductance` is neither None nor a `Conductance`."""
        if self.conductance is not None and not isinstance(self.conductance, Conductance):
            faults.add(
                f"conductance is {self.conductance!r}; give mho.devices.Conductance(zero=..., unit=..., name='S'), or "
                "None"
            )

    def take_effects(self, faults: Faults) -> None:
        """Store the field `effects` as a tuple, and note in `faults` what cannot stand in it."""
        given = tuple(self.effects) if isinstance(self.effects, (list, tuple)) else (self.effects,)
        object.__setattr__(self, "effects", given)
        for effect in given:
            if not isinstance(effect, Effect):
                faults.add(f"effects hold {effect!r}; give effects, for example effects=(MyEffect(rate=0.01),)")
            elif effect.flat:
                fields = ", ".join(f"{name}={getattr(effect, name)!r}" for name in effect.hook_fields())
                faults.add(
                    f"{type(effect).__name__} is an effect of every law: give its fields to the device, {fields}"
                )
        names = [type(effect).__name__ for effect in given]
        for name in sorted({name for name in names if names.count(name) > 1}):
            faults.add(f"effects hold {name} twice, and its fields would have equal names; give it once")


@functools.cache
def flat_effects() -> tuple[type[Effect], ...]:
    """Return the effects whose fields are fields of every law, in the order in which they act."""
    flat = [cls for cls in EFFECTS.values() if cls.flat]
    return tuple(sorted(flat, key=lambda cls: OPTIONS.index(next(iter(cls.hook_fields())))))


PARTS = ("effects", "conductance")
"""Fields of every device that hold no numbers of cells."""
OPTIONS = tuple(field.name for field in dataclasses.fields(Options) if field.name not in PARTS)
