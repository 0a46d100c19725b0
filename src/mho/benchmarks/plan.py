"""Plan of a benchmark: which suites, on what, how often."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, final

from mho.errors import Faults, InvalidValue, nearest

if TYPE_CHECKING:
    from mho.data import Dataset

T = TypeVar("T")

SUITES = (
    "lenet",
    "batch",
    "resnet20",
    "lstm",
    "transformer",
    "threads",
    "update",
    "read",
    "replicas",
    "devices",
    "rules",
    "band_limited",
    "conntra",
)
ALL = "all"
USED_BY = {
    "data": ("lenet", "batch", "threads", "replicas", "rules", "conntra"),
    "data_dir": ("lenet", "batch", "threads", "replicas", "rules", "conntra"),
    "images": ("lenet", "replicas", "rules"),
    "threads": tuple(name for name in SUITES if name not in ("replicas", "threads", "conntra")),
}
"""Options that only some suites look at; `replicas` and `threads` set their own, `conntra` takes one thread."""
QUICK = {"rounds": 2, "images": 5}


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """One benchmark.

    Attributes:
        suites: names from `SUITES`, in the order in which they run.
        rounds: how often the contestants take turns, at least 1.
        images: training steps a round at mini-batch 1, at least 1 (lenet, replicas, rules).
        data: "digits" or "mnist" (lenet, batch, threads, replicas, rules, conntra).
        data_dir: folder with MNIST's files.
        threads: threads for the arrays and for torch, 1 to 1024 (all suites but replicas, threads and conntra).
        quick: small sizes, for tests: the machinery works, the numbers mean little.

    Raises:
        InvalidValue: naming every fault at once.
    """

    suites: tuple[str, ...] = ("lenet",)
    rounds: int = 7
    images: int = 200
    data: str = "digits"
    data_dir: Path | None = None
    threads: int = 1
    quick: bool = False

    def __post_init__(self) -> None:
        from mho.data import DATA_SETS  # imports torch, and the command line wants the names of suites alone

        faults = Faults("bench")
        for name in self.suites:
            if name not in SUITES:
                faults.add(f"no suite {name!r}{nearest(name, (*SUITES, ALL))}")
        faults.number("rounds", self.rounds, low=1, integer=True)
        faults.number("images", self.images, low=1, integer=True)
        if self.data not in DATA_SETS:
            faults.add(f"data is {self.data!r}{nearest(str(self.data), DATA_SETS)}")
        faults.number("threads", self.threads, low=1, high=1024, integer=True)
        faults.raise_any()

    def pick(self, full: T, quick: T) -> T:
        """Return the first, or the second in a quick benchmark."""
        return quick if self.quick else full

    def pictures(self) -> Dataset:
        """Return the data set, loaded once per process.

        Raises:
            DataMissing: if it is neither on this machine nor to be had from the network.
        """
        return _load(self.data, self.data_dir)

    @property
    def needs_pictures(self) -> bool:
        """True if a suite trains on images."""
        return any(name in USED_BY["data"] for name in self.suites)


def make_plan(suites: Sequence[str], given: Mapping[str, Any], *, quick: bool = False) -> Plan:
    """Return a plan from the options of the command line: "all" or suites, and options, None where left out.

    Raises:
        InvalidValue: naming every fault at once, options that no chosen suite looks at included.
    """
    chosen = SUITES if ALL in suites and set(suites) <= {ALL, *SUITES} else tuple(dict.fromkeys(suites)) or ("lenet",)
    values = {name: value for name, value in given.items() if value is not None}
    faults = Faults("bench")
    for name in values:
        users = USED_BY.get(name, chosen)
        if not any(suite in users for suite in chosen) and set(chosen) <= set(SUITES):
            option = "--" + name.replace("_", "-")
            faults.add(f"{option} has no effect on {', '.join(chosen)}; leave it out, or add {' or '.join(users)}")
    try:
        plan = Plan(suites=chosen, quick=quick, **((QUICK if quick else {}) | values))
    except InvalidValue as error:
        faults.found += error.faults
    faults.raise_any()
    return plan


@functools.cache
def _load(name: str, folder: Path | None) -> Dataset:
    from mho.data import load

    return load(name, folder)
