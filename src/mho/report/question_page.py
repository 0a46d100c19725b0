"""Pages that answer a question about a device: headline numbers, advice, a figure with a row for each thing tried."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from markupsafe import Markup
from matplotlib.axes import Axes

from mho.report.drawing import svg
from mho.report.template import render

WIDTHS = {"wide": 7.6, "narrow": 3.8}
"""Inches; the page shows the figure that fits."""


def question_page(template: str, *, question: str, subject: str, sentence: str, **values: Any) -> str:
    """Return a page from a template that extends `question.html`.

    Args:
        template: its name.
        question: the title, with "{}" for the subject.
        subject: what the user called the device or the run; of a path its last part.
        sentence: the advice.
        values: `version` of mho, `command` that the user typed, `headlines`, `figure`, `rows` (what the table has), and
            what the template needs beyond these.
    """
    name = subject.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    return render(template, title=question.format(name), sentence=sentence, **values)


def row_figure(draw: Callable[[Axes], Any], *, height: float, name: str, label: str) -> list[Markup]:
    """Return a figure in each of `WIDTHS`.

    Args:
        draw: draws on the axes that it is given.
        height: in inches.
        name: unlike that of any other figure of the page.
        label: for readers who do not see it.
    """
    return [
        svg(draw, size=(width, height), name=f"{name}-{kind}", kind=kind, label=label) for kind, width in WIDTHS.items()
    ]
