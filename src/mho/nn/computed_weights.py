"""Layers whose weights are computed before each use, by a pruning, a weight norm or a parametrization."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from torch import nn
from torch.nn.utils import parametrize

from mho.nn.kinds import LAYER_KINDS
from mho.spoken import kept_digital


def computed_weight_faults(model: nn.Module, stays: Callable[[str], bool]) -> list[str]:
    """Return a fault for each weight of layers to convert that is computed from other parameters.

    Args:
        model: the digital network.
        stays: says of a path whether the module there stays digital, as the caller asked.
    """
    kinds = [
        path
        for path, module in model.named_modules()
        if parametrize.type_before_parametrizations(module) in LAYER_KINDS and not stays(path)
    ]
    inside = [(path, module) for path, module in model.named_modules() if path in kinds or is_inside(path, kinds)]
    hooked = [
        f"layer {path}: its {name.rsplit('_', 1)[0]} is made of {name} before each forward, as by a pruning or a "
        "weight norm, which an array cannot follow; make it permanent first (torch.nn.utils.prune.remove, "
        f"remove_weight_norm), or {kept_digital([path])}"
        for path, module in inside
        for name, parameter in module._parameters.items()
        if parameter is not None and name.endswith(("_orig", "_g")) and name.rsplit("_", 1)[0] not in module._parameters
    ]
    return hooked + [
        f"layer {path}: its {name} is computed by a parametrization at each use, which an array cannot follow; make it "
        f'permanent first (torch.nn.utils.parametrize.remove_parametrizations(module, "{name}")), or '
        f"{kept_digital([path])}"
        for path, module in inside
        if parametrize.is_parametrized(module)
        for name in module.parametrizations
    ]


def is_inside(path: str, others: Iterable[str]) -> bool:
    """Return whether the module of a path lies inside one of others."""
    return any(path.startswith(f"{other}.") if other else bool(path) for other in others)
