"""Figures as inline SVG in the colours of the page, dark or light; or as files."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mho.files import write_atomically
from mho.report.figures import FLOAT_COLOR, REPLICA_COLOR, TEST_COLOR, TRAIN_COLOR, VALIDATION_COLOR
from mho.report.gallery import note
from mho.report.styles import PAGE

INK = "#010203"
"""Stands for the colour of the page's text while a figure is drawn."""
CSS_COLORS = {
    INK: "currentColor",
    TEST_COLOR: "var(--test)",
    TRAIN_COLOR: "var(--train)",
    VALIDATION_COLOR: "var(--validation)",
    FLOAT_COLOR: "var(--float)",
    REPLICA_COLOR: "var(--muted)",
}
INKED = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color", "grid.color")
STYLE: Any = {**PAGE, **dict.fromkeys(INKED, INK)}


def svg(draw: Callable[[Axes], Any], *, size: tuple[float, float], name: str, label: str, kind: str = "") -> Markup:
    """Return the drawing of `draw` as an <svg> element.

    Args:
        draw: draws on the axes that it is given.
        size: width and height in inches.
        name: unlike that of any other figure of the page.
        label: for readers who do not see it.
        kind: class of the element.

    An open `gallery` sees the figure too.
    """
    note(name, kind, draw, size)
    with mpl.rc_context():
        # A reader's own matplotlibrc must not change the page.
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        figure = Figure(figsize=size, layout="constrained")
        draw(figure.add_subplot())
        buffer = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    # A page holds several figures: identifiers must differ.
    text = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", text)
    opening = f'<svg class="{kind}" viewBox="\\1" role="img" aria-label="{escape(label)}" {XML}>'
    text = re.sub(r'<svg [^>]*?viewBox="([^"]*)"[^>]*>', opening, text, count=1)
    for color, css in CSS_COLORS.items():
        text = text.replace(color, css)
    return Markup(text)


def save(draw: Callable[[Axes], Any], path: Path, *, size: tuple[float, float]) -> None:
    """Write what `draw` draws to a file, black on white, replaced at once or not at all.

    Args:
        draw: draws on the axes that it is given.
        path: its ending says which kind of file: .png, .svg, .pdf.
        size: width and height in inches.
    """
    save_panels([["figure"]], {"figure": draw}, path, size=size)


def save_panels(
    places: Sequence[Sequence[str]],
    draws: Mapping[str, Callable[[Axes], Any]],
    path: Path,
    *,
    size: tuple[float, float],
) -> None:
    """Save a figure of several panels: `places` has their names in rows, repeated where a panel is wide."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(PAGE)
        figure = Figure(figsize=size, layout="constrained")
        for name, ax in figure.subplot_mosaic([list(row) for row in places]).items():
            draws[name](ax)
        buffer = io.BytesIO()
        figure.savefig(buffer, format=path.suffix[1:].lower(), dpi=160)
    write_atomically(path, buffer.getvalue())


XML = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
