"""mho bench: how fast the arrays are, beside plain torch and beside themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mho.benchmarks.plan import SUITES, make_plan
from mho.cli import names
from mho.cli.figures import FigureFolder, FigureFormat, Figures, FigureStyle, FigureWidth
from mho.errors import InvalidValue


def bench(
    suites: Annotated[
        list[str] | None,
        typer.Argument(
            help=f"{SUITES[0]} (default), {', '.join(SUITES[1:])}, or all.",
            metavar="SUITE",
            autocompletion=names.complete(lambda: SUITES),
        ),
    ] = None,
    rounds: Annotated[
        int | None, typer.Option(help="Number of rounds, in each of which every contestant is timed once (default 7).")
    ] = None,
    images: Annotated[
        int | None, typer.Option(help="Training steps per round at mini-batch 1 (default 200; lenet, replicas, rules).")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="digits (default, embedded) or mnist (lenet, batch, threads, replicas, rules, conntra)."),
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder with MNIST's four files; else $MHO_DATA, the cache, a download.")
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(help="For the arrays and for torch (default 1; not for replicas, threads and conntra)."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Small sizes and few rounds: tests the machinery.")] = False,
    out: Annotated[Path | None, typer.Option(help="New folder for bench.json and the page bench.html.")] = None,
    figures: FigureFolder = None,
    form: FigureFormat = "png",
    style: FigureStyle = "page",
    width: FigureWidth = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")] = False,
) -> None:
    """Time training steps of networks, updates, reads, replicas, device laws, learning rules and layers.

    Contestants take turns in one process; times are medians over the rounds with their quartiles, ratios are taken
    round by round. Suites of networks compare with plain torch, and with aihwkit where it is installed and has the
    layers.

    Examples: mho bench --data mnist; mho bench batch lstm; mho bench update read --out bench-1; mho bench all --quick.
    """
    given = {"rounds": rounds, "images": images, "data": data, "data_dir": data_dir, "threads": threads}
    plan = make_plan(suites or [], given, quick=quick)
    shown = Figures(folder=figures, format=form, style=style, width=width)
    if figures is not None and out is None:
        raise InvalidValue("--figures takes the figures of the page of --out; name its folder too, --out bench-1")

    from rich.console import Console

    from mho.bar import progress_console
    from mho.benchmarks.runner import open_folder, run_plan, write_outcome
    from mho.benchmarks.terminal import show, show_machine
    from mho.compiler.listeners import on_compile

    if out is not None:
        open_folder(out, plan)
    aside, console = progress_console(), Console()
    on_compile.append(aside.print)
    try:
        outcome = run_plan(plan, aside.print, seen=lambda result: None if as_json else show(result, console))
    finally:
        on_compile.remove(aside.print)
    if out is not None:
        with shown.written(quiet=as_json):
            write_outcome(outcome, out)
    if as_json:
        print(outcome.to_json())
        return
    show_machine(outcome.machine, console)
    if out is not None:
        print(f"samples {out / 'bench.json'}\npage    {out / 'bench.html'}")
