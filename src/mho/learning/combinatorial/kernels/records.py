"""Records that the kernels of CoNNTrA make for their helpers."""

from __future__ import annotations

from typing import Any, NamedTuple


class Weight(NamedTuple):
    """One weight of a network, by where it stands.

    Attributes:
        place: its place among all weights, from 0.
        op: where its operation begins in the table of operations.
        out: number of the unit, or of the output channel, to which it leads, from 0.
        k: number of the input from which it leads, from 0; the fan-in: a bias.
        direct: True if its operation is the last, whose outputs are those of the network.
    """

    place: Any
    op: Any
    out: Any
    k: Any
    direct: Any
