"""Published arrays and published devices, by name."""

from typing import TYPE_CHECKING, NoReturn

from mho.errors import no_such_name
from mho.presets.arrays import ARRAYS, floating_point, gokmen_2017
from mho.presets.devices import (
    DEVICES,
    capacitor,
    device_toml,
    ecram,
    ecram_mo,
    pcm,
    rasch_2024,
    reram_array_hfo2,
    reram_array_om,
    reram_es,
    reram_sb,
)
from mho.presets.rules import (
    RULES,
    agad,
    e_rider,
    mixed_precision,
    residual,
    tiki_taka_chopped,
    tiki_taka_v1,
    tiki_taka_v2,
)

PRESETS = ARRAYS | RULES
"""Every array by the name that `mho train --preset` takes."""

__all__ = [
    "DEVICES",
    "PRESETS",
    "agad",
    "capacitor",
    "device_toml",
    "e_rider",
    "ecram",
    "ecram_mo",
    "floating_point",
    "gokmen_2017",
    "mixed_precision",
    "pcm",
    "rasch_2024",
    "reram_array_hfo2",
    "reram_array_om",
    "reram_es",
    "reram_sb",
    "residual",
    "tiki_taka_chopped",
    "tiki_taka_v1",
    "tiki_taka_v2",
]


if not TYPE_CHECKING:  # mypy would take any name

    def __getattr__(name: str) -> NoReturn:
        raise no_such_name(__name__, name)
