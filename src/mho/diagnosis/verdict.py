"""The cause of an error: as good as floating point, near chance, too short, not the arrays, or what is at fault.

How well a run did, its error beside guessing and floating point, is its result: `mho.runs.outcome`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, final

from mho.diagnosis.cures import Settings
from mho.diagnosis.finding import LIMIT, UNIT, Finding, per_cent
from mho.diagnosis.rate import LearningRate
from mho.diagnosis.updates import SymmetryPoints
from mho.text import layers_in_words

NEAR_CHANCE = 0.85
"""Share of the error of guessing from which a network has learnt hardly anything."""
NEAR = 2.0
"""Points by which test errors of a few hundred examples differ by chance."""
FALLING = 0.15
"""Share by which the training loss falls in an epoch of a training that is too short."""
SAFE = 0.1
"""Change of the log-odds of other examples in a step that leaves room for higher rates by its inverse, in steps."""
ROOM = 30.0
"""How many times as high as given a learning rate may be before the rate, and not the length, is at fault."""
TELLING = 0.1
"""Loss of a check from which it counts among what keeps arrays behind floating point."""
LONGER = 4
"""How many times as long a training is advised to be."""


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Situation:
    """How far a training has come, as far as it is known.

    Attributes:
        error: in per cent, of the test where there is a history, else of the examples of the probe; None where targets
            are no classes and there is no history.
        examples: whose error it is, where it is not that of the test: "the 30 examples looked at".
        chance: error of guessing, in per cent; None: not known.
        guess: how guessing is known: "guessing", or from which examples.
        fall: share by which the training loss fell from the last epoch but one to the last; None: not known.
        epochs: that were trained; 0: not known.
        reference: test error of floating point, in per cent; None: not known.
        swing: what a training step changes of the log-odds of other examples, the largest of the replicas.
        lr: the largest learning rate.
        digital: layers with weights that are not on arrays, and the share of the weights that they hold.
    """

    error: float | None = None
    examples: str = ""
    chance: float | None = None
    guess: str = "guessing"
    fall: float | None = None
    epochs: int = 0
    reference: float | None = None
    swing: float = 0.0
    lr: float = 0.0
    digital: tuple[tuple[str, ...], float] = ((), 0.0)

    @property
    def is_at_chance(self) -> bool:
        """Whether the network is hardly better than guessing."""
        return self.error is not None and self.chance is not None and self.error > NEAR_CHANCE * self.chance

    @property
    def is_falling(self) -> bool:
        """Whether the training loss was still falling clearly."""
        return self.fall is not None and self.fall > FALLING

    @property
    def errors(self) -> str:
        """The error and its yardsticks in words; "" where it is not known."""
        if self.error is None:
            return ""
        guess = "chance level not known" if self.chance is None else f"{self.guess}: {self.chance:.1f}{UNIT}"
        known = [guess, *([f"floating point: {self.reference:.1f}{UNIT}"] if self.reference is not None else [])]
        of = f" of {self.examples}" if self.examples else ""
        return f"error{of} {self.error:.1f}{UNIT} ({', '.join(known)})"


@final
@dataclasses.dataclass(frozen=True)
class Verdict:
    """What causes the error, or that nothing does that the checks know of.

    Attributes:
        kind: "as good as floating point", "not the arrays", "too short", "learning rate too small", "behind floating
            point" where several effects add up, "no problem found", "unexplained", or the name of the check that found
            the fault.
        sentence: for people, one line.
        settings: what to try, as after `--set` of `mho train`; () where a finding says it.
    """

    kind: str
    sentence: str
    settings: Settings = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as JSON has it."""
        return {"kind": self.kind, "sentence": self.sentence, "settings": list(self.settings)}


NONE = Verdict("", "")
"""Of a diagnosis without one."""


@final
@dataclasses.dataclass(frozen=True)
class Judged:
    """Replicas whose arrays have equal values, judged together.

    Attributes:
        name: their values, such as "forward.noise = 0.06"; "" where all replicas are alike.
        replicas: their numbers.
        verdict: on them.
        faults: of them, the worst first.
    """

    name: str
    replicas: tuple[int, ...]
    verdict: Verdict
    faults: tuple[Finding, ...]

    @classmethod
    def of(cls, name: str, replicas: Sequence[int], findings: Sequence[Finding], situation: Situation) -> Judged:
        """Return the judgement on replicas from what the checks found in them, the worst first."""
        return cls(name, tuple(replicas), verdict(findings, situation), tuple(suspects(findings, situation)))


def joint(parts: Sequence[Judged]) -> Verdict:
    """Return one verdict on parts of a model: that of the part with the worst fault, and for which parts each holds."""
    if len(parts) == 1:
        return parts[0].verdict
    worst = min(parts, key=lambda part: min(((each.rank, -each.lost) for each in part.faults), default=(9, 0.0)))
    kinds: dict[str, list[str]] = {worst.verdict.kind: []}
    for part in parts:
        kinds.setdefault(part.verdict.kind, []).append(part.name)
    each = "; ".join(f"{kind} for {', '.join(names)}" for kind, names in kinds.items())
    return Verdict(
        worst.verdict.kind, f"{each}; replicas of unlike arrays are judged each by itself", worst.verdict.settings
    )


def verdict(findings: Sequence[Finding], situation: Situation) -> Verdict:
    """Return the verdict from what the checks found, the worst first, and how far the training has come."""
    made = (
        _of_reference(situation)
        or _of_faults(findings, situation)
        or _of_length(situation)
        or _unexplained(findings, situation)
        or _behind(findings, situation)
        or _without_fault(findings, situation)
    )
    names, share = situation.digital
    beside = f"; digital: {layers_in_words(', '.join(names))}, {per_cent(share)} of the weights" if names else ""
    return dataclasses.replace(made, sentence=made.sentence + beside)


def suspects(findings: Sequence[Finding], situation: Situation) -> list[Finding]:
    """Return the faults that the course of the training does not contradict: causes first, then the worst.

    None is at fault where floating point is no better. A learning rate is not too high where the loss falls clearly
    from epoch to epoch and the network is far better than guessing; nor have weights been lost then to symmetry points
    that scatter, for which there is no cure.
    """
    if _of_reference(situation) is not None:
        return []
    learns = situation.is_falling and situation.chance is not None and not situation.is_at_chance
    faults = [each for each in findings if each.fault and not (learns and _is_contradicted(each))]
    return sorted(faults, key=lambda each: (each.rank, -each.lost))


def _is_contradicted(finding: Finding) -> bool:
    """Return whether a loss that falls clearly, far from guessing, speaks against a finding."""
    return finding.check == LearningRate.name or (finding.check == SymmetryPoints.name and finding.hopeless)


def _of_reference(situation: Situation) -> Verdict | None:
    reference, error = situation.reference, situation.error
    if reference is None or error is None:
        return None
    if situation.is_at_chance and situation.chance is not None and reference > NEAR_CHANCE * situation.chance:
        return Verdict(
            "not the arrays",
            f"not the arrays: floating point is as bad; {situation.errors}; look at data, labels and network, or train "
            "longer",
        )
    if error <= reference + NEAR:
        return Verdict("as good as floating point", f"as good as floating point; {situation.errors}")
    return None


def _of_faults(findings: Sequence[Finding], situation: Situation) -> Verdict | None:
    faults = suspects(findings, situation)
    if not faults:
        return None
    worst, more = faults[0], len(faults) - 1
    others = f", and {more} more" if more else ""
    level = "near chance" if situation.is_at_chance else ""
    words = [f"{worst.check}{others}", *([level] if level else []), *([situation.errors] if situation.errors else [])]
    return Verdict(worst.check, "; ".join(words))


def _of_length(situation: Situation) -> Verdict | None:
    """Return that the rate is too small or the training too short, where no check finds a fault."""
    longer = (f"training.epochs={LONGER * situation.epochs}",) if situation.epochs else ()
    if situation.is_at_chance and situation.swing < SAFE and situation.lr:
        room = SAFE / max(situation.swing, 1e-30)
        if room > ROOM:
            higher = f"training.lr={situation.lr * min(room, 1000.0):.1g}"
            sentence = f"learning rate too small, or training too short; near chance; {situation.errors}"
            return Verdict("learning rate too small", sentence, (higher,))
        return Verdict("too short", f"too short; near chance; {situation.errors}", longer)
    if situation.is_falling:
        assert situation.fall is not None
        sentence = (
            f"too short: the training loss fell by {per_cent(situation.fall)} in the last epoch; {situation.errors}"
        )
        return Verdict("too short", sentence, longer)
    return None


def _unexplained(findings: Sequence[Finding], situation: Situation) -> Verdict | None:
    if not situation.is_at_chance:
        return None
    most = min(findings, key=lambda each: (each.rank > 1, -each.lost))
    largest = f"the largest effect is {most.check} ({most.lost:.0%}, limit {LIMIT:.0%})"
    ask = "" if situation.reference is not None else "; see whether floating point learns it"
    sentence = f"near chance, and no single check says why: {largest}{ask}; {situation.errors}"
    return Verdict("unexplained", sentence, most.settings)


def _behind(findings: Sequence[Finding], situation: Situation) -> Verdict | None:
    """Return what adds up where floating point is clearly better and no effect by itself passes its limit."""
    if situation.reference is None or situation.error is None:
        return None
    largest = [each for each in findings if each.lost >= TELLING][:3]
    if not largest:
        return None
    effects = ", ".join(f"{each.check} ({each.lost:.0%})" for each in largest)
    settings = next((each.settings for each in largest if each.settings), ())
    sentence = (
        f"behind floating point by {situation.error - situation.reference:.1f} points, and no single check passes its "
        f"limit of {LIMIT:.0%}; the largest effects: {effects}; {situation.errors}"
    )
    return Verdict("behind floating point", sentence, settings)


def _without_fault(findings: Sequence[Finding], situation: Situation) -> Verdict:
    most = findings[0]
    sentence = f"no problem found; largest effect: {most.check} ({most.lost:.0%}, limit {LIMIT:.0%})"
    return Verdict("no problem found", f"{sentence}; {situation.errors}" if situation.errors else sentence)


def fall_of(history: Sequence[Mapping[str, Any]]) -> float | None:
    """Return the share by which the training loss fell in the last epoch; None where it is not known."""
    losses = [float(line.get("train_loss", math.nan)) for line in history[-2:]]
    if len(losses) < 2 or not all(math.isfinite(loss) for loss in losses) or losses[0] <= 0:
        return None
    return 1 - losses[1] / losses[0]
