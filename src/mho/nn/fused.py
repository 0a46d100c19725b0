"""Fused paths of torch, which compute with the weights of layers inside a module and would pass arrays by."""

from __future__ import annotations

from typing import Any

from torch import nn

from mho.nn.on_arrays import OnArrays

SWITCHES: dict[type[nn.Module], tuple[str, Any]] = {
    nn.TransformerEncoder: ("use_nested_tensor", False),
    nn.TransformerEncoderLayer: ("activation_relu_or_gelu", 0),
}
"""Attribute of a module that its fused path asks for, and the value that closes it; nothing else reads it."""
KEPT = "fused_path"


def close_fused_path(module: nn.Module) -> None:
    """Close the fused path of a module that has layers on arrays inside, if torch has such a path for its type."""
    for kind, (name, closed) in SWITCHES.items():
        if isinstance(module, kind) and any(isinstance(inner, OnArrays) for inner in module.modules()):
            setattr(module, KEPT, (name, getattr(module, name, closed)))
            setattr(module, name, closed)


def open_fused_path(module: nn.Module) -> None:
    """Set what `close_fused_path` has changed of a module as it was."""
    kept = vars(module).pop(KEPT, None)
    if kept is not None:
        setattr(module, *kept)
