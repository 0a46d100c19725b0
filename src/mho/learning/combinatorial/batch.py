"""One batch of examples in the kernels' memory."""

from __future__ import annotations

import functools
from typing import Any, final

import numpy as np
import numpy.typing as npt

from mho.compiler import compile as compiler
from mho.learning.combinatorial.chain import Chain
from mho.learning.combinatorial.kernels import codes
from mho.learning.combinatorial.memory import Floats, Integers, Memory

DESCEND = "mho.learning.combinatorial.kernels.descend"
DENSE_BLOCK, IMAGE_BLOCK = 512, 128
"""Examples in a block: with convolutions a block has many rows, and should stay in the processor's cache."""


@final
class Batch:
    """A network on n examples, with all its values, ready for weights to be tried.

    Args:
        chain: the network.
        x: (n, inputs) float32 or float64.
        targets: (n, outputs), 1 at the class of an example and 0 elsewhere, or numbers.
        level_values: (layers, L), what the levels of each layer are worth.
        loss: loss of `mho.learning.combinatorial.kernels.codes`.

    Attributes:
        memory: what the kernels work on.
    """

    def __init__(self, chain: Chain, x: npt.NDArray[Any], targets: Floats, level_values: Floats, loss: int) -> None:
        self.chain, self.loss, self.examples = chain, loss, len(x)
        self.memory = _allocate(chain, x, targets, level_values)
        self.results = np.zeros(3)

    @property
    def total(self) -> float:
        """Return the summed loss of the examples."""
        return float(self.results[0])

    @property
    def evaluations(self) -> int:
        """Levels evaluated so far."""
        return int(self.results[1])

    @property
    def changes(self) -> int:
        """Weights changed so far."""
        return int(self.results[2])

    def load(self, levels: npt.NDArray[np.int8]) -> None:
        """Give all weights (W,) these levels, and compute all values afresh."""
        m = self.memory
        m.level[:] = levels
        for layer in self.chain.layers:
            own = m.weight[layer.places].reshape(layer.out, -1)
            own[:] = m.worth[layer.operation][m.level[layer.places]].reshape(own.shape)
            if not layer.bias:
                own[:, -1] = 0.0
        self._run(np.zeros(0, np.int64), False, 0.0, True)

    def visit(self, order: Integers, *, first_only: bool, tolerance: float) -> None:
        """Visit weights in order; see the kernel `descend`. The tolerance applies to the summed loss."""
        self._run(order, first_only, tolerance, False)

    def _run(self, order: Integers, first_only: bool, tolerance: float, afresh: bool) -> None:
        m = self.memory
        kernel = compiler.load(DESCEND, "descend")
        kernel(m.numbers, m.integers, m.places, order, self.loss, first_only, tolerance, afresh, self.results)


def _allocate(chain: Chain, x: npt.NDArray[Any], targets: Floats, level_values: Floats) -> Memory:
    n, table = len(x), chain.operations
    most = DENSE_BLOCK if (table[:, codes.KIND] != codes.CONV).all() else IMAGE_BLOCK
    blocks = -(-n // most)
    size = -(-n // blocks)
    blocks = -(-n // size)
    rows_of = functools.partial(_in_blocks, blocks=blocks, size=size)
    inputs = rows_of(x)
    starts, places, given = _listed(inputs, table)
    operations, levels = len(table), level_values.shape[1]
    worth = np.zeros((operations, levels))
    for layer, row in zip(chain.layers, level_values, strict=True):
        worth[layer.operation] = row
    groups, sizes = _groups(worth)
    magnitudes, fan_in = sizes.shape[1], int(table[:, codes.FAN_IN].max())
    hidden = int(table[-1, codes.FAN_IN]) if table[-1, codes.KIND] == codes.DENSE else 0
    header = {
        codes.BLOCKS: blocks, codes.SIZE: size, codes.ROWS: chain.rows, codes.INPUTS: starts.shape[1] - 1,
        codes.OUTPUTS: chain.outputs, codes.HIDDEN: hidden, codes.OPERATIONS: operations, codes.LEVELS: levels,
        codes.MAGNITUDES: magnitudes,
    }  # fmt: skip
    numbers = {
        "values": (blocks, chain.rows, size), "proposed": (chain.rows, size), "changes": (chain.rows, size),
        "weight": (chain.weights,), "slopes": (chain.weights,), "worth": (operations, levels),
        "sizes": (operations, magnitudes), "targets": (blocks, chain.outputs, size), "labels": (blocks, size),
        "head": (blocks, chain.outputs + 1, size), "pull": (blocks, hidden, size), "losses": (blocks,),
        "given": given.shape, "picked": (7 + 2 * max(1, magnitudes), codes.LARGEST_BLOCK),
        "term_weights": (fan_in + 1,), "gains": (levels,),
    }  # fmt: skip
    integers = {
        "table": (operations, codes.COLUMNS), "counts": (blocks,), "starts": starts.shape, "changed": (chain.rows,),
        "moved": (chain.rows,),
        "channels": (int(table[:, codes.IN_CHANNELS].max()) + 1,), "level": (chain.weights,),
        "groups": (operations, levels), "term_rows": (fan_in + 1,), "candidates": (2, levels),
    }  # fmt: skip
    m = Memory(header, numbers, integers, places)
    m.values[:, 0] = 1.0
    m.values[:, 1 : 1 + chain.inputs] = inputs
    m.given[:] = given
    m.targets[:], m.labels[:] = rows_of(targets), rows_of(targets.argmax(axis=1)[:, None])[:, 0]
    m.worth[:], m.sizes[:], m.groups[:], m.table[:], m.starts[:] = worth, sizes, groups, table, starts
    m.counts[:] = size
    m.counts[-1] = n - size * (blocks - 1)
    return m


def _in_blocks(rows: npt.NDArray[Any], *, blocks: int, size: int) -> Floats:
    """Return (n, k) as blocks (blocks, k, size), the last filled up with zeros."""
    whole = np.zeros((blocks * size, rows.shape[1]))
    whole[: len(rows)] = rows
    return np.ascontiguousarray(whole.reshape(blocks, size, -1).transpose(0, 2, 1))


def _listed(inputs: Floats, table: Integers) -> tuple[Integers, npt.NDArray[np.uint16], Floats]:
    """Return where the inputs (blocks, inputs, B) are not 0, as the memory has it, and what they are.

    Images have nothing listed.
    """
    blocks, width, _ = inputs.shape
    if table[0, codes.KIND] != codes.DENSE:
        return np.zeros((blocks, 1), np.int64), np.zeros(1, np.uint16), np.zeros(1)
    there = inputs != 0
    counts = there.sum(axis=2).reshape(-1)
    ends = np.concatenate([[0], np.cumsum(counts)])
    starts = np.stack([ends[b * width : (b + 1) * width + 1] for b in range(blocks)])
    return starts.astype(np.int64), np.nonzero(there)[2].astype(np.uint16), inputs[there]


def _groups(level_values: Floats) -> tuple[Integers, Floats]:
    """Return the group of each level and the sizes of levels other than 0, as the memory has them."""
    sizes = [np.unique(np.abs(row[row != 0])) for row in level_values]
    most = max(1, *(len(own) for own in sizes))
    magnitudes, groups = np.zeros((len(level_values), most)), np.full(level_values.shape, -1, np.int64)
    for place, (own, row) in enumerate(zip(sizes, level_values, strict=True)):
        magnitudes[place, : len(own)] = own
        for level, value in enumerate(row):
            if value != 0:
                groups[place, level] = 2 * int(np.searchsorted(own, abs(value))) + int(value < 0)
    return groups, magnitudes
