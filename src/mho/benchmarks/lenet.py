"""A whole training step on arrays beside the same network in plain torch, and in aihwkit."""

from __future__ import annotations

from mho.benchmarks import aihwkit_peer
from mho.benchmarks.beside import AIHWKIT, TORCH, beside_torch
from mho.benchmarks.plan import Plan
from mho.benchmarks.results import Result, Tell
from mho.benchmarks.steps import DRIVERS, plain_torch, timed_block
from mho.benchmarks.steps import lenet as network
from mho.benchmarks.timing import Samples, alternate
from mho.presets import gokmen_2017

WARM_UP = 300
"""Images trained on first: the first gradients are large, and the caches cold."""
SPECS = {
    "BL = 10, NM + BM + UM": gokmen_2017(pulses=10, update_management=True),
    "BL = 1, NM + BM + UM": gokmen_2017(pulses=1, update_management=True),
}


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
        blocks = {who: timed_block(step, plan.pictures(), plan.images, warm_up=warm_up) for who, step in steps.items()}
        times[name] = {who: taken.scaled(1e6) for who, taken in alternate(blocks, plan.rounds).items()}
    return Result(
        suite="lenet",
        title="LeNet: a whole training step at mini-batch 1",
        method=(
            f"Forward, backward and update of one image at a time, {plan.data}, {plan.threads} thread(s). All "
            "contestants start from the same weights, train on the same images in the same order, and take turns of "
            f"{plan.images} images in one process, {plan.rounds} rounds; a round's value is the median of its steps. "
            "Ratios are taken round by round."
        ),
        notes=() if absent is None else (absent,),
        **beside_torch(times, row="spec", example="image", note="NM, BM, UM: noise, bound and update management."),
    )
