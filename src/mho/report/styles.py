"""Styles of figures as files: like those of pages, or ready for a paper's column."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from types import MappingProxyType
from typing import Any, final

import matplotlib as mpl

from mho.errors import InvalidValue, nearest

PAGE: Any = MappingProxyType(
    {
        "svg.fonttype": "none",
        "svg.hashsalt": "mho",
        "pdf.fonttype": 42,
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans"],
        "font.size": 9.5,
    }
)
PAPER: Any = MappingProxyType(
    {
        **PAGE,
        "font.sans-serif": ["Helvetica", "Arial", "Liberation Sans", "Nimbus Sans", "DejaVu Sans"],
        "font.size": 8.0,
        "axes.linewidth": 0.6,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "lines.linewidth": 1.2,
        "legend.fontsize": 7.0,
        "xtick.labelsize": 7.0,
        "ytick.labelsize": 7.0,
        "savefig.dpi": 600,
    }
)


@final
@dataclasses.dataclass(frozen=True)
class Style:
    """Style of a figure as a file.

    Attributes:
        name: "page" or "paper".
        settings: of matplotlib, by their names there.
        width: in inches, of one column; None: as on the page.
        titles: whether figures keep their titles; captions of papers have them.
        narrow: whether the form of a figure for narrow columns is drawn.
        dpi: dots per inch of a PNG.
    """

    name: str
    settings: Any
    width: float | None
    titles: bool
    narrow: bool
    dpi: int


STYLES = {
    "page": Style("page", PAGE, None, True, False, 160),
    "paper": Style("paper", PAPER, 3.4, False, True, 600),
}
"""Styles by the names that `--style` takes."""


def find_style(name: str, width: float | None = None) -> Style:
    """Return a style by its name.

    Args:
        name: "page" or "paper".
        width: in inches, from 1 to 20; None: that of the style.

    Raises:
        InvalidValue: for another name or width.
    """
    faults = [] if name in STYLES else [f"no style {name!r}{nearest(name, STYLES)}"]
    if width is not None and not 1.0 <= width <= 20.0:
        faults.append(f"the width of figures is {width:g}; give 1 to 20 inches")
    if faults:
        raise InvalidValue("; ".join(faults), faults)
    return STYLES[name] if width is None else dataclasses.replace(STYLES[name], width=width)


@contextlib.contextmanager
def style(name: str = "paper", *, width: float | None = None) -> Iterator[Style]:
    """Let figures that a script makes inside look as those that mho writes: `with mho.report.style("paper"): ...`.

    Args:
        name: "page" or "paper": one column of 3.4 inches, sans-serif letters of 8 points.
        width: of the figures in inches; None: that of the style.

    Yields:
        The style; its width is that of figures that are given no size.

    Raises:
        InvalidValue: for another name or width.
    """
    found = find_style(name, width)
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(found.settings)
        if found.width is not None:
            mpl.rcParams["figure.figsize"] = (found.width, 0.72 * found.width)
        yield found
