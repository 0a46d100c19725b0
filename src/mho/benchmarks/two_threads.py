"""One network on two threads beside the same network on one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from mho.benchmarks.networks import Load, OnArrays, lenets, resnets, timed_block
from mho.benchmarks.plan import Plan
from mho.benchmarks.results import Chart, Line, Result, Table, Tell, digits, span
from mho.benchmarks.timing import Block, Samples, alternate
from mho.compiler.threads import set_threads
from mho.nn import array_layers

THREADS = (1, 2)
STEPS = 3
"""After which the weights of both are compared."""
LOADS = ((*lenets(8, 64), *resnets(8)), lenets(2))


def run(plan: Plan, tell: Tell) -> Result:
    """Time training steps of single networks on one and two threads."""
    times: dict[str, dict[int, Samples]] = {}
    same: dict[str, bool] = {}
    for load in plan.pick(*LOADS):
        tell(f"threads: {load.name}")
        same[load.name] = _weights(load, plan, 1).equal(_weights(load, plan, 2))
        blocks = {str(count): _block(load, plan, count) for count in THREADS}
        taken = alternate(blocks, plan.rounds)
        times[load.name] = {count: taken[str(count)].scaled(1e6) for count in THREADS}
    return Result(
        suite="threads",
        title="One network on two threads",
        method=(
            "Forward, backward and update, BL = 10, noise, bound and update management. Both contestants train the "
            f"same network on the same batches and take turns, {plan.rounds} rounds; ratios are taken round by round. "
            f"Weights are compared after {STEPS} steps. Torch has one thread, as in mho train: threads of its own that "
            "wait for work would take the cores from those of the arrays."
        ),
        records=tuple(_record(load, taken, same[load]) for load, taken in times.items()),
        tables=(_table(times, same),),
        charts=(_chart(times),),
    )


def _on(count: int, call: Callable[[], float]) -> float:
    set_threads(count)
    try:
        return call()
    finally:
        set_threads(1)


def _block(load: Load, plan: Plan, count: int) -> Block:
    made: list[Block] = []

    def one_round() -> float:
        if not made:
            made.append(timed_block(load, OnArrays.of(load, plan).driver.step, plan))
        return made[0]()

    return lambda: _on(count, one_round)


def _weights(load: Load, plan: Plan, count: int) -> torch.Tensor:
    """Return all weights after some steps."""
    ours, batches = OnArrays.of(load, plan), load.batches(plan)

    def train() -> float:
        for _ in range(STEPS):
            ours.driver.step(*next(batches))
        return 0.0

    _on(count, train)
    return torch.cat([layer.weight.flatten() for layer in array_layers(ours.model).values()])


def _record(load: str, taken: dict[int, Samples], same: bool) -> dict[str, Any]:
    record: dict[str, Any] = {"load": load, "same_bits": same}
    for count, samples in taken.items():
        record |= samples.record(f"us_an_example_{count}")
    return record | taken[1].over(taken[2]).record("gain")


def _table(times: dict[str, dict[int, Samples]], same: dict[str, bool]) -> Table:
    rows = tuple(
        (load, span(taken[1]), span(taken[2]), digits(taken[1].over(taken[2]).median), "yes" if same[load] else "no")
        for load, taken in times.items()
    )
    columns = ("load", "µs per example, 1 thread", "2 threads", "times as fast", "same bits")
    return Table(
        title="Microseconds an example", columns=columns, rows=rows, note="Medians over rounds, and quartiles."
    )


def _chart(times: dict[str, dict[int, Samples]]) -> Chart:
    gain = Line(label="two threads", x=tuple(times), y=tuple(taken[1].over(taken[2]) for taken in times.values()))
    return Chart(
        title="Gain of a second thread",
        x_label="",
        y_label="times as fast as on one thread",
        lines=(gain,),
        bars=True,
        target=(2.0, "ideal"),
    )
