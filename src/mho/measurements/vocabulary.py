"""Words that people use for columns and pulses."""

from __future__ import annotations

import re

from mho.measurements.units import split_unit


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


UP = _set("up ups increase increasing inc increment potentiation potentiate pot ltp set positive plus gup")
DOWN = _set("down dn decrease decreasing dec decrement depression depress dep ltd reset rst negative minus gdown")
UP_PULSES = UP | _set("u p + pos program write on")
DOWN_PULSES = DOWN | _set("d n - neg erase off")
NO_PULSES = _set("read none no 0 wait")
WORDS = {
    "device": _set("device devices dev cell cells id chip die sample dut"),
    "direction": _set("direction dir polarity sign type kind op operation mode event"),
    "number": _set("pulse pulses number num no nr n count index idx cycle cycles step k #"),
    "voltage": _set("v voltage volt volts vpulse amplitude bias vg vgate vtop"),
    "time": _set("t time timestamp date datetime seconds"),
    "reading": _set(
        "g conductance conductances i current weight w state reading readings value r resistance y id ids gds"
    ),
}


def words(name: str) -> list[str]:
    """The words of a column's name, without its unit and without quantities such as 0.5V, in small letters."""
    bare = re.sub(r"[\d.,]*\d\s?[munµkM]?[VAs]\b", " ", split_unit(name)[0])
    return re.findall(r"[a-zµ]+|#|\+|-", bare.lower())


def direction_of(name: str) -> int:
    """+1 or -1 for a name with a word such as up, LTD or reset, 0 for any other."""
    found = set(words(name))
    return bool(found & UP) - bool(found & DOWN)


def sentence(cell: str) -> int:
    """The direction in a phrase such as "SET pulse"."""
    found = set(re.findall(r"[a-z]+", cell.lower()))
    return bool(found & UP) - bool(found & DOWN)
