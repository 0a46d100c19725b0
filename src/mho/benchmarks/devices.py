"""Cost of laws and cells: nanoseconds per weight-vector pair, and bytes per cross-point."""

from __future__ import annotations

from typing import Any

from mho.benchmarks.loads import ACTIVE, LENGTH, Case, array_of, cross_point_bytes, update_call
from mho.benchmarks.plan import Plan
from mho.benchmarks.results import Chart, Line, Result, Table, Tell, digits, percent, span
from mho.benchmarks.scaling import pair_time
from mho.benchmarks.timing import Samples, alternate, blocks_of
from mho.benchmarks.user_law import OwnSoftBounds, PowerLaw
from mho.cells import Replicated
from mho.compiler.law import read_law
from mho.config import RPU
from mho.devices import LAWS, ConstantStep, PerCell
from mho.periphery import Exact, Pulses

BASE, SOFT, OWN = "ConstantStep", "SoftBounds", "SoftBounds (a user's own)"
CASE, QUICK_CASE = Case(512, 512, 64), Case(8, 17, 2)
COPIES = 4


def contestants() -> dict[str, RPU]:
    """Return every law with its defaults, ConstantStep with every spread on and in copies, and laws of a user's own."""
    found = {name: law() for name, law in LAWS.items()} | {
        "PowerLaw (a user's own)": PowerLaw(),
        OWN: OwnSoftBounds(),
    }
    specs = {
        name: RPU(device=law, update=Pulses(length=LENGTH) if law.pulse_driven else Exact())
        for name, law in found.items()
    }
    every = ConstantStep(c2c=PerCell(0.30, spread=0.10))  # type: ignore[arg-type]
    return specs | {
        f"{BASE}, every spread": specs[BASE].replace(device=every),
        f"{BASE}, Replicated({COPIES})": specs[BASE].replace(cell=Replicated(COPIES)),
    }


def run(plan: Plan, tell: Tell) -> Result:
    """Time the update of one array with each law."""
    case = plan.pick(CASE, QUICK_CASE)
    arrays = {name: array_of(rpu, case) for name, rpu in contestants().items()}
    tell(f"devices: {plan.rounds} rounds of {len(arrays)} laws and cells")
    calls = {name: update_call(array, case.vectors) for name, array in arrays.items()}
    taken = alternate(blocks_of(calls, plan.pick(0.02, 0.001)), plan.rounds)
    rows: list[dict[str, Any]] = []
    for name, array in arrays.items():
        # With copies, a pair is a (cross-point, vector) pair: the copies of a weight are cross-points of their own.
        ns = pair_time(taken[name], case).scaled(1 / array.devices)
        rows.append(
            {
                "measured": "law",
                "law": name,
                **case.record(),
                "devices": array.devices,
                "closed_form": _form(array.rpu),
                "bytes_a_cross_point": cross_point_bytes(array),
                "us_a_call": taken[name].median * 1e6,
                **ns.record("ns_a_pair"),
                **ns.over(pair_time(taken[BASE], case)).record("ratio"),
                **ns.over(pair_time(taken[SOFT], case)).record("ratio_to_soft_bounds"),
            }
        )
    return Result(
        suite="devices",
        title="Laws and cells",
        method=(
            f"Update of {case}, BL = {LENGTH}, {percent(ACTIVE)} active pairs (as in the suite update), {plan.threads} "
            f"thread(s); the laws take turns, {plan.rounds} rounds. Bytes are those of all buffers of the array, its "
            "weights included."
        ),
        records=tuple(rows),
        tables=(_table(rows),),
        charts=(_bars(rows),),
    )


def _form(rpu: RPU) -> str:
    if not rpu.device.pulse_driven:
        return "exact update"
    return "closed form" if read_law(type(rpu.device)).closed_form else "pulse by pulse"


def _table(rows: list[dict[str, Any]]) -> Table:
    own = next(row["ratio_to_soft_bounds"] for row in rows if row["law"] == OWN)
    return Table(
        title="Nanoseconds and bytes",
        columns=("law", "several pulses", "ns a pair (quartiles)", f"ratio to {BASE}", "bytes per cross-point"),
        rows=tuple(
            (
                row["law"],
                row["closed_form"],
                span(Samples(tuple(row["ns_a_pair_samples"]))),
                digits(row["ratio"]),
                f"{row['bytes_a_cross_point']:.1f}",
            )
            for row in rows
        ),
        names=2,
        note=(
            "A pair: one cross-point and one vector. A field without spread takes no bytes. "
            f"{OWN} takes {digits(own)} of mho's."
        ),
    )


def _bars(rows: list[dict[str, Any]]) -> Chart:
    return Chart(
        title=f"Update relative to {BASE}",
        x_label="",
        y_label=f"ratio to {BASE}",
        lines=(
            Line(
                label="update",
                x=tuple(row["law"] for row in rows),
                y=tuple(Samples(tuple(row["ratio_samples"])) for row in rows),
            ),
        ),
        bars=True,
        target=(1.0, BASE),
    )
