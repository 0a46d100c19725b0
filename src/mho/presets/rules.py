"""Arrays of the learning rules for real devices."""

from __future__ import annotations

from collections.abc import Callable

from mho.cells import AGAD, Cell, ERider, MixedPrecision, Residual, TikiTaka
from mho.config import RPU
from mho.devices import Device
from mho.errors import in_words
from mho.periphery import Pulses, Read
from mho.presets.devices import rasch_2024


@in_words
def tiki_taka_v1(*, device: Device | None = None) -> RPU:
    """Tiki-Taka without a buffer (T. Gokmen, W. Haensch, Front. Neurosci. 14:103, 2020).

    Args:
        device: device of both banks, with a symmetry point; None: `mho.presets.rasch_2024()`, of 100 states.
    """
    return _rule(device, TikiTaka(buffer=False, auto_scale=False))


@in_words
def tiki_taka_v2(*, device: Device | None = None) -> RPU:
    """Tiki-Taka with a digital buffer (T. Gokmen, Front. Artif. Intell. 4:699148, 2021).

    Args:
        device: device of both banks, with a symmetry point; None: `mho.presets.rasch_2024()`, of 100 states.
    """
    return _rule(device, TikiTaka())


@in_words
def tiki_taka_chopped(*, device: Device | None = None) -> RPU:
    """Tiki-Taka with a buffer and choppers, c-TTv2 (M. J. Rasch et al., Nat. Commun. 15:7133, 2024).

    Args:
        device: device of both banks, with a symmetry point; None: `mho.presets.rasch_2024()`, of 100 states.
    """
    return _rule(device, TikiTaka(chopper=0.1))


@in_words
def agad(*, device: Device | None = None) -> RPU:
    """Analog gradient accumulation with dynamic reference (M. J. Rasch et al., Nat. Commun. 15:7133, 2024).

    Args:
        device: device of both banks; it needs no symmetry point. None: `mho.presets.rasch_2024()`, of 100 states.
    """
    return _rule(device, AGAD())


@in_words
def e_rider(*, device: Device | None = None) -> RPU:
    """Learning with a tracked symmetry point, E-RIDER (Xiao et al. 2026, arXiv 2602.21321).

    Args:
        device: device of both banks; its symmetry point need not be known. None: `mho.presets.rasch_2024()`, of 100
            states.
    """
    return _rule(device, ERider())


@in_words
def residual(*, device: Device | None = None) -> RPU:
    """Residual learning of two banks (Z. Wu et al. 2025, arXiv 2502.06309).

    Args:
        device: device of both banks, with a symmetry point; None: `mho.presets.rasch_2024()`, of 100 states.
    """
    return _rule(device, Residual())


@in_words
def mixed_precision(*, device: Device | None = None) -> RPU:
    """A digital gradient beside each device (S. R. Nandakumar et al., Front. Neurosci. 14:406, 2020).

    Args:
        device: None: `mho.presets.rasch_2024()`, of 100 states.
    """
    return _rule(device, MixedPrecision())


def _rule(device: Device | None, cell: Cell) -> RPU:
    """Return an array of a rule with the converters and noise of Rasch 2024: 7 bits in, 9 bits out, σ = 0.06."""
    read = Read(noise=0.06, bound=12.0, dac_bits=7, adc_bits=9, noise_management=True, bound_management=True)
    return RPU(
        device=rasch_2024() if device is None else device,
        cell=cell,
        forward=read,
        backward=read,
        update=Pulses(length=5, update_management=True),
    )


RULES: dict[str, Callable[[], RPU]] = {
    "tiki_taka_v1": tiki_taka_v1,
    "tiki_taka_v2": tiki_taka_v2,
    "tiki_taka_chopped": tiki_taka_chopped,
    "agad": agad,
    "e_rider": e_rider,
    "residual": residual,
    "mixed_precision": mixed_precision,
}
"""Arrays of learning rules by name."""
