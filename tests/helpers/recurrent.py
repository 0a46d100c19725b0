"""Recurrent layers in small: their kinds and sizes, arrays with and without noise, and the tensors of their answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

import mho

EXACT = mho.presets.floating_point()
NOISY = mho.presets.gokmen_2017(managed=True).replace(device=mho.devices.ConstantStep(w_max=5.0, w_min=-5.0))
INPUTS, HIDDEN = 5, 7
LAYERS: dict[str, Callable[..., nn.Module]] = {
    "rnn": nn.RNN,
    "relu": lambda *sizes, **options: nn.RNN(*sizes, nonlinearity="relu", **options),
    "lstm": nn.LSTM,
    "gru": nn.GRU,
    "projected": lambda *sizes, **options: nn.LSTM(*sizes, proj_size=3, **options),
}


def tensors(value: Any) -> list[Tensor]:
    """All tensors of a nested answer, in order."""
    if isinstance(value, PackedSequence):
        return [value.data, value.batch_sizes]
    return [value] if isinstance(value, Tensor) else [t for part in value for t in tensors(part)]
