"""One benchmark as one HTML page that needs nothing but itself, in the style of a run's page."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from typing import Any

from markupsafe import Markup

from mho.benchmarks.figures import draw
from mho.benchmarks.plan import Plan
from mho.benchmarks.results import Chart, Result
from mho.report.drawing import svg
from mho.report.template import render_text

WIDTHS = {"wide": 7.6, "narrow": 3.9}
"""Inches; the page shows the figure that fits."""
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
    """Return the page as text."""
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
    """Return a chart as inline SVG, in the page's own colours."""
    bars = len(chart.lines) * len(chart.lines[0].x) if chart.bars else 0
    height = 1.1 + BAR * bars if chart.bars else 3.2
    said = f"{chart.title}; the numbers are in the tables"
    return svg(lambda ax: draw(chart, ax), size=(WIDTHS[width], height), name=name, label=said, kind=width)
