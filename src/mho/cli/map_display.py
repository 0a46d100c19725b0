"""Output of mho map for readers: tables on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mho.cli.map_notes import Notes, between, has_rule
from mho.cli.map_result import Result
from mho.hardware import CYCLES, Constants, LayerArea, LayerCost, LayerEnergy, Placed, Workload
from mho.text import count, cycle_time, per_cent, shortened, si

LEAST_WIDTH = 10
"""Letters of the column of names at least, however narrow the terminal."""
Column = tuple[str, str, Callable[[Placed], str]]
"""Heading, footer, and what a layer has there."""


def show(result: Result, *, energy: bool, area: bool, exact: bool) -> None:
    """Print the tables of arrays, the totals, and what there is beside.

    Args:
        result: what there is to show.
        energy: whether each layer's energy is shown.
        area: whether the parts of each layer's area are shown.
        exact: whether counts are printed with all digits.
    """
    display = _Display(result, exact=exact)
    notes = Notes(result)
    console = display.console
    weights = sum(layer.row.weights for layer in result.time.layers)
    console.print(
        f"{escape(result.name)} on arrays: {weights:,} weights, {result.time.macs:,} MACs per {result.example}"
    )
    console.print(
        f"T: vectors per {result.example}. A cycle takes T·t_meas. %: shares of MACs and of time.\n", soft_wrap=True
    )
    display.table(display.layers)
    display.table(lambda gap: display.arrays(gap, parts=area))
    console.print(display.totals())
    console.print()
    if any(has_rule(layer) for layer in result.time.layers):
        display.table(display.updates)
    display.bullets(notes.arrays())
    if result.cost is not None:
        console.print()
        display.table(display.cost)
        display.bullets(notes.cost(result.cost))
    if energy:
        console.print()
        display.table(display.energy)
    if energy or area:
        console.print(_sources(result.constants))
    console.print()
    display.bullets(notes.limits(listed=energy or area))


class _Display:
    """Tables of a result, as wide as the terminal allows."""

    def __init__(self, result: Result, *, exact: bool) -> None:
        self.result, self.console = result, Console(highlight=False)
        self.count: Callable[[int], str] = (lambda number: f"{number:,}") if exact else count
        self.names = {layer.row.layer: layer.row.layer for layer in result.time.layers}

    def table(self, make: Callable[[int], Table]) -> None:
        """Print a table with whole names; where it is too wide, its columns stand closer, then names are shortened."""
        names, wide = list(self.names), self.console.options.update(max_width=1000)
        table = make(1)
        if (wanted := self.console.measure(table, options=wide).maximum) > self.console.width:
            table = make(0)
            wanted = self.console.measure(table, options=wide).maximum
        if wanted > self.console.width:
            longest = max(map(len, names))
            room = max(longest - (wanted - self.console.width), LEAST_WIDTH)
            self.names = dict(zip(names, shortened(names, room), strict=True))
            table = make(0)
        self.console.print(table)
        if any(name != short for name, short in self.names.items()):
            self.console.print("Names are shortened to the width of the terminal; --csv has them whole.")
            self.names = {name: name for name in names}
        self.console.print()

    def bullets(self, notes: Sequence[str]) -> None:
        """Print sentences as a list."""
        grid = Table.grid(padding=(0, 1))
        for note in notes:
            grid.add_row("•", escape(note))
        self.console.print(grid)

    # Arrays ----------------------------------------------------------------------------------------

    def layers(self, gap: int) -> Table:
        """Return sizes, MACs and time of each layer."""
        time = self.result.time
        columns: list[Column] = [
            ("out × in", "", self._size),
            ("T", "", lambda p: f"{p.row.vectors:,}" + (f"/{p.copies}" if p.copies > 1 else "")),
            ("MACs", self.count(time.macs), lambda p: self.count(p.row.macs)),
            ("%", "", lambda p: per_cent(time.share_of_macs(p))),
            ("array", "", lambda p: p.size.name),
            ("per cycle", cycle_time(time.sequential), lambda p: cycle_time(p.forward)),
            ("%", "", lambda p: per_cent(time.share_of_time(p))),
        ]
        return self._of_layers(time.layers, lambda p: p, columns, gap)

    def arrays(self, gap: int, *, parts: bool) -> Table:
        """Return devices, arrays, their use and their area of each layer."""
        areas = self.result.area
        shown = (
            ("cells", "cells"), ("DACs", "dacs"), ("integr.", "integrators"), ("ADCs", "adcs"),
            ("trains", "trains"), ("digital", "digital"),
        )  # fmt: skip
        work = self.result.training
        columns: list[tuple[str, str, Callable[[LayerArea], str]]] = [
            ("devices", self.count(work.used), lambda a: self.count(a.placed.cross_points)),
            ("arrays", f"{work.arrays:,}", lambda a: f"{a.placed.arrays:,}"),
            ("used %", per_cent(work.utilisation), lambda a: per_cent(a.placed.utilisation)),
            ("mm²", mm2(sum(a.total for a in areas)), lambda a: mm2(a.total)),
        ]
        for heading, name in shown if parts else ():
            total = mm2(sum(getattr(area, name) for area in areas))
            columns.append((heading, total, lambda a, name=name: mm2(getattr(a, name))))  # type: ignore[misc]
        title = f"arrays: cells used, and area{' by parts' if parts else ''}"
        return self._of_layers(areas, lambda a: a.placed, columns, gap, title=title)

    def totals(self) -> Table:
        """Return what inference and training take in all, beside conventional hardware."""
        example, works = self.result.example, (self.result.inference, self.result.training)
        beside = self.result.conventional
        table = plain_table(
            caption=f"Inference: 1 cycle (forward). Training: {len(CYCLES)} cycles ({', '.join(CYCLES)}). A MAC is 2 "
            "operations."
        )
        table.show_footer = False
        table.add_column("totals")
        for heading in ("inference", "training"):
            table.add_column(heading, justify="right")
        rows: list[tuple[str, Callable[[Workload], str]]] = [
            (f"time per {example}, layer after layer", lambda w: si(w.latency, "s", digits=4)),
            (f"time per {example}, pipelined", lambda w: si(w.time, "s", digits=4)),
            (f"energy per {example}", lambda w: self._range(w, w.energy, joules)),
            ("power, pipelined", lambda w: self._range(w, w.power, lambda power: si(power, "W"))),
            ("throughput, pipelined (TOPS)", lambda w: f"{w.throughput / 1e12:.3g}"),
            ("efficiency (TOPS/W)", lambda w: self._efficiency(w)),
            ("arrays", lambda w: f"{w.arrays:,}"),
            ("cells used (%)", lambda w: per_cent(w.utilisation)),
            ("area", lambda w: si(w.area, "m²")),
            (f"conventional: time per {example}", lambda w: si(beside.time(w.operations), "s")),
            (f"conventional: energy per {example}", lambda w: joules(beside.energy(w.operations))),
            ("conventional: TOPS, TOPS/W", lambda _: f"{beside.rate / 1e12:.3g}, {beside.efficiency / 1e12:.3g}"),
        ]
        for heading, cell in rows:
            table.add_row(heading, *map(cell, works))
        return table

    def _range(self, work: Workload, ends: tuple[float, float], write: Callable[[float], str]) -> str:
        """Return a number that lies in a range; the least of a bound is not worth a word."""
        counted = self.result.cost is not None and bool(self.result.cost.images)
        least, most = map(write, ends)
        return most if least == most else f"{least} to {most}" if counted else f"≤ {most}"

    def _efficiency(self, work: Workload) -> str:
        counted = self.result.cost is not None and bool(self.result.cost.images)
        least, most = (f"{number / 1e12:.3g}" for number in work.efficiency)
        return most if least == most else f"{least} to {most}" if counted else f"≥ {least}"

    def updates(self, gap: int) -> Table:
        """Return the update cycle with transfers and digital memory."""
        example, layers = self.result.example, [p for p in self.result.time.layers if has_rule(p)]
        columns: list[Column] = [
            ("banks", "", lambda p: ", ".join(bank.name for bank in p.row.cell.banks)),
            ("column\nreads", "", lambda p: f"{p.column_reads:.3g}"),
            ("column\nwrites", "", lambda p: f"{p.column_writes:.3g}"),
            ("digital\noperations", "", lambda p: self.count(round(p.operations))),
            ("time", "", lambda p: cycle_time(p.update_vector)),
            (f"per {example}", cycle_time(sum(p.update for p in layers)), lambda p: cycle_time(p.update)),
            ("digital\nnumbers", self.count(sum(p.memory for p in layers)), lambda p: self.count(p.memory)),
        ]
        return self._of_layers(
            layers, lambda p: p, columns, gap,
            title=f"updates with transfers: reads, writes, operations and time per vector, time per {example}",
            caption="Digital numbers: memory of all arrays, a vector and its errors included.",
        )  # fmt: skip

    def _size(self, layer: Placed) -> str:
        """Return the sizes of one matrix, its groups and its tiles."""
        row = layer.row
        lines = [f"{row.out} × {row.inputs}"]
        if row.groups > 1:
            lines.append(f"{row.groups} groups")
        if layer.tiles > 1:
            lines.append(f"{layer.tiles} of {layer.tile_out} × {layer.tile_inputs}")
        return "\n".join(lines)

    # Energy ----------------------------------------------------------------------------------------

    def energy(self, gap: int) -> Table:
        """Return the energy of an example in each layer."""
        layers = self.result.energy
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
        written = [
            (heading, joules(sum(map(cell, layers))), lambda e, cell=cell: joules(cell(e))) for heading, cell in columns
        ]
        return self._of_layers(
            layers, lambda e: e.placed, written, gap,
            title=f"energy per {self.result.example}; the last four columns are the parts of forward",
            caption="Update ≤: every line pulses in every slot. mho map --run DIR shows what training took.",
        )  # fmt: skip

    def cost(self, gap: int) -> Table:
        """Return what a run counted."""
        cost, example = self.result.cost, self.result.example
        assert cost is not None
        columns: list[tuple[str, str, Callable[[LayerCost], str]]] = [
            ("pulses", "", lambda c: f"{c.pulses:,.0f}"),
            ("steps", "", lambda c: f"{c.coincidences:,.0f}"),
            ("steps per\ndevice", "", lambda c: f"{c.writes:,.4g}"),
            ("pulses and\nsteps take", between(cost.update), lambda c: between(c.update)),
            ("drawing\ntrains", _known(cost.trains), lambda c: _known(c.trains)),
            ("reads", _known(cost.reads), lambda c: _known(c.forward, c.backward, c.transfers)),
        ]
        trained = f"{cost.images:,} {example}s" if cost.images else f"{example}s not known"
        title = f"what training cost a network ({trained})"
        return self._of_layers(cost.layers, lambda c: c.placed, columns, gap, title=title)

    def _of_layers(
        self,
        layers: Sequence[object],
        placed: Callable[..., Placed],
        columns: Sequence[tuple[str, str, Callable[..., str]]],
        gap: int,
        *,
        title: str = "",
        caption: str = "",
    ) -> Table:
        """Return a table with a row per layer and the sums below."""
        table = plain_table(title, caption, gap)
        names = [self.names[placed(layer).row.layer] for layer in layers]
        table.add_column("layer", footer="all", overflow="fold", min_width=min(LEAST_WIDTH, max(map(len, names))))
        for heading, footer, _ in columns:
            side: Literal["left", "right"] = "left" if heading == "banks" else "right"
            table.add_column(heading, footer=footer, justify=side, overflow="fold", no_wrap=heading != "banks")
        for name, layer in zip(names, layers, strict=True):
            table.add_row(escape(name), *(escape(cell(layer)) for _, _, cell in columns))
        return table


def plain_table(title: str = "", caption: str = "", gap: int = 1) -> Table:
    """Return an empty table without a frame, with a footer; `gap` is the width between columns in characters."""
    return Table(
        title=title or None, caption=caption or None, title_justify="left", caption_justify="left",
        box=box.SIMPLE_HEAD, show_footer=True, show_edge=False, pad_edge=False, padding=(0, gap, 0, 0),
    )  # fmt: skip


def joules(energy: float) -> str:
    """Return an energy with a unit that suits it."""
    return si(energy, "J")


def mm2(area: float) -> str:
    """Return an area [m²] in mm², so that parts can be compared at a glance."""
    return f"{area * 1e6:.3g}"


def _known(*parts: float | None) -> str:
    return "–" if None in parts else joules(sum(part for part in parts if part is not None))


def _sources(constants: Constants) -> Table:
    table = plain_table("constants of the models; assumed: an order of magnitude, not a measurement")
    table.show_footer = False
    for heading in ("constant", "value", "source"):
        table.add_column(heading, justify="right" if heading == "value" else "left", no_wrap=heading != "source")
    for name, constant in constants.table.items():
        counted = constant.unit in ("bits", "writes")
        value = f"{constant.value:g} {constant.unit}" if counted else si(constant.value, constant.unit)
        table.add_row(name, value, escape(constant.source))
    return table
