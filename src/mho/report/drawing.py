"""Figures as inline SVG in the colours of the page, dark or light."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mho.report.figures import REPLICA_COLOR, TEST_COLOR, TRAIN_COLOR

INK = "#010203"
"""Stands for the colour of the page's text while a figure is drawn."""
CSS_COLORS = {
    INK: "currentColor",
    TEST_COLOR: "var(--test)",
    TRAIN_COLOR: "var(--train)",
    REPLICA_COLOR: "var(--muted)",
}
STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "mho",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.5,
    **dict.fromkeys(
        ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color", "grid.color"), INK
    ),
}


def svg(draw: Callable[[Axes], Any], *, size: tuple[float, float], name: str, label: str, kind: str = "") -> Markup:
    """What `draw` draws, as one <svg> element.

    Args:
        draw: draws on the axes that it is given.
        size: width and height in inches.
        name: unlike that of any other figure of the page.
        label: for readers who do not see it.
        kind: class of the element.
    """
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


XML = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
