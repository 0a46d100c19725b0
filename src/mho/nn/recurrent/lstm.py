"""Long short-term memory (S. Hochreiter, J. Schmidhuber, Neural Comput. 9:1735, 1997) and its cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, final

import torch
from torch import Tensor, nn

from mho.compiler.program import Call
from mho.config import RPU
from mho.kernels import gates as kernels
from mho.kernels.ops import Floats
from mho.kernels.records import LstmErrors, LstmMemory
from mho.nn.recurrent.base import Recurrent, RecurrentCell, register_recurrent
from mho.nn.recurrent.gates import Gates, Record, States


@final
class Memory(Gates):
    """Input, forget, candidate and output gate: c' = σ(f)·c + σ(i)·tanh(g), h' = σ(o)·tanh(c')."""

    rows: ClassVar[int] = 4
    states: ClassVar[int] = 2
    memory: ClassVar[tuple[str, str] | None] = ("c", "d_c")

    def step(self, given: Tensor, recurrent: Tensor, states: States) -> States:
        i, f, g, o = (given + recurrent).chunk(4, dim=1)
        c = torch.sigmoid(f) * states[1] + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c

    def fields(self, hidden: int) -> dict[str, int]:
        return {"gates": 4 * hidden, "c": hidden, "tanh_c": hidden, "d_c": hidden}

    def forward(self, now: Record, after: Record, h: Floats) -> Call:
        memory = LstmMemory(now["c"], after["c"], now["tanh_c"])
        return kernels.lstm(now["given"], now["answer"], now["gates"], memory, h)

    def backward(self, now: Record, after: Record, h: Floats) -> Call:
        kept, d = (now["gates"], now["tanh_c"], now["c"]), LstmErrors(now["d"], after["d_c"])
        return kernels.lstm_back(d, *kept, d_c=now["d_c"], errors=now["errors"])


@final
class LSTM(Recurrent):
    """`torch.nn.LSTM` on arrays: four gates of W_ih x + b_ih + W_hh h + b_hh, and a state c beside the output h.

    Arguments are those of `mho.nn.recurrent.base.Recurrent`, and:

    Args:
        proj_size: outputs of a further array, `hr_l0`, that projects the hidden units at each step, below hidden_size;
            0: none.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        rpu: RPU,
        proj_size: int = 0,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        layers: Mapping[str, RPU] | None = None,
        seed: int | Sequence[int] = 0,
        replicas: int = 1,
        name: str = "lstm",
    ) -> None:
        self.proj_size = proj_size
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            rpu=rpu,
            bias=bias,
            batch_first=batch_first,
            dropout=dropout,
            bidirectional=bidirectional,
            layers=layers,
            seed=seed,
            replicas=replicas,
            name=name,
        )

    gates = Memory()


@final
class LSTMCell(RecurrentCell):
    """`torch.nn.LSTMCell` on arrays: one step of `LSTM`.

    Arguments are those of `mho.nn.recurrent.base.RecurrentCell`.
    """

    gates = Memory()


register_recurrent(nn.LSTM, LSTM, "num_layers batch_first dropout bidirectional proj_size", digital="gates digital")
register_recurrent(nn.LSTMCell, LSTMCell, digital="gates digital")
