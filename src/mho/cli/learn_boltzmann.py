"""mho learn boltzmann: a Boltzmann machine that learns by probability flow."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mho.cli.configs import kinds_first, parse_setting
from mho.cli.interrupt import first_interrupt
from mho.cli.options import next_folder, say_if_new, whole
from mho.errors import InvalidValue, nearest
from mho.toml_files import naming, read_toml

if TYPE_CHECKING:
    from mho.runs.learn import MachineRun
    from mho.runs.machine import MachineExperiment


def boltzmann(
    config: Annotated[Path | None, typer.Argument(help="A TOML config, such as a run folder's config.toml.")] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|MODULE:FUNCTION|FILE",
            help="digits (default, embedded, 8×8 pixels) or mnist; or your own, as for mho train. Pixels above "
            "machine.threshold are 1.",
        ),
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder with MNIST's four files; else $MHO_DATA, the cache, a download.")
    ] = None,
    layers: Annotated[
        str | None,
        typer.Option(
            metavar="N,N,...",
            help="Units of each layer, the visible first (default: as many as the data have, then 100).",
        ),
    ] = None,
    intra_layer: Annotated[
        str | None, typer.Option(metavar="N,...", help="Layers with links inside, the visible layer being 0.")
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(help="vpf (default): variational probability flow; cd: contrastive divergence; ml: exact, small."),
    ] = None,
    k: Annotated[int | None, whole(help="Gibbs sweeps of cd (default 1).")] = None,
    epochs: Annotated[int | None, whole(help="Passes over the training examples (default 20).")] = None,
    seed: Annotated[int | None, whole(help="Random seed of all draws, devices included (default 0).")] = None,
    preset: Annotated[
        str | None, typer.Option(help="Couplings on arrays: gokmen_2017 or floating_point; default: no arrays.")
    ] = None,
    rpu: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Couplings on the arrays that a TOML file describes.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder to make (default runs/boltzmann-NUMBER).")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in --out if it has begun.")] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="section.key=value, for example machine.lr=0.1 or, on arrays, update.length=1; repeatable."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the last metrics line, and nothing else.")] = False,
) -> None:
    """Learn a Boltzmann machine of binary units, in floating point or on arrays.

    Without options: 64-100 on the embedded digits, by probability flow (Liu, Quek & Lin 2018), in seconds. The run
    folder gets config.toml, metrics.jsonl, checkpoint.safetensors, summary.json with the log-likelihood of the test
    digits, and pictures: filters, samples, reconstructions.

    Examples: mho learn boltzmann; mho learn boltzmann --method cd --k 10;
    mho learn boltzmann --data mnist --layers 784,500 --epochs 20;
    mho learn boltzmann --preset gokmen_2017 --set machine.batch_size=1 --set machine.lr=0.01
    """
    if resume and out is None:
        raise InvalidValue("--resume needs --out: the run folder to continue")
    given = {
        "data": data,
        "layers": None if layers is None else _integers("--layers", layers),
        "intra_layer": None if intra_layer is None else _integers("--intra-layer", intra_layer),
        "method": method,
        "k": k,
        "epochs": epochs,
        "seed": seed,
    }
    experiment = read_machine(config, given, settings or [], preset, rpu, out if resume else None)

    import torch

    from mho.runs.learn import MachineRun
    from mho.runs.machine import binary_data

    torch.set_num_threads(1)  # equal sums with any number of cores
    folder = out or next_folder("boltzmann")
    if resume:
        say_if_new(folder)
    run = MachineRun(experiment, folder, binary_data(experiment.machine, data_dir), resume=resume)
    if run.finished:
        print(f"{folder} is finished; give more --epochs to go on", file=sys.stderr)
    ended = run.finished or _watch(run)
    if as_json:
        print(json.dumps(run.metrics[-1]) if run.metrics else "{}")
    elif ended:
        print(_summary(run))
    if not ended:
        print(f"stopped; continue with  mho learn boltzmann --out {shlex.quote(str(folder))} --resume", file=sys.stderr)
        raise typer.Exit(130)


def read_machine(
    config: Path | None,
    given: dict[str, Any],
    settings: Sequence[str],
    preset: str | None,
    rpu: Path | None,
    resumed: Path | None,
) -> MachineExperiment:
    """Return what the options describe: a config, else the folder to resume; then what is given beside.

    Raises:
        InvalidValue: naming every fault of the file and the options at once.
    """
    from mho.presets import PRESETS
    from mho.runs import merged
    from mho.runs.folder import CONFIG
    from mho.runs.machine import MachineExperiment

    if preset is not None and rpu is not None:
        raise InvalidValue("--preset and --rpu both give the arrays; give one of them")
    if preset is not None and preset not in PRESETS:
        raise InvalidValue(f"no preset {preset!r}{nearest(preset, PRESETS)}")
    tables: dict[str, Any] = {}
    file = config or (resumed / CONFIG if resumed else None)
    if file is not None and (config is not None or file.exists()):
        tables = read_toml(file)
    if preset is not None:
        tables = tables | PRESETS[preset]().to_dict()
    if rpu is not None:
        tables = tables | read_toml(rpu)
    arrays = any(section != "machine" for section in tables)
    tables = merged(tables, {"machine": {name: value for name, value in given.items() if value is not None}})
    for change in sorted((parse_setting(setting) for setting in settings), key=kinds_first):
        section = next(iter(change))
        if section != "machine" and not arrays:
            raise InvalidValue(
                f"--set {section}...: the machine is in floating point, and only [machine] can be set; put it on "
                "arrays with --preset gokmen_2017 or --rpu FILE"
            )
        tables = merged(tables, change)
    beside = [value for value in given.values() if value is not None]
    with naming(file if config else None, [*beside, *settings]):
        return MachineExperiment.from_dict(tables)


def _integers(option: str, text: str) -> list[int]:
    try:
        return [int(part) for part in text.replace("-", ",").split(",")]
    except ValueError:
        raise InvalidValue(f"{option} {text}: give integers with commas between them, for example 784,500") from None


def _watch(run: MachineRun) -> bool:
    """Learn with a live display on standard error; the first Ctrl-C stops after a step."""
    run.machine.set_params(verbose=True)
    with first_interrupt() as asked:
        if not run.learn(on_step=asked):
            return False
    if run.anneals:
        settings = run.experiment.machine
        print(
            f"annealing {settings.chains} chains over {settings.temperatures:,} temperatures for the log-likelihood "
            "(machine.temperatures=0 leaves it out)",
            file=sys.stderr,
        )
    run.conclude()
    return True


def _summary(run: MachineRun) -> str:
    last, found = run.metrics[-1], run.likelihood
    words = [f"test pseudo-log-likelihood {last['test_pseudo_log_likelihood']:.2f} nats after epoch {last['epoch']}"]
    if found is not None:
        words.append(f"test log-likelihood {found}")
    return "\n".join([*words, f"run folder {run.folder}"])
