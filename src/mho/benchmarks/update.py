"""The update cycle of one array: nanoseconds a (weight, vector) pair, what limits it, how it grows."""

from __future__ import annotations

import dataclasses
from contextlib import nullcontext
from typing import Any, final

from mho.benchmarks import narrow
from mho.benchmarks.loads import (
    ACTIVE,
    LENGTH,
    POOLED,
    Call,
    Case,
    array_of,
    coincidences,
    kernel_times,
    line_probability,
    on_threads,
    update_call,
)
from mho.benchmarks.machine import usable_cores
from mho.benchmarks.plan import Plan
from mho.benchmarks.results import Result, Tell, exponent_table, percent
from mho.benchmarks.roofs import Work, reached, roof_blocks, update_work
from mho.benchmarks.scaling import Point, Series, curves, pair_time
from mho.benchmarks.timing import Samples, alternate, blocks_of
from mho.benchmarks.update_tables import POOLED_ROWS, bars, main_table, narrow_table, parts_table
from mho.presets import gokmen_2017

LENET = Case(32, 401, 64)
CASES = (LENET, Case(512, 512, 1), Case(512, 512, 64), Case(2048, 2048, 1), Case(2048, 2048, 64))
QUICK_CASES = (Case(8, 33, 4), Case(48, 48, 1))
VECTORS, QUICK_VECTORS = (1, 4, 16, 64, 256), (2, 8)
LENGTHS, QUICK_LENGTHS = (1, 2, 5, 10, 20, 32), (1, 10)
SIDES, QUICK_SIDES = (64, 128, 256, 512, 1024), (16, 32)
SHARED, QUICK_SHARED = Case(512, 512, 64), Case(48, 48, 4)
"""The case that threads share."""
THREADS = (1, 2, 4, 8, 16)
"""Two, and more where there are cores."""
SPEC = gokmen_2017(pulses=LENGTH)


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Measured:
    """Times of all contestants, and what their calls do."""

    cases: tuple[Case, ...]
    narrow_cases: tuple[Case, ...]
    met: dict[Case, float]
    works: dict[Case, Work]
    amounts: dict[str, float]
    series: list[Series]
    taken: dict[str, Samples]
    parts: dict[Case, dict[str, float]]


def run(plan: Plan, tell: Tell) -> Result:
    """Time `Crossbar.update_vectors`."""
    found = _measure(plan, tell)
    taken, series = found.taken, found.series
    rows = [_record(case, taken[str(case)], coincidences_a_pair=found.met[case]) for case in found.cases]
    for case, row in zip(found.cases, rows, strict=True):
        row |= reached(case, found.works[case], taken[str(case)], taken, found.amounts)
    rows.insert(1, _record(found.cases[0], taken[_pooled(found.cases[0])], driven_rows=POOLED))
    parts = [_parts(case, kernels) for case, kernels in found.parts.items()]
    compared = [_compared(case, taken[str(case)], taken[_narrow(case)]) for case in found.narrow_cases]
    why_not = narrow.left_out()
    return Result(
        suite="update",
        title="The update cycle of one array",
        method=(
            f"ConstantStep devices with all spreads, {plan.threads} thread(s). {percent(ACTIVE)} of the (weight, "
            f"vector) pairs coincide at BL = {LENGTH}: every row and column pulses in a slot with the same "
            f"probability p = {line_probability():.4f}, from 1 − (1 − p²)^{LENGTH} = {ACTIVE}; signs are random. "
            f"Calls of all sizes take turns, {plan.rounds} rounds. Against BL, x, δ and the learning rate stay what "
            "they are."
        ),
        records=(*rows, *parts, *compared, *(row for group in series for row in group.records(taken))),
        tables=(
            main_table(rows),
            parts_table(parts),
            *([narrow_table(compared)] if compared else []),
            exponent_table("How time grows", {group.over: group.fit(taken) for group in series}),
        ),
        charts=(bars(rows), *(curves([group], taken) for group in series)),
        notes=(why_not,) if why_not else (),
    )


def _measure(plan: Plan, tell: Tell) -> Measured:
    seconds = plan.pick(0.02, 0.001)
    cases = plan.pick(CASES, QUICK_CASES)
    arrays = {case: array_of(SPEC, case) for case in cases}
    calls: dict[str, Call] = {str(case): update_call(arrays[case], case.vectors) for case in cases}
    calls[_pooled(cases[0])] = update_call(array_of(SPEC, cases[0]), cases[0].vectors, driven_rows=POOLED)
    met = {case: coincidences(arrays[case], calls[str(case)], case.vectors) for case in cases}
    works = {case: update_work(arrays[case], case, met[case]) for case in cases}
    roofs, amounts = roof_blocks(works, seconds)
    series = _series(plan)
    grown = {name: call for group in series for name, call in group.calls().items()}
    blocks = blocks_of(calls | grown, seconds) | roofs
    narrow_cases = () if narrow.left_out() else tuple(case for case in cases if case.vectors > 1)[:2]
    if narrow_cases:
        tell("update: a process without AVX-512 compiles kernels of its own")
    others = narrow.narrow_blocks(SPEC, narrow_cases, threads=plan.threads, seconds=seconds) if narrow_cases else None
    with others or nullcontext({}) as there:
        tell(f"update: {plan.rounds} rounds of {len(blocks) + len(there)} contestants")
        taken = alternate(blocks | {_narrow(case): block for case, block in there.items()}, plan.rounds)
    parts = {case: kernel_times(arrays[case], case.vectors, seconds) for case in cases}
    return Measured(
        cases=cases, narrow_cases=narrow_cases, met=met, works=works, amounts=amounts, series=series, taken=taken,
        parts=parts,
    )  # fmt: skip


def _series(plan: Plan) -> list[Series]:
    base, few = plan.pick((LENET, 16), (QUICK_CASES[0], 4))
    shared = plan.pick(SHARED, QUICK_SHARED)

    def point(size: float, case: Case, length: int = LENGTH) -> Point:
        rpu = SPEC if length == LENGTH else gokmen_2017(pulses=length)
        return Point(size, case, update_call(array_of(rpu, case), case.vectors))

    longer = [Case(base.rows, base.columns, vectors) for vectors in plan.pick(VECTORS, QUICK_VECTORS)]
    wider = [Case(n, n, few) for n in plan.pick(SIDES, QUICK_SIDES)]
    counts = [n for n in THREADS if n <= max(2, usable_cores())]
    together = update_call(array_of(SPEC, shared), shared.vectors)
    points = {
        "T": [point(case.vectors, case) for case in longer],
        "BL": [point(length, base, length) for length in plan.pick(LENGTHS, QUICK_LENGTHS)],
        "area": [point(case.cells, case) for case in wider],
        "threads": [Point(n, shared, on_threads(n, together)) for n in counts],
    }
    return [Series(over=over, what="update", points=tuple(found)) for over, found in points.items()]


def _pooled(case: Case) -> str:
    return str(case) + POOLED_ROWS


def _narrow(case: Case) -> str:
    return f"AVX2 {case}"


def _record(case: Case, taken: Samples, *, driven_rows: float = 1.0, **more: float) -> dict[str, Any]:
    about = {"measured": "update", **case.record(), "length": LENGTH, "driven_rows": driven_rows}
    return about | more | pair_time(taken, case).record("ns_a_pair")


def _parts(case: Case, kernels: dict[str, float]) -> dict[str, Any]:
    ns = {name: 1e9 * seconds / case.pairs for name, seconds in kernels.items()}
    return {"measured": "parts", **case.record(), "ns_a_pair_by_kernel": ns}


def _compared(case: Case, wide: Samples, other: Samples) -> dict[str, Any]:
    about = {"measured": "without AVX-512", **case.record()}
    return about | pair_time(other, case).record("ns_a_pair") | other.over(wide).record("ratio")
