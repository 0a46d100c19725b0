"""Units in the names of columns."""

from __future__ import annotations

import re

PREFIX = "[afpnuµμmkKMG]?"
UNIT = re.compile(
    rf"{PREFIX}(S|A|V|s|Ohm|ohm|Ω|Ω)|[a-z]*(siemens|amperes?|ohms?|volts?)|a\.? ?u\.?|arb\S*( units?)?|%|1"
)
OHMS = {"": "S", "k": "mS", "K": "mS", "M": "uS", "G": "nS", "m": "kS"}
"""What 1/R is in, by the prefix of the ohms."""


def is_unit(text: str) -> bool:
    """Whether a text is a unit that measured pulses have."""
    return UNIT.fullmatch(text.strip().strip("()[]")) is not None


def split_unit(name: str) -> tuple[str, str]:
    """The name of a column without its unit, and the unit: "G (uS)", "G [µS]", "G / uS", "G_uS"; "" without one."""
    for pattern in (
        r"(.*?)\s*[(\[]([^()\[\]]*)[)\]]\s*",
        r"(.*?)\s*/\s*(\S+)\s*",
        r"(.*?)\s+in\s+(\S+)",
        r"(.+)[_ ](\S+)",
    ):
        found = re.fullmatch(pattern, name)
        if found and UNIT.fullmatch(found[2].strip()) and found[2] != "1":
            return found[1].strip(), found[2].strip()
    return name.strip(), ""


def kind_of(unit: str) -> str:
    """What a unit measures: "S", "A", "V", "s", "ohm", or "" for anything else."""
    if re.fullmatch(rf"{PREFIX}(Ohm|ohm|Ω|Ω)|.*ohms?", unit):
        return "ohm"
    word = re.fullmatch(r"[a-z]*?(siemens|ampere|volt)s?", unit)
    if word:
        return {"siemens": "S", "ampere": "A", "volt": "V"}[
            word[1].removesuffix("s") if word[1] != "siemens" else word[1]
        ]
    return unit[-1] if re.fullmatch(rf"{PREFIX}[SAVs]", unit) else ""


def inverse_ohms(unit: str) -> str:
    """The unit of 1/R for R in `unit`."""
    found = re.fullmatch(r"(.?)(Ohm|ohm|Ω|Ω)", unit)
    return OHMS.get(found[1], "1/" + unit) if found else "1/" + unit
