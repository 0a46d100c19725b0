"""mho map: a network as a table of arrays, its time, energy and area."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mho.cli import names
from mho.cli.figures import FigureFolder, FigureFormat, Figures, FigureStyle, FigureWidth
from mho.errors import InvalidValue, nearest
from mho.files import check_place
from mho.spoken import at_the_shell

if TYPE_CHECKING:
    from mho.config import RPU
    from mho.hardware import ArraySize

FIGURES = (".png", ".svg", ".pdf")
SHOWN = ("shares", "time", "energy", "area")


def map_(
    model: Annotated[
        str | None,
        typer.Argument(
            help="lenet, mlp, alexnet, vgg16, resnet18, or your own as module:Callable.",
            metavar="MODEL",
            autocompletion=names.complete(names.networks),
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="TOML config, as of mho train: devices, cells, updates and tiles of arrays."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="section.key=value, for example cell.kind=TikiTaka; may be repeated."),
    ] = None,
    input_shape: Annotated[
        str | None, typer.Option(metavar="3x32x32", help="Sizes of one image; a model of your own needs it.")
    ] = None,
    array: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ROWSxCOLUMNS:NS",
            help="An array there is and its t_meas; may be repeated (default 4096x4096:80 and 512x512:10).",
        ),
    ] = None,
    arrays: Annotated[
        Path | None,
        typer.Option(
            help="The same as TOML: tables named array with rows, columns, t_meas (ns); where you know them also "
            "t_pulse (ns), operations (digital operations per ns), lines_per_adc, durations."
        ),
    ] = None,
    lines_per_adc: Annotated[
        int | None,
        typer.Option(metavar="N", help="So many output lines share a converter, one after another (default 1)."),
    ] = None,
    copies: Annotated[
        list[str] | None,
        typer.Option(metavar="[LAYER=]N", help="Split each image over N arrays, for example conv1=4; may be repeated."),
    ] = None,
    devices: Annotated[
        list[str] | None,
        typer.Option(metavar="[LAYER=]N", help="Cross-points per weight, for example conv2=13; may be repeated."),
    ] = None,
    tile: Annotated[
        str | None,
        typer.Option(metavar="ROWSxCOLUMNS", help="Cut layers to at most this size, as RPU(tile=...) does."),
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(metavar="LAYER", help="Stays digital; a pattern; may be repeated.")
    ] = None,
    no_bias_column: Annotated[
        bool, typer.Option("--no-bias-column", help="Biases are added digitally, not by a column of the array.")
    ] = False,
    energy: Annotated[
        bool, typer.Option("--energy", help="Add the energy of each layer, and the constants of the models.")
    ] = False,
    area: Annotated[
        bool, typer.Option("--area", help="Add the parts of each layer's area, and the constants of the models.")
    ] = False,
    constants: Annotated[
        Path | None, typer.Option(metavar="FILE", help="TOML with constants of the models that differ from mho's.")
    ] = None,
    conventional: Annotated[
        str | None,
        typer.Option(metavar="TOPS:WATTS", help="Conventional hardware beside, its peak: 312:400 (default 156:400)."),
    ] = None,
    run: Annotated[
        Path | None, typer.Option(metavar="DIR", help="In place of MODEL: the arrays of a run, and what it cost them.")
    ] = None,
    figure: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw what --show names into one file; .png, .svg or .pdf."),
    ] = None,
    figures: FigureFolder = None,
    form: FigureFormat = "png",
    style: FigureStyle = "page",
    width: FigureWidth = None,
    show_: Annotated[
        list[str] | None,
        typer.Option(
            "--show",
            metavar="WHAT",
            help="What is drawn: shares (of MACs and time), time, energy, area; may be repeated (default of --figures: "
            "all; of --figure: shares, and energy and area with these options).",
        ),
    ] = None,
    exact: Annotated[bool, typer.Option("--exact", help="Print all digits of counts: 80,202, not 80 k.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, one line per layer, and nothing else.")] = False,
) -> None:
    """Show a network as arrays: sizes, multiply-accumulates (MACs), time, energy and area.

    A cycle of a layer takes T·t_meas: the T vectors of an image pass one after
    another. Inference is one cycle, a training image three: forward, backward,
    update. Each layer is put on the fastest array that holds it; what none
    holds is spread over several. LAYER is a name, or a pattern such as 'conv*'.
    Cells of several banks, with transfers between them, and the bits of
    converters come from --config or --set: they count in time and energy. All
    constants are listed with their sources, and most are assumed: the numbers
    are orders of magnitude. docs/hardware.md says what is modelled.

    Examples: mho map alexnet; mho map alexnet --array 4096x4096:80; mho map
    lenet --copies conv1=4 --figure lenet.png; mho map lenet --figures figures
    --format pdf --style paper; mho map mynet:Net --input-shape 3x32x32; mho
    map lenet --set forward.adc_bits=6 --lines-per-adc 8 --energy --area; mho
    map lenet --config tiki_taka.toml; mho map --run runs/digits-1.
    """
    drawn = Figures(folder=figures, format=form, style=style, width=width)
    is_drawn = figure is not None or figures is not None
    wanted = _check(model, run, as_json=as_json, as_csv=as_csv, figure=figure, shown=show_, is_drawn=is_drawn)
    plan = {
        "--input-shape": input_shape, "--devices": devices, "--tile": tile, "--exclude": exclude,
        "--no-bias-column": no_bias_column or None, "--config": config, "--set": settings,
    }  # fmt: skip
    if run is not None and (given := [name for name, value in plan.items() if value]):
        raise InvalidValue(f"--run takes the arrays that the run trained; leave out {', '.join(given)}")
    described = {"--devices": devices, "--tile": tile}
    if (config is not None or settings) and (given := [name for name, value in described.items() if value]):
        raise InvalidValue(f"{' and '.join(given)} would change what --config and --set describe; say it there")
    if exact and (as_json or as_csv):
        raise InvalidValue("--exact has no effect with --json and --csv, which have all digits; leave it out")

    from mho.cli.map_records import record, to_csv
    from mho.cli.map_result import Hardware, from_model, from_run
    from mho.hardware import parse_conventional

    hardware = Hardware(
        sizes=_sizes(array or [], arrays, lines_per_adc),
        copies=parse_numbers("--copies", copies or []),
        constants=constants,
        conventional=None if conventional is None else parse_conventional(conventional),
    )
    if run is not None:
        result = from_run(run, hardware)
    else:
        assert model is not None
        rpus = _rpus(config, settings or [], parse_numbers("--devices", devices or []), parse_tile(tile))
        with at_the_shell("--exclude {}"):
            result = from_model(
                model,
                input_shape,
                hardware,
                rpus=rpus,
                exclude=exclude or [],
                bias_column=not no_bias_column,
            )
    if figure is not None:
        from mho.report import save_map

        kinds = wanted or ["shares", *(["energy"] if energy else []), *(["area"] if area else [])]
        save_map(result.name, result.example, kinds, figure, energy=result.energy, area=result.area, time=result.time)
    if as_json:
        print(json.dumps(record(result, energy=energy, area=area)))
    elif as_csv:
        print(to_csv(result, energy=energy, area=area), end="")
    else:
        from mho.cli.map_display import show

        show(result, energy=energy, area=area, exact=exact)
        if figure is not None:
            print(f"figure {figure}")
    if figures is not None:
        from mho.report import map_gallery

        kinds = wanted or list(SHOWN)
        pictures = map_gallery(
            result.name, result.example, kinds, energy=result.energy, area=result.area, time=result.time
        )
        drawn.save(pictures, quiet=as_json or as_csv)


def _check(
    model: str | None,
    run: Path | None,
    *,
    as_json: bool,
    as_csv: bool,
    figure: Path | None,
    shown: list[str] | None,
    is_drawn: bool,
) -> list[str]:
    """Return what figures are to show; raise for options that do not go together."""
    if (model is None) == (run is None):
        given = "both were given" if run is not None else "neither was given"
        raise InvalidValue(f"give a MODEL, for example mho map lenet, or --run DIR; {given}")
    if as_json and as_csv:
        raise InvalidValue("--json and --csv both print; give one of them")
    if figure is not None and figure.suffix.lower() not in FIGURES:
        raise InvalidValue(f"--figure {figure}: name a file that ends in {', '.join(FIGURES)}")
    check_place(figure)
    wanted = list(dict.fromkeys(part.strip() for text in shown or [] for part in text.split(",")))
    faults = [f"--show {kind!r}: {nearest(kind, SHOWN).removeprefix('; ')}" for kind in wanted if kind not in SHOWN]
    if wanted and not is_drawn:
        faults.append("--show says what is drawn; add --figure FILE or --figures DIR")
    if faults:
        raise InvalidValue("; ".join(faults), faults)
    return wanted


def _rpus(
    config: Path | None, settings: Sequence[str], devices: Mapping[str, int], tile: tuple[int, int] | None
) -> tuple[RPU, Mapping[str, RPU]]:
    """Return what arrays are made of, and other arrays for some layers by name pattern."""
    from mho.cells import Replicated
    from mho.cli.configs import read_experiment
    from mho.config import RPU

    if config is None and not settings:
        rpu = RPU(tile=tile)
        return rpu, {pattern: rpu.replace(cell=Replicated(number)) for pattern, number in devices.items()}
    experiment = read_experiment(config, None, {}, settings, None)
    return experiment.rpu, experiment.layers


def _sizes(texts: Sequence[str], file: Path | None, lines_per_adc: int | None) -> Sequence[ArraySize]:
    """Return the arrays there are."""
    from mho.hardware import GOKMEN_2017, parse_size, read_sizes

    if texts and file is not None:
        raise InvalidValue("--array and --arrays both say which arrays there are; give one of them")
    if file is not None:
        if lines_per_adc is not None:
            raise InvalidValue("--lines-per-adc would change what --arrays describes; write lines_per_adc there")
        return read_sizes(file)
    sizes = [parse_size(text) for text in texts] or GOKMEN_2017
    if lines_per_adc is None:
        return sizes
    if lines_per_adc < 1:
        raise InvalidValue(f"--lines-per-adc is {lines_per_adc}; give how many lines share a converter, at least 1")
    return [dataclasses.replace(size, lines_per_adc=lines_per_adc) for size in sizes]


def parse_numbers(option: str, texts: Sequence[str]) -> Mapping[str, int]:
    """Read `LAYER=N` as pattern to number; N alone is for every layer, and counts where no other pattern matches."""
    numbers: dict[str, int] = {}
    for text in texts:
        found = re.fullmatch(r"\s*(?:(.+?)\s*=)?\s*(\d+)\s*", text)
        if found is None or int(found[2]) < 1:
            raise InvalidValue(f"{option} {text!r}: write LAYER=N, N at least 1, for example {option} conv1=4")
        pattern = found[1] or "*"
        if pattern in numbers:
            raise InvalidValue(f"{option} names {pattern!r} twice; give it once")
        numbers[pattern] = int(found[2])
    if "*" in numbers:
        numbers["*"] = numbers.pop("*")
    return numbers


def parse_tile(text: str | None) -> tuple[int, int] | None:
    """Read `ROWSxCOLUMNS` as two numbers."""
    if text is None:
        return None
    found = re.fullmatch(r"\s*(\d+)\s*[x×]\s*(\d+)\s*", text)
    if found is None or not int(found[1]) or not int(found[2]):
        raise InvalidValue(f"--tile {text!r}: write ROWSxCOLUMNS, each at least 1, for example --tile 64x256")
    return int(found[1]), int(found[2])
