"""A history of training as one HTML page that needs nothing but itself."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from mho.errors import InvalidValue
from mho.files import expanded, write_atomically
from mho.report.drawing import svg
from mho.report.figures import history_curves
from mho.report.page import SIZES
from mho.report.template import render
from mho.runs.folder import read_history
from mho.text import plain_number
from mho.training import best_line
from mho.training.callbacks import NAMES, REPLICAS

PARTS = ("train", "validation", "test")
"""Numbers whose names begin so share a figure: train_loss, validation_loss and test_loss."""
STEPS = ("epoch", "step")
"""Names of the number that the others are drawn against; without such a number, the place of the line."""

History = Sequence[Mapping[str, Any]] | str | os.PathLike[str]


def write_history_report(history: History, out: str | os.PathLike[str], *, title: str = "Training") -> Path:
    """Write a page with curves and a table of a history; it is called as `mho.report`.

    Numbers named train_X, validation_X and test_X share a figure, any other number has its own; lists NAME_replicas
    are thin lines beside the curve NAME. Times (names with `second`) are in the table only.

    Args:
        history: one mapping of names to numbers per line, as a loop of your own, `mho.training.fit` or
            `mho.load(folder).history` gives them; or the path of a metrics.jsonl. They are drawn against `epoch`, or
            `step`, or else the place of the line.
        out: the file to write, replaced at once or not at all. The same history gives the same bytes.
        title: the page's heading.

    Returns:
        The path of the page.

    Raises:
        InvalidValue: for a history without lines or numbers, a line that holds something else, or an `out` that
            cannot be a file.
    """
    path = expanded(out)
    if path.is_dir() or not path.parent.is_dir():
        what = "a folder" if path.is_dir() else f"in {path.parent}, which is no folder"
        raise InvalidValue(f"out is {path}, {what}; give the file to write, for example report.html")
    lines = read_history(expanded(history)) if isinstance(history, (str, os.PathLike)) else history
    write_atomically(path, _render(_checked(lines), title).encode())
    return path


def _render(lines: list[dict[str, Any]], title: str) -> str:
    x = next((name for name in STEPS if all(name in line for line in lines)), None)
    places = [line[x] for line in lines] if x else list(range(1, len(lines) + 1))
    names = [name for name in _names(lines) if not name.endswith(REPLICAS) and name != x]
    quantities: dict[str, list[str]] = {}
    for name in names:
        if "second" not in name:
            quantities.setdefault(_quantity(name), []).append(name)
    best = best_line(lines)
    return render(
        "history.html",
        title=title,
        headlines=[(plain_number(lines[-1].get(name)), name.replace("_", " ")) for name in names],
        figures=[
            {
                "title": quantity.replace("_", " "),
                "images": [
                    svg(
                        partial(history_curves, lines, names=some, places=places, x=x or "line", mark=best),
                        size=size,
                        name=f"{quantity}-{kind}",
                        kind=kind,
                        label=f"{', '.join(some)} against {x or 'lines'}; the numbers are in the table",
                    )
                    for kind, size in SIZES.items()
                ],
            }
            for quantity, some in quantities.items()
        ],
        x=x or "line",
        places=places,
        names=names,
        lines=lines,
        best=best,
        replicas=any(name.endswith(REPLICAS) for name in _names(lines)),
        gaps=any(not math.isfinite(line[name]) for line in lines for name in names if name in line),
    )


def _quantity(name: str) -> str:
    part, _, quantity = name.partition("_")
    return quantity if part in PARTS and quantity else name


def _names(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return every name of the lines, in the order in which they first come."""
    return list(dict.fromkeys(name for line in lines for name in line))


def _checked(lines: Any) -> list[dict[str, Any]]:
    """Return the lines as plain numbers, and lists of such for replicas."""
    if not isinstance(lines, Sequence) or not lines:
        what = "has no lines" if isinstance(lines, Sequence) else f"is {lines!r}"
        raise InvalidValue(
            f"the history {what}; give one mapping of names to numbers per line, or the path of a metrics.jsonl"
        )
    found = []
    for number, line in enumerate(lines, 1):
        if not isinstance(line, Mapping):
            raise InvalidValue(f"line {number} of the history is {line!r}; give a mapping of names to numbers")
        found.append({str(name): _values(value, str(name), number) for name, value in line.items() if name != NAMES})
    if not any(name not in STEPS for line in found for name in line):
        raise InvalidValue("the history has no numbers beside the epochs; give such as test_error or train_loss")
    return found


def _values(value: Any, name: str, number: int) -> Any:
    if name.endswith(REPLICAS) and isinstance(value, (list, tuple)):
        return [_number(own, name, number) for own in value]
    return _number(value, name, number)


def _number(value: Any, name: str, number: int) -> float:
    if isinstance(value, int):
        return value
    try:
        if isinstance(value, str):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, RuntimeError):  # tensors of several numbers among them
        raise InvalidValue(
            f"line {number} of the history has {name} {value!r}; give a number, or leave it out of the line"
        ) from None
