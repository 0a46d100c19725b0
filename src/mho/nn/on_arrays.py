"""OnArrays, the base of layers that stand for a torch layer whose weights are on arrays."""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from typing import Any, Self, final

import torch
from torch import Tensor, nn

from mho.arrays import ReadOnly
from mho.errors import InWords, WrongUse
from mho.nn.place import take_place

READ = ("weight", "bias", "in_proj_weight", "in_proj_bias")
"""What parameters of torch layers are called that are properties here, which read arrays."""


class OnArrays(nn.Module, abc.ABC, metaclass=InWords):
    """A module in the place of a torch layer whose weights are on arrays: those of one layer, or of several inside.

    Attributes:
        replaces: type of the torch module in whose place `mho.convert` put this layer; None for a layer made by hand.
        name: name of the layer, which names its draws.
        replicas: R.
    """

    replaces: type[nn.Module] | None = None
    name: str
    replicas: int
    _written_by = "layer.write(weight, bias)"

    @property
    @abc.abstractmethod
    def trains(self) -> bool:
        """Return whether any of the weights is not frozen."""

    @abc.abstractmethod
    def takes(self, shape: Sequence[int]) -> bool:
        """Return whether a batch (B, ...) of this shape can be an input, as far as its axes tell."""

    @abc.abstractmethod
    def _apply_to_all(self, fn: Callable[[nn.Module], None]) -> None:
        """Call a function with this layer and with those inside that a torch layer shows too."""

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute, as `torch.nn.Module` does, but none that reads weights.

        Raises:
            WrongUse: for weights, saying how to program them.
        """
        if name in READ and isinstance(getattr(type(self), name, None), property):
            raise WrongUse(
                f"layer {self.name}: the {name} is the state of arrays and cannot be replaced; program it by "
                f"{self._written_by}"
            )
        super().__setattr__(name, value)

    @final
    def apply(self, fn: Callable[[nn.Module], None]) -> Self:
        """Apply a function to this layer, as `torch.nn.Module.apply` does.

        The function is also called with the torch layer that this layer replaces: weights or biases that it sets
        there are programmed into all replicas, and new weights choose a scale anew that the RPU leaves open. If it
        leaves this layer as it is, mode, `requires_grad` and hooks that it gives the torch layer are taken over too.
        """
        before = self._marks()
        try:
            self._apply_to_all(fn)
        except WrongUse:
            if not self._initialise(fn, alone=True):
                raise
        else:
            self._initialise(fn, alone=self._marks() == before)
        return self

    def _read_only(self, own: Tensor) -> Tensor:
        """Return a copy of weights that refuses to be written into, saying what sets them."""
        if torch.compiler.is_compiling():  # compiled code takes plain tensors
            return own
        cure = (
            f"the weights of layer {self.name}. Set them by  {self._written_by};  .clone() gives numbers to work with"
        )
        return ReadOnly.of(own, cure)

    def _marks(self) -> dict[str, Any]:
        """Return what a function may change of a module: flags, attributes, and how many hooks it has."""
        marks = {name: len(value) if isinstance(value, dict) else id(value) for name, value in vars(self).items()}
        return marks | {"requires_grad": [parameter.requires_grad for parameter in self.parameters()]}

    def _initialise(self, fn: Callable[[nn.Module], None], *, alone: bool) -> bool:
        """Apply a function to the torch layer that this layer replaces; return True if it set weights.

        Args:
            fn: the function.
            alone: whether it has left this layer as it is.
        """
        from mho.nn.kinds import kind_of_layer, layers_inside  # here, as kinds are made of layers

        kind = kind_of_layer(self)
        twin = None if kind is None else kind.twin_of(self)
        if kind is None or twin is None:
            return False
        kind.fill(twin, self)
        twin.train(self.training)
        starts = [part.copies() for part in kind.parts_of(twin).values()]
        twin.apply(fn)  # with modules inside it first, as torch does
        changed = False
        for layer, part, start in zip(layers_inside(self), kind.parts_of(twin).values(), starts, strict=True):
            changed |= layer.follow(part.matrices, start.matrices)
            if alone:
                layer.requires_grad_(part.trains)
        if alone:
            take_place(self, twin)
        return changed
