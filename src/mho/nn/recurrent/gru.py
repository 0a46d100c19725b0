"""Gated recurrent units (K. Cho et al., EMNLP 2014) and their cell."""

from __future__ import annotations

from typing import ClassVar, final

import torch
from torch import Tensor, nn

from mho.compiler.program import Call
from mho.kernels import gates as kernels
from mho.kernels.ops import Floats
from mho.kernels.records import GruErrors
from mho.nn.recurrent.base import Recurrent, RecurrentCell, register_recurrent
from mho.nn.recurrent.gates import Gates, Record, States


@final
class Units(Gates):
    """Reset and update gate and candidate: n = tanh(n_ih + σ(r)·n_hh), h' = (1 - σ(z))·n + σ(z)·h."""

    rows: ClassVar[int] = 3
    past: ClassVar[str | None] = "past"
    given_errors: ClassVar[str] = "given_errors"

    def step(self, given: Tensor, recurrent: Tensor, states: States) -> States:
        (r, z, n), (own_r, own_z, own_n) = given.chunk(3, dim=1), recurrent.chunk(3, dim=1)
        new = torch.tanh(n + torch.sigmoid(r + own_r) * own_n)
        return (new + torch.sigmoid(z + own_z) * (states[0] - new),)

    def fields(self, hidden: int) -> dict[str, int]:
        return {"gates": 3 * hidden, "given_errors": 3 * hidden, "past": hidden}

    def forward(self, now: Record, after: Record, h: Floats) -> Call:
        return kernels.gru(now["given"], now["answer"], now["x"], gates=now["gates"], new_h=h)

    def backward(self, now: Record, after: Record, h: Floats) -> Call:
        errors = GruErrors(now["given_errors"], now["errors"], now["past"])
        return kernels.gru_back(now["d"], now["gates"], now["answer"], now["x"], errors)


@final
class GRU(Recurrent):
    """`torch.nn.GRU` on arrays: three gates, and no state beside the output.

    Arguments are those of `mho.nn.recurrent.base.Recurrent`.
    """

    gates = Units()


@final
class GRUCell(RecurrentCell):
    """`torch.nn.GRUCell` on arrays: one step of `GRU`.

    Arguments are those of `mho.nn.recurrent.base.RecurrentCell`.
    """

    gates = Units()


register_recurrent(nn.GRU, GRU, "num_layers batch_first dropout bidirectional", digital="gates digital")
register_recurrent(nn.GRUCell, GRUCell, digital="gates digital")
