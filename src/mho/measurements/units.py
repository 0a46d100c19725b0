"""Units in the names of columns and in cells."""

from __future__ import annotations

import math
import re

from mho.devices import Conductance
from mho.text import PREFIXES as SIGNS

PREFIXES = {sign: power for power, sign in SIGNS.items() if power <= 9} | {"u": -6, "μ": -6, "K": 3}
"""Powers of ten of the prefixes that files have."""
PREFIX = "[afpnuµμmkKMG]?"
OHM = "Ohms?|ohms?|Ω|Ω"
MHO = "S|mho|℧|1/Ohm|1/ohm|1/Ω"
PREFIXED = re.compile(rf"(.?)({MHO}|A|V|s|{OHM}|(Amp|Volt)( [AD]C)?)")
UNIT = re.compile(
    rf"{PREFIX}({MHO}|A|V|s|{OHM})|[a-z]*(siemens|amperes?|ohms?|volts?|seconds?)|(Amp|Volt)( [AD]C)?|a\.? ?u\.?"
    r"|arb\S*( units?)?|%|1"
)
OTHERS = re.compile(
    r"sec|min|hr?|hours?|d|days?|[°º]?C|degC|K|S/c?m|[A-Za-zµΩ]+[ *·]?[a-zµ]*m(\^?2|²)|#|-|counts?|cycles?"
)
"""Units of other quantities, which only brackets and slashes tell from words."""
TIMES = re.compile(rf"{PREFIX}s|sec|min|hr?|hours?|d|days?|[a-z]*seconds?")
TEMPERATURES = re.compile(r"[°º]?C|degC|K")


def is_unit(text: str) -> bool:
    """Return True if a text is a unit that measured pulses have."""
    return UNIT.fullmatch(text.strip().strip("()[]")) is not None


def split_unit(name: str) -> tuple[str, str]:
    """Return the name of a column, and its unit or "": from "G (uS)", "G [µS]", "G / uS" or "G_uS"."""
    for pattern, wide in (
        (r"(.*?)\s*[(\[{]([^()\[\]{}]*)[)\]}]\s*(.*)", True),
        (r"(.*?)\s*/\s*(\S+)\s*()", True),
        (r"(.*?)\s+in\s+(\S+)()", True),
        (r"(.+)[_ ](\S+)()", False),
    ):
        found = re.fullmatch(pattern, name)
        if found and found[2] != "1":
            unit = found[2].strip()
            if UNIT.fullmatch(unit) or (wide and OTHERS.fullmatch(unit)):
                return f"{found[1]} {found[3].strip(' _')}".strip(), unit
    return name.strip(), ""


def kind_of(unit: str) -> str:
    """Return what a unit measures: "S", "A", "V", "s", "ohm", "K", "?" for another quantity, or "" for no unit."""
    if re.fullmatch(rf"{PREFIX}({MHO})|[a-z]*siemens", unit):
        return "S"
    if re.fullmatch(rf"{PREFIX}({OHM})|[a-z]*ohms?", unit):
        return "ohm"
    word = re.fullmatch(rf"{PREFIX}([AV])|[a-z]*?(ampere|volt)s?|(Amp|Volt)( [AD]C)?", unit)
    if word:
        return (word[1] or word[2] or word[3])[0].upper()
    if TIMES.fullmatch(unit):
        return "s"
    if TEMPERATURES.fullmatch(unit):
        return "K"
    return "?" if unit not in ("#", "-") and OTHERS.fullmatch(unit) else ""


def power(unit: str) -> int | None:
    """Return the power of ten of a prefixed unit of siemens, amperes, volts, ohms or seconds; None without a prefix."""
    found = PREFIXED.fullmatch(unit)
    return PREFIXES.get(found[1]) if found else None


def conductance(zero: float, unit: float, name: str) -> Conductance:
    """Return the map of a device whose readings are zero + unit·w in the unit `name`, in siemens where possible."""
    exponent = power(name) if kind_of(name) == "S" else None
    factor = 1.0 if exponent is None else 10.0**exponent
    zero, unit = (float(f"{value * factor:.9g}") for value in (zero, unit))
    return Conductance(zero=zero, unit=unit, name=(name or "a.u.") if exponent is None else "S")


def siemens(exponent: int) -> str | None:
    """Return the unit of 10^exponent siemens; None where no prefix has that power."""
    prefix = {-18: "a", -15: "f", -12: "p", -9: "n", -6: "u", -3: "m", 0: "", 3: "k"}.get(exponent)
    return None if prefix is None else f"{prefix}S"


def inverse_ohms(unit: str) -> str:
    """Return the unit of 1/R for R in `unit`."""
    found = power(unit)
    return (siemens(-found) if found is not None else None) or "1/" + unit


def per_volt(current: str, voltage: str) -> str | None:
    """Return the unit of I/V for a current and a voltage in these units; None if either is unknown."""
    above, below = power(current), power(voltage)
    return None if above is None or below is None else siemens(above - below)


def readable(largest: float, unit: str) -> tuple[float, str]:
    """Return the factor and the unit with which the largest value lies between 1 and 1,000.

    Args:
        largest: size of the largest value.
        unit: as a file gives it; a unit without a prefix of its own, such as "a.u.", gets a power of ten.
    """
    found, exponent = PREFIXED.fullmatch(unit), power(unit)
    # the third digit may round up to 1,000
    wanted = 3 * math.floor(math.log10(largest * 1.0005) / 3) if largest > 0 and math.isfinite(largest) else 0
    if found and exponent is not None:
        sign = SIGNS.get(exponent + wanted)
        if sign is not None:
            return 10.0**-wanted, sign + found[2]
    elif wanted:
        return 10.0**-wanted, f"10{str(wanted).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))} {unit}"
    return 1.0, unit
