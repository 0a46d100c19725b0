"""mho learn conntra: a network of a few levels, by coordinate descent."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mho.cli.configs import parse_setting
from mho.cli.interrupt import first_interrupt
from mho.cli.options import next_folder, say_if_new, whole
from mho.errors import InvalidValue
from mho.toml_files import naming, read_toml

if TYPE_CHECKING:
    from mho.runs.levels import LevelsExperiment, LevelsRun


def _number(text: Any) -> float:
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"it is {text}; give a number of seconds") from None


def conntra(
    config: Annotated[Path | None, typer.Argument(help="A TOML config, such as a run folder's config.toml.")] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|MODULE:FUNCTION|FILE",
            help="digits (default) or iris, both embedded, or mnist; or your own, as for mho train.",
        ),
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder with MNIST's four files; else $MHO_DATA, the cache, a download.")
    ] = None,
    hidden: Annotated[
        str | None, typer.Option(metavar="N,N,...", help="Units of each hidden layer (default 64); 0 for none.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(metavar="NAME|MODULE:NET", help="lenet, mlp, or your own chain of layers, in place of --hidden."),
    ] = None,
    levels: Annotated[
        str | None, typer.Option(metavar="W,W,...", help="Values of weights and biases (default -1,0,1).")
    ] = None,
    loss: Annotated[str | None, typer.Option(help="cross_entropy (default), squared, hinge or zero_one.")] = None,
    sweeps: Annotated[int | None, whole(help="Visits of every weight, at most (default 20).")] = None,
    seed: Annotated[
        int | None, whole(help="Random seed of start, order, batches and held-out examples (default 0).")
    ] = None,
    time_limit: Annotated[
        float | None, typer.Option(parser=_number, metavar="SECONDS", help="Seconds of descent (default: no limit).")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder to make (default runs/conntra-NUMBER).")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in --out if it has begun.")] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="conntra.key=value, for example conntra.scale=fan_in or conntra.batch_size=500; repeatable."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the last metrics line, and nothing else.")] = False,
) -> None:
    """Train a network whose weights are a few levels, without gradients (Date et al. 2020).

    Without options: ternary 784-64-10 on the embedded digits. Weights are visited in random order, and each gets the
    level of the lowest loss; sweep after sweep, until nothing changes. The run folder gets config.toml, metrics.jsonl
    (a line per sweep), checkpoint.safetensors, summary.json, and weights.safetensors: two bits per weight.

    Examples: mho learn conntra; mho learn conntra --data iris --hidden 8 --sweeps 50;
    mho learn conntra --data mnist --set conntra.train_images=8000 --set conntra.validation=0.1;
    mho learn conntra --levels=-1,-0.5,0,0.5,1 --set conntra.scale=fan_in;
    mho learn conntra --model lenet --set conntra.train_images=200 --set conntra.scale=fan_in --sweeps 2
    """
    if resume and out is None:
        raise InvalidValue("--resume needs --out: the run folder to continue")
    given = {
        "data": data,
        "hidden": None if hidden is None else [units for units in _numbers("--hidden", hidden, int) if units],
        "model": model,
        "levels": None if levels is None else _numbers("--levels", levels, float),
        "loss": loss,
        "sweeps": sweeps,
        "seed": seed,
        "time_limit": time_limit,
    }
    if model and hidden is not None:
        raise InvalidValue("--hidden has no effect with --model; give one of them")
    experiment = read_levels(config, given, settings or [], out if resume else None)

    import torch

    from mho.data import load
    from mho.runs.levels import LevelsRun

    torch.set_num_threads(1)  # equal sums with any number of cores
    folder = out or next_folder("conntra")
    if resume:
        say_if_new(folder)
    run = LevelsRun(experiment, folder, load(experiment.data, data_dir), resume=resume)
    ended = _watch(run)
    if as_json:
        print(json.dumps(run.metrics[-1]) if run.metrics else "{}")
    elif ended:
        print(_summary(run))
    if not ended:
        print(f"stopped; continue with  mho learn conntra --out {shlex.quote(str(folder))} --resume", file=sys.stderr)
        raise typer.Exit(130)


def read_levels(
    config: Path | None, given: dict[str, Any], settings: list[str], resumed: Path | None
) -> LevelsExperiment:
    """Return what the options describe: a config, else the folder to resume; then what is given beside.

    Raises:
        InvalidValue: naming every fault of the file and the options at once.
    """
    from mho.runs import merged
    from mho.runs.folder import CONFIG
    from mho.runs.levels import LevelsExperiment

    tables: dict[str, Any] = {}
    file = config or (resumed / CONFIG if resumed else None)
    if file is not None and (config is not None or file.exists()):
        tables = read_toml(file)
    beside = {name: value for name, value in given.items() if value is not None}
    tables = merged(tables, {"conntra": beside})
    for setting in settings:
        tables = merged(tables, parse_setting(setting))
    with naming(file if config else None, [*beside, *settings]):
        return LevelsExperiment.from_dict(tables)


def _numbers(option: str, text: str, kind: type) -> list[Any]:
    try:
        return [kind(part) for part in text.replace("-" if kind is int else ",", ",").split(",")]
    except ValueError:
        example = "64,32" if kind is int else "-1,0,1"
        raise InvalidValue(f"{option} {text}: give numbers with commas between them, for example {example}") from None


def _watch(run: LevelsRun) -> bool:
    """Train with a bar on standard error; the first Ctrl-C stops within a second."""
    from mho.learning.combinatorial.bar import DescentBar

    with first_interrupt() as asked, DescentBar(run.experiment.sweeps) as bar:

        def after(progress: Any) -> bool:
            bar.step(progress)
            return asked()

        return run.train(after)


def _summary(run: LevelsRun) -> str:
    found = run.summary
    why = {"converged": "a sweep changed nothing", "sweeps": "all sweeps are done", "time": "the time is over"}
    return "\n".join(
        [
            f"test error {found['test_error']:.2f} % after sweep {len(run.metrics)} ({why[found['stopped']]})",
            f"{found['weights']:,} weights in {found['weight_bytes']:,} bytes, "
            f"{found['float64_bytes'] / found['weight_bytes']:.0f} times less than in float64",
            f"run folder {run.folder}",
        ]
    )
