"""A training step of each learning rule beside plain pulsed SGD on the same device."""

from __future__ import annotations

from typing import Any

from mho.benchmarks import aihwkit_peer
from mho.benchmarks.beside import AIHWKIT
from mho.benchmarks.plan import Plan
from mho.benchmarks.results import Chart, Line, Result, Table, Tell, digits, span
from mho.benchmarks.steps import lenet as network
from mho.benchmarks.steps import mho_online, timed_block
from mho.benchmarks.timing import Samples, alternate
from mho.cells import AGAD, Cell, ERider, MixedPrecision, PeriodicCarry, Residual, Single, TikiTaka
from mho.devices import SoftBounds
from mho.presets import gokmen_2017

WARM_UP = 100
"""Images trained on first: the first gradients are large, and the caches cold."""
SGD = "SGD"
RULES: dict[str, Cell] = {
    SGD: Single(),
    "TTv1": TikiTaka(buffer=False, auto_scale=False),
    "TTv2, rate η": TikiTaka(auto_scale=False),
    "TTv2": TikiTaka(),
    "c-TTv2": TikiTaka(chopper=0.1),
    "AGAD, rate η": AGAD(auto_scale=False),
    "AGAD": AGAD(),
    "E-RIDER": ERider(),
    "Residual": Residual(),
    "MixedPrecision": MixedPrecision(),
    "PeriodicCarry": PeriodicCarry(),
}
"""Rules with their defaults, a transfer every 2 vectors; "rate η" without automatic scaling, at SGD's own rate."""


def run(plan: Plan, tell: Tell) -> Result:
    """Time LeNet at mini-batch 1, driven online."""
    absent = aihwkit_peer.missing()
    base, warm_up = gokmen_2017(update_management=True).replace(device=SoftBounds()), plan.pick(WARM_UP, 2)
    specs = {name: base.replace(cell=cell) for name, cell in RULES.items()}
    steps = {name: mho_online(rpu) for name, rpu in specs.items()}
    if absent is None:
        peers = {name: rpu for name, rpu in specs.items() if aihwkit_peer.expresses(rpu)}
        steps |= {f"{name}, {AIHWKIT}": aihwkit_peer.aihwkit(rpu, network()) for name, rpu in peers.items()}
    tell(f"rules: {plan.rounds} rounds of {len(steps)} rules")
    blocks = {name: timed_block(step, plan.pictures(), plan.images, warm_up=warm_up) for name, step in steps.items()}
    times = {name: taken.scaled(1e6) for name, taken in alternate(blocks, plan.rounds).items()}
    return Result(
        suite="rules",
        title="Learning rules: a whole training step of LeNet at mini-batch 1",
        method=(
            f"Forward, backward, update and transfers of one image at a time, {plan.data}, {plan.threads} thread(s), "
            "SoftBounds, BL = 10, noise, bound and update management. All rules start from the same weights and train "
            f"on the same images in the same order, in turns of {plan.images} images, {plan.rounds} rounds; a turn's "
            "value is the median of its steps. Ratios are taken round by round. Automatic scaling sends about BL "
            "pulses to the most driven weights with every vector, which plain SGD does only at first."
        ),
        notes=() if absent is None else (absent,),
        records=tuple(_record(name, times) for name in times),
        tables=(_table(times),),
        charts=(_chart(times),),
    )


def _record(name: str, times: dict[str, Samples]) -> dict[str, Any]:
    taken = times[name]
    return {"rule": name, **taken.record("us_an_image"), **taken.over(times[SGD]).record("ratio")}


def _table(times: dict[str, Samples]) -> Table:
    rows = []
    for name, taken in times.items():
        ratio = taken.over(times[SGD])
        extremes = f"{digits(min(ratio.values))} to {digits(max(ratio.values))}"
        rows.append((name, span(taken), digits(ratio.median), extremes))
    return Table(
        title="Microseconds an image",
        columns=("rule", "µs per image (quartiles)", "ratio to SGD", "smallest to largest"),
        rows=tuple(rows),
        names=1,
        note="Medians over rounds.",
    )


def _chart(times: dict[str, Samples]) -> Chart:
    rules = [name for name in times if name != SGD]
    line = Line(label="rule", x=tuple(rules), y=tuple(times[name].over(times[SGD]) for name in rules))
    return Chart(
        title="Time of a training step relative to plain SGD",
        x_label="",
        y_label="ratio to SGD",
        lines=(line,),
        bars=True,
        target=(1.0, "SGD"),
    )
