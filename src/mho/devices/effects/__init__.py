"""Effects that any device may have beside its law, one per file."""

from mho.devices.effects.base import Effect
from mho.imports import classes_in

EFFECTS: dict[str, type[Effect]] = classes_in(__name__, Effect)
"""Every effect of this room by its name."""

__all__ = ["EFFECTS", "Effect"]
