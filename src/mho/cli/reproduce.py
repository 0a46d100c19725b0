"""mho reproduce: the curves of a paper, trained and judged."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mho.cli import names
from mho.cli.figures import FigureFolder, FigureFormat, Figures, FigureStyle, FigureWidth
from mho.cli.interrupt import first_interrupt
from mho.errors import Faults, InvalidValue, nearest

if TYPE_CHECKING:
    from mho.papers import Paper
    from mho.papers.reproduction import Reproduction
    from mho.papers.scale import Scale


def _papers() -> str:
    """Return the names of all papers as a sentence has them."""
    *most, last = names.papers()
    return f"{', '.join(most)} or {last}" if most else last


def reproduce(
    paper: Annotated[
        str | None,
        typer.Argument(help=f"{_papers()} (default: every paper).", autocompletion=names.complete(names.papers)),
    ] = None,
    figure: Annotated[
        list[str] | None, typer.Option("--figure", help="A figure of the paper (default: all); may be repeated.")
    ] = None,
    curve: Annotated[
        list[str] | None, typer.Option("--curve", help="A single curve, as --list names it; may be repeated.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs of each run (default: the paper's own).")] = None,
    seeds: Annotated[int, typer.Option(help="Number of runs of each curve, with seeds from 0 on.")] = 1,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            help="Train 2 epochs of 5,000 images, or a short form of the study; check only what these can show.",
        ),
    ] = False,
    train_images: Annotated[
        int, typer.Option(help="Use only the first so many training images (0: all), for a trial without verdicts.")
    ] = 0,
    test_images: Annotated[int, typer.Option(help="Use only the first so many test images (0: all).")] = 0,
    threads: Annotated[
        int | None, typer.Option(help="Cores to use: runs go side by side, one per core (default: all).")
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Folder with the files of the data set; else $MHO_DATA, the cache, a download."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the runs and results (default runs/reproduce-PAPER).")
    ] = None,
    as_list: Annotated[
        bool,
        typer.Option("--list", help="List the curves by the names to type, and what results there are; train nothing."),
    ] = False,
    timed: Annotated[
        bool, typer.Option("--time", help="With --list: also measure how long the rest takes on this machine.")
    ] = False,
    from_results: Annotated[
        bool, typer.Option("--from-results", help="Judge the results in --out, or those that come with mho.")
    ] = False,
    page: Annotated[
        Path | None,
        typer.Option(
            help="Page (HTML) to write of all results that --from-results reads; --figure does not shorten it."
        ),
    ] = None,
    figures: FigureFolder = None,
    form: FigureFormat = "png",
    style: FigureStyle = "page",
    width: FigureWidth = None,
) -> None:
    """Train the curves of a paper's figures and compare them with the paper.

    Finished curves are kept: stopped, killed or given more epochs or seeds, the same command does what is missing, with
    the same bits. It writes small files, one per curve, into --out/results, and a page, --out/report.html.

    The verdict is on the mean over the epochs that the paper quotes, or on the last epoch; a training that has not come
    so far has none. Exit status 1 if a verdict fails.

    Examples: mho reproduce --list; mho reproduce gokmen_2017 --figure 6 --seeds 3; mho reproduce gokmen_2017
    --figure 6 --quick; mho reproduce gokmen_2017 --from-results.
    """
    from mho.papers import PAPERS

    if paper is not None and paper not in PAPERS:
        raise InvalidValue(f"no paper {paper!r}{nearest(paper, PAPERS)}")
    papers = [PAPERS[paper]] if paper is not None else list(PAPERS.values())
    _check_options(paper, figure, curve, threads, out, page, as_list=as_list, from_results=from_results, timed=timed)
    if figures is not None and (paper is None or as_list or (from_results and page is None)):
        raise InvalidValue(
            "--figures goes with a paper and its page: a training writes the page, --from-results with --page"
        )

    from mho.papers.scale import Scale

    shown = Figures(folder=figures, format=form, style=style, width=width)
    scale = Scale(epochs=epochs, seeds=seeds, quick=quick, train_images=train_images, test_images=test_images)
    chosen = [(one, one.choose(figure or (), curve or ())) for one in papers]
    if as_list:
        _show_list(chosen, scale, out, data_dir, timed=timed)
        return
    kept = True
    for one, curves in chosen:
        if from_results:
            kept = _judge_results(one, curves, scale, out, page, shown) and kept
        else:
            kept = _reproduce(one, curves, scale, out, threads or os.cpu_count() or 1, data_dir, shown) and kept
    if not kept:
        raise typer.Exit(1)


def _check_options(
    paper: str | None,
    figure: list[str] | None,
    curve: list[str] | None,
    threads: int | None,
    out: Path | None,
    page: Path | None,
    *,
    as_list: bool,
    from_results: bool,
    timed: bool,
) -> None:
    faults = Faults("reproduce")
    if paper is None:
        for name, value in (("--figure", figure), ("--curve", curve), ("--out", out)):
            if value:
                faults.add(f"{name} needs a paper: mho reproduce gokmen_2017 {name} ...")
    faults.number("threads", threads, low=1, high=1024, integer=True, optional=True)
    if page is not None and (paper is None or not from_results):
        faults.add("--page goes with a paper and --from-results; a training writes its page into --out")
    if as_list and from_results:
        faults.add("--list and --from-results exclude each other")
    if timed and not as_list:
        faults.add("--time goes with --list")
    faults.raise_any()


def _folder(paper: Paper, out: Path | None) -> Path:
    return out or Path("runs") / f"reproduce-{paper.name}"


def _reproduce(
    paper: Paper,
    curves: list[str],
    scale: Scale,
    out: Path | None,
    threads: int,
    data_dir: Path | None,
    figures: Figures,
) -> bool:
    """Train what is missing and show the verdicts; whether all are kept."""
    from mho.cli.reproduce_display import show_verdicts
    from mho.papers.page import PAGES
    from mho.papers.reproduction import Reproduction

    work = Reproduction(paper, curves, scale, _folder(paper, out))
    missing = work.missing()
    for one in missing:
        one.study.prepare(data_dir)  # data that are missing are reported before a process starts
    ended = _run(work, threads, data_dir)
    verdicts = work.verdicts()
    show_verdicts(paper, verdicts, scale)
    folder = _folder(paper, out)
    print(f"results {folder / scale.kind}")
    with figures.written():
        print(f"report  {_write_page(paper, folder / scale.kind, folder / PAGES[scale.kind])}")
    for name, fault in work.faults.items():
        print(f"{name} failed: {fault}", file=sys.stderr)
    if not ended:
        words = shlex.join(["mho", *sys.argv[1:]])
        print(f"stopped; the same command continues:  {words}", file=sys.stderr)
        raise typer.Exit(130)
    return not work.faults and all(verdict.kept is not False for verdict in verdicts)


def _run(work: Reproduction, threads: int, data_dir: Path | None) -> bool:
    """Train with live bars on standard error; the first Ctrl-C stops at checkpoints, the second at once."""
    from mho.cli.reproduce_display import ReproduceDisplay
    from mho.runs.local import LocalEngine

    count = max(1, min(threads, len(work.missing())))
    engine, display = LocalEngine(count), ReproduceDisplay(work)

    def say() -> None:
        display.say("stopping at checkpoints; Ctrl-C again leaves at once")

    try:
        with first_interrupt(say=say, leave=lambda *_: os._exit(130)) as asked, display:
            return work.run(
                engine,
                threads=max(1, threads // count),
                data_folder=data_dir,
                on_start=display.start,
                on_tick=display.tick,
                on_end=display.end,
                stop=asked,
            )
    finally:
        engine.close()


def _write_page(paper: Paper, results: Path, file: Path) -> Path:
    from mho.papers.page import write_paper_page
    from mho.papers.records import read_records

    return write_paper_page(paper, read_records(results), file, kind=results.name)


def _judge_results(
    paper: Paper, curves: list[str], scale: Scale, out: Path | None, page: Path | None, figures: Figures
) -> bool:
    from mho.cli.reproduce_display import show_verdicts
    from mho.papers.page import write_paper_page
    from mho.papers.records import read_records, valid_records
    from mho.papers.verdicts import judge
    from mho.version import PHYSICS_VERSION

    folder = out / scale.kind if out is not None else paper.results
    found = read_records(folder)
    records = valid_records(found)
    cure = f"train them with: mho reproduce {paper.name}"
    if not found:
        where = f"in {folder}" if out is not None else f"of {paper.name} with this mho"
        raise InvalidValue(f"there are no results {where}; {cure}")
    others = {name: record.physics for name, record in found.items() if name not in records}
    if others:
        names = ", ".join(f"{name} ({physics})" for name, physics in others.items())
        ignored = f"results of another version of the physics than this mho's, {PHYSICS_VERSION}: {names}"
        if not records:
            raise InvalidValue(f"{folder} has only {ignored}; {cure}")
        print(f"ignored: {ignored}; {cure}", file=sys.stderr)
    verdicts = judge(paper.expected, records, curves, kind=scale.kind, last=paper.epochs(scale.kind))
    show_verdicts(paper, verdicts, scale)
    if page is not None:
        with figures.written():
            print(f"report  {write_paper_page(paper, records, page, kind=scale.kind)}")
    return all(verdict.kept is not False for verdict in verdicts)


def _show_list(
    chosen: list[tuple[Paper, list[str]]], scale: Scale, out: Path | None, data_dir: Path | None, *, timed: bool
) -> None:
    from mho.cli.reproduce_list import show_list

    for paper, curves in chosen:
        show_list(paper, curves, scale, _folder(paper, out), data_dir=data_dir, timed=timed)
