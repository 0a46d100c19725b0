"""Roofline of kernels: bytes against the machine's triad bandwidth, operations against its matrix product."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, final

from mho.arrays import Crossbar
from mho.benchmarks.loads import ACTIVE, LENGTH, Case, line_probability
from mho.benchmarks.machine import product, triad
from mho.benchmarks.results import percent
from mho.benchmarks.timing import Block, Samples

LINE = 16
"""Float32 numbers in a cache line: moving one number moves all."""
OPERATIONS_A_DRAW = 40
"""Operations of a random draw: a hash and the inverse normal distribution, counted in `mho.random`."""
OPERATIONS_A_COINCIDENCE = OPERATIONS_A_DRAW + 20
"""The draw, the law and the bounds."""
OPERATIONS_A_SLOT = 10
"""A quarter of a hash and of a comparison of four bytes, and a tenth of what is noted of a line once (BL = 10)."""
PRODUCT = "matrix product"
SHARES = ("of bandwidth", "of peak", "nearer roof")
NOTE = (
    "Bandwidth: of a triad over as many bytes as the array takes, so from the same cache or none. Peak: "
    "a float32 matrix product's, a multiplication and its addition counted as one operation. Both are measured between "
    "the rounds. The nearer roof limits first."
)


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Work:
    """Least work of a call: bytes to and from memory, and operations; with the bytes that it works on."""

    bytes: float
    operations: float
    footprint: int


def update_work(array: Crossbar, case: Case, coincidences: float) -> Work:
    """Return the work of an update: each cache line with a coincidence is read once, and its weights are written.

    Operations: AND and test for every pair of lines that both pulse, and the draw, law and bounds of every coincidence.
    """
    own = [buffer for name, buffer in array.first.named_buffers() if name.startswith("cell_")]
    fields = sum(buffer.nbytes for buffer in own)
    touched, touched_fields = (1 - (1 - ACTIVE) ** (case.vectors * cells) for cells in (LINE, LINE / max(1, len(own))))
    pulsing = 1 - (1 - line_probability()) ** LENGTH
    words = 4 * case.vectors * (case.rows + case.columns)
    slots = LENGTH * case.vectors * (case.rows + case.columns)
    return Work(
        bytes=touched * 8 * case.cells + touched_fields * fields + 2 * words,
        operations=case.pairs * (2 * pulsing**2 + coincidences * OPERATIONS_A_COINCIDENCE) + slots * OPERATIONS_A_SLOT,
        footprint=4 * case.cells + fields + words,
    )


def read_work(case: Case, *, backward: bool, noise: bool) -> Work:
    """Return the work of a read: weights, inputs and outputs once, a fused product per pair, a draw per output."""
    outputs = case.vectors * (case.columns if backward else case.rows)
    moved = 4 * (case.cells + case.vectors * (case.rows + case.columns))
    operations = case.pairs + (OPERATIONS_A_DRAW * outputs if noise else 0)
    return Work(bytes=moved, operations=operations, footprint=moved)


def roof_blocks(works: Mapping[Case, Work], seconds: float) -> tuple[dict[str, Block], dict[str, float]]:
    """Contestants that measure the roofs between the rounds of the kernels, and what a run of each does.

    The triad moves as many bytes as the kernel works on, so that both find them in the same cache or none.
    """
    blocks: dict[str, Block] = {}
    amounts: dict[str, float] = {}
    for case, work in works.items():
        blocks[f"triad {case}"], amounts[f"triad {case}"] = triad(work.footprint, seconds)
    blocks[PRODUCT], amounts[PRODUCT] = product(seconds)
    return blocks, amounts


def reached(
    case: Case, work: Work, taken: Samples, roofs: Mapping[str, Samples], amounts: Mapping[str, float]
) -> dict[str, Any]:
    """Shares of bandwidth and arithmetic peak, and the nearer of the two: what limits first."""
    memory = _share(work.bytes, taken, roofs[f"triad {case}"], amounts[f"triad {case}"])
    arithmetic = _share(work.operations, taken, roofs[PRODUCT], amounts[PRODUCT])
    return {
        "bytes_a_call": work.bytes,
        "operations_a_call": work.operations,
        "triad_gb_a_second": amounts[f"triad {case}"] / roofs[f"triad {case}"].median / 1e9,
        "peak_gop_a_second": amounts[PRODUCT] / roofs[PRODUCT].median / 1e9,
        **memory.record("share_of_bandwidth"),
        **arithmetic.record("share_of_peak"),
        "nearer_roof": "memory" if memory.median > arithmetic.median else "arithmetic",
    }


def _share(amount: float, taken: Samples, roof: Samples, amount_there: float) -> Samples:
    return roof.over(taken).scaled(amount / amount_there)


def share_words(row: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return a record's shares and its nearer roof, for a table."""
    if "nearer_roof" not in row:
        return ("–", "–", "–")
    return (percent(row["share_of_bandwidth"]), percent(row["share_of_peak"]), str(row["nearer_roof"]))
