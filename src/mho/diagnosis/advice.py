"""What the trials of learning rules on one array say, and which rules a network is to try."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Sequence
from typing import Any, final

from mho.devices import Device
from mho.diagnosis.questions import Headline
from mho.diagnosis.rules import PLAIN, SHIFTED

SHARE = 0.3
"""Standard deviation of the targets in units of the reach."""
LEARNT = 0.5
"""Share of the targets' size that an error must fall below: above, an array has hardly learnt them."""
NEAR = 1.25
"""Times the error of writing the weights at once, within which an error is that of the devices' ranges."""
DEAR = 1.5
"""Times the error with exact references from which it is said what their errors cost."""
EPOCHS = 5
TRAINING = (
    "update.length=1",
    "update.update_management=true",
    "training.lr=0.05",
    "training.lr_steps.3=0.02",
    "training.lr_steps.5=0.01",
)
"""Settings of LeNet on MNIST with which docs/rules.md compares rules on two measured devices."""
WEIGHTS = (1 / math.sqrt(512), 1 / math.sqrt(25))
"""Largest initial weight of the widest and of the narrowest array of LeNet: uniform in ±1/√inputs."""


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class RuleTrial:
    """How one rule has learned the weights, or why it could not.

    Attributes:
        rule: its name.
        setting: what to give for it, as after `--set`: "cell.kind=TikiTaka cell.chopper=0.1".
        refused: why it cannot be used with the device; "" if it can, and only then the rest says anything.
        exact: error with exact references, of each seed, in per cent of the reach.
        error: error with references that are off by the given error, likewise; as `exact` for a rule without any.
        referenced: whether the rule subtracts references, whose error it may feel.
        falling: whether the error was still falling at the end.
        fall: by how much it fell from the eighth tenth of the vectors to the last, in per cent of the reach.
        devices: cross-points of a weight, those of references included.
        numbers: digital numbers of a weight.
        pulses: steps that a device makes in a thousand vectors, by the name of its bank; first what vectors pulse.
        lines: columns that are read or written between the vectors, in a thousand vectors.
        digital: whether the outer product of every vector is formed digitally, rows × columns multiply-adds.
        curve: error as given, mean over the seeds, after each twentieth of the vectors.
        seconds: of the simulation.
    """

    rule: str
    setting: str
    refused: str = ""
    exact: tuple[float, ...] = ()
    error: tuple[float, ...] = ()
    referenced: bool = False
    falling: bool = False
    fall: float = 0.0
    devices: int = 0
    numbers: int = 0
    pulses: dict[str, float] = dataclasses.field(default_factory=dict)
    lines: float = 0.0
    digital: bool = False
    curve: tuple[float, ...] = ()
    seconds: float = 0.0

    @property
    def mean(self) -> float:
        """Return the mean of `error` over the seeds, in per cent of the reach; infinite if the rule cannot be used."""
        return statistics.fmean(self.error) if self.error else math.inf

    @property
    def ahead(self) -> float:
        """Return the error in per cent of the reach that is left if it falls once more by as much as it was falling."""
        return self.mean - (self.fall if self.falling else 0.0)

    @property
    def mean_exact(self) -> float:
        """Return the mean error with exact references in per cent of the reach; infinite if the rule cannot be used."""
        return statistics.fmean(self.exact) if self.exact else math.inf

    @property
    def memory(self) -> tuple[int, int]:
        """Return what a weight needs: digital numbers, then devices; compared in this order, smaller is cheaper."""
        return self.numbers, self.devices


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Advice:
    """What each learning rule makes of one array of a device, and which of them a network is to try.

    Attributes:
        law: of the device.
        states: the nominal range over the mean step in its middle.
        reach: the weight that the nominal device reaches in both directions; errors are in per cent of it.
        reference_error: standard deviation of the references' errors, in units of the reach.
        size: rows and columns of the array.
        vectors: that each rule has seen.
        seeds: of devices, noise, targets and vectors.
        written: error of writing the targets at once, which the devices' ranges and write noise leave, of each seed.
        rules: in the order of their errors; those that cannot be used last.
        scaled: whether a network on the device needs `scale=max`, see `network_needs_scale`.
    """

    law: str
    states: float
    reach: float
    reference_error: float
    size: int
    vectors: int
    seeds: tuple[int, ...]
    written: tuple[float, ...]
    rules: tuple[RuleTrial, ...]
    scaled: bool = False

    @property
    def begins(self) -> float:
        """Error of an array that learns nothing, by the spread of the targets, in per cent of the reach."""
        return 100 * SHARE

    @property
    def learned(self) -> tuple[RuleTrial, ...]:
        """Return the rules that can be used on this device, the least error first."""
        return tuple(rule for rule in self.rules if not rule.refused)

    @property
    def ties(self) -> tuple[RuleTrial, ...]:
        """Return the best rule and those whose ranges of errors over the seeds overlap its own."""
        return _ties(self.learned)

    @property
    def first(self) -> RuleTrial | None:
        """The first rule on the array, the cheapest in memory of the `ties`; None where none has learnt the weights."""
        best = _cheapest(self.ties)
        return best if best.mean < LEARNT * self.begins else None

    @property
    def rivals(self) -> tuple[RuleTrial, ...]:
        """Return the rules that may pass the first with more vectors.

        Their errors were still falling at the end, and would be below that of the first if each of them, the first too,
        falls once more by as much as it was still falling.
        """
        first = _cheapest(self.ties)
        return tuple(r for r in self.learned if r is not first and r.falling and r.ahead < first.ahead)

    @property
    def candidates(self) -> tuple[RuleTrial, ...]:
        """Rules to train a network with: the first, the next but plain SGD, and zero-shifted SGD.

        Zero-shifted SGD needs least memory beside plain SGD, which stands in for it where the law of the
        device has no symmetry point. Empty where no rule has learnt the weights.
        """
        if self.first is None:
            return ()
        simple = next((rule for rule in self.learned if rule.rule == SHIFTED), self.rule(PLAIN))
        found = [self.first]
        for rule in self.learned:
            if rule not in (self.first, simple, self.rule(PLAIN)):
                found.append(rule)
                break
        return (*found, *([] if simple in found else [simple]))

    @property
    def headlines(self) -> list[Headline]:
        """Return the numbers of the answer, with units and sentences, for page and terminal."""
        first, lines = self.first, list[Headline]()
        if first is not None:
            remark = f"{min(first.error):.1f} to {max(first.error):.1f} % over {len(self.seeds)} seeds"
            tie = f"of {len(self.ties)} that tie" if len(self.ties) > 1 else "a network may have another"
            lines = [
                (first.rule, "first rule on one array", tie),
                (f"{first.mean:.1f} %", "its error, of the largest weight", remark),
            ]
        return [
            *lines,
            (
                f"{statistics.fmean(self.written):.1f} %",
                "error of weights written at once",
                "by the devices' ranges and write noise",
            ),
            (f"{self.states:,.0f}", "states", f"{self.law}, range over mean step"),
            (f"±{self.reach:.3g}", "largest weight", "held in both directions, nominal"),
        ]

    def rule(self, name: str) -> RuleTrial:
        """Return the trial of a rule by its name."""
        return next(rule for rule in self.rules if rule.rule == name)

    def training(self, rule: RuleTrial) -> str:
        """Return what to type after `mho train --device FILE` to train LeNet on MNIST with a rule, as docs/rules.md."""
        given = [*rule.setting.split(), *(["scale=max"] if self.scaled else []), *TRAINING]
        return " ".join(["--data mnist", f"--epochs {EPOCHS}", *(f"--set {part}" for part in given)])

    def to_dict(self) -> dict[str, Any]:
        """Return everything as numbers and words that JSON takes."""
        first = self.first
        return {
            **dataclasses.asdict(self),
            "ties": [rule.rule for rule in self.ties],
            "rivals": [rule.rule for rule in self.rivals],
            "first": None if first is None else first.rule,
            "candidates": [{"rule": rule.rule, "training": self.training(rule)} for rule in self.candidates],
            "advice": self.sentence,
        }

    @property
    def sentence(self) -> str:
        """What was measured, on what it rests, and what a network is to try."""
        best, first, given = self.learned[0], self.first, f"references off by {100 * self.reference_error:.3g} %"
        measured = (
            f"This is one array of {self.size}×{self.size}, {self.vectors:,} Gaussian vectors and {len(self.seeds)} "
            "seeds, not a network"
        )
        if first is None:
            may = self._rivals()
            return (
                f"No rule learns the weights on this device: the best, {best.rule}, ends {best.mean:.1f} % of the "
                f"largest weight from them{f' with {given}' if best.referenced else ''}, and an array that learns "
                f"nothing {self.begins:.0f} %{self._floor(best)}{may}. {measured}."
            )
        words = [
            f"Nearest to the weights comes {first.rule}: it ends {first.mean:.1f} % of the largest weight from them"
        ]
        if first.referenced:
            dear = first.mean > DEAR * first.mean_exact
            words[0] += f" with {given}" + (f" ({first.mean_exact:.1f} % with exact ones)" if dear else "")
        plain = self.rule(PLAIN)
        words[0] += self._floor(first)
        if first is not plain:
            words[0] += f", where {PLAIN} ends {plain.mean:.1f} %"
        if first.falling:
            words.append("its error was still falling")
        others = [named(rule) for rule in self.ties if rule is not first]
        if others:
            words.append(f"the seeds do not tell it from {' and '.join(others)}, and none of them needs less memory")
        words[-1] += self._rivals()
        if first.digital:
            words.append("it forms outer products digitally")
        names = "; ".join(rule.rule for rule in self.candidates)
        train = f"train some before you take a rule ({names})"
        return f"{'; '.join(words)}. {measured}: in networks another rule may be first; {train}."

    def _rivals(self) -> str:
        """Return that rules may still pass the first, if any may."""
        if not self.rivals:
            return ""
        fall, distance = "whose errors were", "their distances"
        if len(self.rivals) == 1:
            fall, distance = "whose error was", "its distance"
        return (
            f"; {' and '.join(named(rule) for rule in self.rivals)}, {fall} still falling by more than {distance} from "
            "the first, may pass it with more vectors"
        )

    def _floor(self, rule: RuleTrial) -> str:
        """Return that writing the weights at once leaves as large an error, if it does."""
        written = statistics.fmean(self.written)
        if rule.mean > NEAR * written:
            return ""
        return f" (the devices' ranges and write noise alone leave {written:.1f} %)"


def network_needs_scale(device: Device, reach: float) -> bool:
    """Return whether the initial weights of LeNet are too large for a device, or drown in its write noise.

    Args:
        device: with numbers of one device.
        reach: the weight that it reaches in both directions.
    """
    noise = device.parameters().get("write_noise")
    return reach < WEIGHTS[1] or (noise is not None and noise.mean > WEIGHTS[0])


def named(rule: RuleTrial) -> str:
    """Return a rule with its error."""
    return f"{rule.rule} ({rule.mean:.1f} %)"


def _ties(rules: Sequence[RuleTrial]) -> tuple[RuleTrial, ...]:
    """Return the first of rules in the order of their errors, and those whose ranges over the seeds overlap its own."""
    return tuple(rule for rule in rules if min(rule.error) <= max(rules[0].error))


def _cheapest(rules: Sequence[RuleTrial]) -> RuleTrial:
    """Return the rule that needs the least memory, and of several the rule with the least error."""
    return min(rules, key=lambda rule: (*rule.memory, rule.mean))
