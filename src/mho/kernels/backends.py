"""Back ends by name."""

from __future__ import annotations

from mho.errors import InvalidValue, nearest
from mho.kernels.backend import Backend
from mho.kernels.cpu.backend import CPU
from mho.kernels.reference.backend import Reference

BACKENDS: dict[str, Backend] = {"cpu": CPU(), "reference": Reference()}
"""Back ends by name; add your own here to select it with `Crossbar(..., backend="name")`."""


def backend_of(name: str) -> Backend:
    """Return the back end of this name.

    Raises:
        InvalidValue: if there is none, with the nearest name.
    """
    if name not in BACKENDS:
        raise InvalidValue(f"backend is {name!r}{nearest(str(name), BACKENDS)}; give 'cpu' or 'reference'")
    return BACKENDS[name]
