"""One benchmark as one HTML page that needs nothing but itself, in the style of a run's page."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from importlib import resources
from typing import Any

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from mho.benchmarks.figures import draw
from mho.benchmarks.plan import Plan
from mho.benchmarks.results import Chart, Result
from mho.report.drawing import CSS_COLORS, STYLE
from mho.report.template import render_text

WIDTHS = {"wide": 7.6, "narrow": 3.9}
"""Inches; the page shows the one that fits."""
BAR = 0.3
"""Inches a bar."""
MACHINE = {
    "cpu": "CPU",
    "llvm_cpu": "CPU as the compiler knows it",
    "avx512": "AVX-512",
    "usable_cores": "cores this process may use",
    "system": "system",
    "python": "Python",
    "numpy": "NumPy",
    "numba": "Numba",
    "torch": "torch",
    "load_average": "load before the start (1, 5, 15 minutes)",
}


def render(machine: dict[str, Any], plan: Plan, results: Sequence[Result]) -> str:
    """The page as text."""
    return render_text(
        resources.files("mho.benchmarks").joinpath("page.html").read_text("utf-8"),
        version=machine["mho"],
        facts={name: _words(machine[key]) for key, name in MACHINE.items()},
        plan=plan,
        results=results,
        figures={
            result.suite: [_figure(f"{result.suite}{i}", c) for i, c in enumerate(result.charts)] for result in results
        },
    )


def _words(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(f"{number:.2f}" for number in value)
    return "not known" if value is None else str(value)


def _figure(name: str, chart: Chart) -> dict[str, Any]:
    return {"title": chart.title, **{width: _svg(f"{name}-{width}", width, chart) for width in WIDTHS}}


def _svg(name: str, width: str, chart: Chart) -> Markup:
    """A chart as inline SVG, in the page's own colours."""
    bars = len(chart.lines) * len(chart.lines[0].x) if chart.bars else 0
    height = 1.1 + BAR * bars if chart.bars else 3.2
    with mpl.rc_context():
        # A reader's own matplotlibrc must not change the page.
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        figure = Figure(figsize=(WIDTHS[width], height), layout="constrained")
        draw(chart, figure.add_subplot())
        buffer = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    # The page holds many figures: identifiers must differ.
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", svg)
    said = escape(f"{chart.title}; the numbers are in the tables")
    opening = (
        f'<svg class="{width}" role="img" aria-label="{said}" xmlns="http://www.w3.org/2000/svg" '
        'xmlns:xlink="http://www.w3.org/1999/xlink"'
    )
    svg = re.sub(r'<svg [^>]*?viewBox="([^"]*)"[^>]*>', lambda m: f'{opening} viewBox="{m[1]}">', svg, count=1)
    for color, css in CSS_COLORS.items():
        svg = svg.replace(color, css)
    return Markup(svg)
