"""mho sweep: many experiments from one file."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from mho.cli.configs import kinds_first, parse_setting
from mho.cli.interrupt import first_interrupt
from mho.cli.options import next_folder
from mho.errors import InvalidValue, nearest
from mho.toml_files import naming, read_toml

if TYPE_CHECKING:
    from mho.data import Dataset
    from mho.runs.coordinator import Coordinator
    from mho.runs.engine import Engine
    from mho.runs.results import Results
    from mho.runs.sweep import Sweep

ENGINES = ("local", "ray")


def sweep(
    file: Annotated[Path | None, typer.Argument(help=r"A config of mho train with a table \[sweep].")] = None,
    engine: Annotated[str, typer.Option(help="local: processes of this machine; ray: an existing cluster.")] = "local",
    address: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Ray's head (default: this machine's cluster).")
    ] = None,
    processes: Annotated[
        int | None, typer.Option(help="Batches at a time, local engine (default: cores / threads).")
    ] = None,
    threads: Annotated[int, typer.Option(help="Threads of each batch; results do not depend on it.")] = 1,
    replicas: Annotated[
        int | None, typer.Option(help="At most so many rows side by side in a batch (default 8); changes no result.")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder with MNIST's four files; else $MHO_DATA, the cache, a download.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder to make (default runs/NAME-NUMBER).")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Run the rows that are missing in --out, and try failed rows again.")
    ] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="section.key=value, for example training.epochs=3; may be repeated."),
    ] = None,
    as_list: Annotated[bool, typer.Option("--list", help="Show the rows and batches, and run nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")] = False,
) -> None:
    """Train every point of a sweep with every seed; one row each in results.csv.

    FILE is a config with, for example,

    \b
    \\[sweep]
    seeds = 3                        # or a list of seeds
    \\[sweep.grid]                     # every combination
    "forward.noise" = [0.0, 0.06]
    \\[sweep.list]                     # columns side by side
    "update.length" = [1, 10]
    "update.update_management" = \\[true, false]
    \\[sweep.random]                   # count draws, the same in every run
    count = 8
    "device.dw_min.mean" = { low = 1e-4, high = 1e-2, log = true }

    Fields are named as for --set. Exit status 1 if a row failed.
    results.parquet has the same rows where pyarrow is installed, results.json
    those and the sweep; --json prints the rows.
    Rows that differ in seeds, or in numbers of device, noise and bounds, train
    side by side; each has the bits of its own mho train.
    """
    if resume and out is None:
        raise InvalidValue("--resume needs --out: the sweep's folder to continue")
    _check_options(engine, address, processes, threads)
    described = _read(file, settings or [], replicas, out if resume else None)
    if as_list:
        _show(described, as_json)
        return
    from mho.runs.coordinator import Coordinator

    folder = out or next_folder(file.stem if file else "sweep")
    coordinator = Coordinator(described, folder, resume=resume)
    if engine == "local":
        _check_data(described, data_dir)
    _say_of_bits(described)
    results = _run(coordinator, _engine(engine, address, processes, threads), threads, data_dir)
    missing = len(described.rows) - len(results.done) - len(results.failed)
    page = _report(folder, results) if results.done and not missing else None
    if as_json:
        counts = {"done": len(results.done), "failed": len(results.failed), "missing": missing}
        found = {"folder": str(folder), "results": str(results.file), "fields": described.axes.fields, **counts}
        print(json.dumps(found | {"rows": results.records}))
    else:
        _show_results(folder, results, page)
    if missing:
        print(f"stopped; continue with  mho sweep --out {shlex.quote(str(folder))} --resume", file=sys.stderr)
        raise typer.Exit(130)
    if results.failed:
        raise typer.Exit(1)


def _show_results(folder: Path, results: Results, page: Path | None) -> None:
    """Print the points, and where results and page are."""
    from mho.cli.sweep_display import show_points
    from mho.runs.results import CSV, PARQUET, has_pyarrow

    described = results.sweep
    show_points(results.records, described.axes.fields)
    print(f"{len(results.done)} of {len(described.rows)} rows done, {len(results.failed)} failed")
    parquet = f" and {PARQUET}" if has_pyarrow() else f" ({PARQUET} too, once you have run: pip install pyarrow)"
    print(f"results {folder / CSV}{parquet}" + (f"\nreport  {page}" if page else ""))


def _check_options(engine: str, address: str | None, processes: int | None, threads: int) -> None:
    faults = []
    if engine not in ENGINES:
        faults.append(f"no engine {engine!r}{nearest(engine, ENGINES)}")
    if engine == "local" and address is not None:
        faults.append("--address has no effect on the local engine; add --engine ray")
    if engine == "ray" and processes is not None:
        faults.append("--processes has no effect on Ray, whose cluster decides; leave it out")
    if processes is not None and processes < 1:
        faults.append(f"--processes is {processes}; give an integer of at least 1")
    if not 1 <= threads <= 1024:
        faults.append(f"threads is {threads}; give an integer from 1 to 1024")
    if faults:
        raise InvalidValue("; ".join(faults), faults)


def _read(file: Path | None, settings: list[str], replicas: int | None, resumed: Path | None) -> Sweep:
    """Return the sweep of a file, or else of the folder to resume."""
    from mho.runs import merged
    from mho.runs.sweep import SPEC, Sweep

    if file is None:
        if resumed is None:
            raise InvalidValue("no sweep is given; write mho sweep FILE, or --resume --out with a sweep's folder")
        if not (resumed / SPEC).exists():
            raise InvalidValue(f"{resumed} holds no {SPEC} to continue; write mho sweep FILE --resume --out {resumed}")
        file = resumed / SPEC
    tables = read_toml(file)
    changes = sorted((parse_setting(setting) for setting in settings), key=kinds_first)
    for change in changes:
        tables = merged(tables, change)
    if replicas is not None and isinstance(tables.get("sweep"), dict):
        tables = merged(tables, {"sweep": {"replicas": replicas}})
    with naming(file, settings):
        described = Sweep(tables)
    _check_effect(described, changes)
    return described


def _check_effect(described: Sweep, changes: list[dict[str, Any]]) -> None:
    """Refuse a --set that the sweep's own values would undo."""
    from mho.runs.axes import flat

    named = [name for change in changes for name in flat(change)]
    swept = described.axes.fields
    lost = [name for name in named if any(f"{name}.".startswith(f"{field}.") for field in swept)]
    if lost:
        faults = [f"--set {name} has no effect, because the sweep gives it values of its own" for name in lost]
        raise InvalidValue("; ".join(faults) + f"; set sweep.grid.{lost[0]}=[...], or another field", faults)


def _check_data(described: Sweep, data_dir: Path | None) -> None:
    """Find missing data before the first worker starts, and say once which settings have no effect on them."""
    from mho.data import load
    from mho.training.idle import idle_of

    found: dict[str, None] = {}
    loaded: dict[str, Dataset] = {}
    for training, task in described.trainings():
        if training.data not in loaded:
            loaded[training.data] = load(training.data, data_dir)
        found |= dict.fromkeys(idle_of(training, task, loaded[training.data]))
    for sentence in found:
        print(f"mho: warning: {sentence}", file=sys.stderr)


def _say_of_bits(described: Sweep) -> None:
    """Say once in which points a BLAS multiplies."""
    from mho.runs.unordered import unordered

    for sentence in dict.fromkeys(unordered(experiment.to_dict()) for experiment in described.experiments):
        if sentence:
            print(f"bits: {sentence}", file=sys.stderr)


def _engine(name: str, address: str | None, processes: int | None, threads: int) -> Engine:
    if name == "ray":
        from mho.runs.ray_engine import RayEngine

        return RayEngine(address, threads)
    from mho.runs.local import LocalEngine

    return LocalEngine(processes or max(1, (os.cpu_count() or 1) // threads))


def _run(coordinator: Coordinator, engine: Engine, threads: int, data_dir: Path | None) -> Results:
    """Run with a live table on standard error; the first Ctrl-C stops at checkpoints, the second at once."""
    from mho.cli.sweep_display import SweepDisplay

    display = SweepDisplay(coordinator.sweep)

    def say() -> None:
        display.say("stopping; Ctrl-C again leaves at once")

    def leave(*_: object) -> None:
        display.bars.console.show_cursor()
        os._exit(130)

    try:
        # Ray reports workers that die on standard output, which is for the results
        with first_interrupt(say=say, leave=leave) as asked, contextlib.redirect_stdout(sys.stderr), display:
            return coordinator.run(
                engine,
                threads=threads,
                data_folder=data_dir,
                on_start=display.start,
                on_tick=display.tick,
                on_end=display.end,
                stop=asked,
            )
    finally:
        engine.close()


def _report(folder: Path, results: Results) -> Path:
    """Write the pages of the runs that have none yet, and of the sweep; return the last."""
    from mho.report import write_report, write_sweep_report
    from mho.runs.folder import REPORT

    for run in (folder / place for place in results.folders):
        # a folder that the user has thrown away is not missed: its numbers are in the results
        if run.is_dir() and not (run / REPORT).exists():
            write_report(run)
    return write_sweep_report(folder)


def _show(described: Sweep, as_json: bool) -> None:
    """Print the rows of a sweep and the batch of each."""
    from mho.runs.batches import batches

    planned = batches(described)
    place = {row.number: number for number, one in enumerate(planned) for row in one.rows}
    if as_json:
        rows: list[dict[str, Any]] = [
            {"point": row.point, **row.values, "seed": row.seed, "batch": place[row.number]} for row in described.rows
        ]
        print(json.dumps({"rows": rows, "batches": len(planned)}))
        return
    from rich.console import Console
    from rich.table import Table

    points, seeds = _number(len(described.points), "point"), _number(len(described.seeds), "seed")
    count = f"{points} × {seeds} = {_number(len(place), 'row')}, {_number(len(planned), 'batch')}"
    table = Table(title=count, title_justify="left")
    side: Literal["right"] = "right"
    for heading in ("point", *described.axes.fields, "seed", "batch"):
        table.add_column(heading, justify=side)
    for row in described.rows:
        table.add_row(str(row.point), *map(str, row.values.values()), str(row.seed), str(place[row.number]))
    Console().print(table)


def _number(count: int, word: str) -> str:
    """Return a number of things: "1 batch", "2 batches"."""
    plural = f"{word}es" if word.endswith("ch") else f"{word}s"
    return f"{count} {word if count == 1 else plural}"
