"""Which learning rule a device needs: every rule learns the same weights on it, and the devices and pulses it takes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, final

import numpy as np
import torch

from mho.arrays import Crossbar
from mho.config import RPU
from mho.devices import Device
from mho.devices.symmetry import count_of_states
from mho.diagnosis.advice import SHARE, Advice, RuleTrial, network_needs_scale
from mho.diagnosis.rules import RULES, Rule
from mho.errors import Faults, InvalidValue, in_words, shown
from mho.learning import learn_weights
from mho.learning.weight_programming import BLOCK, TAIL, drawn_targets
from mho.per_replica import Number, lengths
from mho.periphery import Pulses, Read

if TYPE_CHECKING:  # its room need not be imported to train
    from mho.fitting.progress import Watch

RATE, SIZE = 0.1, 20
"""Learning rate, rows and columns of the array."""
NOISE, BOUND, BITS = 0.06, 12.0, (7, 9)
"""Of reads: noise and bound in units of the reach, bits in and out."""
POINTS = 20
"""Of the learning curve."""
LENGTH = 5
"""Pulses of a train."""
FALLING = 0.1
"""Share by which an error falls from its mean over the eighth tenth of the vectors to the last: it is not settled."""
TIMED = 1000.0
"""Vectors for which pulses are told."""


@in_words
def advise(
    device: Device,
    *,
    reference_error: float = 0.1,
    vectors: int = 30_000,
    size: int = SIZE,
    seeds: Sequence[int] = (0, 1, 2),
    watch: Watch | None = None,
) -> Advice:
    """Let every learning rule bring an array of a device to given weights, and say which of them a network is to try.

    One array is no network: a rule that is first on it may fail in a network, so that no rule is said to be the one to
    take. `Advice.candidates` are two or three rules to train a network with, and `Advice.training` what to type for it.

    The task is that of `mho.learning.learn_weights`. It is the same for every device in units of the reach, the weight
    that the nominal device reaches in both directions: targets have the standard deviation 0.3, reads the noise 0.06
    and the bound 12. The learning rate 0.1 needs no such unit: errors of outputs grow with the weights as steps do.
    All banks of a rule are of this device. Rules run at the defaults of their cells, but for two numbers that follow
    the length of the task (buffers take the mean over 200 vectors, a digital gradient is written after 10); one after
    another, with every seed side by side, and those that subtract references with exact ones and with wrong ones. A
    rule that refuses the device stays in the result with its reason. The default takes a minute or two on an idle core.

    Args:
        device: of numbers, not lists, whose pulses move weights of both signs.
        reference_error: standard deviation of the references' errors, in units of the reach, at least 0.
        vectors: that each rule sees, at least 100.
        size: rows and columns of the array, at least 1.
        seeds: of devices, noise, targets and vectors, at least 2: what differs by less than they do is a tie.
        watch: is told the rule, and how many thousands of vectors are done and to be done.

    Returns:
        Errors, memory, pulses and time of each rule, the rules to try, and the advice as a text: print its `sentence`.

    Raises:
        InvalidValue: for a number out of range, or a device that cannot learn weights of both signs.

    Source: M. J. Rasch et al., Nat. Commun. 15:7133 (2024), Fig. 4, whose array, reads and pulse trains these are.
    """
    reach = _checked_reach(device, reference_error=reference_error, vectors=vectors, size=size, seeds=seeds)
    task = _Task(device, reach, reference_error, vectors, size, tuple(seeds))
    made = [(rule, task.array(rule)) for rule in RULES]
    parts = -(-vectors // BLOCK)
    whole = parts * sum(isinstance(rpu, RPU) for _, rpu in made)
    written = task.written()
    tried: list[RuleTrial] = []
    for rule, rpu in made:
        if isinstance(rpu, RPU):
            before = parts * sum(not each.refused for each in tried)
            tried.append(task.trial(rule, rpu, partial(_tell, watch, rule.name, before, whole)))
        else:
            tried.append(RuleTrial(rule=rule.name, setting=rule.setting, refused=rpu))
    tried.sort(key=lambda rule: rule.mean)
    return Advice(
        law=device.law_name(),
        states=count_of_states(device),
        reach=reach,
        reference_error=reference_error,
        size=size,
        vectors=vectors,
        seeds=tuple(seeds),
        written=written,
        rules=tuple(tried),
        scaled=network_needs_scale(device, reach),
    )


@final
@dataclasses.dataclass(frozen=True)
class _Task:
    """The weights that each rule has to learn on a device; attributes as the arguments of `advise`."""

    device: Device
    reach: float
    reference_error: float
    vectors: int
    size: int
    seeds: tuple[int, ...]

    def array(self, rule: Rule) -> RPU | str:
        """Return the array of a rule, with exact and with wrong references side by side; or why there is none."""
        numbers: dict[str, Any] = {
            "noise": NOISE * self.reach,
            "bound": BOUND * self.reach,
            "dac_bits": BITS[0],
            "adc_bits": BITS[1],
        }
        io = Read(**numbers, noise_management=True, bound_management=True)
        seeds = len(self.seeds)
        error: Number = 0.0
        if self.reference_error:
            error = [0.0] * seeds + [self.reference_error * self.reach] * seeds
        try:
            return RPU(
                device=self.device,
                cell=rule.cell(Read(**numbers), error),
                forward=io,
                backward=io,
                update=Pulses(length=LENGTH, update_management=True),
            )
        except InvalidValue as refusal:
            return "; ".join(refusal.faults)

    def written(self) -> tuple[float, ...]:
        """Return the error of writing the targets at once, of each seed, in per cent of the reach."""
        targets = drawn_targets(self.seeds, size=self.size, target_std=SHARE * self.reach)
        array = Crossbar(RPU(device=self.device), self.size, self.size, seed=list(self.seeds), replicas=len(self.seeds))
        array.write(torch.from_numpy(targets), quiet=True)
        off = np.square(array.weight.numpy() - targets, dtype=np.float64).mean(axis=(1, 2))
        return tuple((100 * np.sqrt(off) / self.reach).tolist())

    def trial(self, rule: Rule, rpu: RPU, watch: Callable[[int], None]) -> RuleTrial:
        """Let an array learn, and return what came out."""
        groups = 1 if rpu.replicas is None else rpu.replicas // len(self.seeds)
        learned = learn_weights(
            rpu,
            vectors=self.vectors,
            size=self.size,
            lr=RATE,
            target_std=SHARE * self.reach,
            seeds=self.seeds * groups,
            points=POINTS,
            watch=watch,
        )
        last = slice((groups - 1) * len(self.seeds), None)
        errors = 100 * learned.error / self.reach
        curve = 100 * learned.curve[:, last].mean(axis=1) / self.reach
        tenths = learned.vectors / self.vectors
        marks = [math.ceil((k + 1) * self.vectors / POINTS) for k in range(POINTS)]
        before = curve[(tenths > 1 - 3 * TAIL) & (tenths <= 1 - 2 * TAIL)]
        specs, events = rule.exact.banks(rpu.device, rpu.update), rule.exact.events()
        return RuleTrial(
            rule=rule.name,
            setting=rule.setting,
            exact=tuple(errors[: len(self.seeds)].tolist()),
            error=tuple(errors[last].tolist()),
            referenced=groups > 1,
            falling=bool(before.size and errors[last].mean() < (1 - FALLING) * before.mean()),
            fall=max(float(before.mean() - errors[last].mean()), 0.0) if before.size else 0.0,
            devices=sum(spec.devices + (spec.fixed is not None) for spec in specs),
            numbers=sum(buffer.per == "weight" for buffer in rule.exact.buffers().values()),
            pulses={bank: TIMED * float(steps.mean()) for bank, steps in learned.pulses.items()},
            lines=TIMED * sum((1 if event.cyclic else self.size) / event.every for event in events),
            digital=rule.digital,
            curve=tuple(curve[np.isin(learned.vectors, marks)].tolist()),
            seconds=learned.seconds,
        )


def _tell(watch: Watch | None, rule: str, before: int, whole: int, vector: int) -> None:
    """Say which rule learns, and how many thousands of vectors are done of all."""
    if watch is not None:
        watch(f"learning with {rule}", before + vector // BLOCK, whole)


def _checked_reach(device: Device, *, reference_error: float, vectors: int, size: int, seeds: Sequence[int]) -> float:
    """Return the weight that the nominal device reaches in both directions.

    Raises:
        InvalidValue: for what is no device, or cannot learn weights of both signs, or numbers out of range.
    """
    faults = Faults("advise")
    faults.number("reference_error", reference_error, low=0.0, high=10.0)
    faults.number("vectors", vectors, low=100, integer=True)
    faults.number("size", size, low=1, integer=True)
    if isinstance(seeds, str) or not isinstance(seeds, Sequence) or len(seeds) < 2:
        faults.add(f"seeds is {shown(seeds)}; give at least 2, for example (0, 1, 2): what they differ by is a tie")
    reach = 0.0
    if not isinstance(device, Device):
        faults.add(f"device is {shown(device)}; give a device, for example mho.devices.SoftBounds()")
    elif not device.pulse_driven:
        faults.add(f"{type(device).__name__} takes no pulses, and learns exactly by any rule; give a law of steps")
    elif lists := lengths(device):
        faults.add(f"{', '.join(lists)} of this {type(device).__name__} are lists; ask for one device at a time")
    else:
        low, high = (device.parameters()[name].mean for name in ("w_min", "w_max"))
        reach = min(high, -low)
        if math.isinf(reach):
            faults.add(f"w_min is {low:g} and w_max is {high:g}; give finite bounds: targets are a share of the range")
        elif reach <= 0:
            faults.add(
                f"the weights of this {type(device).__name__} are {low:g} to {high:g}, and networks need both signs; "
                "shift the range, as mho device fit does, or train with mho.cells.OneSided(), which no rule here takes"
            )
    faults.raise_any()
    return reach
