"""What mho map says, for readers: tables on a terminal."""

from __future__ import annotations

import collections
import math
from collections.abc import Callable, Sequence
from typing import Literal

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mho.cli.map_result import Result
from mho.errors import an
from mho.hardware import CYCLES, Constants, LayerCost, LayerEnergy, NetworkTime, Placed, TrainingCost

FEW = 4
"""So many layers are named one by one."""
LEAST_WIDTH = 14
"""Of the column of names, however narrow the terminal."""
LARGE, SMALL = ("", "k", "M", "G", "T"), ("m", "µ", "n", "p", "f", "a")
UNKNOWN = (
    "Not known and not counted: buffers and wiring between arrays, pooling, normalisation and control, what circuits "
    "draw while they wait, how conductances are spread."
)
CONSTANTS = "Most constants of the energy are assumed: --energy lists them, --constants FILE gives yours."
Column = tuple[str, str, Callable[[Placed], str]]
"""Heading, footer, and what a layer has there."""


def show(result: Result) -> None:
    """Print the table of arrays, the time of an example, and what there is beside."""
    console = Console(highlight=False)
    weights = sum(layer.row.weights for layer in result.time.layers)
    console.print(
        f"{escape(result.name)} on arrays: {weights:,} weights, {result.time.macs:,} MACs {result.an_example}"
    )
    console.print(f"T: vectors {result.an_example}. A cycle takes T·t_meas. %: shares of MACs and of time.\n")
    table = _layers(result)
    wanted = console.measure(table, options=console.options.update(max_width=1000)).maximum
    # columns stand closer on a narrow terminal
    console.print(table if wanted <= console.width else _layers(result, gap=0))
    console.print()
    console.print(_times(result.time, result.an_example))
    console.print()
    if any(_has_rule(layer) for layer in result.time.layers):
        console.print(_updates(result.time, result.an_example))
        console.print()
    console.print(_bullets(_notes(result)))
    if result.cost is not None:
        console.print()
        console.print(_cost(result.cost, result.example))
        console.print()
        console.print(_bullets(_cost_notes(result.cost, result.example)))
    if result.energy is not None and result.constants is not None:
        console.print()
        console.print(_energy(result.energy, result.an_example))
        console.print()
        console.print(_sources(result.constants))
        console.print()
    if result.constants is not None:
        console.print(_bullets([UNKNOWN if result.energy is not None else f"{UNKNOWN} {CONSTANTS}"]))


# The arrays --------------------------------------------------------------------------------------


def _layers(result: Result, *, gap: int = 1) -> Table:
    time, layers = result.time, result.time.layers
    devices = sum(layer.cross_points for layer in layers)
    columns: list[Column] = [
        ("layer", "all", lambda p: p.row.layer),
        ("out × in", "", _size),
        ("devices", amount(devices), lambda p: amount(p.cross_points)),
        ("T", "", lambda p: f"{p.row.vectors:,}" + (f"/{p.copies}" if p.copies > 1 else "")),
        ("MACs", amount(time.macs), lambda p: amount(p.row.macs)),
        ("%", "", lambda p: share(time.share_of_macs(p))),
        ("array", "", lambda p: p.size.name),
        ("a cycle", duration(time.sequential), lambda p: duration(p.cycle)),
        ("%", "", lambda p: share(time.share_of_time(p))),
    ]
    table = _plain_table(gap=gap)
    for heading, footer, _ in columns:
        if heading == "layer":
            table.add_column(heading, footer=footer, overflow="fold", min_width=min(LEAST_WIDTH, _longest(layers)))
        else:
            table.add_column(heading, footer=footer, justify="right", no_wrap=True)
    for layer in layers:
        table.add_row(*(escape(cell(layer)) for _, _, cell in columns))
    return table


def _size(layer: Placed) -> str:
    """Of one matrix, its groups and its tiles."""
    row = layer.row
    lines = [f"{row.out} × {row.inputs}"]
    if row.groups > 1:
        lines.append(f"{row.groups} groups")
    if layer.tiles > 1:
        lines.append(f"{layer.tiles} of {layer.tile_out} × {layer.tile_inputs}")
    return "\n".join(lines)


def _longest(layers: Sequence[Placed]) -> int:
    return max(len(layer.row.layer) for layer in layers)


def _plain_table(title: str = "", caption: str = "", gap: int = 1) -> Table:
    return Table(
        title=title or None, caption=caption or None, title_justify="left", caption_justify="left",
        box=box.SIMPLE_HEAD, show_footer=True, show_edge=False, pad_edge=False, padding=(0, gap, 0, 0),
    )  # fmt: skip


def _bullets(notes: Sequence[str]) -> Table:
    grid = Table.grid(padding=(0, 1))
    for note in notes:
        grid.add_row("•", escape(note))
    return grid


def _times(time: NetworkTime, an_example: str) -> Table:
    table = _plain_table(gap=2)
    table.show_footer = False
    table.add_column(f"time of {an_example}")
    table.add_column("layer after layer", justify="right")
    table.add_column("pipelined", justify="right")
    table.add_row("inference: 1 cycle (forward)", duration(time.sequential), duration(time.pipelined))
    training = [duration(t) for t in (time.training, time.training_bottleneck.training)]
    table.add_row(f"training: {len(CYCLES)} cycles ({', '.join(CYCLES)})", *training)
    return table


def _has_rule(layer: Placed) -> bool:
    """Whether the update of a layer is more than pulses on one bank."""
    cell = layer.row.cell
    return len(cell.banks) > 1 or bool(cell.events) or cell.per_weight > 0


def _updates(time: NetworkTime, an_example: str) -> Table:
    """Of the update cycle with transfers and digital memory."""
    layers = [layer for layer in time.layers if _has_rule(layer)]
    columns: list[tuple[str, str, Callable[[Placed], str]]] = [
        ("layer", "all", lambda p: p.row.layer),
        ("banks", "", lambda p: ", ".join(bank.name for bank in p.row.cell.banks)),
        ("column\nreads", "", lambda p: f"{p.column_reads:.3g}"),
        ("column\nwrites", "", lambda p: f"{p.column_writes:.3g}"),
        ("digital\noperations", "", lambda p: amount(round(p.operations))),
        ("time", "", lambda p: duration(p.update_vector)),
        (an_example, duration(sum(p.update for p in layers)), lambda p: duration(p.update)),
        ("digital\nnumbers", amount(sum(p.memory for p in layers)), lambda p: amount(p.memory)),
    ]
    table = _plain_table(
        f"updates with transfers: reads, writes, operations and time of a vector, time of {an_example}",
        "Digital numbers: memory of all arrays, a vector and its errors included.",
    )
    for heading, footer, _ in columns:
        side: Literal["left", "right"] = "left" if heading in ("layer", "banks") else "right"
        table.add_column(heading, footer=footer, justify=side, overflow="fold")
    for layer in layers:
        table.add_row(*(escape(cell(layer)) for _, _, cell in columns))
    return table


def _rule_notes(layers: Sequence[Placed]) -> list[str]:
    """What the table of updates counts, and what it does not."""
    if not layers:
        return []
    notes = ["Each event is taken to write its columns, also where no pulse is due; a counted run says what was sent."]
    unseen = {bank.name for layer in layers for bank in layer.row.cell.banks if not bank.read}
    if unseen:
        notes.append(f"Forward and backward reads do not see the banks {', '.join(sorted(unseen))}.")
    fixed = {bank.name for layer in layers for bank in layer.row.cell.banks if bank.fixed_reference}
    if fixed:
        notes.append(
            f"The fixed references of {', '.join(sorted(fixed))} are not counted: neither the devices or numbers that "
            "store them, nor what reads them."
        )
    if any(layer.size.t_pulse is None for layer in layers):
        notes.append(
            "A column's writing takes t_meas, as every update does; with the time of a pulse (t_pulse in --arrays "
            "FILE) trains and writings take their pulses."
        )
    if any(layer.size.operations is None for layer in layers):
        notes.append("Digital operations take no time here; --arrays FILE gives how many an array's circuits do a ns.")
    return notes


def _notes(result: Result) -> list[str]:
    time, slowest = result.time, result.time.bottleneck
    split = f" over {slowest.copies} copies" if slowest.copies > 1 else ""
    notes = [
        f"A pipeline takes as long as its slowest layer: {slowest.row.layer}, T = {slowest.row.vectors:,}{split} × "
        f"{duration(slowest.size.t_meas)} = {duration(slowest.cycle)}, with {share(time.share_of_macs(slowest))} % of "
        "the MACs. In pipelined training {result.an_example} enters before the updates of those ahead of "
        "it are done."
    ]
    if cut := [p for p in time.layers if not p.fits]:
        spread = ", ".join(
            f"{p.row.layer} ({p.row.out * p.row.devices} × {p.row.inputs}) over {p.tiles} of {p.size.name}" for p in cut
        )
        notes.append(f"No array holds these whole, so each is spread: {spread}. Partial sums are added digitally.")
    if scaled := [p.row for p in time.layers if p.row.scale]:
        factors = ", ".join(f"{row.layer} {row.scale}" for row in scaled)
        notes.append(
            f"Digital factors between weights and arrays: {factors}. Their products are counted with the activations."
        )
    notes += _rule_notes([layer for layer in time.layers if _has_rule(layer)])
    if any(p.copies > 1 for p in time.layers):
        notes.append("Copies are taken to be alike; the time and energy of keeping them so are not counted.")
    notes += [
        f"{result.an_example.capitalize()} goes through {p.row.layer} {p.row.uses} times; T counts them all."
        for p in time.layers
        if p.row.uses > 1
    ]
    if result.digital:
        kinds = collections.Counter(layer.kind for layer in result.digital)
        named = ", ".join(layer.name for layer in result.digital) if len(result.digital) <= FEW else ""
        what = ", ".join(f"{number} {kind}" for kind, number in kinds.items())
        parameters = sum(layer.parameters for layer in result.digital)
        notes.append(f"Digital: {what}{f' ({named})' if named else ''}, {parameters:,} parameters.")
    if result.idle:
        more = f" and {len(result.idle) - FEW} more" if len(result.idle) > FEW else ""
        notes.append(
            f"Not reached by the {result.example}, and not in the table: {', '.join(result.idle[:FEW])}{more}."
        )
    return notes


# Energy ------------------------------------------------------------------------------------------


def _energy(layers: Sequence[LayerEnergy], an_example: str) -> Table:
    columns: list[tuple[str, Callable[[LayerEnergy], float]]] = [
        ("forward", lambda e: e.forward.total),
        ("backward", lambda e: e.backward.total),
        ("update ≤", lambda e: e.update_bound.total),
        *([("transfers\n≤", lambda e: e.transfers.total)] if any(e.transfers.total for e in layers) else []),
        ("arrays", lambda e: e.forward.arrays),
        ("inputs", lambda e: e.forward.inputs),
        ("outputs", lambda e: e.forward.outputs),
        ("digital", lambda e: e.forward.digital),
    ]
    table = _plain_table(
        f"energy of {an_example}; the last four columns are the parts of forward",
        "Update ≤: every line pulses in every slot. mho map --run DIR shows what training took.",
    )
    table.add_column("layer", footer="all", overflow="fold")
    for heading, cell in columns:
        table.add_column(heading, footer=joules(sum(map(cell, layers))), justify="right")
    for layer in layers:
        table.add_row(escape(layer.placed.row.layer), *(joules(cell(layer)) for _, cell in columns))
    return table


def _sources(constants: Constants) -> Table:
    table = _plain_table("constants of the energy model; assumed: an order of magnitude, not a measurement")
    table.show_footer = False
    for heading in ("constant", "value", "source"):
        table.add_column(heading, justify="right" if heading == "value" else "left", no_wrap=heading != "source")
    for name, constant in constants.table.items():
        counted = constant.unit in ("slots", "writes")
        value = f"{constant.value:g} {constant.unit}" if counted else si(constant.value, constant.unit)
        table.add_row(name, value, escape(constant.source))
    return table


def _cost(cost: TrainingCost, example: str) -> Table:
    trained = f"{cost.images:,} {example}s" if cost.images else f"{example}s not known"
    table = _plain_table(f"what training cost a network ({trained})")
    columns: list[tuple[str, str, Callable[[LayerCost], str]]] = [
        ("layer", "all", lambda c: c.placed.row.layer),
        ("pulses", "", lambda c: f"{c.pulses:,.0f}"),
        ("steps", "", lambda c: f"{c.coincidences:,.0f}"),
        ("steps a\ndevice", "", lambda c: f"{c.writes:,.4g}"),
        ("pulses and\nsteps take", _between(cost.update), lambda c: _between(c.update)),
        ("drawing\ntrains", _known(cost.trains), lambda c: _known(c.trains)),
        ("reads", _known(cost.reads), lambda c: _known(c.forward, c.backward, c.transfers)),
    ]
    for heading, footer, _ in columns:
        side: Literal["left", "right"] = "left" if heading == "layer" else "right"
        table.add_column(heading, footer=footer, justify=side, overflow="fold")
    for layer in cost.layers:
        table.add_row(*(escape(cell(layer)) for _, _, cell in columns))
    return table


def _between(ends: tuple[float, float]) -> str:
    least, most = map(joules, ends)
    return least if least == most else f"{least} to {most}"


def _known(*parts: float | None) -> str:
    return "–" if None in parts else joules(sum(part for part in parts if part is not None))


def _cost_notes(cost: TrainingCost, example: str) -> list[str]:
    notes = []
    if not any(layer.pulses for layer in cost.layers):
        return ["The arrays counted no pulses: the update was exact, or nothing was trained yet."]
    worst = cost.most_written
    if cost.images:
        ends = (cost.update[0] / cost.images, cost.update[1] / cost.images)
        notes.append(
            f"In the arrays an update takes {_between(ends)} {an(example)}. The most written devices, those of "
            f"{worst.placed.row.layer}{_bank(worst)}, take {worst.writes / cost.images:.3g} steps {an(example)}."
        )
    else:
        notes.append(f"This folder was written before mho noted the number of {example}s; reads are not known.")
    if cost.lifetime is not None:
        notes.append(
            f"With an endurance of {cost.endurance:g} steps, the mean device of {worst.placed.row.layer}{_bank(worst)} "
            f"is worn out after {cost.lifetime:,.3g} trainings like this one. How steps are spread over the "
            "devices is not counted."
        )
    notes.append(
        "Pulses of rows and columns are counted together, so what they take has a range: least if all were on the "
        "shorter lines, most if on the longer."
    )
    return notes


def _bank(cost: LayerCost) -> str:
    """Return the most written bank in words, where there are several."""
    return f" ({cost.most_written.bank} bank)" if len(cost.banks) > 1 else ""


# Numbers -----------------------------------------------------------------------------------------


def amount(number: int) -> str:
    """A count as the paper prints it: 1.14 G, 448 M, 66 k."""
    for scale, letter, digits in ((1e9, "G", 2), (1e6, "M", 0), (1e3, "k", 0)):
        if number >= scale:
            return f"{number / scale:.{digits}f} {letter}"
    return str(number)


def share(part: float) -> str:
    """A share from 0 to 1 in per cent."""
    per_cent = 100 * part
    if 0 < per_cent < 0.1:
        return "< 0.1"
    return f"{per_cent:.0f}" if per_cent >= 9.95 or per_cent == 0 else f"{per_cent:.1f}"


def duration(nanoseconds: float) -> str:
    """A time with a unit that suits it."""
    return si(nanoseconds * 1e-9, "s", digits=4)


def joules(energy: float) -> str:
    """An energy with a unit that suits it."""
    return si(energy, "J")


def si(value: float, unit: str, *, digits: int = 3) -> str:
    """A number greater than 0 with the prefix that suits it; 0 without a unit."""
    if not value:
        return "0"
    power = min(max(math.floor(math.log10(value * (1 + 1e-12)) / 3), -len(SMALL)), len(LARGE) - 1)
    prefix = LARGE[power] if power >= 0 else SMALL[-power - 1]
    return f"{value / 1000.0**power:.{digits}g} {prefix}{unit}"
