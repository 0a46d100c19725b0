"""Runs suites one after another and writes what they found."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, final

import torch

from mho.benchmarks import (
    band_limited,
    conntra,
    devices,
    lenet,
    machine,
    networks,
    read,
    replicas,
    rules,
    two_threads,
    update,
)
from mho.benchmarks.plan import Plan
from mho.benchmarks.results import Result, Suite, Tell
from mho.compiler.threads import set_threads, threads
from mho.files import refuse_full, write_atomically

RUNS: dict[str, Suite] = {
    "lenet": lenet.run,
    **{name: networks.suite(name) for name in networks.LOADS},
    "threads": two_threads.run,
    "update": update.run,
    "read": read.run,
    "replicas": replicas.run,
    "devices": devices.run,
    "rules": rules.run,
    "band_limited": band_limited.run,
    "conntra": conntra.run,
}
JSON, PAGE = "bench.json", "bench.html"


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """Everything one benchmark found, with the machine before it began."""

    plan: Plan
    machine: dict[str, Any]
    results: tuple[Result, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values: the machine, the settings, and the records of each suite under its name."""
        settings = dataclasses.asdict(self.plan) | {"suites": list(self.plan.suites)}
        settings["data_dir"] = None if self.plan.data_dir is None else str(self.plan.data_dir)
        found: dict[str, Any] = {"machine": self.machine, "settings": settings}
        notes = {result.suite: list(result.notes) for result in self.results if result.notes}
        return found | {result.suite: list(result.records) for result in self.results} | {"notes": notes}

    def to_json(self) -> str:
        """`to_dict` as JSON."""
        return json.dumps(self.to_dict(), allow_nan=False)


def run_plan(plan: Plan, tell: Tell, *, seen: Callable[[Result], object] = lambda result: None) -> Outcome:
    """Run every suite of a plan; `seen` gets each result as soon as it is there. Threads are set back after it.

    Raises:
        DataMissing: before anything is timed, if a suite needs images that are not there.
    """
    if plan.needs_pictures:
        plan.pictures()
    described = machine.describe()
    before = threads(), torch.get_num_threads()
    results = []
    try:
        for name in plan.suites:
            set_threads(plan.threads)
            torch.set_num_threads(plan.threads)
            results.append(RUNS[name](plan, tell))
            seen(results[-1])
    finally:
        set_threads(before[0])
        torch.set_num_threads(before[1])
    return Outcome(plan=plan, machine=described, results=tuple(results))


def open_folder(folder: Path, plan: Plan) -> None:
    """Make the folder for the results, before time is spent on them, once the images of the plan are there.

    Raises:
        WrongUse: if something is in it.
        DataMissing: see `run_plan`.
    """
    refuse_full(folder, cure="give another --out, or empty it")
    if plan.needs_pictures:
        plan.pictures()
    folder.mkdir(parents=True, exist_ok=True)


def write_outcome(outcome: Outcome, folder: Path) -> None:
    """Write bench.json and the page bench.html."""
    from mho.benchmarks.page import render  # matplotlib and jinja2 only here

    write_atomically(folder / JSON, json.dumps(outcome.to_dict(), allow_nan=False, indent=1).encode())
    write_atomically(folder / PAGE, render(outcome.machine, outcome.plan, outcome.results).encode())
