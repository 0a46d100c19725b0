"""Checks of what pulses make of an update, and where the devices take the weights."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, final

import numpy as np

from mho.config import RPU
from mho.devices.symmetry import Points
from mho.diagnosis.cures import MOST_DEVICES, Settings, device_fields, more_devices, shifted_zero, toml
from mho.diagnosis.finding import LIMIT, Check, Finding, NetworkNumbers, of_powers, per_cent
from mho.diagnosis.lines import Lines, lines_of
from mho.diagnosis.numbers import ArrayNumbers, BankNumbers
from mho.diagnosis.steps import Steps
from mho.periphery import Pulses


@final
class Saturation(Check):
    """Share of an update's direction that pulse probabilities of 1 take.

    Lines that would need a probability above 1 all pulse alike. For a vector the outer product of the probabilities
    that are sent lies along the wanted one by cos²; lost is 1 - cos², weighted with the power that is wanted. That
    large updates come out smaller is not counted: it is a lower learning rate for them.

    Advised is the least change after which at most half of the limit would be lost: the same vectors drive the lines
    anew with it. Update management moves probability from the side that has more of it to the other, at an equal
    product p·q of the highest of both sides. Where p·q = η·max|x|·max|δ|/(BL·Δw_min) is above 1, a vector asks for more
    coincidences than a train has slots, and no balance helps: both sides then saturate. More slots lower both
    probabilities, as 1/√BL, and cost time; a lower learning rate lowers them likewise, and costs training.

    Source: Gokmen 2017, section "Update management".
    """

    name = "saturated pulses"
    meaning = "lines that should differ pulse alike in every slot, so that updates point elsewhere"

    def look(self, network: NetworkNumbers) -> Finding | None:
        seen = [(self._lost(n.lines), n, n.lines) for n in network.arrays if n.lines is not None]
        if not seen:
            return None
        lost, worst, lines = max(seen, key=lambda entry: entry[0])
        shares = [float((side > 1).sum() / max((side > 0).sum(), 1)) for side in (lines.columns, lines.rows)]
        number = f"{per_cent(shares[0])} of driven columns and {per_cent(shares[1])} of rows would exceed probability 1"
        settings, left = self._better(worst, lost)
        if settings:
            number += f", which takes {per_cent(lost)} of the direction of updates; as advised {per_cent(left)}"
        lower = (f"training.lr={network.lr / 4:.1g}",)
        other = "a lower learning rate"
        return self.found(network, worst, lost, number, settings=settings, other=other, aside=lower)

    @classmethod
    def _better(cls, numbers: ArrayNumbers, lost: float) -> tuple[Settings, float]:
        """Return the least change after which little is lost, else the best that halves it; and what is lost then."""
        tried = []
        for settings, update in _pulses_beside(numbers.rpu):
            rpu = numbers.rpu.replace(update=update)
            lines = lines_of(rpu, numbers.inputs, numbers.errors, numbers.rate, numbers.factors)
            left = 0.0 if lines is None else cls._lost(lines)
            if left < LITTLE:
                return settings, left
            tried.append((left, settings))
        left, settings = min(tried, default=(1.0, ()))
        return (settings, left) if left < lost / 2 else ((), lost)

    @staticmethod
    def _lost(lines: Lines) -> float:
        wanted, along, sent = np.ones((3, len(lines.columns)))
        for side in (lines.columns, lines.rows):
            cut = np.minimum(side, 1)
            wanted = wanted * np.square(side).sum(1, dtype=np.float64)
            along = along * (side * cut).sum(1, dtype=np.float64)
            sent = sent * np.square(cut).sum(1, dtype=np.float64)
        driven = wanted > 0
        if not driven.any():
            return 0.0
        kept = np.square(along[driven]) / sent[driven]
        return float(np.clip(1 - kept.sum() / wanted[driven].sum(), 0, 1))


@final
class CoarseSteps(Check):
    """Power of one step against that of a weight.

    Weights of N inputs that give outputs of the size of the inputs are 1/√N wide, and uniform ones 1/√(3N) rms, as
    they start. A step of that size replaces a weight instead of changing it: it holds one bit at most. A step is
    its root mean square, cycle-to-cycle spread included; with n devices a weight it counts 1/n. Of several banks in a
    weight the bank with the smallest step counts, its gain included: what the coarser banks leave is left to it.

    Source: Gokmen & Vlasov 2016, whose tolerance Δw_min ≤ 0.01 at 785 inputs is a share of 0.2.
    """

    name = "coarse steps"
    meaning = "a weight stores barely one bit: one pulse replaces it instead of changing it"

    def look(self, network: NetworkNumbers) -> Finding | None:
        finest = [(found, n) for n in network.arrays if (found := self._finest(n)) is not None]
        if not finest:
            return None
        (step, bank), worst = max(finest, key=lambda entry: entry[0][0] / _scale(entry[1]))
        number = (
            f"one pulse moves a weight by {step:.2g}, and {worst.weights.shape[1]} inputs need weights of "
            f"{_scale(worst):.2g} rms; {bank.coincidences:.2g} coincidences per device and example"
        )
        lost = of_powers(step**2, _scale(worst) ** 2)
        excess = FINE * step / _scale(worst)
        copies = more_devices(worst.rpu, excess) if excess <= MOST_DEVICES else ()
        finer = device_fields(worst.rpu, {"dw_min": lambda value: value / max(excess, 2)})
        if not copies:
            return self.found(network, worst, lost, number, settings=finer)
        other = "smaller steps" if finer else ""
        return self.found(network, worst, lost, number, settings=copies, other=other, aside=finer)

    @staticmethod
    def _finest(numbers: ArrayNumbers) -> tuple[float, BankNumbers] | None:
        """Return the smallest step of a weight, and its bank."""
        seen = [bank for bank in numbers.banks.values() if bank.gain and bank.steps is not None]
        return min(((_step(numbers, bank), bank) for bank in seen), key=lambda entry: entry[0], default=None)


@final
class StuckWeights(Check):
    """Share of the weights' power in devices at their bounds.

    Looked at is the bank that holds the weight. At a bound is a device that its coincidences of one round, until each
    class has come up, could take there: one step and the root of their number more, in steps. Power, because large
    weights carry more of an output.

    Source: Gokmen & Vlasov 2016, tolerance of the bounds.
    """

    name = "weights at bounds"
    meaning = "weights that should grow cannot: the bounds, not the data, say what the array holds"

    def look(self, network: NetworkNumbers) -> Finding | None:
        seen = [(*self._stuck(n, n.held.steps), n) for n in network.arrays if n.held.steps is not None]
        if not seen:
            return None
        lost, devices, worst = max(seen, key=lambda entry: entry[0])
        number = (
            f"{per_cent(devices)} of devices are at a bound, with {per_cent(lost)} of the sum of the squared weights"
        )
        wider = device_fields(worst.rpu, {"w_max": lambda value: 4 * value, "w_min": lambda value: 4 * value})
        scaled = worst.rpu.scale is not None
        other = "" if scaled else "a digital factor between weights and devices"
        aside = () if scaled else ("scale=max",)
        found = self.found(network, worst, lost, number, settings=wider, other=other, aside=aside)
        return dataclasses.replace(found, rank=0 if _is_narrow(worst) else 1)

    @staticmethod
    def _stuck(numbers: ArrayNumbers, steps: Steps) -> tuple[float, float]:
        """Shares of the power and of the devices."""
        held = numbers.held
        if held.bounds is None:
            return 0.0, 0.0
        low, high = held.bounds
        reach = _rms(steps) * (1 + math.sqrt(held.coincidences * numbers.round))
        at = (high - held.states < reach) | (held.states - low < reach)
        power = np.square(held.states)
        return float(power[at].sum() / max(power.sum(), 1e-30)), float(at.mean())


@final
class Imbalance(Check):
    """Drift against scatter: the square of the Péclet number v·L/D of a weight.

    Pulses that are up as often as down carry weights by v = (up - down)/2 on the mean over an array, and scatter
    them by a step. On the scale L = 1/√(3N) of a weight of N inputs drift wins over scatter where β·L exceeds a
    step, with β = (up - down)/(up + down): then the array as a whole goes where the devices pull it. It is about
    arrays whose vectors pulse the bank that holds the weight: fast banks forget by their imbalance, and their drift is
    what `References` looks at.

    Source: Gokmen & Vlasov 2016, global imbalance; its tolerance of 5 % is a share of 0.2 at 785 inputs, 0.6 at 129.
    """

    name = "imbalance"
    meaning = "pulses that should cancel carry all weights of an array the same way"

    def look(self, network: NetworkNumbers) -> Finding | None:
        pulsed = [(n, n.held.steps) for n in network.arrays if n.held.steps is not None]
        seen = [(self._drift(n, steps), n, steps) for n, steps in pulsed if n.is_direct]
        if not seen:
            why = "transfers, not the pulses of vectors, move the banks that hold the weights"
            return self.idle(network, why) if pulsed else None
        ratio, worst, steps = max(seen, key=lambda entry: entry[0])
        up, down = np.nanmean(steps.up), np.nanmean(steps.down)
        met = worst.held.coincidences
        drift = met * abs(up - down) / 2
        number = (
            f"steps up are {up:.3g} and steps down {down:.3g}: a drift of {drift:.2g} per example at "
            f"{met:.2g} coincidences per device"
        )
        points = _points(steps)
        return self.found(
            network,
            worst,
            of_powers(ratio, 1.0),
            number + points.against_shifting,
            settings=_shifted(points, worst.rpu) or _equal_steps(worst.rpu),
            other="heights of the pulses at which steps up and down are equal",
            basis=_basis(points, worst.rpu),
        )

    @staticmethod
    def _drift(numbers: ArrayNumbers, steps: Steps) -> float:
        return (steps.imbalance() * _scale(numbers) / max(_rms(steps) * _factor(numbers), 1e-30)) ** 2


@final
class SymmetryPoints(Check):
    """Share of the weights' power that lies along their devices' symmetry points.

    Looked at is the bank that holds the weight. Pulses that are up as often as down take a device to the weight where
    its steps up and down are equal, or to a bound. The share of an array is the square of the (uncentred) correlation
    of its weights with those points; that of the network is the mean over its arrays, by their power: a small array may
    have weights that nothing but its devices holds, because nothing depends on them. At one half, more of the weights
    comes from devices than from all the rest.

    Source: Kim 2019 (zero-shifting), arXiv 1907.10228.
    """

    name = "symmetry points"
    meaning = "training has not held the weights: they lie where the devices pull them"

    def look(self, network: NetworkNumbers) -> Finding | None:
        seen = [(self._along(n.held.steps), n.held.steps, n) for n in network.arrays if n.held.steps is not None]
        if not seen:
            return None
        powers = [float(np.square(n.weights).sum()) for *_, n in seen]
        along = [share * power for (share, *_), power in zip(seen, powers, strict=True)]
        lost = sum(along) / max(sum(powers), 1e-30)
        share, steps, worst = seen[int(np.argmax(along))]
        points = _points(steps)
        number = (
            f"{per_cent(lost)} of the sum of the network's squared weights follows the points where steps up and down "
            f"are equal, and {per_cent(share)} of this array's; these points lie at {points.mean:.2g} ± "
            f"{points.spread:.2g}"
        )
        if not worst.is_direct:
            return self.found(network, worst, lost, number, settings=_equal_steps(worst.rpu), other=OTHER_OF_BANKS)
        if points.scatter:
            other = "another learning rule: mho device advise compares them on the device"
            return self.found(network, worst, lost, number + points.against_shifting, other=other, hopeless=True)
        return self.found(
            network,
            worst,
            lost,
            number,
            settings=_shifted(points, worst.rpu) or _equal_steps(worst.rpu),
            other="devices with equal steps near w = 0",
            basis=_basis(points, worst.rpu),
        )

    @staticmethod
    def _along(steps: Steps) -> float:
        """Return the share of an array's squared weights."""
        points = steps.attractors()
        drawn = np.isfinite(points)
        if not drawn.any():
            return 0.0
        weights = steps.states - steps.zeros
        points, states = (points - steps.zeros)[drawn], weights[drawn]
        powers = np.square(points).sum() * np.square(weights).sum()
        return float((points @ states) ** 2 / powers) if powers > 0 else 0.0


SHIFTING = (
    "supposes references that are written without error, and all else as given; in small networks on digits it lowered "
    "the error where up steps are 1.5 times the down steps, after 3 epochs from 52 % to 31 %, after 12 from 32 % to "
    "27 % (LeNet from 89 % to 16 % and from 90 % to 13 %), and hardly where steps are as coarse as 0.01: "
    "docs/symmetry.md"
)
"""What the advice to shift the zero supposes, and where it was seen to help: docs/symmetry.md."""
OTHER_OF_BANKS = "devices with equal steps near w = 0 in the bank that holds the weights"
LITTLE = LIMIT / 2
"""Share of an update's direction that advice may leave lost: half of what is a fault."""
LONGEST, FINE, NARROW = 64, 4, 2
"""Slots of the longest pulse train; steps of a weight's size that a weight should have at least; how many times as far
as the initial weights bounds should reach at least."""


def _is_narrow(numbers: ArrayNumbers) -> bool:
    """Return whether weights that the inputs need do not fit between the bounds: √3 of them uniform ones reach."""
    assert numbers.held.bounds is not None
    low, high = (float(np.median(np.abs(side))) for side in numbers.held.bounds)
    return min(low, high) * _factor(numbers) < NARROW * math.sqrt(3) * _scale(numbers)


def _pulses_beside(rpu: RPU) -> list[tuple[Settings, Pulses]]:
    """Return other pulse trains with the settings that make them: management of the sides first, then more slots."""
    update = rpu.update
    if not isinstance(update, Pulses):
        return []
    managed = update.update_management or update.length_management
    ways: list[dict[str, Any]] = [{}] if managed else [{}, {"update_management": True}]
    lengths = [min(update.length << k, LONGEST) for k in range(1, 8) if update.length << (k - 1) < LONGEST]
    changed = [*ways[1:], *({**way, "length": length} for length in lengths for way in ways)]
    return [
        (tuple(f"update.{k}={toml(v)}" for k, v in own.items()), dataclasses.replace(update, **own)) for own in changed
    ]


def _points(steps: Steps) -> Points:
    """Return where devices at their present states are drawn to, from where their weights are 0."""
    return Points.of(steps.attractors() - steps.zeros)


def _shifted(points: Points, rpu: RPU) -> Settings:
    """Return how to shift the zero; () where that is not to be advised, or the cell or the device cannot."""
    return () if points.scatter else shifted_zero(rpu)


def _basis(points: Points, rpu: RPU) -> str:
    """Return what the advice to shift the zero rests on; "" where it is not given."""
    return SHIFTING if _shifted(points, rpu) else ""


def _equal_steps(rpu: RPU) -> Settings:
    """Return how to make steps up and down equal at w = 0; () where the law has no such field."""
    return ("device.up_down=1.0",) if "up_down" in rpu.device.parameters() else ()


def _rms(steps: Steps) -> float:
    return math.sqrt(np.nanmean(steps.square)) if np.isfinite(steps.square).any() else 0.0


def _step(numbers: ArrayNumbers, bank: BankNumbers) -> float:
    """How far a step of a device of a bank moves its weight."""
    assert bank.steps is not None
    return _factor(numbers) * abs(bank.gain) * _rms(bank.steps) / (1 if bank.spec.is_difference else bank.spec.lines)


def _factor(numbers: ArrayNumbers) -> float:
    """Root mean square of the digital factors between devices and weights."""
    return math.sqrt(float(np.square(numbers.factors).mean()))


def _scale(numbers: ArrayNumbers) -> float:
    """Root mean square of the weights that N inputs need."""
    return 1 / math.sqrt(3 * numbers.weights.shape[1])
