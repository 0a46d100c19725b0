"""mho train: train a network on arrays."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mho.cli.configs import read_experiment
from mho.cli.interrupt import first_interrupt
from mho.cli.measured import reads_pulses, show_reading, words_of
from mho.cli.options import next_folder, share_or_number, whole
from mho.errors import InvalidValue, nearest

if TYPE_CHECKING:
    from mho.measurements import Format
    from mho.measurements.fitting import Fitted
    from mho.runs import Experiment, Run
    from mho.training import TensorBoard

DEVICE_PAGE = "device.html"
MEASURED_AS = ("law", "table")
OPTIONS = ("task", "model", "data", "epochs", "seed", "data_seed", "replicas", "validation", "patience")


@reads_pulses
def train(
    config: Annotated[Path | None, typer.Argument(help="A TOML config, such as a run folder's config.toml.")] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="What holds where CONFIG and options are silent: gokmen_2017 (default, unless CONFIG names another), "
            "floating_point, agad, ...; settings of CONFIG win over it."
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            metavar="DEVICE",
            help="TOML file with a section device, or only what stands in it; or a published device, a law, or your "
            "own law as module:Class. Overrides the device in CONFIG.",
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
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|text:FILE|csv:FILE[:COLUMN]|npz:FILE|MODULE:FUNCTION",
            help="digits (default) or iris, embedded; mnist, fashion_mnist, cifar10 or cifar10_part; or your own: a "
            "text, a table whose last COLUMN, or that named, is the target, arrays x_train, y_train, x_test, y_test, "
            "or a function that returns ((x_train, y_train), (x_test, y_test)).",
        ),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|MODULE:CLASS",
            help="classification, regression or next_character (default: what the data are for); or your own subclass "
            "of mho.training.Task. Its options are set with --set task.NAME=value.",
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
    replicas: Annotated[int | None, whole(help="Networks side by side, with seeds from SEED on (default 1).")] = None,
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
    Ends with a diagnosis (is it the device or the learning rate?), and by naming the run folder: config.toml,
    metrics.jsonl, checkpoint.safetensors, report.html.

    Cells with a reference device (--set cell.kind=Referenced) can be zero-shifted before the first epoch: --set
    zero_shifting.pulses=4000, and write_error and tolerance beside it.

    Examples: mho train --data mnist --epochs 3; mho train --set update.length=1 --set
    update.update_management=true; mho train runs/digits-1/config.toml --seed 1;
    mho train --data text:war_and_peace.txt --model lstm; mho train --data csv:house.csv:price --model mlp;
    mho train --model mynet:Net --data mydata:load, from mynet.py and mydata.py of this folder;
    mho train --device mine.toml; mho train --device ecram; mho train --measured pulses.csv, which fits laws
    as mho device fit does, trains on the best, and adds device.html to the folder.
    """
    if resume and out is None:
        raise InvalidValue("--resume needs --out: the run folder to continue")
    fitted: Fitted | None = None
    device_given: str | dict[str, Any] | None = device
    if measured:
        if device is not None:
            raise InvalidValue("--measured and --device both give the device; give one of them")
        fitted, device_given = _measured_device(measured, form, measured_as, extrapolate, out, resume)
    elif measured_as is not None:
        raise InvalidValue("--measured-as has no effect without --measured; give the file of pulses too")
    elif extrapolate:
        raise InvalidValue("--extrapolate has no effect without --measured; give the file of pulses too")
    elif words_of(form):
        raise InvalidValue(f"{words_of(form)[0]} has no effect without --measured; give the file of pulses too")
    values = (task, model, data, epochs, seed, data_seed, replicas, validation, patience)
    given = dict(zip(OPTIONS, values, strict=True))
    experiment = read_experiment(config, preset, given, settings or [], out if resume else None, device_given)

    if not measured:  # nobody typed what was fitted
        _ask_about(experiment)

    import torch

    from mho.compiler.threads import set_threads
    from mho.data import load
    from mho.runs import Run, write_board

    set_threads(threads)
    torch.set_num_threads(1)  # at this size torch is fastest so, and its sums do not depend on threads
    loaded = load(experiment.training.data, data_dir)
    folder = out or next_folder(loaded.name)
    if resume and not (folder / "checkpoint.safetensors").exists():
        print(f"{folder} has no checkpoint to resume: a new run starts", file=sys.stderr)
    run = Run(experiment, folder, loaded, resume=resume)
    if run.finished:
        print(f"{folder} is finished{_how_to_go_on(run)}", file=sys.stderr)
    if fitted is not None and not run.finished:
        from mho.cli.device_fit import write_fit

        files = [f"--measured {shlex.quote(str(file))}" for file in measured or []]
        words = " ".join([*files, *(["--extrapolate"] if extrapolate else []), *words_of(form)])
        write_fit(fitted, folder, command=f"mho train {words}", page=DEVICE_PAGE)
    for sentence in run.idle:
        print(f"mho: warning: {sentence}", file=sys.stderr)
    for note in run.loop.data.notes:
        print(f"data: {note}", file=sys.stderr)
    board = write_board(run) if tensorboard else None
    ended = _watch(run, board) if not run.finished else True
    if board is not None:
        board.close()
    if ended and not (folder / "report.html").exists():
        from mho.report import write_report

        write_report(folder)
    if ended:
        print(_told(run.diagnosis), file=sys.stderr)
    if as_json:
        print(json.dumps(run.loop.progress.metrics[-1]) if run.loop.progress.metrics else "{}")
    elif ended:
        _print_errors(run)
        print(f"run folder {folder}\nreport     {folder / 'report.html'}")
    if not ended:
        print(f"stopped; continue with  mho train --out {shlex.quote(str(folder))} --resume", file=sys.stderr)
        raise typer.Exit(130)


def _measured_device(
    files: Sequence[Path], form: Format | None, kind: str | None, extrapolate: bool, out: Path | None, resume: bool
) -> tuple[Fitted | None, dict[str, Any]]:
    """The fit to measured pulses, if laws were fitted, and the table of the device to train on."""
    from mho.cli.device_fit import find_laws, fit_shown, refuse_full
    from mho.config import RPU
    from mho.measurements import JumpTables, read_measured
    from mho.measurements.fitting import device_table
    from mho.measurements.fitting.table_devices import tables_as_read
    from mho.measurements.jump_table_device import jump_table_device

    if kind not in (None, *MEASURED_AS):
        raise InvalidValue(f"--measured-as {kind}: no such way{nearest(str(kind), MEASURED_AS)}")
    if out is not None and not resume:
        refuse_full(out)
    measured = read_measured(files, form)
    if isinstance(measured, JumpTables):
        if kind == "law":
            raise InvalidValue(
                f"{measured.source}: laws are fitted to pulses, and these are jump tables: leave out law"
            )
        _refuse_extrapolate(extrapolate)
        print(f"measured: jump tables of {measured.source}, as they are", file=sys.stderr)
        return None, RPU(device=jump_table_device(measured)[0]).to_dict()["device"]
    show_reading(measured)
    if kind == "table":
        _refuse_extrapolate(extrapolate)
        made = tables_as_read(measured)
        if not made:
            raise InvalidValue(f"{measured.source}: a table needs up and down pulses, and one direction was measured")
        print("measured: JumpTable, the steps as they were measured", file=sys.stderr)
        return None, RPU(device=made[0]).to_dict()["device"]
    fitted = fit_shown(measured, find_laws(None), extrapolate=extrapolate)
    print(f"measured: {fitted.best.name} fits best; the page of the fit is {DEVICE_PAGE}", file=sys.stderr)
    for sentence in (fitted.verdict, *fitted.worth.sentences):
        print(f"measured: {sentence}", file=sys.stderr)
    return fitted, device_table(fitted.best)


def _ask_about(experiment: Experiment) -> None:
    """Show on standard error which values of devices look like per cent or another unit."""
    from mho.devices.doubts import doubts

    rpus = (experiment.rpu, *experiment.layers.values())
    for question in dict.fromkeys(question for rpu in rpus for question in doubts(rpu.device)):
        print(f"mho: warning: {question}", file=sys.stderr)


def _refuse_extrapolate(extrapolate: bool) -> None:
    if extrapolate:
        raise InvalidValue(
            "--extrapolate has no effect on a table of steps, which ends where it was measured; leave it out"
        )


def _how_to_go_on(run: Run) -> str:
    """Why a run is finished, where that is not its number of epochs, and what would go on."""
    if not run.loop.out_of_patience:
        return "; give more --epochs to go on"
    return f", {_patience_over(run)}; give more --patience to go on, or 0 for no limit"


def _patience_over(run: Run) -> str:
    patience = run.experiment.training.patience
    return f"with no lower validation {run.loop.task.measure} for {patience} epoch{'s' if patience > 1 else ''}"


def _print_errors(run: Run) -> None:
    from mho.training import best_line

    metrics, measure = run.loop.progress.metrics, run.loop.task.measure
    if run.loop.out_of_patience:
        print(f"stopped early, {_patience_over(run)}")
    print(f"test {measure} {metrics[-1]['test_error']:.2f} % after epoch {metrics[-1]['epoch']}")
    best = best_line(metrics)
    if best is not None:
        line = metrics[best]
        print(
            f"lowest validation {measure} {line['validation_error']:.2f} % after epoch {line['epoch']}, test "
            f"{line['test_error']:.2f} %: its weights are in best.safetensors"
        )


def _told(diagnosis: object) -> str:
    return f"diagnosis: not possible, {diagnosis}" if isinstance(diagnosis, Exception) else str(diagnosis)


def _watch(run: Run, board: TensorBoard | None) -> bool:
    """Train with a live display on standard error; the first Ctrl-C stops at the end of a step."""
    from mho.cli.display import TrainingDisplay
    from mho.diagnosis import silent_transfers

    with first_interrupt() as asked, TrainingDisplay(run) as display:

        def on_step(progress: Any) -> bool:
            display.step(progress)
            return asked()

        said: set[str] = set()

        def on_epoch(progress: Any) -> None:
            display.epoch(progress)
            if board is not None:
                board(progress.metrics[-1])
            for bank, sentence in silent_transfers(run.model).items():
                if bank not in said:
                    display.say(sentence)
                    said.add(bank)

        return run.train(on_step=on_step, on_epoch=on_epoch)
