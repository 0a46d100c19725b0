"""Recurrent layer of Elman and its cell."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import ClassVar, final

import torch
from torch import Tensor, nn

from mho.compiler.program import Call
from mho.config import RPU
from mho.errors import InvalidValue, nearest
from mho.kernels import gates as kernels
from mho.kernels.ops import Floats
from mho.nn.recurrent.base import Recurrent, RecurrentCell, register_recurrent
from mho.nn.recurrent.gates import Gates, Record, States

NONLINEARITIES = {"tanh": torch.tanh, "relu": torch.relu}


@final
@dataclasses.dataclass(frozen=True)
class Elman(Gates):
    """h' = f(a_ih + a_hh), f the hyperbolic tangent or ReLU."""

    nonlinearity: str
    rows: ClassVar[int] = 1

    def step(self, given: Tensor, recurrent: Tensor, states: States) -> States:
        return (NONLINEARITIES[self.nonlinearity](given + recurrent),)

    def fields(self, hidden: int) -> dict[str, int]:
        return {}

    def forward(self, now: Record, after: Record, h: Floats) -> Call:
        return kernels.elman(now["given"], now["answer"], h, rectified=self.nonlinearity == "relu")

    def backward(self, now: Record, after: Record, h: Floats) -> Call:
        return kernels.elman_back(now["d"], h, now["errors"], rectified=self.nonlinearity == "relu")


def _known(nonlinearity: str) -> str:
    if nonlinearity not in NONLINEARITIES:
        raise InvalidValue(f"nonlinearity is {nonlinearity!r}{nearest(str(nonlinearity), NONLINEARITIES)}")
    return nonlinearity


@final
class RNN(Recurrent):
    """`torch.nn.RNN` on arrays: h' = f(W_ih x + b_ih + W_hh h + b_hh).

    Arguments are those of `mho.nn.recurrent.base.Recurrent`, and:

    Args:
        nonlinearity: f, "tanh" or "relu".
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        rpu: RPU,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        layers: Mapping[str, RPU] | None = None,
        seed: int | Sequence[int] = 0,
        replicas: int = 1,
        name: str = "rnn",
    ) -> None:
        self.nonlinearity = _known(nonlinearity)
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

    @property
    def gates(self) -> Gates:
        return Elman(self.nonlinearity)


@final
class RNNCell(RecurrentCell):
    """`torch.nn.RNNCell` on arrays: one step of `RNN`.

    Arguments are those of `mho.nn.recurrent.base.RecurrentCell`, and:

    Args:
        nonlinearity: f, "tanh" or "relu".
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        rpu: RPU,
        nonlinearity: str = "tanh",
        bias: bool = True,
        layers: Mapping[str, RPU] | None = None,
        seed: int | Sequence[int] = 0,
        replicas: int = 1,
        name: str = "rnn_cell",
    ) -> None:
        self.nonlinearity = _known(nonlinearity)
        super().__init__(
            input_size, hidden_size, rpu=rpu, bias=bias, layers=layers, seed=seed, replicas=replicas, name=name
        )

    @property
    def gates(self) -> Gates:
        return Elman(self.nonlinearity)


register_recurrent(nn.RNN, RNN, "num_layers nonlinearity batch_first dropout bidirectional")
register_recurrent(nn.RNNCell, RNNCell, "nonlinearity")
