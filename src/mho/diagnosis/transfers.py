"""Checks of transfers between the banks of a cell: their readings, their references, their choppers, their buffers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, cast, final

import numpy as np
import numpy.typing as npt
from torch import nn

from mho.arrays import Array
from mho.cells import TransferRule
from mho.diagnosis.cures import Settings, agad_beside
from mho.diagnosis.finding import Check, Finding, NetworkNumbers, of_powers, per_cent
from mho.diagnosis.numbers import ArrayNumbers, BankNumbers, nominal_steps
from mho.diagnosis.steps import Doubles, Steps
from mho.errors import in_words
from mho.nn import array_layers
from mho.periphery import Read
from mho.random import Operation

LEFT = 0.1
"""Share of noise in what transfers send on that advice may leave."""


@final
class TransferReads(Check):
    """Share of noise in what transfers send on.

    A reading of a column sees how far fast devices have gone from their symmetry points, s as the root of the mean
    square; pulses at random are part of it. Its circuit adds a noise σ, and a converter that of its step over √12. A
    buffer that fills after k readings of this size, k = 1/(s·fill), averages over them, as a leaky mean does over its
    length; a reference that is a running mean of readings has noise of its own. Lost is the share of noise in the
    power: at one half as many pulses follow the circuit as the gradient.

    Advised is a quarter of the circuit's noise, or as much less as it takes to leave a share of 0.1: s and k are those
    of the devices and the buffer, which the circuit does not change. A fuller average would do as well, but needs as
    many times the readings as the noise is to fall in power, and with them as many times the training.

    Source: Gokmen 2021 (what the buffer of TTv2 is for); Rasch 2024.
    """

    name = "transfer reads"
    meaning = "transfers send on the noise of their circuit rather than what the fast devices have gathered"

    def look(self, network: NetworkNumbers) -> Finding | None:
        seen = [
            (*self._lost(n.banks[rule.source], rule, rule.circuit), rule, n)
            for n, rule in _rules(network)
            if rule.circuit is not None and n.seen  # before the first update nothing has been gathered
        ]
        if not seen:
            return None
        lost, spread, noise, counted, readings, rule, worst = max(seen, key=lambda entry: entry[0])
        number = (
            f"the {rule.source} devices stand {spread:.2g} from their symmetry points, and a reading has a noise of "
            f"{noise:.2g}; {readings:.3g} readings make a pulse"
        )
        circuit = rule.circuit
        assert circuit is not None
        quiet = min(float(circuit.noise) / 4, spread * math.sqrt(LEFT / ((1 - LEFT) * counted)))
        settings = (f"cell.transfer.noise={quiet:.1g}",) if circuit.noise else ()
        other = "larger steps of the fast bank (cell.fast, cell.fast_lr), a higher cell.buffer_scale where there is a "
        other += "buffer, or more bits of its converter"
        return self.found(network, worst, lost, number, settings=settings, other=other)

    @staticmethod
    def _lost(source: BankNumbers, rule: TransferRule, circuit: Read) -> tuple[float, float, float, float, float]:
        """Return the share of noise and what it is made of.

        Returns:
            The share; the spread of the source; the noise of a reading; the share of its power in what is sent on; and
            how many readings make a pulse.
        """
        spread = _gathered(source)
        step = 0.0
        if circuit.adc_bits is not None and circuit.bound is not None:
            step = 2 * float(circuit.bound) / (2**circuit.adc_bits - 2)
        noise = math.hypot(float(circuit.noise), step / math.sqrt(12))
        filling = 1 / (spread * rule.fill) if rule.fill and spread else 1.0
        readings = max(rule.averages, filling, 1.0)
        of_reference = rule.tracked / (2 - rule.tracked) if rule.tracked else 0.0
        halves = max(readings / rule.half_period, 1.0) if rule.half_period else 1.0
        counted = 1 / readings + of_reference / halves
        return of_powers(noise**2 * counted, spread**2), spread, noise, counted, readings


@final
class References(Check):
    """Share of the outputs' error that references beside the symmetry points cause.

    Fast devices come to rest at their symmetry points, so a reference at a distance r reads as a gradient where there
    is none. A weight then stops where its mean gradient is E|g|·r/τ, τ the relaxation of its device. In a layer these
    errors make errors of the outputs, which make gradients: of the squared error S = (2/π)²·Σ_j r_j²/τ² comes from
    references for Gaussian inputs and errors, and at S = 1 nothing is left to learn. For inputs and errors as they are
    2/π is the measured (E|v|)²/E v². At one half references have as much say in an output as the data. Choppers cancel
    what is constant, and running means follow the symmetry points, so such cells are not looked at.

    Advised is AGAD with the settings of the present cell: it subtracts what it has read itself before a sign changed,
    so that the distance r, which both readings hold, cancels, and needs no better devices. References at the symmetry
    points (a `reference_std` of 0) cost nothing, but are what the hardware has to bring.

    Source: Wu et al. 2024, arXiv 2406.12774, for r; the law of a layer is ours, for the mean of random pulses.
    """

    name = "references"
    meaning = "transfers take the distance of references from symmetry points for a gradient, and move weights by it"

    def look(self, network: NetworkNumbers) -> Finding | None:
        seen = []
        for n, rule in _rules(network):
            source = n.banks[rule.source]
            if rule.circuit is None or rule.tracked is not None or rule.half_period is not None or source.steps is None:
                continue
            distance, relaxation = _offsets(source.steps), source.steps.relaxation()
            known = np.isfinite(distance) & np.isfinite(relaxation)
            if known.any():
                share = np.square(distance[known] / relaxation[known]).mean() * n.evenness
                seen.append((float(share), _rms(distance[known]), float(np.median(relaxation[known])), rule, n))
        if not seen:
            return None
        share, distance_, relaxation_, rule, worst = max(seen, key=lambda entry: entry[0])
        limit = relaxation_ / math.sqrt(2 * worst.evenness) if worst.evenness else math.inf
        number = (
            f"references of the {rule.source} devices are {distance_:.2g} from their symmetry points, which costs "
            f"{per_cent(min(share, 1.0))} of the outputs' error with {worst.weights.shape[1]} inputs and a relaxation "
            f"of {relaxation_:.2g}; {limit:.2g} would cost half"
        )
        other = (
            "references nearer to the symmetry points (cell.reference, cell.reference_std), a chopper where they are "
        )
        other += "off by less than their range (cell.chopper=0.1), or cell.kind=ERider; it and AGAD need no references"
        return self.found(network, worst, min(share, 1.0), number, settings=agad_beside(worst.rpu), other=other)


@final
class ChopperPeriod(Check):
    """Share of the signal that signs cost that change too fast, or false pulses of signs that change too slowly.

    Too fast: what a fast device has gathered outlasts the change of its sign, and is transferred with the wrong one.
    With K readings in a half period and q the share that a device keeps of its deviation from one to the next,
    q = exp(-pulses·Δ/τ), reading k is 1 - 2q^k/(1 + q^K) of what a steady gradient gives without choppers; lost is what
    is missing of its mean. At one half leftovers cancel half of the signal. Devices without a symmetry point keep all.

    Too slow: a reference at a distance o of the symmetry point adds fill·o in every reading, of one sign in each half
    period: D = fill·o·K thresholds, or with weights 1/k their sum. Below 1 it sends no pulse, above 2 one in each half
    period and cross-point; lost is D²/(1 + D²).

    A reference that is a running mean takes offsets away, and leftovers too where it follows within a half period, as
    that of AGAD does; then this is not about it.

    Source: Rasch 2024, and its estimate of the transferred mean.
    """

    name = "chopper period"
    meaning = (
        "choppers do not part the gradient from the references' errors: their half period does not suit the devices"
    )

    def look(self, network: NetworkNumbers) -> Finding | None:
        seen = []
        for n, rule in _rules(network):
            source = n.banks[rule.source]
            if rule.half_period is not None and source.steps is not None:
                seen += [(*found, n) for found in self._too_fast(n, rule, rule.half_period, source.steps)]
                seen += [
                    (*found, n) for found in self._too_slow(rule, rule.half_period, source.steps, agad_beside(n.rpu))
                ]
        if not seen:
            return None
        lost, number, settings, other, worst = max(seen, key=lambda entry: entry[0])
        return self.found(network, worst, lost, number, settings=settings, other=other)

    @staticmethod
    def _too_fast(
        numbers: ArrayNumbers, rule: TransferRule, period: float, steps: Steps
    ) -> Iterator[tuple[float, str, Settings, str]]:
        """Yield lost, number, settings and other cure of leftovers, where there may be any."""
        met = numbers.banks[rule.source].coincidences / max(numbers.vectors, 1)  # of a device in a vector
        pulses = met * rule.every * (numbers.columns if rule.cyclic else 1)
        if not pulses or (rule.tracked or 0) * period >= 1:
            return
        relaxation = steps.relaxation()
        known = np.isfinite(relaxation)
        forgotten = pulses * _rms(np.sqrt(steps.square)) / float(np.median(relaxation[known])) if known.any() else 0.0
        lost = 1 - _signal(math.exp(-forgotten), period)
        number = (
            f"a half period of {period:.3g} readings is {period * forgotten:.2g} times as long as the {rule.source} "
            f"devices take to forget, so that leftovers of the other sign cancel {per_cent(lost)} of a steady gradient"
        )
        yield lost, number, (f"cell.chopper={1 / (8 * period):.2g}",), "a higher cell.fast_lr"

    @staticmethod
    def _too_slow(
        rule: TransferRule, period: float, steps: Steps, agad: Settings
    ) -> Iterator[tuple[float, str, Settings, str]]:
        """Yield lost, number, settings and other cure of the references' errors, where there may be any."""
        offsets = _offsets(steps)
        if rule.tracked is not None or rule.fill is None or not np.isfinite(offsets).any():
            return
        readings = sum(1 / k for k in range(1, round(period) + 1)) if rule.weighed else period
        drive = rule.fill * _rms(offsets) * readings
        number = (
            f"references are {_rms(offsets):.2g} from the symmetry points, which fills a buffer to {drive:.2g} of its "
            f"threshold in a half period of {period:.3g} readings"
        )
        yield (
            of_powers(drive**2, 1.0),
            number,
            agad,
            "a higher cell.chopper, or a higher cell.buffer_scale",
        )


@final
class SilentTransfers(Check):
    """Whether transfers have sent no pulse, though each column has had its turn.

    Lost is all that has been gathered, or nothing: a single pulse in a bank shows that thresholds can be reached. How
    many readings fill a buffer follows from what fast devices have gathered: 1/(s·fill) of a spread s.

    Advised is the buffer that a single reading of this size fills. A longer one only delays what has been gathered,
    and averages noise, which `TransferReads` looks at.
    """

    name = "silent transfers"
    meaning = "the bank that holds the weights has not been pulsed: nothing that was gathered has arrived"

    def look(self, network: NetworkNumbers) -> Finding | None:
        seen = [(n, rule, rule.sweeps(n.seen, n.columns)) for n, rule in _rules(network)]
        if not seen:
            return None
        silent = [entry for entry in seen if _is_silent(entry[2], entry[0].banks[entry[1].target].pulses)]
        worst, rule, sweeps = max(silent or seen, key=lambda entry: entry[2])
        pulses = worst.banks[rule.target].pulses
        number = f"{pulses:,} pulses on the {rule.target} bank in {sweeps:.3g} events of each column"
        readings = None
        if rule.fill:
            spread = _gathered(worst.banks[rule.source])
            readings = 1 / (spread * rule.fill) if spread else math.inf
            filling = "no number of" if math.isinf(readings) else f"{readings:.2g}"
            number += f"; at present {filling} readings fill a buffer"
        settings = rule.sooner(readings) if silent else ()
        return self.found(
            network, worst, 1.0 if silent else 0.0, number, settings=settings, other="" if settings else rule.cure
        )


@in_words
def silent_transfers(model: nn.Module) -> dict[str, str]:
    """Return the banks of a model's arrays that transfers should have pulsed by now and have not: name to a sentence.

    Costs no image: for the end of an epoch. A bank is silent if each column has had its turn and no replica of the bank
    has been pulsed.

    Args:
        model: as `mho.convert` returned it.
    """
    sentences = {}
    for layer in array_layers(model).values():
        for array in cast(list[Array], list(layer.arrays)):
            rpu, counters = array.rpu.of_replica(0), array.counters()
            columns = max(inputs for _, inputs in array.tile_shapes.values())
            for rule in rpu.cell.rules(1.0, nominal_steps(rpu), columns):
                counter = f"{rule.target}.pulses" if len(rpu.banks) > 1 else "pulses"
                sweeps = rule.sweeps(int(array.vectors[Operation.UPDATE]), columns)
                if _is_silent(sweeps, int(counters[counter].sum())):
                    sentences[f"{array.name}.{rule.target}"] = (
                        f"layer {array.name}: transfers have not sent a single pulse to the {rule.target} bank in "
                        f"{sweeps:.3g} events of each column, so its weights have not been trained; try {rule.cure}"
                    )
    return sentences


def _is_silent(sweeps: float, pulses: int) -> bool:
    """Whether each column has had an event, and none of them a pulse."""
    return sweeps >= 1 and not pulses


def _rules(network: NetworkNumbers) -> Iterator[tuple[ArrayNumbers, TransferRule]]:
    """Yield every transfer of the arrays that training moves."""
    for numbers in network.arrays:
        for rule in numbers.rules:
            yield numbers, rule


def _gathered(source: BankNumbers) -> float:
    """Return how far the devices of a bank stand from their symmetry points, or from 0 without such points; rms."""
    if source.steps is None:
        return _rms(source.matrix)
    points = source.steps.attractors()
    known = np.isfinite(points)
    return _rms((source.steps.states - points)[known]) if known.any() else _rms(source.matrix)


def _offsets(steps: Steps) -> Doubles:
    """Return how far the symmetry points of the devices stand from their references, (D,); NaN without such a point."""
    offsets: Doubles = steps.attractors() - steps.zeros
    return offsets


def _signal(kept: float, period: float) -> float:
    """Return the mean of a half period's readings of a steady gradient; 1 is what they are without choppers.

    Args:
        kept: q, share that a device keeps of its deviation from one reading to the next.
        period: K readings in a half period.
    """
    count = max(round(period), 1)
    return float(1 - 2 / (count * (1 + kept**count)) * (kept ** np.arange(1, count + 1)).sum())


def _rms(values: npt.NDArray[Any]) -> float:
    """Return the root of the mean square of those values that are numbers; without any 0."""
    return math.sqrt(np.nanmean(np.square(values, dtype=np.float64))) if np.isfinite(values).any() else 0.0
