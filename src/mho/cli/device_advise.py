"""mho device advise: which learning rule a device needs."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mho.cli.device_fit import BEST, REPORT, watched
from mho.cli.devices import Named, find_device_shown, trained_on
from mho.cli.figures import FigureFolder, FigureFormat, Figures, FigureStyle, FigureWidth
from mho.cli.measured import reads_pulses, words_of
from mho.errors import InvalidValue
from mho.files import refuse_full

if TYPE_CHECKING:
    from mho.devices import Device
    from mho.diagnosis import Advice
    from mho.measurements import Format

NUMBERS = "advise.json"
RATES = "learning rates matter as much as rules: train each also at a fifth of these before you compare them"


@reads_pulses
def advise(
    name: Named,
    reference_error: Annotated[
        float,
        typer.Option(help="Standard deviation of the errors of references, in units of the weight that is reached."),
    ] = 0.1,
    vectors: Annotated[int, typer.Option(help="Vectors that each rule learns from.")] = 30_000,
    out: Annotated[Path | None, typer.Option(help="Folder to make: report.html, advise.json, device.toml.")] = None,
    figures: FigureFolder = None,
    picture: FigureFormat = "png",
    style: FigureStyle = "page",
    width: FigureWidth = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")] = False,
    *,
    form: Format | None,
) -> None:
    """Compare the learning rules on a device, and say which to try in a network.

    Each rule, at the defaults of its cell, brings a 20×20 array of the device
    to given weights, from Gaussian vectors (Rasch et al. 2024, Fig. 4), with
    three seeds, and with exact and with wrong references side by side. The
    answer is the error that is left in per cent of the weight that the device
    reaches, with memory, pulses and time, and one sentence. It takes a minute
    or two.

    One array is no network: a rule that is first there may fail in a network.
    Two or three rules stand below with the command that trains LeNet on MNIST
    with each; a rule is to be taken by what comes out of those.

    Examples: mho device advise reram_array_om; mho device advise pulses.csv
    --out advice; mho device advise mine.toml --reference-error 0.3.
    """
    shown = Figures(folder=figures, format=picture, style=style, width=width)
    if figures is not None and out is None:
        raise InvalidValue("--figures takes the figures of the page of --out; name its folder too, --out advice")
    if out is not None:
        refuse_full(out)

    from mho.diagnosis import advise as ask

    device = find_device_shown(name, form)
    advice = watched(lambda watch: ask(device, reference_error=reference_error, vectors=vectors, watch=watch))
    numbers = json.dumps(advice.to_dict(), indent=1)
    if out is not None:
        given = {"--reference-error": (reference_error, 0.1), "--vectors": (vectors, 30_000)}
        words = [f"{option} {value}" for option, (value, usual) in given.items() if value != usual]
        words += [*words_of(form), f"--out {shlex.quote(str(out))}"]
        command = " ".join(["mho device advise", shlex.quote(name), *words])
        with shown.written(quiet=as_json):
            write_advice(advice, device, name, out, numbers=numbers, command=command)
    if as_json:
        print(numbers)
        return
    show(advice, name)
    on = trained_on(name, form) if out is None else trained_on(str(out / BEST), None)
    for rule in advice.candidates:
        print(f"\n# {rule.rule}\nmho train {on} {advice.training(rule)}")
    if advice.candidates:
        print(f"\n{RATES}")
    if out is not None:
        print(f"\nreport {out / REPORT}\nnumbers {out / NUMBERS}\ndevice {out / BEST}")


def write_advice(advice: Advice, device: Device, name: str, folder: Path, *, numbers: str, command: str) -> None:
    """Write page, numbers and device, all made before the first is written."""
    from mho.files import write_atomically
    from mho.report import advice_page
    from mho.tables import table_of
    from mho.toml_files import write_toml
    from mho.version import VERSION

    toml = write_toml({"device": table_of(device)})
    page = advice_page(advice, device=name, command=command, version=VERSION, device_toml=toml)
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in ((NUMBERS, numbers + "\n"), (BEST, toml), (REPORT, page)):
        write_atomically(folder / file, text.encode())


def show(advice: Advice, name: str) -> None:
    """Print question, numbers, table, rules that cannot be used and advice on standard output.

    Args:
        advice: on the device.
        name: of the device, as it was given.
    """
    from rich.console import Console
    from rich.table import Table

    from mho.diagnosis.questions import RULE, headlines_in_words
    from mho.diagnosis.rules import NAMES

    console = Console(highlight=False, soft_wrap=True)
    console.print(RULE.of(name), style="bold", markup=False)
    console.print(f"{headlines_in_words(advice.headlines)}\n", markup=False)
    off = f"{100 * advice.reference_error:.3g} %"
    console.print(
        f"errors in % of the largest weight, mean and half the range of {len(advice.seeds)} seeds, with exact "
        f"references and with references off by {off}; an array that learns nothing has {advice.begins:.0f} %\n"
    )
    table = Table(box=None, pad_edge=False)
    for head in ("rule", "exact", f"off {off}", "memory", "pulses", "lines", "time"):
        table.add_column(head, justify="left" if head == "rule" else "right")
    for rule in advice.learned:
        table.add_row(
            rule.rule,
            of_seeds(rule.exact),
            (of_seeds(rule.error) if rule.referenced else "none") + ("↓" if rule.falling else ""),
            f"{rule.devices}+{rule.numbers}" + ("*" if rule.digital else ""),
            "/".join(short(pulses) for pulses in rule.pulses.values()),
            short(rule.lines),
            f"{rule.seconds:.0f} s",
        )
    console.print(table)
    words = [
        "\nmemory: devices (reference devices included) + numbers of a weight",
        "pulses: of a device in 1,000 vectors, bank by bank",
        "lines: columns read or written between 1,000 vectors",
        "time: of this simulation",
        NAMES,
        "none: the rule has no references",
        *(["↓: still falling"] if any(rule.falling for rule in advice.learned) else []),
        *(["*: the outer product is digital"] if any(rule.digital for rule in advice.learned) else []),
    ]
    console.print("; ".join(words), markup=False)
    for rule in advice.rules:
        if rule.refused:
            console.print(f"not {rule.rule}: {rule.refused}", markup=False)
    console.print(f"\n{advice.sentence}\n{RULE.beside}", markup=False)


def of_seeds(errors: tuple[float, ...]) -> str:
    """Return the mean of some errors and half their range."""
    return f"{sum(errors) / len(errors):.1f} ± {(max(errors) - min(errors)) / 2:.1f}"


def short(number: float) -> str:
    """Return a number that need not be exact: whole from 10 on, two digits below."""
    return f"{number:.0f}" if number >= 10 else f"{number:.2g}"
