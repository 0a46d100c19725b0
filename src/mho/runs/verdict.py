"""What a training came to, in sentences: its error beside what guessing and floating point reach."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from mho.training.callbacks import NAMES
from mho.training.tasks import Chance

Line = Mapping[str, Any]
"""A line of metrics.jsonl."""


def verdict(
    line: Line, *, measure: str, units: Mapping[str, str], chance: Chance | None, twin: Line | None
) -> list[str]:
    """Return what a training came to, the result first.

    Args:
        line: the last of metrics.jsonl.
        measure: what the errors are, in words.
        units: what losses and further numbers are measured in, by their names without "test_".
        chance: what guessing reaches; None where nobody says.
        twin: the last line of the same network in floating point; None where it was not trained.
    """
    each, names = line.get("test_error_replicas") or (), line.get(NAMES) or ()
    if names:  # a mean over different arrays is that of none
        best, worst = each.index(min(each)), each.index(max(each))
        result = (
            f"test {measure} from {each[best]:.2f} % ({names[best]}) to {each[worst]:.2f} % ({names[worst]}) after "
            f"epoch {line['epoch']}"
        )
    else:
        of = f", the mean of {len(each)} replicas" if each else ""
        result = f"test {measure} {line['test_error']:.2f} % after epoch {line['epoch']}{of}"
    sentences = [result + ("" if chance is None else _beside_chance(line["test_error"], each, chance))]
    sentences += _further(line, units, chance, twin)
    if twin is not None:
        sentences.append(_beside_twin(line, twin, chance))
    return sentences


def is_chance(line: Line, chance: Chance | None) -> bool:
    """Return whether a test of this size cannot tell the error of any replica from that of guessing."""
    errors = line.get("test_error_replicas") or [line["test_error"]]
    return chance is not None and all(map(chance.reached_by, errors))


def _beside_chance(error: float, each: Any, chance: Chance) -> str:
    guessing = sum(map(chance.reached_by, each)) if each else int(chance.reached_by(error))
    if guessing == max(1, len(each)):
        spread = f" ± {chance.deviation:.2f}" if chance.deviation else ""
        return f": as bad as guessing (chance {chance.error:.2f}{spread} %)"
    some = f"; {guessing} of {len(each)} replicas are as bad as guessing" if guessing else ""
    return f" (chance {chance.error:.2f} %){some}"


def _beside_twin(line: Line, twin: Line, chance: Chance | None) -> str:
    error = twin["test_error"]
    begun = f"floating point {error:.2f} % after epoch {twin['epoch']}, with the same network, data, seeds and rates"
    if twin["epoch"] != line["epoch"]:
        return f"{begun}: it is behind, and its epochs are yet to come"
    if is_chance(twin, chance):
        return f"{begun}, is as bad as guessing too: look at learning rate, epochs and data before the device"
    if line.get(NAMES):
        costs = [own - error for own in line["test_error_replicas"]]
        return f"{begun}: the arrays change it by {min(costs):+.2f} to {max(costs):+.2f} percentage points"
    cost = line["test_error"] - error
    return f"{begun}: the arrays {'add' if cost >= 0 else 'take off'} {abs(cost):.2f} percentage points"


def _further(line: Line, units: Mapping[str, str], chance: Chance | None, twin: Line | None) -> list[str]:
    """Return a sentence on the numbers of the test that have units."""
    parts = []
    for name, words in units.items():
        value = line.get(f"test_{name}")
        if not isinstance(value, float) or not math.isfinite(value):
            continue
        guessed = chance.numbers.get(name) if chance is not None else None
        exact = twin.get(f"test_{name}") if twin is not None else None
        known = {"chance": guessed, "floating point": exact}
        beside = [f"{what} {number:.3f}" for what, number in known.items() if number is not None]
        parts.append(f"{value:.3f} {words}" + (f" ({', '.join(beside)})" if beside else ""))
    return [f"test {', '.join(parts)}"] if parts else []
