"""Runs of a paper's curves: one per seed, in a folder whose name has a hash of what decides its result."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from typing import final

from mho.papers.paper import Paper
from mho.papers.scale import Scale
from mho.papers.study import Study
from mho.version import PHYSICS_VERSION

ADDRESS = 12


@final
@dataclasses.dataclass(frozen=True)
class Job:
    """A run: a curve with a seed, what is trained, and the name of its run folder."""

    curve: str
    seed: int
    study: Study
    name: str


def job(paper: Paper, curve: str, seed: int, scale: Scale) -> Job:
    """Return the run of a curve with a seed."""
    study = scale.of(paper.study(curve))
    return Job(curve, seed, study, f"{curve}-s{seed}-{address(study, seed)}")


def jobs(paper: Paper, curves: Sequence[str], scale: Scale) -> list[Job]:
    """Return the runs of some curves: the first seed of each, then the second of each, ..."""
    return [job(paper, curve, seed, scale) for seed in range(scale.seeds) for curve in curves]


def address(study: Study, seed: int = 0) -> str:
    """Hash what decides a result: description and version of the physics. More epochs leave the hash as it is."""
    decides = [study.description(seed), PHYSICS_VERSION]
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:ADDRESS]
