"""Notes of mho map below its tables, in sentences."""

from __future__ import annotations

import collections
from collections.abc import Sequence
from typing import final

from mho.cells import Converters
from mho.cli.map_result import Result
from mho.errors import an
from mho.hardware import LayerCost, Placed, TrainingCost
from mho.text import cycle_time, layers_in_words, per_cent, si

FEW = 4
"""Largest number of layers that are all named."""
UNKNOWN = (
    "Not known and not counted: buffers and wiring between arrays, pooling, normalisation and control, what circuits "
    "draw while they wait, voltage that drops along lines, sneak paths, how conductances are spread."
)
CONSTANTS = "Most constants are assumed: --energy and --area list them, --constants FILE gives yours."


def has_rule(layer: Placed) -> bool:
    """Return whether the update of a layer is more than pulses on one bank."""
    cell = layer.row.cell
    return len(cell.banks) > 1 or bool(cell.events) or cell.per_weight > 0


def between(ends: tuple[float, float]) -> str:
    """Return an energy [J] that lies in a range."""
    least, most = (si(end, "J") for end in ends)
    return least if least == most else f"{least} to {most}"


@final
class Notes:
    """Sentences on a result."""

    def __init__(self, result: Result) -> None:
        self.result, self.layers, self.example = result, result.time.layers, result.example

    def arrays(self) -> list[str]:
        """Return what is said of the arrays and their time."""
        time, slowest = self.result.time, self.result.time.bottleneck
        split = f" over {slowest.copies} copies" if slowest.copies > 1 else ""
        notes = [
            f"A pipeline takes as long as its slowest layer: {slowest.row.layer}, T = {slowest.row.vectors:,}{split} × "
            f"{cycle_time(slowest.forward_vector)} = {cycle_time(slowest.forward)}, with "
            f"{per_cent(time.share_of_macs(slowest))} % of the MACs. In pipelined training {an(self.example)} enters "
            "before the updates of those ahead of it are done.",
            f"Conventional: a peak ({self.result.conventional.source}), of which networks, above all at mini-batch 1, "
            "reach a part.",
        ]
        if cut := [p for p in self.layers if not p.fits]:
            named = ", ".join(
                f"{p.row.layer} ({p.row.out * p.row.devices} × {p.row.inputs}) over {p.tiles} of {p.size.name}"
                for p in cut[:FEW]
            )
            more = f" and {len(cut) - FEW} more" if len(cut) > FEW else ""
            notes.append(
                f"No array holds these whole, so each is spread: {named}{more}. Partial sums are added digitally."
            )
        if scaled := [p.row for p in self.layers if p.row.scale]:
            factors = ", ".join(f"{row.layer} {row.scale}" for row in scaled)
            notes.append(
                f"Digital factors between weights and arrays: {factors}. Their products are counted with the "
                "activations."
            )
        notes += self._converters() + self._rules()
        if any(p.copies > 1 for p in self.layers):
            notes.append("Copies are taken to be alike; the time and energy of keeping them so are not counted.")
        notes += [
            f"{an(self.example).capitalize()} goes through {p.row.layer} {p.row.uses} times; T counts them all."
            for p in self.layers
            if p.row.uses > 1
        ]
        return notes + self._others()

    def _others(self) -> list[str]:
        """Return what is said of layers that are not on arrays."""
        notes, digital, idle = [], self.result.digital, self.result.idle
        if digital:
            kinds = collections.Counter(layer.kind for layer in digital)
            named = layers_in_words(", ".join(layer.name for layer in digital)) if len(digital) <= FEW else ""
            what = ", ".join(f"{number} {kind}" for kind, number in kinds.items())
            parameters = sum(layer.parameters for layer in digital)
            notes.append(f"Digital: {what}{f' ({named})' if named else ''}, {parameters:,} parameters.")
        if idle:
            more = f" and {len(idle) - FEW} more" if len(idle) > FEW else ""
            notes.append(
                f"Not reached by the {self.example}, and not in the table: "
                f"{layers_in_words(', '.join(idle[:FEW]))}{more}."
            )
        return notes

    def _converters(self) -> list[str]:
        """Return at which bits converters are priced."""
        constants = self.result.constants
        ideal = f"{constants['dac_bits']:g}-bit inputs and {constants['adc_bits']:g}-bit outputs"
        alike: dict[tuple[Converters, Converters], list[str]] = {}
        for p in self.layers:
            alike.setdefault((p.row.forward, p.row.backward), []).append(p.row.layer)
        if list(alike) == [(Converters(), Converters())]:
            return [
                f"Converters are ideal in this description; they are priced as {ideal}. Other bits change time and "
                "energy: --set forward.adc_bits=6, --set forward.dac_bits=5, and so for backward."
            ]
        notes = []
        for (forward, backward), names in alike.items():
            where = "" if len(alike) == 1 else f" of {', '.join(names[:FEW])}" + (" ..." if len(names) > FEW else "")
            notes.append(f"Converters{where}: forward {_bits(forward)}; backward {_bits(backward)}.")
        if any(None in (c.dac_bits, c.adc_bits) for pair in alike for c in pair):
            notes.append(f"Ideal converters are priced as {ideal}.")
        if any(not p.size.durations for p in self.layers):
            notes.append("Inputs are coded as heights of pulses (durations = false), so their bits change no time.")
        return notes

    def _rules(self) -> list[str]:
        """Return what the table of updates counts, and what it does not."""
        layers = [layer for layer in self.layers if has_rule(layer)]
        if not layers:
            return []
        notes = [
            "Each event is taken to write its columns, also where no pulse is due; a counted run says what was sent."
        ]
        unseen = {bank.name for layer in layers for bank in layer.row.cell.banks if not bank.read}
        if unseen:
            notes.append(f"Forward and backward reads do not see the banks {', '.join(sorted(unseen))}.")
        fixed = {bank.name for layer in layers for bank in layer.row.cell.banks if bank.fixed_reference}
        if fixed:
            notes.append(
                f"The fixed references of {', '.join(sorted(fixed))} are not counted: neither the devices or numbers "
                "that store them, nor what reads them."
            )
        if any(layer.size.t_pulse is None for layer in layers):
            notes.append(
                "A column's writing takes t_meas, as every update does; with the time of a pulse (t_pulse in --arrays "
                "FILE) trains and writings take their pulses."
            )
        if any(layer.size.operations is None for layer in layers):
            notes.append(
                "Digital operations take no time here; --arrays FILE gives how many an array's circuits do per ns."
            )
        return notes

    def cost(self, cost: TrainingCost) -> list[str]:
        """Return what is said of a run's pulses and steps."""
        if not any(layer.pulses for layer in cost.layers):
            return ["The arrays counted no pulses: the update was exact, or nothing was trained yet."]
        notes, worst = [], cost.most_written
        name = f"{worst.placed.row.layer}{_bank(worst)}"
        if cost.images:
            ends = (cost.update[0] / cost.images, cost.update[1] / cost.images)
            notes.append(
                f"In the arrays an update takes {between(ends)} per {self.example}. The most written devices, those of "
                f"{name}, take {worst.writes / cost.images:.3g} steps per {self.example}."
            )
        else:
            notes.append(
                f"This folder was written before mho noted the number of {self.example}s; reads are not known."
            )
        if cost.lifetime is not None:
            notes.append(
                f"With an endurance of {cost.endurance:g} steps, the mean device of {name} is worn out after "
                f"{cost.lifetime:,.3g} trainings like this. How steps are spread over the devices is not counted."
            )
        notes.append(
            "Pulses of rows and columns are counted together, so what they take has a range: least if all were on the "
            "shorter lines, most if on the longer."
        )
        return notes

    def limits(self, *, listed: bool) -> list[str]:
        """Return what the models leave out, and where their constants are where these are not listed."""
        return [UNKNOWN if listed else f"{UNKNOWN} {CONSTANTS}"]


def _bits(converters: Converters) -> str:
    pairs: Sequence[tuple[str, int | None]] = (("inputs", converters.dac_bits), ("outputs", converters.adc_bits))
    return ", ".join(f"{'ideal' if bits is None else f'{bits}-bit'} {name}" for name, bits in pairs)


def _bank(cost: LayerCost) -> str:
    """Return the most written bank in words, where there are several."""
    return f" ({cost.most_written.bank} bank)" if len(cost.banks) > 1 else ""
