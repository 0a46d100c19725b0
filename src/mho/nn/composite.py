"""Layers whose matrices are on arrays of their own, with digital functions between them."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor, nn

from mho.config import RPU
from mho.errors import InvalidValue, WrongUse, nearest
from mho.nn.array_layer import ArrayLayer
from mho.nn.on_arrays import OnArrays

KEPT = ("weight", "bias")
"""What the parameters of a torch layer are called that are those of a part, before an underscore and its name."""


class Composite(OnArrays):
    """A layer of several parts, each a layer on arrays: its forward sends vectors through these as it likes.

    The parts are submodules, so that each has a place in `mho.nn.array_layers`, learning rates, files and tables of its
    own. The layer stands for one torch layer, whose state_dict it takes: its weights are those of the parts, and
    `weight_NAME` and `bias_NAME` read them under their names in torch.
    """

    def __init__(self, *, name: str, replicas: int) -> None:
        super().__init__()
        self.name, self.replicas = name, replicas

    @property
    def parts(self) -> dict[str, ArrayLayer]:
        """Return the layers on arrays by name, in order."""
        return {name: child for name, child in self.named_children() if isinstance(child, ArrayLayer)}

    @property
    def trains(self) -> bool:
        return any(part.trains for part in self.parts.values())

    def takes(self, shape: Sequence[int]) -> bool:
        """Return whether the first part takes a batch of this shape."""
        return next(iter(self.parts.values())).takes(shape)

    def _apply_to_all(self, fn: Callable[[nn.Module], None]) -> None:
        fn(self)  # a torch layer shows nothing inside

    def __getattr__(self, name: str) -> Any:
        label, _, part = name.partition("_")
        if label in KEPT and part in self._modules:
            return getattr(self._modules[part], label)
        return super().__getattr__(name)

    def __setattr__(self, name: str, value: Any) -> None:
        label, _, part = name.partition("_")
        if label in KEPT and part in self.__dict__.get("_modules", {}):
            raise WrongUse(
                f"layer {self.name}: {name} is the state of arrays and cannot be replaced; program it by "
                f"layer.{part}.write(weight, bias)"
            )
        super().__setattr__(name, value)

    def register_parameter(self, name: str, param: nn.Parameter | None) -> None:
        """Refuse parameters, which would stand for weights that are the state of arrays, as of a pruning.

        Raises:
            WrongUse: always.
        """
        raise WrongUse(
            f"layer {self.name}: {name} would be a parameter of a layer on arrays, whose weights are the state of "
            "devices; prune or drop weights in the digital model before mho.convert, or keep the layer digital "
            "(exclude=)"
        )

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *arguments: Any) -> None:
        """Program the weights of the torch layer that this layer replaces, if a state_dict has these."""
        from mho.nn.kinds import kind_of_layer  # here, as kinds are made of layers

        _, _, missing, _, faults = arguments
        kind = kind_of_layer(self)
        twin = None if kind is None else kind.twin_of(self)
        if kind is not None and twin is not None:
            kind.fill(twin, self)
            own = twin.state_dict()
            given = {name: state.pop(prefix + name) for name in own if prefix + name in state}
            if given:
                starts = [part.copies() for part in kind.parts_of(twin).values()]
                faults += _load(twin, given, self.name)
                for layer, part, start in zip(self.parts.values(), kind.parts_of(twin).values(), starts, strict=True):
                    layer.follow(part.matrices, start.matrices)
                missing += [prefix + name for name in own if name not in given]
                state.update(self.state_dict(prefix=prefix))
        super()._load_from_state_dict(state, prefix, *arguments)


def _load(twin: nn.Module, given: Mapping[str, Tensor], name: str) -> list[str]:
    """Load parameters into a torch layer; return what is wrong with them."""
    try:
        with torch.no_grad():
            twin.load_state_dict(given, strict=False)
    except RuntimeError as error:
        return [f"{name}: {line.strip()}" for line in str(error).splitlines()[1:]]
    return []


@final
class PartRPUs:
    """RPU of each part of a composite layer.

    Args:
        rpu: RPU of all parts that no pattern names.
        layers: other RPUs by pattern of the part's name.
        names: names of the parts.

    Raises:
        InvalidValue: for a pattern that matches no part.
    """

    def __init__(self, rpu: RPU, layers: Mapping[str, RPU] | None, names: Iterable[str]) -> None:
        self.rpu, self.layers, known = rpu, dict(layers or {}), list(names)
        faults = [
            f"layers: {pattern!r} matches no part{nearest(str(pattern), known)}"
            for pattern in self.layers
            if not (isinstance(pattern, str) and fnmatch.filter(known, pattern))
        ]
        if faults:
            raise InvalidValue("; ".join(faults), faults)

    def __getitem__(self, name: str) -> RPU:
        return next((own for pattern, own in self.layers.items() if fnmatch.fnmatchcase(name, pattern)), self.rpu)
