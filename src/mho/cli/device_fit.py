"""mho device fit: laws fitted to measured pulses."""

from __future__ import annotations

import dataclasses
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar, final

import typer

from mho.bar import Bar
from mho.cli.figures import FigureFolder, FigureFormat, Figures, FigureStyle, FigureWidth
from mho.cli.interrupt import nothing_written
from mho.cli.measured import read_pulses_of, reads_pulses, words_of
from mho.errors import InvalidValue, nearest
from mho.files import refuse_full

if TYPE_CHECKING:
    from mho.devices import Device
    from mho.diagnosis import Trial
    from mho.fitting import Fitted
    from mho.fitting.match import Match
    from mho.fitting.progress import Watch
    from mho.measurements import Format, Measurement

T = TypeVar("T")

BEST, REPORT = "device.toml", "report.html"
EVERY = 5.0
"""Seconds between lines on progress where standard error is no terminal."""
MUCH = 1e5
"""A difference that is described by its size alone."""
MEANINGS = (
    "off by: distance of simulated readings from the measured readings, in % of the range; left out: log density of "
    "readings that a fit has not seen; below best: how far a law's log density is below the best law's, ± the "
    "standard error of the difference"
)
"""What the columns of the ranking are."""


@reads_pulses
def fit(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Text tables of pulses; several files are several devices.")
    ],
    out: Annotated[Path, typer.Option(help="Folder to make.")],
    law: Annotated[
        list[str] | None,
        typer.Option(help="Law to fit, or your own as module:Class; may be repeated (default: the five of mho)."),
    ] = None,
    w_max: Annotated[
        float, typer.Option(help="Scale: the measured range of conductance becomes weights from -W_MAX to W_MAX.")
    ] = 0.6,
    spread: Annotated[
        float | None,
        typer.Option(
            help="Assumed spread of step and bounds from device to device (0.3 = 30 %), for files that measure a "
            "single device."
        ),
    ] = None,
    extrapolate: Annotated[
        bool,
        typer.Option(
            "--extrapolate", help="Take bounds that the fit puts beyond the measured range, where nobody has measured."
        ),
    ] = False,
    trial: Annotated[
        bool,
        typer.Option(
            "--trial", help="Also train LeNet on the digits with the device, and with a shifted zero (a minute or two)."
        ),
    ] = False,
    figures: FigureFolder = None,
    picture: FigureFormat = "png",
    style: FigureStyle = "page",
    width: FigureWidth = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")] = False,
    *,
    form: Format | None,
) -> None:
    """Fit laws to measured pulses, and make a device of the best.

    Layout, delimiter, decimal sign and turning points are found out, or given;
    what each column was taken as, and why, is shown first.
    Each law is fitted by maximum likelihood; laws are ranked by how well they
    predict readings that their fit has not seen.

    The folder gets device.toml, which mho train --device takes; a file for
    each other law; fit.json; and report.html: measured and simulated
    staircases, residuals, errors, what the device is worth for training, and
    what these data cannot determine.

    Examples: mho device fit pulses.csv --out fitted; mho device fit a.csv
    b.csv --law SoftBounds --law my_devices:Ferro --out fitted.
    """
    refuse_full(out)
    shown = Figures(folder=figures, format=picture, style=style, width=width)
    laws = find_laws(law)

    given = {"--law": law, "--w-max": None if w_max == 0.6 else w_max, "--spread": spread,
             "--extrapolate": extrapolate or None, "--trial": trial or None}  # fmt: skip
    measurement = read_pulses_of(files, form)
    fitted = fit_shown(measurement, laws, w_max=w_max, spread=spread, extrapolate=extrapolate)
    command = " ".join(["mho device fit", *(shlex.quote(str(f)) for f in files), *_options(given), *words_of(form)])
    tried = trial_shown(fitted.best.device) if trial else None
    with shown.written(quiet=as_json):
        written = write_fit(fitted, out, command=f"{command} --out {shlex.quote(str(out))}", tried=tried)
    if as_json:
        print(written["fit.json"].rstrip())
        return
    show(fitted, () if tried is None else tried.sentences)
    print(f"device {out / BEST}\nreport {out / REPORT}")


def find_laws(names: Sequence[str] | None) -> list[type[Device]]:
    """Laws to fit by name; without names those of mho."""
    from mho.devices import LAWS
    from mho.fitting import PARAMETRIC
    from mho.tables import find_law

    known = {name: law for name, law in LAWS.items() if law.pulse_driven}
    if not names:
        return list(PARAMETRIC)
    wrong = [name for name in names if name not in known and ":" not in name]
    if wrong:
        raise InvalidValue(
            "; ".join(f"--law {name}: no law to fit by this name{nearest(name, known)}" for name in wrong)
            + " (your own is module:Class)"
        )
    return list(dict.fromkeys(known.get(name) or find_law(name) for name in names))


@final
class FitBar(Bar[tuple[str, int, int]]):
    """Progress of a fit: on a terminal a bar with the part that is fitted, elsewhere a line every `EVERY` seconds."""

    def __init__(self) -> None:
        super().__init__("{task.fields[what]}", "left about", total=1, what="fitting")
        self.shown_at = time.monotonic()

    def step(self, progress: tuple[str, int, int]) -> None:
        what, done, parts = progress
        self.update(done / parts, what=what)
        if not self.is_live and time.monotonic() - self.shown_at > EVERY:
            self.shown_at = time.monotonic()
            self.say(f"{what} ({done} of {parts} parts done)")


def fit_shown(
    measurement: Measurement,
    laws: Sequence[type[Device]],
    *,
    w_max: float = 0.6,
    spread: float | None = None,
    extrapolate: bool = False,
) -> Fitted:
    """Fit, with progress on standard error. Ctrl-C says that nothing was written."""
    from mho.fitting import fit_laws

    return watched(
        lambda watch: fit_laws(measurement, laws, w_max=w_max, spread=spread, extrapolate=extrapolate, watch=watch)
    )


def trial_shown(device: Device) -> Trial:
    """Return the result of a trial training on a device, with progress on standard error."""
    from mho.diagnosis import trial

    return watched(lambda watch: trial(device, watch=watch))


def watched(work: Callable[[Watch], T]) -> T:
    """Do work with its progress on standard error. Ctrl-C says that nothing was written."""
    with nothing_written(), FitBar() as bar:
        return work(lambda *progress: bar.step(progress))


def write_fit(
    fitted: Fitted, folder: Path, *, command: str, page: str = REPORT, tried: Trial | None = None
) -> dict[str, str]:
    """Write the files of a fit, all made before the first is written; they are returned by name."""
    from mho.files import write_atomically
    from mho.fitting import fit_files
    from mho.report import fit_page
    from mho.version import VERSION

    numbers = None if tried is None else dataclasses.asdict(tried)
    sentences = () if tried is None else tried.sentences
    files = fit_files(fitted, command=command, version=VERSION, trial=numbers)
    files[page] = fit_page(fitted, command=command, version=VERSION, device_toml=files[BEST], tried=sentences)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        write_atomically(folder / name, text.encode())
    return files


def show(fitted: Fitted, tried: Sequence[str] = ()) -> None:
    """Print the ranking, the best law's parameters, and what the data cannot determine, on standard output."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, soft_wrap=True)
    table = Table(box=None, pad_edge=False)
    unseen = any(made.match.unseen is not None for made in fitted.judged)
    for name in ("law", "off by", *(["off unseen"] if unseen else []), "below best", "±", "left out", "parameters"):
        table.add_column(name, justify="left" if name == "law" else "right")
    for law in fitted.laws:
        score = law.score
        numbers = (_size(score.behind), _size(score.error), f"{score.total:.5g}", str(law.count))
        table.add_row(law.name, *_off(law.match, unseen), *numbers)
    for made in fitted.tables:
        table.add_row(made.name, *_off(made.match, unseen), *["–"] * 4)
    console.print(table)
    console.print(MEANINGS)
    console.print(f"\n{fitted.verdict}")
    several = len(fitted.traces) > 1
    values = Table(box=None, pad_edge=False)
    for name in (fitted.best.name, "value", "±", *(["spread"] if several else []), ""):
        values.add_column(name, justify="left" if name in (fitted.best.name, "") else "right", overflow="fold")
    for p in fitted.best.parameters:
        error = "–" if p.error is None else f"{p.error:.2g}"
        spread = ["–" if p.spread is None else f"{100 * p.spread:.0f} %"] if several else []
        values.add_row(p.name, f"{p.value:.5g}", error, *spread, p.note)
    console.print()
    console.print(values)
    console.print("\nfor training:")
    for sentence in (*fitted.worth.sentences, *tried):
        console.print(f"- {sentence}", markup=False)
    console.print("\nwhat these data cannot determine:")
    for sentence in fitted.untold:
        console.print(f"- {sentence}", markup=False)


def _off(match: Match, unseen: bool) -> list[str]:
    """Distances from the measured readings, in per cent of the range."""
    parts = [match.apart, *([match.unseen] if unseen else [])]
    return ["–" if part is None else f"{100 * part:.2g} %" for part in parts]


def _size(value: float) -> str:
    return f"{value:.1f}" if value < MUCH else f"{value:.2g}"


def _options(given: Mapping[str, object]) -> list[str]:
    words: list[str] = []
    for name, value in given.items():
        for one in value if isinstance(value, list) else [value]:
            if one is not None:
                words += [name] if one is True else [name, shlex.quote(str(one))]
    return words
