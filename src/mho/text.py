"""Numbers with units, and names, as readers see them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

PREFIXES = {-18: "a", -15: "f", -12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T", 15: "P"}
"""Prefixes of units by their power of ten."""
AREAS = {-18: "n", -12: "µ", -6: "m", 0: ""}
"""Prefixes of a square metre by the power of ten of their square."""
ELLIPSIS = "…"
SHARES = (0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8)
"""Shares of the letters of a name that stand before an ellipsis, in the order in which they are tried."""


def si(value: float, unit: str, *, digits: int = 3) -> str:
    """Return a number of at least 0 with the prefix that suits it, such as "2.58 pJ"; 0 without a unit.

    Args:
        value: in `unit`.
        unit: without a prefix; the square of a unit, such as "m²", is scaled as a square.
        digits: significant digits, of which zeros at the end are left out.
    """
    if not value:
        return "0"
    rounded = float(f"{value:.{digits}g}")  # first, as it may round up to the next prefix
    prefix, power = prefix_of(rounded, unit)
    return f"{rounded / 10.0**power:.{digits}g} {prefix}{unit}"


def duration(seconds: float, *, rough: bool = False) -> str:
    """Return a time as people say it, such as "12.3 s", "3 min 5 s" or "2 h 5 min"; "unknown" for NaN and infinity.

    Args:
        seconds: of at least 0.
        rough: whether it is an estimate, of whole seconds or whole minutes: "12 s", "3 min".
    """
    if not math.isfinite(seconds):
        return "unknown"
    if round(seconds, 0 if rough else 1) < 60:
        return f"{seconds:.0f} s" if rough else f"{seconds:.1f} s"
    minutes, rest = (round(seconds / 60), 0) if rough else divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min" if rough else f"{minutes} min {rest} s"
    return f"{minutes // 60:,} h {minutes % 60} min"


def cycle_time(nanoseconds: float) -> str:
    """Return a time of arrays, given in nanoseconds, with the unit that suits it, such as "242 µs"."""
    return si(nanoseconds * 1e-9, "s", digits=4)


def plain_number(value: object) -> str:
    """Return a number with four digits or so, grouped; what is no number says so."""
    if value is None:
        return "–"
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        return "not finite"
    if value == 0 or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:#.4g}" if abs(value) >= 1e-3 else f"{value:.3e}"


def prefix_of(value: float, unit: str) -> tuple[str, int]:
    """Return the prefix with which a number greater than 0 is at least 1, or that is nearest, and its power of ten.

    A square with a prefix is at least 0.001, as its prefixes are a million apart.
    """
    square = unit.endswith("²")
    prefixes = AREAS if square else PREFIXES
    decade = math.log10(value * (1 + 1e-12)) + 3 * square
    power = max((power for power in prefixes if power <= decade), default=min(prefixes))
    return prefixes[power], power


def count(number: int) -> str:
    """Return a count as a table of a paper prints it: 1.14 G, 448 M, 66 k."""
    for scale, letter, digits in ((1e9, "G", 2), (1e6, "M", 0), (1e3, "k", 0)):
        if number >= scale:
            return f"{number / scale:.{digits}f} {letter}"
    return str(number)


def per_cent(part: float) -> str:
    """Return a share from 0 to 1 in per cent, without the sign: 39, 4.2, < 0.1."""
    value = 100 * part
    if 0 < value < 0.1:
        return "< 0.1"
    return f"{value:.0f}" if value >= 9.95 or value == 0 else f"{value:.1f}"


def layers_in_words(names: str) -> str:
    """Return names of layers, with commas, as what they are in a sentence: torch calls some "0", "1", "2"."""
    return f"{'layers' if ', ' in names else 'layer'} {names}"


def shortened(names: Sequence[str], width: int) -> list[str]:
    """Return dotted names of at most `width` letters that are still told apart, where there are such.

    Names that fit stay. The parts of longer names, between dots, are cut to as many letters as fit, their digits kept:
    "lay2.0.dow.0"; or letters in the middle give way to an ellipsis. Names that cannot be told apart in this width stay
    as they are.

    Args:
        names: names of layers, such as "encoder.layers.0.self_attn.q_proj"; each once.
        width: letters, at least 5.
    """
    if all(len(name) <= width for name in names):
        return list(names)
    for shorten in (*map(_parts, range(12, 0, -1)), *map(_middle, SHARES)):
        short = [name if len(name) <= width else shorten(name, width) for name in names]
        if len(set(short)) == len(set(names)) and all(len(name) <= width for name in short):
            return short
    return list(names)


def _middle(share: float) -> Callable[[str, int], str]:
    """Return what cuts letters out of the middle of a name."""

    def shorten(name: str, width: int) -> str:
        head = round(share * (width - 1))
        tail = width - 1 - head
        return name[:head] + ELLIPSIS + name[len(name) - tail :]

    return shorten


def _parts(letters: int) -> Callable[[str, int], str]:
    """Return what cuts each part of a name to so many letters and the digits at its end."""

    def cut(part: str) -> str:
        digits = re.search(r"\d*$", part)
        assert digits is not None
        return part[: digits.start()][:letters] + digits[0]

    return lambda name, _: ".".join(map(cut, name.split(".")))
