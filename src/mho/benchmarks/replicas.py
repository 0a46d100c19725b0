"""R networks side by side against R runs in turn."""

from __future__ import annotations

from typing import Any

import torch

from mho.benchmarks.machine import usable_cores
from mho.benchmarks.plan import Plan
from mho.benchmarks.results import Chart, Line, Result, Table, Tell, digits, exponent_table
from mho.benchmarks.steps import online, stretches
from mho.benchmarks.timing import Block, Samples, alternate, exponent
from mho.compiler.threads import set_threads
from mho.presets import gokmen_2017
from mho.training.loop import TOGETHER

REPLICAS = (1, 2, 4, 8)
THREADS = (1, 2)
WARM_UP = 100
SPEC = gokmen_2017(pulses=10, update_management=True)
Key = tuple[int, int]
"""R and threads; 0 threads: in turn."""
IN_TURN = 0


def run(plan: Plan, tell: Tell) -> Result:
    """Time training steps of R replicas, and of as many single networks one after another."""
    warm_up = plan.pick(WARM_UP, 1)
    sizes = plan.pick(REPLICAS, (1, 2))

    def block(seed: int, replicas: int, threads: int) -> Block:
        set_threads(threads)
        inner = stretches(online(SPEC, seed=seed, replicas=replicas), plan.pictures(), plan.images, warm_up=warm_up)

        def one_round() -> float:
            set_threads(threads)
            return inner()

        return one_round

    singles = [block(seed, 1, 1) for seed in range(max(sizes))]
    tell(f"replicas: R = {', '.join(map(str, sizes))} on {' and '.join(map(str, THREADS))} threads")
    blocks: dict[str, Block] = {}
    for count in sizes:
        blocks[_key(count, IN_TURN)] = _in_turn(singles[:count])
        for threads in THREADS:
            blocks[_key(count, threads)] = block(0, count, threads)
    torch.set_num_threads(1)
    taken = alternate(blocks, plan.rounds)
    rows = [_record(count, threads, taken) for count in sizes for threads in (IN_TURN, *THREADS)]
    fitted = {
        f"R, {_words(threads)}": exponent(sizes, [taken[_key(count, threads)] for count in sizes])
        for threads in (IN_TURN, *THREADS)
    }
    fits = [{"measured": "exponent", "over": name} | b.record("exponent") for name, b in fitted.items()]
    cores = usable_cores()
    return Result(
        suite="replicas",
        title="Replicas: R networks side by side",
        method=(
            f"LeNet, {plan.data}, mini-batch 1, BL = 10, all management, online, {TOGETHER} steps at a time as in mho "
            f"train. In turn: R networks of R seeds, {plan.images} images each, one network after another on one "
            f"thread. Side by side: one run with replicas = R. They alternate, {plan.rounds} rounds; a round gives "
            "the mean of its steps, and the ratio of throughputs is taken round by round. torch has one thread."
        ),
        records=(*rows, *fits),
        tables=(_table(rows), exponent_table("How the time of an image of all R grows", fitted)),
        charts=(_chart(sizes, taken),),
        notes=(f"This process may use {cores} core, so 2 threads share it.",) if cores < max(THREADS) else (),
    )


def _in_turn(singles: list[Block]) -> Block:
    return lambda: sum(single() for single in singles)


def _key(count: int, threads: int) -> str:
    return f"R = {count}, {_words(threads)}"


def _words(threads: int) -> str:
    return "in turn, 1 thread" if threads == IN_TURN else f"side by side, {threads} thread{'s' if threads > 1 else ''}"


def _record(count: int, threads: int, taken: dict[str, Samples]) -> dict[str, Any]:
    samples = taken[_key(count, threads)]
    return {
        "measured": "replicas",
        "replicas": count,
        "side_by_side": threads != IN_TURN,
        "threads": threads or 1,
        **samples.scaled(1e6).record("us_an_image_of_all"),
        **taken[_key(count, IN_TURN)].over(samples).record("throughput_ratio"),
    }


def _table(rows: list[dict[str, Any]]) -> Table:
    return Table(
        title="Throughput against runs in turn",
        columns=(
            "R",
            "how",
            "µs an image",
            "µs per image and replica",
            "throughput ratio",
            "smallest to largest",
        ),
        rows=tuple(
            (
                str(row["replicas"]),
                _words(row["threads"] if row["side_by_side"] else IN_TURN),
                digits(row["us_an_image_of_all"]),
                digits(row["us_an_image_of_all"] / row["replicas"]),
                digits(row["throughput_ratio"]),
                f"{digits(row['throughput_ratio_min'])} to {digits(row['throughput_ratio_max'])}",
            )
            for row in rows
        ),
        names=2,
        note="A ratio above 1: side by side is faster. Each replica's bits are those of its own run.",
    )


def _chart(sizes: tuple[int, ...], taken: dict[str, Samples]) -> Chart:
    lines = tuple(
        Line(
            label=_words(threads),
            x=tuple(map(str, sizes)),
            y=tuple(taken[_key(count, IN_TURN)].over(taken[_key(count, threads)]) for count in sizes),
        )
        for threads in THREADS
    )
    return Chart(
        title="Throughput of R replicas relative to R runs in turn on one thread",
        x_label="replicas, R",
        y_label="throughput ratio",
        lines=lines,
        bars=True,
        target=(1.0, "in turn"),
    )
