"""mho compare: curves of several trainings over each other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mho.errors import InvalidValue

if TYPE_CHECKING:
    from mho.comparison import Comparison


def compare(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN...",
            help="Folders of runs, of sweeps (SWEEP:3 is one point), PAPER:CURVE, CSV files; LABEL=RUN names a curve.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|DIR",
            help="curves.pdf, .svg or .png: the figure; .csv: every epoch; a folder: page, tables, figures.",
        ),
    ] = None,
    style: Annotated[
        str, typer.Option(help="Of figures: page, or paper (one column, small letters, no title, 600 dots per inch).")
    ] = "page",
    width: Annotated[float | None, typer.Option(help="Of each figure, inches (paper: 3.4).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print final errors and differences as JSON.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print them as CSV.")] = False,
) -> None:
    """Compare the error curves of runs, sweeps, papers and tables of your own.

    The table has the error of the last epoch with its interval over seeds, and
    the difference from the first curve: over pairs where both have the same
    seeds and order of the data, which is said where it is not so. Curves on
    other data, or of another measure, are refused; other numbers of epochs are
    said.

    PAPER:CURVE is a curve whose results come with mho: gokmen_2017:nm_bm. A CSV
    has a column epoch and one or several of errors in per cent.

    Examples: mho compare runs/lenet-1 runs/lenet-2 --out curves.pdf; mho
    compare analog=runs/lenet-1 gokmen_2017:nm_bm measured.csv --out compared.
    """
    if as_json and as_csv:
        raise InvalidValue("--json and --csv exclude each other; give one of them")
    if out is None and (style != "page" or width is not None):
        raise InvalidValue("--style and --width are of the figures of --out; name a file or a folder, --out curves.pdf")
    from mho.comparison import compare as compared
    from mho.comparison.comparison import as_json as json_of

    given, labels = [], {}
    for text in sources or []:
        label, sign, source = text.partition("=")
        if sign and not Path(text).exists():
            labels[source] = label
            given.append(source)
        else:
            given.append(text)
    found = compared(*given, labels=labels)
    written = found.write(out, style=style, width=width) if out is not None else []
    if as_json:
        print(json_of(found))
    elif as_csv:
        print(found.to_csv(), end="")
    else:
        _show(found)
        for file in written:
            print(f"wrote {file}")


def _show(found: Comparison) -> None:
    from rich.console import Console
    from rich.table import Table

    from mho.intervals import MEANING

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("curve", f"test {found.measure} (%)", "difference", "pairs", "seeds", "epoch"):
        firm = heading.endswith("(%)") or heading == "difference"
        table.add_column(heading, justify="left" if heading == "curve" else "right", no_wrap=firm)
    for curve, difference in zip(found.curves, found.differences, strict=True):
        words = ["", ""] if difference is None else [str(difference), str(difference.pairs)]
        table.add_row(curve.label, curve.final.text(), *words, str(len(curve.seeds)), str(curve.last))
    console = Console(highlight=False)
    console.print(table)
    lines = []
    if len(found.curves) > 1:
        lines.append(f"difference: in percentage points from {found.curves[0].label}, over pairs of equal seeds")
    reasons: dict[str, list[str]] = {}
    for curve, difference in zip(found.curves, found.differences, strict=True):
        if difference is not None and difference.reason:
            reasons.setdefault(difference.reason, []).append(curve.label)
    lines += [
        f"not paired ({reason}): {', '.join(labels)}; a difference of means" for reason, labels in reasons.items()
    ]
    if any(curve.final.count > 1 for curve in found.curves):
        lines.append(MEANING)
    for line in (*lines, *found.notes):
        console.print(line, markup=False, soft_wrap=not console.is_terminal)
