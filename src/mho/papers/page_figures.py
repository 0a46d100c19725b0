"""The figures of a paper's page, each wide and narrow."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Mapping
from functools import partial

from markupsafe import Markup

from mho.papers.figures import Drawn, paper_figure
from mho.papers.matrix_figure import MatrixRow, matrix_figure
from mho.papers.paper import Paper
from mho.papers.records import Record
from mho.papers.shown import Curve, Expected, Figure, Sweep
from mho.papers.sweep_figure import SweepLine, sweep_figure
from mho.papers.verdicts import seed_means
from mho.report.curve_styles import CurveStyle, page_styles
from mho.report.drawing import svg

LEGEND = 0.21
"""Inches that a line of the legend takes."""
HEAD, ROW, LEAST = 0.9, 0.34, 2.8
"""Inches that the labels of a table of colours take, and each of its rows; and its least height."""
SHAPES = (("wide", 2, 7.6, 3.7), ("narrow", 1, 3.8, 3.3))
"""Class of a drawing, columns of its legend, its width and its height without legend in inches."""


def drawings(
    paper: Paper, name: str, records: Mapping[str, Record], windows: Mapping[str, tuple[int, int]], *, compared: bool
) -> list[Markup]:
    """Draw a figure, each curve in the style that it has in all figures of the paper.

    Args:
        paper: the paper.
        name: name of the figure.
        records: our results by curve.
        windows: first and last epoch of the mean of each curve.
        compared: whether the paper's numbers are drawn, and the epochs of the mean shaded: they are of whole trainings.

    Returns:
        The drawings, wide and narrow; none until a curve of a sweep has come to its end.
    """
    if paper.expected.figures[name].matrix is not None:
        return matrix_drawings(paper, name, records, windows)
    if paper.expected.figures[name].sweep is None:
        return _curve_drawings(paper, name, records, compared=compared)
    return sweep_drawings(paper, name, records, windows, compared=compared)


def paper_styles(paper: Paper) -> dict[str, CurveStyle]:
    """Return the style of each curve of a paper, by its label, trained or not; and of each line of its sweeps."""
    expected = paper.expected
    return page_styles(_legend(figure, expected) for figure in expected.figures.values() if figure.matrix is None)


def _legend(figure: Figure, expected: Expected) -> list[str]:
    """Return the names that the legend of a figure may have."""
    lines = figure.sweep.lines if figure.sweep is not None else {}
    inside = {curve for line in lines.values() for curve in line}
    return [*lines, *(expected.curves[curve].label for curve in figure.curves if curve not in inside)]


def _curve_drawings(paper: Paper, name: str, records: Mapping[str, Record], *, compared: bool) -> list[Markup]:
    """Draw each line of the results against epochs or another number."""
    expected, figure = paper.expected, paper.expected.figures[name]
    x, y, styles = figure.x.name, figure.quantity.name, paper_styles(paper)
    data = [
        Drawn(
            expected.curves[curve].label,
            styles[expected.curves[curve].label],
            [
                [(line[x], line[y]) for line in metrics if x in line and y in line]
                for metrics in records[curve].seeds.values()
            ],
            expected.curves[curve].number if expected.curves[curve].quantity == figure.quantity else None,
        )
        for curve in figure.curves
        if curve in records
    ]
    draw = partial(
        paper_figure,
        data,
        quantity=figure.quantity,
        x=figure.x,
        window=expected.shaded([len(seed) for curve in data for seed in curve.seeds]) if compared else None,
        compared=compared,
    )
    words = figure.quantity.words
    against = "epochs" if x == "epoch" else figure.x.label
    label = f"{words[0].upper()}{words[1:]} against {against}, {figure.title}; numbers in the table below"
    return [
        svg(
            partial(draw, columns=columns),
            size=(width, height + LEGEND * -(-len(data) // columns)),
            name=f"figure-{name}-{kind}",
            label=label,
            kind=kind,
        )
        for kind, columns, width, height in SHAPES
    ]


def matrix_drawings(
    paper: Paper, name: str, records: Mapping[str, Record], windows: Mapping[str, tuple[int, int]]
) -> list[Markup]:
    """Draw a table of means, a row for each curve that has come to its end; nothing until a curve has."""
    figure = paper.expected.figures[name]
    matrix = figure.matrix
    assert matrix is not None
    quantities = [dataclasses.replace(figure.quantity, name=quantity) for quantity in matrix.across]
    data = []
    for curve, label in matrix.labels.items():
        means = [seed_means(records[curve], windows[curve], one) if curve in records else [] for one in quantities]
        if any(means):
            data.append(MatrixRow(label, [statistics.fmean(each) if each else math.nan for each in means]))
    if not data:
        return []
    draw = partial(
        matrix_figure,
        data,
        columns=list(matrix.across.values()),
        row_axis=matrix.rows,
        column_axis=matrix.columns,
        quantity=figure.quantity,
    )
    return [
        svg(
            draw,
            size=(width, max(LEAST, HEAD + ROW * len(data))),
            name=f"figure-{name}-{kind}",
            label=f"{figure.title}; {figure.quantity.words} by {matrix.rows} and {matrix.columns}",
            kind=kind,
        )
        for kind, _, width, _ in SHAPES
    ]


def sweep_drawings(
    paper: Paper,
    name: str,
    records: Mapping[str, Record],
    windows: Mapping[str, tuple[int, int]],
    *,
    compared: bool = False,
) -> list[Markup]:
    """Draw means against a value, each panel by itself; nothing until a curve has come to its end."""
    figure = paper.expected.figures[name]
    sweep = figure.sweep
    assert sweep is not None
    if not sweep.across:
        lines = _lines_of_curves(paper, figure, sweep, records, windows, compared=compared)
        return _drawn_sweep(figure, sweep.axis, sweep.log, lines, f"figure-{name}")
    made, styles = [], paper_styles(paper)
    for place, (panel, curves) in enumerate((sweep.panels or {"": figure.curves}).items()):
        lines = [
            SweepLine(
                paper.expected.curves[curve].label,
                styles[paper.expected.curves[curve].label],
                [
                    (value, found)
                    for quantity, value in sorted(sweep.across.items(), key=lambda pair: pair[1])
                    if (found := across_means(figure, quantity, records[curve], windows[curve]))
                ],
                _across_numbers(paper.expected.curves[curve], sweep) if compared else (),
            )
            for curve in curves
            if curve in records
        ]
        axis = f"{sweep.axis}; {panel}" if panel else sweep.axis
        made += _drawn_sweep(figure, axis, sweep.log, lines, f"figure-{name}-{place}")
    return made


def across_means(figure: Figure, quantity: str, record: Record, window: tuple[int, int]) -> list[float]:
    """Return the means of the seeds of one quantity across which a figure goes."""
    return seed_means(record, window, dataclasses.replace(figure.quantity, name=quantity))


def _across_numbers(curve: Curve, sweep: Sweep) -> list[tuple[float, float]]:
    numbers = [
        (value, curve.numbers[quantity]) for quantity, value in sweep.across.items() if quantity in curve.numbers
    ]
    return sorted(numbers)


def _lines_of_curves(
    paper: Paper,
    figure: Figure,
    sweep: Sweep,
    records: Mapping[str, Record],
    windows: Mapping[str, tuple[int, int]],
    *,
    compared: bool,
) -> list[SweepLine]:
    """Return the lines of a sweep from curve to curve, and its levels."""
    expected = paper.expected
    means = {
        curve: seed_means(records[curve], windows[curve], figure.quantity)
        for curve in figure.curves
        if curve in records
    }
    inside = {curve for line in sweep.lines.values() for curve in line}
    points: list[tuple[str, list[tuple[float | None, list[float]]]]] = [
        (
            label,
            [
                (value, means[curve])
                for curve, value in sorted(line.items(), key=lambda pair: pair[1])
                if means.get(curve)
            ],
        )
        for label, line in sweep.lines.items()
    ]
    levels = [curve for curve in figure.curves if curve not in inside]
    points += [(expected.curves[curve].label, [(None, means[curve])] if means.get(curve) else []) for curve in levels]
    printed = {
        label: sorted(
            (value, number)
            for curve, value in line.items()
            if compared
            and expected.curves[curve].quantity == figure.quantity
            and isinstance(number := expected.curves[curve].number, (int, float))
        )
        for label, line in sweep.lines.items()
    }
    styles = paper_styles(paper)
    return [SweepLine(label, styles[label], line, printed.get(label, ())) for label, line in points]


def _drawn_sweep(figure: Figure, axis: str, log: bool, lines: list[SweepLine], name: str) -> list[Markup]:
    """Draw the lines that have come to their end, wide and narrow; nothing where there are none."""
    data = [line for line in lines if line.points]
    if not data:
        return []
    draw = partial(sweep_figure, data, axis=axis, log=log, quantity=figure.quantity)
    named = len(data) + any(line.paper for line in data)
    return [
        svg(
            partial(draw, columns=columns),
            size=(width, height + LEGEND * -(-named // columns)),
            name=f"{name}-{kind}",
            label=f"Mean {figure.quantity.words} against {axis}, {figure.title}; numbers in the table below",
            kind=kind,
        )
        for kind, columns, width, height in SHAPES
    ]
