"""Files of pulses on the command line: the options that say how they are written, and how they were read."""

from __future__ import annotations

import functools
import inspect
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from mho.errors import InvalidValue

if TYPE_CHECKING:
    from mho.measurements import Format, Measurement

PANEL = "How files of pulses are read (found out, unless given)"
MOST_ROWS = 20
"""So many columns of a table are listed."""


def _option(help: str) -> Any:  # named as in typer
    return typer.Option(help=help, rich_help_panel=PANEL)


COLUMNS = (
    "Kind of each column of the file, with commas: number, sent, sent_up, sent_down, reading, up, down, before, "
    "direction, phase, voltage, read_voltage, device, skip; for example number,reading."
)
OPTIONS: dict[str, Any] = {
    "columns": Annotated[str | None, _option(COLUMNS)],
    "direction": Annotated[str | None, _option("up or down, of all pulses or the first ramp.")],
    "turns": Annotated[str | None, _option("Last reading of each ramp but the last: 250,500.")],
    "every": Annotated[int | None, _option("Pulses between readings.")],
    "reverse": Annotated[
        list[str] | None,
        _option("Column to read from its last row, by name or number, as a mirrored branch of depression; repeatable."),
    ],
    "transpose": Annotated[bool, typer.Option("--transpose", help="Each row is a device.", rich_help_panel=PANEL)],
    "read_voltage": Annotated[float | None, _option("Volts of the read: currents I become conductances I/V.")],
    "unit": Annotated[str | None, _option("Unit of the readings, for example S or Ohm.")],
    "delimiter": Annotated[str | None, _option("comma, semicolon, tab, blank, none.")],
    "decimal": Annotated[str | None, _option("'.' or ','.")],
    "header": Annotated[int | None, _option("Number of lines above the table.")],
    "encoding": Annotated[str | None, _option("Encoding of the text, for example utf-16.")],
}
"""Options of every verb that reads pulses, by the field of `mho.measurements.Format`."""


def reads_pulses(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the options for reading pulses; the verb gets them as its argument `form`, None without any."""

    @functools.wraps(verb)
    def with_options(**given: Any) -> None:
        values = {name: given.pop(name) for name in OPTIONS}
        values["turns"] = _whole(values["turns"])
        form = None
        if any(value is not None and value is not False for value in values.values()):  # 0 lines above a table too
            from mho.measurements import Format

            form = Format(**values)
        verb(**given, form=form)

    hints = get_type_hints(verb, localns={"Format": str}, include_extras=True)
    own = inspect.signature(verb)
    kept = [parameter.replace(annotation=hints[name]) for name, parameter in own.parameters.items() if name != "form"]
    more = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=False if name == "transpose" else None, annotation=annotation
        )
        for name, annotation in OPTIONS.items()
    ]
    with_options.__signature__ = own.replace(  # type: ignore[attr-defined]
        parameters=[parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in kept] + more
    )
    with_options.__annotations__ = {parameter.name: parameter.annotation for parameter in (*kept, *more)}
    return with_options


def words_of(form: Format | None) -> list[str]:
    """Return the options of a format as they are typed."""
    words: list[str] = []
    for field in () if form is None else form.given:
        value = getattr(form, field)
        name = "--" + field.replace("_", "-")
        if value is True:
            words.append(name)
        elif field == "turns":
            words += [name, ",".join(map(str, value))]
        else:
            for part in value if isinstance(value, list) else [value]:
                words += [name, shlex.quote(str(part))]
    return words


def read_pulses_of(files: Sequence[Path], form: Format | None = None) -> Measurement:
    """Return the pulses in files; how they were read is shown on standard error.

    Raises:
        InvalidValue: for files that cannot be read, or hold jump tables, which leave nothing to fit.
    """
    from mho.measurements import Measurement, read_measured

    measured = read_measured(files, form)
    if not isinstance(measured, Measurement):
        raise InvalidValue(
            f"{measured.source}: these are jump tables, a device as they stand, for  mho train --measured ; laws are "
            "fitted to pulses: give those"
        )
    show_reading(measured)
    return measured


def show_reading(measurement: Measurement) -> None:
    """Print the role of each column, the notes and the warnings, on standard error."""
    from rich.console import Console
    from rich.table import Table

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    table = Table(box=None, pad_edge=False)
    for name in ("column", "taken as", "unit", "why"):
        table.add_column(name, overflow="fold")
    for made in measurement.decisions[:MOST_ROWS]:
        table.add_row(*map(_plain, (made.column, made.taken_as, made.unit, made.why)))
    readings = sum(len(trace.values) for trace in measurement.traces)
    devices = f"{len(measurement.traces)} device{'s' * (len(measurement.traces) > 1)}"
    console.print(f"{measurement.source}: {devices}, {readings} readings in {measurement.unit}", markup=False)
    console.print(table)
    if len(measurement.decisions) > MOST_ROWS:
        console.print(f"and {len(measurement.decisions) - MOST_ROWS} more columns")
    for note in measurement.notes:
        if note not in measurement.warnings:
            console.print(f"- {note}", markup=False)
    for warning in measurement.warnings:
        console.print(f"warning: {warning}", markup=False)


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _whole(text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise InvalidValue(f"--turns {text!r}: give numbers of readings with commas, for example 250,500") from None
