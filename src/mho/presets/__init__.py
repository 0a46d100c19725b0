"""Published arrays and published devices, by name."""

from typing import TYPE_CHECKING, NoReturn

from mho.errors import no_such_name
from mho.presets.arrays import PRESETS, floating_point, gokmen_2017
from mho.presets.devices import (
    DEVICES,
    capacitor,
    device_toml,
    ecram,
    ecram_mo,
    pcm,
    reram_array_hfo2,
    reram_array_om,
    reram_es,
    reram_sb,
)

__all__ = [
    "DEVICES",
    "PRESETS",
    "capacitor",
    "device_toml",
    "ecram",
    "ecram_mo",
    "floating_point",
    "gokmen_2017",
    "pcm",
    "reram_array_hfo2",
    "reram_array_om",
    "reram_es",
    "reram_sb",
]


if not TYPE_CHECKING:  # mypy would take any name

    def __getattr__(name: str) -> NoReturn:
        raise no_such_name(__name__, name)
