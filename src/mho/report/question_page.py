"""Pages that answer a question about a device: headline numbers, advice, a figure with a row for each thing tried."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from markupsafe import Markup
from matplotlib.axes import Axes

from mho.diagnosis.questions import Headline, Question
from mho.report.drawing import svg
from mho.report.template import PER_CENT, render

WIDTHS = {"wide": 7.6, "narrow": 3.8}
"""Inches; the page shows the figure that fits."""


def question_page(
    template: str, *, question: Question, subject: str, sentence: str, headlines: list[Headline], **values: Any
) -> str:
    """Return a page from a template that extends `question.html`.

    Args:
        template: its name.
        question: that the page answers.
        subject: what the user called the device or the run.
        sentence: the advice.
        headlines: numbers of the answer, as the terminal has them.
        values: `version` of mho, `command` that the user typed, `figure`, `rows` (what the table has), and
            what the template needs beyond these.
    """
    lines = [tuple(word.replace(" %", PER_CENT) for word in line) for line in headlines]
    title = question.of(subject)
    return render(template, title=title, beside=question.beside, sentence=sentence, headlines=lines, **values)


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
