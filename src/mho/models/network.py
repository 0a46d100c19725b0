"""Base of registered networks, and the sizes of the data that they are built for."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, final

from torch import nn

from mho.errors import InvalidValue


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Sizes:
    """Sizes of data that a network is built for.

    Attributes:
        example: shape of one input, for example (channels, height, width), or (T,) of a sequence of indices.
        indices: how many different indices the inputs have, such as the characters of a text; 0: inputs are numbers.
        outputs: classes, characters, or numbers that are to be answered.
        every_step: whether each step of a sequence has an answer of its own, as with next characters.
    """

    example: tuple[int, ...]
    indices: int = 0
    outputs: int = 10
    every_step: bool = False

    def __str__(self) -> str:
        """Return the shape of an input in words."""
        shape = "×".join(map(str, self.example)) or "a single number"
        return f"sequences of {shape} indices" if self.indices else f"inputs {shape}"


@final
@dataclasses.dataclass(frozen=True)
class Network:
    """Recipe of a network: how it is built, for the sizes of its paper and for those of data.

    Attributes:
        build: makes the network of its paper.
        image: shape of one of its inputs, for example (channels, height, width), or (T,) of a sequence of indices.
        fitted: makes the network for data of other sizes, with options, and raises InvalidValue for sizes that it
            cannot have; None for a network of one size.
        axes: numbers of axes of the inputs that `fitted` takes: 1 for (n,), 2 for (T, n), 3 for (channels, height,
            width); and 0 for the characters of a text.
        options: whole numbers of at least 1 that a config may set in its section [model], with their defaults.
        task: options of the task next_character, where a config does not say them: those of the network's paper.
    """

    build: Callable[[], nn.Module]
    image: tuple[int, ...]
    fitted: Callable[[Sizes, Mapping[str, int]], nn.Module] | None = None
    axes: tuple[int, ...] = ()
    options: Mapping[str, int] = dataclasses.field(default_factory=dict)
    task: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def takes(self, example: tuple[int, ...]) -> bool:
        """Return whether the network can be built for inputs of numbers of a shape."""
        return self.image == example or len(example) in self.axes

    def build_for(self, name: str, sizes: Sizes, options: Mapping[str, int]) -> nn.Module:
        """Return the network for data of some sizes; one of a single size is built as it is.

        Args:
            name: name of the network, for messages.
            sizes: sizes of the data.
            options: those that are not as their defaults.

        Raises:
            InvalidValue: for data that the network cannot be built for.
        """
        if self.fitted is None:
            return self.build()
        try:
            return self.fitted(sizes, {**self.options, **options})
        except InvalidValue as error:
            raise InvalidValue(f"model {name} and the data do not fit: {error}; the data have {sizes}") from None
