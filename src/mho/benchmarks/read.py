"""Forward and backward reads of one array: nanoseconds a (weight, vector) pair, noise, management, growth."""

from __future__ import annotations

import dataclasses
from typing import Any

from mho.benchmarks.loads import Call, Case, array_of, reader
from mho.benchmarks.plan import Plan
from mho.benchmarks.results import Chart, Line, Result, Table, Tell, digits, exponent_table, span
from mho.benchmarks.roofs import NOTE, SHARES, Work, reached, read_work, roof_blocks, share_words
from mho.benchmarks.scaling import Point, Series, curves, pair_time
from mho.benchmarks.timing import Samples, alternate, blocks_of
from mho.benchmarks.update import CASES, LENET, QUICK_CASES, QUICK_SIDES, QUICK_VECTORS, SIDES, VECTORS
from mho.periphery import Read
from mho.presets import gokmen_2017

MANAGED = gokmen_2017(managed=True)
SPECS = {
    "exact": MANAGED.replace(forward=Read.exact(), backward=Read.exact()),
    "noise": gokmen_2017(managed=False),
    "noise, management": MANAGED,
}
BLAS = "noise, management, BLAS"
READS = SPECS | {
    BLAS: MANAGED.replace(
        forward=dataclasses.replace(MANAGED.forward, matmul="blas"),
        backward=dataclasses.replace(MANAGED.backward, matmul="blas"),
    )
}
DIRECTIONS = {"forward": False, "backward": True}


def run(plan: Plan, tell: Tell) -> Result:
    """Time `Crossbar.read_vectors`."""
    seconds = plan.pick(0.02, 0.001)
    cases = plan.pick(CASES, QUICK_CASES)
    arrays = {(spec, case): array_of(rpu, case) for spec, rpu in READS.items() for case in cases}
    calls: dict[str, Call] = {
        _key(way, spec, case): reader(array, case.vectors, backward=backward)
        for (spec, case), array in arrays.items()
        for way, backward in DIRECTIONS.items()
    }
    # The roofs of a size serve both directions and every spec: they move the same bytes.
    roofs, amounts = roof_blocks({case: read_work(case, backward=False, noise=True) for case in cases}, seconds)
    series = _series(plan)
    grown = {name: call for group in series for name, call in group.calls().items()}
    blocks = blocks_of(calls | grown, seconds) | roofs
    tell(f"read: {plan.rounds} rounds of {len(blocks)} contestants")
    taken = alternate(blocks, plan.rounds)
    rows = [
        _record(way, spec, case, taken[_key(way, spec, case)])
        | reached(case, _work(way, spec, case), taken[_key(way, spec, case)], taken, amounts)
        for case in cases
        for way in DIRECTIONS
        for spec in SPECS
    ]
    ratios = [_ratio(way, case, taken) for case in cases for way in DIRECTIONS]
    overs = dict.fromkeys(group.over for group in series)
    return Result(
        suite="read",
        title="Forward and backward reads of one array",
        method=(
            f"{plan.threads} thread(s). exact: no noise, no bounds. noise: σ = 0.06 and a bound of 12. Management: "
            "bound management forward, noise management backward, as in Gokmen 2017. No output meets its bound, so "
            f"bound management looks, and never reads again. Calls of all sizes take turns, {plan.rounds} rounds."
        ),
        records=(*rows, *ratios, *(row for group in series for row in group.records(taken))),
        tables=(
            _table(rows),
            _blas_table(ratios),
            exponent_table("How time grows", {f"{g.what}, {g.over}": g.fit(taken) for g in series}),
        ),
        charts=(_bars(rows, cases), *(curves([g for g in series if g.over == over], taken) for over in overs)),
    )


def _series(plan: Plan) -> list[Series]:
    base, few = plan.pick((LENET, 16), (QUICK_CASES[0], 4))
    longer = [Case(base.rows, base.columns, vectors) for vectors in plan.pick(VECTORS, QUICK_VECTORS)]
    wider = [Case(n, n, few) for n in plan.pick(SIDES, QUICK_SIDES)]
    found = []
    for over, cases in (("T", longer), ("area", wider)):
        for way, backward in DIRECTIONS.items():
            points = tuple(
                Point(
                    case.vectors if over == "T" else case.cells,
                    case,
                    reader(array_of(MANAGED, case), case.vectors, backward=backward),
                )
                for case in cases
            )
            found.append(Series(over=over, what=way, points=points))
    return found


def _key(way: str, spec: str, case: Case) -> str:
    return f"{way}, {spec}, {case}"


def _work(way: str, spec: str, case: Case) -> Work:
    return read_work(case, backward=DIRECTIONS[way], noise=spec != "exact")


def _record(way: str, spec: str, case: Case, taken: Samples) -> dict[str, Any]:
    about = {"measured": "read", "direction": way, "read": spec, **case.record()}
    return about | pair_time(taken, case).record("ns_a_pair")


def _ratio(way: str, case: Case, taken: dict[str, Samples]) -> dict[str, Any]:
    """Return how often as long a managed read takes in mho's own product as with a BLAS."""
    about = {"measured": "blas", "direction": way, **case.record()}
    return about | taken[_key(way, "noise, management", case)].over(taken[_key(way, BLAS, case)]).record("ratio")


# For people --------------------------------------------------------------------------------------


def _name(row: dict[str, Any]) -> str:
    return str(Case(row["rows"], row["columns"], row["vectors"]))


def _samples(row: dict[str, Any]) -> Samples:
    return Samples(tuple(row["ns_a_pair_samples"]))


def _table(rows: list[dict[str, Any]]) -> Table:
    """Return a line for each array and cycle: the specs side by side, shares for the last."""
    lines: list[tuple[str, ...]] = []
    for first in range(0, len(rows), len(SPECS)):
        *others, last = rows[first : first + len(SPECS)]
        numbers = (digits(row["ns_a_pair"]) for row in others)
        lines.append((_name(last), last["direction"], *numbers, span(_samples(last)), *share_words(last)))
    return Table(
        title="Reads: nanoseconds a (weight, vector) pair",
        columns=("array", "cycle", *SPECS, *SHARES),
        rows=tuple(lines),
        names=2,
        note=(
            f"{NOTE} Bytes: weights, inputs, outputs once. Operations: two a pair, 40 an output with noise. Quartiles "
            "and shares are those of the last read."
        ),
    )


def _blas_table(ratios: list[dict[str, Any]]) -> Table:
    return Table(
        title="Reads with noise and management: time in order over time with a BLAS",
        columns=("array", "cycle", "ratio", "smallest to largest"),
        rows=tuple(
            (
                _name(row),
                row["direction"],
                digits(row["ratio"]),
                f"{digits(min(row['ratio_samples']))} to {digits(max(row['ratio_samples']))}",
            )
            for row in ratios
        ),
        names=2,
        note="Above 1, the BLAS of NumPy is faster (matmul=blas); in mho's order runs are equal to the bit.",
    )


def _bars(rows: list[dict[str, Any]], cases: tuple[Case, ...]) -> Chart:
    managed = [row for row in rows if row["read"] == "noise, management"]
    lines = tuple(
        Line(
            label=way,
            x=tuple(map(str, cases)),
            y=tuple(_samples(row) for row in managed if row["direction"] == way),
        )
        for way in DIRECTIONS
    )
    return Chart(
        title="Reads with noise and management",
        x_label="",
        y_label="ns a (weight, vector) pair",
        lines=lines,
        bars=True,
    )
