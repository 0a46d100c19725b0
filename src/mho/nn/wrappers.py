"""What happens when torch wraps a model that has arrays: torch.compile and DistributedDataParallel."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.modules.module import register_module_module_registration_hook

from mho.errors import WrongUse
from mho.nn import array_layer
from mho.nn.array_layer import ArrayLayer


def _on_wrapping(parent: nn.Module, name: str, child: nn.Module | None) -> None:
    wrapper = type(parent).__name__
    if wrapper not in ("OptimizedModule", "DistributedDataParallel") or child is None:
        return
    arrays = [module.name for module in child.modules() if isinstance(module, ArrayLayer)]
    if arrays and wrapper == "DistributedDataParallel":
        raise WrongUse(
            f"DistributedDataParallel averages gradients, and {', '.join(arrays)} are arrays, which take every "
            "vector as pulses, in order: their updates cannot be averaged. Train one process a model"
        )
    if arrays:
        # Only now: torch.compiler.disable imports the compiler, 1.5 s that an ordinary run does not need.
        array_layer.through_arrays = torch.compiler.disable(array_layer.through_arrays)


register_module_module_registration_hook(_on_wrapping)
