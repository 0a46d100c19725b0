"""Styles of the curves of a page: each has one colour, marker and dashes in all figures, on light and dark paper."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, final

COLORS = ("#3b7dd8", "#d9730d", "#2f9a58", "#a36bd6", "#d14a5c", "#1c9aa8", "#a08a1e", "#858b95")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES = ("-", "--", "-.", ":")
"""Dashes of the first eight curves, the next eight, ..."""
TURNS = len(DASHES)


@final
@dataclasses.dataclass(frozen=True)
class CurveStyle:
    """Colour, marker and dashes of one curve, as matplotlib names them."""

    color: str
    marker: str
    dashes: str

    @property
    def line(self) -> Mapping[str, Any]:
        """Arguments of `Axes.plot`."""
        return MappingProxyType({"color": self.color, "marker": self.marker, "ls": self.dashes})


def curve_style(number: int) -> CurveStyle:
    """Return the style of the curve `number`, from 0 on: eight colours, with markers that turn after each eight.

    The first 32 are all different.
    """
    turn, place = divmod(number, len(COLORS))
    return CurveStyle(COLORS[place], MARKERS[(place + turn) % len(MARKERS)], DASHES[turn % len(DASHES)])


def page_styles(figures: Iterable[Sequence[str]]) -> dict[str, CurveStyle]:
    """Return one style for each curve of a page: no two are alike (of 32), and those of a figure differ in colour.

    Colours differ as far as a figure has no more than eight curves.

    Args:
        figures: names of the curves of each figure, as legends have them; a name is one curve wherever it comes.
    """
    known = [list(dict.fromkeys(figure)) for figure in figures]
    found: dict[str, int] = {}
    for name in dict.fromkeys(name for figure in known for name in figure):
        beside = {found[other] for figure in known if name in figure for other in figure if other in found}
        free = [number for number in range(TURNS * len(COLORS)) if number not in found.values()]
        colors = {number % len(COLORS) for number in beside}
        fresh = [number for number in free if number % len(COLORS) not in colors]
        found[name] = (fresh or free or [len(found) % (TURNS * len(COLORS))])[0]
    return {name: curve_style(number) for name, number in found.items()}
