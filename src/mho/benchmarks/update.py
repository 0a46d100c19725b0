"""The update cycle of one array: nanoseconds a (weight, vector) pair, what limits it, how it grows."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

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
    updater,
)
from mho.benchmarks.plan import Plan
from mho.benchmarks.results import Chart, Line, Result, Table, Tell, digits, exponent_table, span
from mho.benchmarks.roofs import NOTE, SHARES, reached, roof_blocks, share_words, update_work
from mho.benchmarks.scaling import Point, Series, curves, pair_time
from mho.benchmarks.timing import Samples, alternate, blocks_of
from mho.presets import gokmen_2017

LENET = Case(32, 401, 64)
CASES = (LENET, Case(512, 512, 1), Case(512, 512, 64), Case(2048, 2048, 1), Case(2048, 2048, 64))
QUICK_CASES = (Case(8, 33, 4), Case(48, 48, 1))
VECTORS, QUICK_VECTORS = (1, 4, 16, 64, 256), (2, 8)
LENGTHS, QUICK_LENGTHS = (1, 2, 5, 10, 20, 32), (1, 10)
SIDES, QUICK_SIDES = (64, 128, 256, 512, 1024), (16, 32)
POOLED_ROWS = f", {POOLED:.0%} of δ not zero"


def run(plan: Plan, tell: Tell) -> Result:
    """Time `Crossbar.update_vectors`."""
    seconds = plan.pick(0.02, 0.001)
    cases = plan.pick(CASES, QUICK_CASES)
    rpu = gokmen_2017(pulses=LENGTH)
    arrays = {case: array_of(rpu, case) for case in cases}
    calls: dict[str, Call] = {str(case): updater(arrays[case], case.vectors) for case in cases}
    pooled = str(cases[0]) + POOLED_ROWS
    calls[pooled] = updater(array_of(rpu, cases[0]), cases[0].vectors, driven_rows=POOLED)
    met = {case: coincidences(arrays[case], calls[str(case)], case.vectors) for case in cases}
    works = {case: update_work(arrays[case], case, met[case]) for case in cases}
    roofs, amounts = roof_blocks(works, seconds)
    series = _series(plan)
    grown = {name: call for group in series for name, call in group.calls().items()}
    blocks = blocks_of(calls | grown, seconds) | roofs
    why_not = narrow.left_out()
    narrow_cases = () if why_not else tuple(case for case in cases if case.vectors > 1)[:2]
    if narrow_cases:
        tell("update: a process without AVX-512 compiles kernels of its own")
    others = narrow.narrow_blocks(rpu, narrow_cases, threads=plan.threads, seconds=seconds) if narrow_cases else None
    with others or nullcontext({}) as there:
        tell(f"update: {plan.rounds} rounds of {len(blocks) + len(there)} contestants")
        taken = alternate(blocks | {f"AVX2 {case}": block for case, block in there.items()}, plan.rounds)
    rows = [_record(case, taken[str(case)], coincidences_a_pair=met[case]) for case in cases]
    for case, row in zip(cases, rows, strict=True):
        row |= reached(case, works[case], taken[str(case)], taken, amounts)
    rows.insert(1, _record(cases[0], taken[pooled], driven_rows=POOLED))
    parts = [_parts(case, kernel_times(calls[str(case)])) for case in cases]
    compared = [_compared(case, taken[str(case)], taken[f"AVX2 {case}"]) for case in narrow_cases]
    fitted = {group.over: group.fit(taken) for group in series}
    return Result(
        suite="update",
        title="The update cycle of one array",
        method=(
            f"ConstantStep devices with all spreads, {plan.threads} thread(s). {ACTIVE:.0%} of the (weight, vector) "
            f"pairs coincide at BL = {LENGTH}: every row and column pulses in a slot with the same probability p = "
            f"{line_probability():.4f}, from 1 − (1 − p²)^{LENGTH} = {ACTIVE}; signs are random. Calls of all sizes "
            f"take turns, {plan.rounds} rounds. Against BL, x, δ and the learning rate stay what they are."
        ),
        records=(*rows, *parts, *compared, *(row for group in series for row in group.records(taken))),
        tables=(
            _main_table(rows),
            _parts_table(parts),
            *([_narrow_table(compared)] if compared else []),
            exponent_table("How time grows", fitted),
        ),
        charts=(_bars(rows), *(curves([group], taken) for group in series)),
        notes=(why_not,) if why_not else (),
    )


def _series(plan: Plan) -> list[Series]:
    base, few = plan.pick((LENET, 16), (QUICK_CASES[0], 4))
    ten = gokmen_2017(pulses=LENGTH)

    def point(size: float, case: Case, length: int = LENGTH) -> Point:
        rpu = ten if length == LENGTH else gokmen_2017(pulses=length)
        return Point(size, case, updater(array_of(rpu, case), case.vectors))

    longer = [Case(base.rows, base.columns, vectors) for vectors in plan.pick(VECTORS, QUICK_VECTORS)]
    wider = [Case(n, n, few) for n in plan.pick(SIDES, QUICK_SIDES)]
    points = {
        "T": [point(case.vectors, case) for case in longer],
        "BL": [point(length, base, length) for length in plan.pick(LENGTHS, QUICK_LENGTHS)],
        "area": [point(case.cells, case) for case in wider],
    }
    return [Series(over=over, what="update", points=tuple(found)) for over, found in points.items()]


def _record(case: Case, taken: Samples, *, driven_rows: float = 1.0, **more: float) -> dict[str, Any]:
    about = {"measured": "update", **case.record(), "length": LENGTH, "driven_rows": driven_rows}
    return about | more | pair_time(taken, case).record("ns_a_pair")


def _parts(case: Case, kernels: dict[str, float]) -> dict[str, Any]:
    ns = {name: 1e9 * seconds / case.pairs for name, seconds in kernels.items()}
    return {"measured": "parts", **case.record(), "ns_a_pair_by_kernel": ns}


def _compared(case: Case, wide: Samples, other: Samples) -> dict[str, Any]:
    about = {"measured": "without AVX-512", **case.record()}
    return about | pair_time(other, case).record("ns_a_pair") | other.over(wide).record("ratio")


# For people --------------------------------------------------------------------------------------


def _name(row: dict[str, Any]) -> str:
    pooled = POOLED_ROWS if row.get("driven_rows", 1.0) < 1 else ""
    return str(Case(row["rows"], row["columns"], row["vectors"])) + pooled


def _main_table(rows: list[dict[str, Any]]) -> Table:
    return Table(
        title=f"Update, BL = {LENGTH}",
        columns=("array", "ns a pair (quartiles)", *SHARES),
        rows=tuple((_name(row), span(Samples(tuple(row["ns_a_pair_samples"]))), *share_words(row)) for row in rows),
        note=(
            f"{NOTE} Bytes: each cache line with a coincidence once, its weights back, and the pulse trains. "
            "Operations: two a pair, 60 a coincidence, 10 a slot of a line."
        ),
    )


def _parts_table(parts: list[dict[str, Any]]) -> Table:
    names = list(dict.fromkeys(name for row in parts for name in row["ns_a_pair_by_kernel"]))
    return Table(
        title="Nanoseconds a pair by kernel",
        columns=("array", *names),
        rows=tuple(
            (_name(row), *(digits(row["ns_a_pair_by_kernel"].get(name, 0.0)) for name in names)) for row in parts
        ),
        note="trains draws the pulses, update moves the cross-points; what Python adds is not here.",
    )


def _narrow_table(rows: list[dict[str, Any]]) -> Table:
    return Table(
        title="Without AVX-512",
        columns=("array", "ns a pair with AVX2 only", "ratio to this machine's own", "smallest to largest"),
        rows=tuple(
            (
                _name(r),
                digits(r["ns_a_pair"]),
                digits(r["ratio"]),
                f"{digits(r['ratio_min'])} to {digits(r['ratio_max'])}",
            )
            for r in rows
        ),
    )


def _bars(rows: list[dict[str, Any]]) -> Chart:
    full = [row for row in rows if row["driven_rows"] == 1.0]
    return Chart(
        title=f"Update: {ACTIVE:.0%} active pairs, BL = {LENGTH}",
        x_label="",
        y_label="ns a (weight, vector) pair",
        lines=(
            Line(
                label="update",
                x=tuple(map(_name, full)),
                y=tuple(Samples(tuple(row["ns_a_pair_samples"])) for row in full),
            ),
        ),
        bars=True,
        target=(0.2, "aim at 32×401"),
    )
