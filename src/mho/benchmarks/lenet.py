"""A whole training step on arrays beside the same network in plain torch, and in aihwkit."""

from __future__ import annotations

from typing import Any

from mho.benchmarks import aihwkit_peer
from mho.benchmarks.plan import Plan
from mho.benchmarks.results import Chart, Line, Result, Table, Tell, digits, span
from mho.benchmarks.steps import DRIVERS, plain_torch, turns
from mho.benchmarks.steps import lenet as network
from mho.benchmarks.timing import Samples, alternate
from mho.presets import gokmen_2017

WARM_UP = 300
"""Images trained on first: the first gradients are large, and the caches cold."""
SPECS = {
    "BL = 10, NM + BM + UM": gokmen_2017(pulses=10, update_management=True),
    "BL = 1, NM + BM + UM": gokmen_2017(pulses=1, update_management=True),
}
TORCH, AIHWKIT = "plain torch", "aihwkit"


def run(plan: Plan, tell: Tell) -> Result:
    """Time LeNet at mini-batch 1: forward, backward and update."""
    absent = aihwkit_peer.missing()
    times: dict[str, dict[str, Samples]] = {}
    for name, rpu in SPECS.items():
        tell(f"lenet: {name}")
        steps = {driver: make(rpu) for driver, make in DRIVERS.items()} | {TORCH: plain_torch()}
        if absent is None:
            steps[AIHWKIT] = aihwkit_peer.aihwkit(rpu, network())
        warm_up = plan.pick(WARM_UP, 2)
        blocks = {who: turns(step, plan.pictures(), plan.images, warm_up=warm_up) for who, step in steps.items()}
        times[name] = {who: taken.scaled(1e6) for who, taken in alternate(blocks, plan.rounds).items()}
    return Result(
        suite="lenet",
        title="LeNet: a whole training step at mini-batch 1",
        method=(
            f"Forward, backward and update of one image at a time, {plan.data}, {plan.threads} thread(s). All "
            "contestants start from the same weights, train on the same images in the same order, and take turns of "
            f"{plan.images} images in one process, {plan.rounds} rounds; a turn's value is the median of its steps. "
            "Ratios are taken round by round."
        ),
        records=tuple(_record(spec, who, taken) for spec, taken in times.items() for who in taken),
        tables=(_table(times),),
        charts=(_chart(times),),
        notes=() if absent is None else (absent,),
    )


def _record(spec: str, who: str, taken: dict[str, Samples]) -> dict[str, Any]:
    record: dict[str, Any] = {"spec": spec, "contestant": who}
    record |= taken[who].record("us_an_image") | taken[who].over(taken[TORCH]).record("ratio")
    if AIHWKIT in taken:
        record |= taken[AIHWKIT].over(taken[who]).record("times_faster_than_aihwkit")
    return record


def _table(times: dict[str, dict[str, Samples]]) -> Table:
    rows: list[tuple[str, ...]] = []
    peer = any(AIHWKIT in taken for taken in times.values())
    for spec, taken in times.items():
        for who, samples in taken.items():
            ratio = samples.over(taken[TORCH])
            extremes = f"{digits(min(ratio.values))} to {digits(max(ratio.values))}"
            row = (spec, who, span(samples), digits(ratio.median), extremes)
            rows.append((*row, digits(taken[AIHWKIT].over(samples).median)) if peer else row)
    columns = ("spec", "contestant", "µs an image (quartiles)", "ratio to torch", "smallest to largest")
    return Table(
        title="Microseconds an image",
        columns=(*columns, "times faster than aihwkit") if peer else columns,
        rows=tuple(rows),
        names=2,
        note="Medians over rounds. NM, BM, UM: noise, bound and update management.",
    )


def _chart(times: dict[str, dict[str, Samples]]) -> Chart:
    names = [who for who in next(iter(times.values())) if who != TORCH]
    lines = tuple(
        Line(label=who, x=tuple(times), y=tuple(taken[who].over(taken[TORCH]) for taken in times.values()))
        for who in names
    )
    return Chart(
        title="Time of a training step relative to plain torch",
        x_label="",
        y_label="ratio to plain torch",
        lines=lines,
        bars=True,
        target=(1.0, "plain torch"),
    )
