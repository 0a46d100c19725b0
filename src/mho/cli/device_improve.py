"""mho device improve: what to improve in a device, and by how much the error falls."""

from __future__ import annotations

import csv
import io
import json
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, final

import typer

from mho.bar import Bar
from mho.cli import names
from mho.cli.configs import read_experiment
from mho.cli.device_fit import REPORT
from mho.cli.devices import WORDS, find_device_shown, trained_on
from mho.cli.interrupt import nothing_written
from mho.cli.measured import reads_pulses, words_of
from mho.cli.options import whole
from mho.errors import InvalidValue
from mho.files import refuse_full

if TYPE_CHECKING:
    from mho.measurements import Format
    from mho.runs.gains import Gains, Tried

NUMBERS, TABLE = "improve.json", "improve.csv"
NAME = 42
"""Letters of an improvement's name that fit a terminal of 80 beside its numbers."""
SHORT = {"epochs": 2, "images": 500}


@reads_pulses
def improve(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="DEVICE", help=f"{WORDS} Leave it out with --run.", autocompletion=names.complete(names.devices)
        ),
    ] = None,
    run: Annotated[
        Path | None, typer.Option(help="Run folder of mho train: improve its array, in its network on its data.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="NAME|MODULE:NET", help="Network, as in mho train (default lenet).")
    ] = None,
    data: Annotated[
        str | None, typer.Option(metavar="NAME|...", help="Data, as in mho train (default digits).")
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder with the files of a data set.")] = None,
    epochs: Annotated[int, whole(help="Passes of each training over its examples.")] = SHORT["epochs"],
    images: Annotated[
        int, whole(help="Number of training examples of each training, taken from the first; 0: all.")
    ] = SHORT["images"],
    seeds: Annotated[int, whole(help="Seeds of each array, the same for all; at least 2.")] = 4,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY", help="Try this improvement only; may be repeated (default: all but learning rules)."
        ),
    ] = None,
    rates: Annotated[
        str, typer.Option(help="Learning rates tried for each array, as multiples of the given rate; 1 keeps it.")
    ] = "0.5,1,2",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="section.key=value, as in mho train; may be repeated.")
    ] = None,
    threads: Annotated[int, whole(help="Threads for the arrays; results do not depend on it.")] = 1,
    out: Annotated[Path | None, typer.Option(help="Folder to make: report.html, improve.json, improve.csv.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the table as CSV, and nothing else.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")] = False,
    *,
    form: Format | None,
) -> None:
    """Rank what to improve in a device by how much the test error falls.

    Trains a network briefly with one property better at a time (smaller
    steps, steps up and down equal, half the spread, half the noise, wider
    bounds, more devices per weight, zero-shifting, ...; by --only also
    another learning rule), with the same seeds of devices, weights and data
    order for every change. Each change gets the best of a few learning
    rates, chosen with a seed of its own. The answer is the gain of each in
    points of test error with a 95 % interval over the seeds, and one
    sentence. It takes a minute or two; fewer --seeds, --images, or --only
    shorten it.

    Examples: mho device improve reram_es; mho device improve pulses.csv
    --out better; mho device improve --run runs/digits-1 --only smaller-steps
    --only more-devices.
    """
    if (name is None) == (run is None):
        raise InvalidValue("give a DEVICE or --run DIR, one of them, for example mho device improve reram_es")
    reading = words_of(form)
    if run is not None and reading:
        raise InvalidValue(f"{reading[0]} has no effect with --run, whose device is not read from pulses; leave it out")
    if as_csv and as_json:
        raise InvalidValue("--csv and --json both decide what is printed; give one of them")
    if out is not None:
        refuse_full(out)
    factors = _factors(rates)

    import torch

    from mho.compiler.threads import set_threads
    from mho.data import load
    from mho.diagnosis.cures import over
    from mho.runs import improve as ask
    from mho.runs.folder import CONFIG
    from mho.tables import table_of

    device = None if name is None else table_of(find_device_shown(name, form))
    config = None if run is None else run / CONFIG
    experiment = read_experiment(config, None, {"model": model, "data": data}, settings or [], None, device)
    set_threads(threads)
    torch.set_num_threads(1)
    loaded = load(experiment.training.data, data_dir)
    with nothing_written(), ImproveBar() as bar:
        gains = ask(
            experiment,
            only=only,
            seeds=seeds,
            epochs=epochs,
            images=images,
            factors=factors,
            data=loaded,
            watch=lambda *progress: bar.step(progress),
        )
    subject = str(name if run is None else run)
    numbers, table = json.dumps(gains.to_dict(), indent=1), csv_of(gains)
    if out is not None:
        chosen = [f"--only {key}" for key in only or []] + [f"--set {shlex.quote(text)}" for text in settings or []]
        given = {"--model": model, "--data": data, "--epochs": epochs, "--images": images, "--seeds": seeds}
        given |= {"--rates": rates}
        words = [f"{option} {shlex.quote(str(value))}" for option, value in given.items() if value is not None]
        of = shlex.quote(subject) if run is None else f"--run {shlex.quote(subject)}"
        command = " ".join(["mho device improve", of, *reading, *words, *chosen, f"--out {shlex.quote(str(out))}"])
        _write(gains, subject, out, {NUMBERS: numbers + "\n", TABLE: table}, command)
    if as_json or as_csv:
        print(numbers if as_json else table.rstrip())
        return
    show(gains, subject)
    if gains.clear:
        best = gains.clear[0]
        options = {"--model": model, "--data": data}
        words = [
            _train_of(name, form, run),
            *(f"{option} {value}" for option, value in options.items() if value is not None),
        ]
        own = over(settings or [], (*best.settings, f"training.lr={best.rate:g}"))
        print("\n" + " ".join([*words, *(f"--set {shlex.quote(text)}" for text in own)]))
    if out is not None:
        print(f"report {out / REPORT}\nnumbers {out / NUMBERS}\ntable {out / TABLE}")


@final
class ImproveBar(Bar[tuple[str, float, int]]):
    """Progress of trainings: on a terminal a bar with the training that runs, elsewhere a line for every tenth."""

    def __init__(self) -> None:
        super().__init__(
            "{task.fields[what]}", "{task.fields[trained]} of {task.fields[whole]} trainings, left", total=1, what="",
            trained=0, whole=0,
        )  # fmt: skip
        self._tenth = -1
        self._began = time.monotonic()

    def step(self, progress: tuple[str, float, int]) -> None:
        what, done, count = progress
        if self.due():
            self.update(done / count, what=what, trained=int(done), whole=count)
        tenth = int(10 * done / count)
        if not self.is_live and tenth > self._tenth:
            self._tenth = tenth
            left = (time.monotonic() - self._began) / done * (count - done) if done else 0.0
            self.say(f"{what}: {int(done)} of {count} trainings done" + f", about {left:.0f} s left" * (left > 1))


def show(gains: Gains, subject: str) -> None:
    """Print question, numbers, table of gains, what could not be tried and advice on standard output.

    Args:
        gains: of `mho.improve`.
        subject: what the user called the device or the run.
    """
    from rich.console import Console
    from rich.table import Table

    from mho.diagnosis.questions import IMPROVEMENT, headlines_in_words

    console = Console(highlight=False, soft_wrap=True)
    seeds = len(gains.seeds)
    console.print(IMPROVEMENT.of(subject), style="bold", markup=False)
    console.print(f"{headlines_in_words(gains.headlines)}\n", markup=False)
    console.print(
        f"{gains.model} on {gains.data}, {gains.law} devices: {gains.epochs} epoch{'s' * (gains.epochs > 1)} of "
        f"{gains.images:,} examples, "
        f"{seeds} seeds\ntest {gains.measure} in %; gain in points, with its 95 % interval over the seeds, from the "
        "array as given at its best learning rate\n"
    )
    longest = max((len(row.name) for row in gains.tried), default=0)
    for heading, rows in gains.groups:
        console.print(heading, style="bold", markup=False)
        table = Table(box=None, pad_edge=False)
        table.add_column("improve", min_width=min(longest, NAME))  # so that the columns of all tables stand in line
        for head, least in (("gain", 5), ("95 % interval", 14), (gains.measure, 5), ("rate", 5)):
            table.add_column(head, justify="right", min_width=least)
        for row in rows:
            assert row.gain is not None
            interval = f"{row.gain.low:+.1f} to {row.gain.high:+.1f}"
            table.add_row(row.name, f"{row.gain.mean:+.1f}", interval, f"{row.error:.1f}", f"×{row.factor:g}")
        console.print(table)
        console.print()
    yardsticks = Table(box=None, pad_edge=False, show_header=False)
    for row in (gains.given, gains.rate, gains.floating):
        yardsticks.add_row(row.name, f"{row.error:.1f}", f"rate ×{row.factor:g}")
    if gains.chance is not None:
        yardsticks.add_row("guessing", f"{gains.chance:.1f}", "")
    console.print(yardsticks)
    for reason, refused in _reasons(gains.refused).items():
        console.print(f"not tried: {', '.join(refused)} ({reason})", markup=False)
    console.print(f"\n{gains.sentence}\n{IMPROVEMENT.beside}", markup=False)


def csv_of(gains: Gains) -> str:
    """Return a line for each array that was trained: key, name, settings, rate, mean error, gain, interval, errors."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    errors = [f"error_seed_{seed}" for seed in gains.seeds]
    writer.writerow(["key", "name", "settings", "lr", "error", "gain", "low", "high", "verdict", *errors])
    for row in (gains.given, gains.rate, gains.floating, *gains.tried):
        gain = ["", "", "", ""] if row.gain is None else [row.gain.mean, row.gain.low, row.gain.high, row.gain.verdict]
        writer.writerow([row.key, row.name, " ".join(row.settings), row.rate, row.error, *gain, *row.errors])
    return text.getvalue()


def _train_of(name: str | None, form: Format | None, run: Path | None) -> str:
    """Return how `mho train` trains the array as given."""
    if run is not None:
        from mho.runs.folder import CONFIG

        return f"mho train {shlex.quote(str(run / CONFIG))}"
    assert name is not None
    return f"mho train {trained_on(name, form)}"


def _write(gains: Gains, subject: str, folder: Path, files: dict[str, str], command: str) -> None:
    """Write page, numbers and table, all made before the first is written."""
    from mho.files import write_atomically
    from mho.report import improve_page
    from mho.version import VERSION

    files = files | {REPORT: improve_page(gains, subject=subject, command=command, version=VERSION)}
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        write_atomically(folder / name, text.encode())


def _reasons(refused: tuple[Tried, ...]) -> dict[str, list[str]]:
    """Return the improvements that could not be tried, by the reason."""
    found: dict[str, list[str]] = {}
    for one in refused:
        found.setdefault(one.refused, []).append(one.name)
    return found


def _factors(rates: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in rates.split(","))
    except ValueError:
        raise InvalidValue(f"--rates {rates}: give numbers with commas, for example --rates 0.5,1,2") from None
