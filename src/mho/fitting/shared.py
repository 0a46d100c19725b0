"""Noises that devices share: fits of several devices with the same read noise and c2c."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import final

import numpy as np

from mho.devices import Device, PerCell
from mho.fitting.estimate import COMMON, CYCLE, NOISE, Estimate
from mho.fitting.problem import Problem
from mho.fitting.search import FLAT, End, climb
from mho.fitting.starts import AWAKE, ROUGH, TRIAL

REACH = 2.99
"""Standard errors that reach what is as likely: three, and a little for rounding."""
ROUNDS, CLOSE = 12, 1e-3
"""Newton steps towards the noises of several devices, and the square of the step, in standard errors, that ends."""
LEAST_CYCLE = 1e-3
"""The least c2c of several devices."""


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Shared:
    """Fits of several devices whose noises are the same numbers.

    Attributes:
        fits: one per device, with these noises held.
        sizes: read noise and c2c, as far as devices share them.
        minus: minus the log likelihood, of several devices adjusted for the parameters of the mean steps of each.
        errors: standard errors of the logarithms of those that were searched for.
    """

    fits: list[tuple[Problem, End]]
    sizes: dict[str, float]
    minus: float
    errors: dict[str, float]

    def reaching(self, other: Shared) -> Shared:
        """Return the fits with errors three of which reach the noises of other fits, or none."""
        wide = {
            name: abs(math.log(other.sizes[name] / self.sizes[name])) if name in other.sizes else 1.0
            for name in self.errors
        }
        return dataclasses.replace(self, errors={name: max(e, wide[name] / REACH) for name, e in self.errors.items()})


def share(found: Sequence[tuple[Problem, End]], at: Mapping[str, float], names: Sequence[str]) -> Shared:
    """Return the fits with the read noise or c2c, or both, that the adjusted likelihood of all devices together has.

    Args:
        found: fits near these.
        at: read noise and c2c to begin with, those that all devices have.
        names: those of them that are searched for; the others are held there.
    """
    sizes, fits, errors = dict(at), list(found), dict.fromkeys(names, 0.0)
    for _ in range(ROUNDS):
        fits = [held_at(problem, end, sizes) for problem, end in fits]
        if not names:
            break
        parts = [problem.shared_slopes(end.places, names) for problem, end in fits]
        slope, bend = (np.sum([part[k] for part in parts], axis=0) for k in (0, 1))
        inverse = np.linalg.inv(bend + FLAT * np.eye(len(names)))
        errors = dict(zip(names, np.sqrt(np.diag(inverse)).tolist(), strict=True))
        step = np.clip(inverse @ slope, -1.0, 1.0)
        if step @ bend @ step < CLOSE:
            break
        for name, move in zip(names, step.tolist(), strict=True):
            least = LEAST_CYCLE if name == CYCLE else max(problem.floor for problem, _ in fits)
            sizes[name] = max(sizes[name] * math.exp(move), least)
    minus = sum(end.minus + problem.shape_information(end.places) for problem, end in fits)
    return Shared(fits, sizes, minus, errors)


def held_at(problem: Problem, end: End, sizes: Mapping[str, float]) -> tuple[Problem, End]:
    """Return the fit with these noises held, from a fit near it."""
    held = problem.held | {name: Estimate(size, None, COMMON) for name, size in sizes.items()}
    other = problem.replaced(held=held)
    return other, climb(other, other.follow(problem, end.places), steps=TRIAL, enough=ROUGH)


def together(found: list[tuple[Problem, End]]) -> Shared:
    """Fits of several devices with the same read noise, unless that is none, and c2c; a single fit as it is."""
    if len(found) == 1:
        return Shared(found, {}, found[0][1].minus, {})
    first = found[0][0]
    names = [n for n in (NOISE, CYCLE) if n in first.names and not (n == CYCLE and _differs(first.law, n))]
    values = [problem.values(end.places) for problem, end in found]
    sizes = {}
    if NOISE in names:
        floor = max(problem.floor for problem, _ in found)
        sizes[NOISE] = max(float(np.median([v[NOISE] for v in values])), floor)
    if CYCLE in names:
        sizes[CYCLE] = max(float(np.sqrt(np.mean([v[CYCLE] ** 2 for v in values]))), AWAKE)
    return share(found, sizes, names)


def _differs(law: type[Device], name: str) -> bool:
    """Return True if a law's field has a value of its own in each device."""
    return any(f.name == name and isinstance(f.default, PerCell) for f in dataclasses.fields(law))
