"""mho train: train a network on arrays."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mho.cli import names
from mho.cli.configs import read_experiment
from mho.cli.measured import reads_pulses
from mho.cli.measured_device import check_measured, measured_device, told_apart, write_measured
from mho.cli.options import next_folder, say_if_new, share_or_number, whole
from mho.cli.training import COMPARED, ask_about, conclude, how_to_continue, introduce, name_folder, show_outcome, watch
from mho.errors import InvalidValue, nearest

if TYPE_CHECKING:
    from mho.fitting import Fitted
    from mho.measurements import Format

OPTIONS = ("task", "model", "data", "epochs", "seed", "data_seed", "replicas", "validation", "patience")


@reads_pulses
def train(
    config: Annotated[Path | None, typer.Argument(help="A TOML config, such as a run folder's config.toml.")] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help=f"What holds where CONFIG and options are silent: {', '.join(names.presets())} (default gokmen_2017, "
            "unless CONFIG names another); settings of CONFIG win over it.",
            autocompletion=names.complete(names.presets),
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            metavar="DEVICE",
            help="TOML file with a section device, or only what stands in it; a published device, a law, or your own "
            "law as module:Class; or measurements, as for --measured. Overrides the device in CONFIG.",
            autocompletion=names.complete(names.devices),
        ),
    ] = None,
    measured: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Pulses of a measured device, in place of --device; the best law is fitted; repeatable. How the "
            "file was read is shown. Or the files of a jump table of CrossSim or XBTorch, or their folder.",
        ),
    ] = None,
    measured_as: Annotated[
        str | None,
        typer.Option(help="law (default for pulses): the best law; table: steps drawn as they were measured."),
    ] = None,
    extrapolate: Annotated[
        bool,
        typer.Option(
            "--extrapolate", help="Of --measured: take bounds that the fit puts beyond the measured range, as fitted."
        ),
    ] = False,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|MODULE:NET",
            help="lenet (default), mlp, resnet8, resnet20, vgg8, lstm, gru, transformer, ...: networks of papers; or "
            "your own: a class or a function that returns a torch.nn.Module.",
            autocompletion=names.complete(names.networks),
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|text:FILE|csv:FILE[:COLUMN]|npz:FILE|MODULE:FUNCTION",
            help="digits (default) or iris, embedded; mnist, fashion_mnist, cifar10 or cifar10_part; or your own: a "
            "text, a table whose last COLUMN, or that named, is the target, arrays x_train, y_train, x_test, y_test, "
            "or a function that returns ((x_train, y_train), (x_test, y_test)).",
            autocompletion=names.complete(names.data_sets),
        ),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|MODULE:CLASS",
            help="classification, regression or next_character (default: what the data are for); or your own subclass "
            "of mho.training.Task. Its options are set with --set task.NAME=value.",
            autocompletion=names.complete(names.tasks),
        ),
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder with a data set's files; else $MHO_DATA, the cache, a download.")
    ] = None,
    epochs: Annotated[int | None, whole(help="Passes over the training examples (default 30).")] = None,
    seed: Annotated[
        int | None, whole(help="Random seed of device variation, initial weights and noise (default 0).")
    ] = None,
    data_seed: Annotated[int | None, whole(help="Random seed of the order of the examples (default 0).")] = None,
    replicas: Annotated[
        int | None,
        whole(
            help="Networks side by side, with seeds from SEED on (default 1). A list in --set gives each its value, by "
            "which it is named."
        ),
    ] = None,
    paired: Annotated[
        bool,
        typer.Option(
            "--paired",
            help="Give all replicas the seed of the first: replicas then differ in their values alone.",
        ),
    ] = False,
    compare: Annotated[
        str | None,
        typer.Option(
            metavar="float",
            help="Train the same network in floating point beside the run, an epoch each, and say what the arrays "
            "cost. Its run is in the folder float of the run folder; no bit of the run depends on it.",
        ),
    ] = None,
    validation: Annotated[
        float | None,
        typer.Option(
            help="Training examples to hold out: a share (0.1) or a number (5000; default 0). The weights of the epoch "
            "of their lowest error are kept in best.safetensors.",
            parser=share_or_number,
            metavar="SHARE|INTEGER",
        ),
    ] = None,
    patience: Annotated[
        int | None,
        whole(help="Stop after so many epochs without a lower validation error (default 0: not before --epochs)."),
    ] = None,
    threads: Annotated[int, whole(help="Threads for the arrays; results do not depend on it.")] = 1,
    out: Annotated[Path | None, typer.Option(help="Run folder to make (default runs/DATA-NUMBER).")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in --out if it has begun.")] = False,
    tensorboard: Annotated[
        bool,
        typer.Option(
            "--tensorboard",
            help="Write the numbers of each epoch for TensorBoard too, into the folder tensorboard of the run folder "
            "(needs the extra tensorboard: pip install mho\\[tensorboard]).",
        ),
    ] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="section.key=value, for example update.length=1; may be repeated."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the last metrics line, and nothing else.")] = False,
    *,
    form: Format | None,
) -> None:
    """Train a network on resistive cross-point arrays: a paper's, or your own.

    Without options: LeNet on the RPU-baseline of Gokmen 2017 with noise and bound management, on the embedded digits.
    Ends with the test error beside chance level, with a diagnosis (is it the device or the learning rate?), and by
    naming the run folder: config.toml, metrics.jsonl, checkpoint.safetensors, report.html.

    Cells with a reference device (--set cell.kind=Referenced) can be zero-shifted before the first epoch: --set
    zero_shifting.pulses=4000, and write_error and tolerance beside it.

    Examples: mho train --data mnist --epochs 3; mho train --compare float; mho train --replicas 3 --paired --set
    forward.noise=[0,0.06,0.3]; mho train --set update.length=1 --set
    update.update_management=true; mho train runs/digits-1/config.toml --seed 1;
    mho train --data text:war_and_peace.txt --model lstm; mho train --data csv:house.csv:price --model mlp;
    mho train --model mynet:Net --data mydata:load, from mynet.py and mydata.py of this folder;
    mho train --device mine.toml; mho train --device ecram; mho train --measured pulses.csv, which fits laws
    as mho device fit does, trains on the best, and adds device.html to the folder.
    """
    if resume and out is None:
        raise InvalidValue("--resume needs --out: the run folder to continue")
    if compare not in (None, *COMPARED):
        raise InvalidValue(f"--compare: unknown value {compare}{nearest(str(compare), COMPARED)}")
    measured, device = told_apart(measured, device)
    check_measured(measured, device, measured_as, extrapolate, form)
    fitted: Fitted | None = None
    device_given: str | dict[str, Any] | None = device
    if measured:
        fitted, device_given = measured_device(measured, form, measured_as, extrapolate, None if resume else out)
    values = (task, model, data, epochs, seed, data_seed, replicas, validation, patience)
    given = dict(zip(OPTIONS, values, strict=True))
    experiment = read_experiment(config, preset, given, settings or [], out if resume else None, device_given)
    if not measured:  # nobody typed what was fitted
        ask_about(experiment)

    import torch

    from mho.compiler.threads import set_threads
    from mho.data import load
    from mho.runs import Comparison, Run, write_board
    from mho.runs.comparison import twin_of
    from mho.runs.replicas import paired as with_one_seed

    if paired:
        experiment = with_one_seed(experiment)
    if compare:
        twin_of(experiment)  # which refuses exact arrays before anything is written
    set_threads(threads)
    torch.set_num_threads(1)  # at this size torch is fastest so, and its sums do not depend on threads
    loaded = load(experiment.training.data, data_dir)
    folder = out or next_folder(loaded.name)
    if resume:
        say_if_new(folder)
    run = Run(experiment, folder, loaded, resume=resume)
    comparison = Comparison(run, loaded) if compare or Comparison.is_begun(folder) else None
    introduce(run)
    if fitted is not None and not run.finished:
        write_measured(fitted, folder, measured or [], form, extrapolate)
    board = write_board(run) if tensorboard else None
    ended = watch(run, comparison, board)
    if board is not None:
        board.close()
    if ended:
        if not as_json:
            show_outcome(run)
        conclude(run)
    if as_json:
        print(json.dumps(run.loop.progress.metrics[-1]) if run.loop.progress.metrics else "{}")
    elif ended:
        name_folder(run)
    if not ended:
        print(how_to_continue(folder), file=sys.stderr)
        raise typer.Exit(130)
