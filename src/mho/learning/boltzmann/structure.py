"""Structure of a Boltzmann machine: layers, and a block of couplings for each linked pair of layers."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mho.errors import Faults, InvalidValue

MAX_LAYERS = 12
"""Choices of independent layers are enumerated: 2¹² of them."""


@final
@dataclasses.dataclass(frozen=True)
class Block:
    """Couplings between two layers, or inside one layer.

    Attributes:
        lower: index of the layer nearer to the data; 0 is the visible layer.
        upper: index of the other layer; equal to `lower` for links inside a layer.
        mask: bool (units of lower, units of upper), True where two units are linked; None: all pairs, but no unit with
            itself.
    """

    lower: int
    upper: int
    mask: Tensor | None = None

    @property
    def inside(self) -> bool:
        """Return whether the links are inside one layer."""
        return self.lower == self.upper

    @property
    def name(self) -> str:
        """Name for checkpoints and arrays, such as "0-1"."""
        return f"{self.lower}-{self.upper}"


@final
@dataclasses.dataclass(frozen=True)
class Structure:
    """Layers of a Boltzmann machine and the blocks of links between them; `make_structure` checks and builds it.

    Attributes:
        sizes: units of each layer, the visible layer first.
        blocks: linked pairs of layers, in the order of (lower, upper).
    """

    sizes: tuple[int, ...]
    blocks: tuple[Block, ...]

    @property
    def units(self) -> int:
        """Units of all layers."""
        return sum(self.sizes)

    @functools.cached_property
    def slices(self) -> tuple[slice, ...]:
        """Places of each layer in a state (n, units) of the whole machine."""
        ends = list(itertools.accumulate(self.sizes))
        return tuple(slice(end - size, end) for end, size in zip(ends, self.sizes, strict=True))

    def split(self, states: Tensor) -> list[Tensor]:
        """Return states (n, units) as a tensor (n, size) per layer."""
        return [states[:, part] for part in self.slices]

    def block(self, lower: int, upper: int) -> int | None:
        """Return the index of the block of two layers, lower ≤ upper; None if they are not linked."""
        return next((i for i, b in enumerate(self.blocks) if (b.lower, b.upper) == (lower, upper)), None)

    def inside(self, layer: int) -> int | None:
        """Return the index of the block of links inside a layer; None if it has none."""
        return self.block(layer, layer)

    @property
    def bottom_up_is_exact(self) -> bool:
        """Return whether a bottom-up pass draws from the posterior: one hidden layer without links inside does."""
        return len(self.sizes) == 1 or (len(self.sizes) == 2 and self.inside(1) is None)

    @functools.cached_property
    def groups(self) -> tuple[tuple[Tensor, ...], ...]:
        """Return for each layer its groups of units without links inside, which are drawn together (greedy colouring).

        A layer without links inside is one group; a layer in which all units are linked has a group per unit.
        """
        return tuple(_colours(size, self._inside_mask(layer)) for layer, size in enumerate(self.sizes))

    def independent(self, among: Iterable[int]) -> tuple[int, ...]:
        """Return the layers of `among` with the most units of which none is linked with another, or inside.

        Given all other layers their units are independent, so that sums over their states have closed forms.
        """
        free = [layer for layer in among if self.inside(layer) is None]
        linked = {(b.lower, b.upper) for b in self.blocks}
        choices = itertools.chain.from_iterable(itertools.combinations(free, k) for k in range(len(free) + 1))
        valid = [c for c in choices if not any(pair in linked for pair in itertools.combinations(c, 2))]
        return max(valid, key=lambda choice: sum(self.sizes[layer] for layer in choice))

    def _inside_mask(self, layer: int) -> npt.NDArray[np.bool_] | None:
        place = self.inside(layer)
        if place is None:
            return None
        mask, size = self.blocks[place].mask, self.sizes[layer]
        return ~np.eye(size, dtype=bool) if mask is None else mask.numpy()


def make_structure(layers: Any, intra_layer: Any = None, mask: Any = None) -> Structure:
    """Check the description of a machine and return its structure.

    Args:
        layers: units of each layer, the visible layer first; each at least 1.
        intra_layer: layers with links inside: None (no layer), True (every layer), a list of layer indices, or a dict
            from layer index to True or a symmetric bool matrix (units, units).
        mask: the links themselves in place of those between neighbouring layers: a symmetric bool matrix (all units,
            all units), which may link any two; or a dict from (lower, upper) to a bool matrix (units of lower, units of
            upper) for single blocks of neighbouring layers.

    Raises:
        InvalidValue: naming every fault at once.
    """
    faults = Faults("BoltzmannMachine")
    sizes = check_sizes(layers, faults)
    faults.raise_any()
    if mask is not None and not isinstance(mask, Mapping):
        if intra_layer is not None:
            faults.add("mask has all links, so intra_layer would have no effect; leave one of them out")
        whole = check_symmetric(mask, sum(sizes), "mask", faults)
        faults.raise_any()
        assert whole is not None
        blocks = _cut(whole, sizes)
    else:
        blocks = _neighbours(sizes, mask or {}, faults) + _insides(sizes, intra_layer, faults)
    faults.raise_any()
    blocks = sorted(blocks, key=lambda block: (block.lower, block.upper))
    bound = {layer for block in blocks for layer in (block.lower, block.upper)}
    for layer in range(len(sizes)):
        if layer not in bound:
            faults.add(
                f"layer {layer} has no links, so it would learn nothing but biases; give another layer, "
                "intra_layer=[0], or a mask that links it"
            )
    faults.raise_any()
    return Structure(sizes, tuple(blocks))


def check_sizes(layers: Any, faults: Faults) -> tuple[int, ...]:
    """Return the sizes of layers as integers, or note what is wrong with them."""
    if isinstance(layers, str) or not isinstance(layers, (Sequence, np.ndarray, Tensor)) or not len(layers):
        faults.add(f"layers is {layers!r}; give the units of each layer, for example [784, 500]")
        return ()
    sizes = layers.tolist() if isinstance(layers, (np.ndarray, Tensor)) else list(layers)
    for place, size in enumerate(sizes):
        if isinstance(size, np.integer):
            sizes[place] = int(size)
        faults.number(f"layers[{place}]", sizes[place], low=1, high=10**6, integer=True)
    if len(sizes) > MAX_LAYERS:
        faults.add(f"layers has {len(sizes)} layers; give at most {MAX_LAYERS}")
    return tuple(sizes)


def check_symmetric(values: Any, size: int, label: str, faults: Faults) -> Tensor | None:
    """Return a bool matrix (size, size) that is symmetric with an empty diagonal, or note a fault."""
    matrix = _matrix(values, (size, size), label, faults)
    if matrix is None:
        return None
    unequal = (matrix != matrix.T).nonzero()
    if len(unequal):
        i, j = unequal[0].tolist()
        faults.add(
            f"{label} is not symmetric: [{i}, {j}] is {bool(matrix[i, j])} and [{j}, {i}] is {bool(matrix[j, i])}; "
            f"links have no direction, give for example {label} | {label}.T"
        )
    if bool(matrix.diagonal().any()):
        unit = int(matrix.diagonal().nonzero()[0])
        faults.add(f"{label} links unit {unit} with itself; set the diagonal to False")
    return matrix


def _matrix(values: Any, shape: tuple[int, int], label: str, faults: Faults) -> Tensor | None:
    """Return a bool matrix from booleans, or numbers that are 0 or 1."""
    try:
        array = np.asarray(values)
    except ValueError:
        array = np.asarray(None)
    if array.shape != shape:
        faults.add(f"{label} has shape {array.shape}; give {shape}")
        return None
    if array.dtype != bool and not (array.dtype.kind in "iuf" and np.isin(array, (0, 1)).all()):
        faults.add(f"{label} holds {array.dtype} values other than 0 and 1; give booleans: True where units are linked")
        return None
    return torch.from_numpy(np.ascontiguousarray(array.astype(bool)))


def _cut(whole: Tensor, sizes: tuple[int, ...]) -> list[Block]:
    """Return the blocks of a mask of all units that hold a link."""
    slices, blocks = Structure(sizes, ()).slices, []
    for lower, upper in itertools.combinations_with_replacement(range(len(sizes)), 2):
        mask = whole[slices[lower], slices[upper]].contiguous()
        full = mask.numel() - (len(mask) if lower == upper else 0)
        if bool(mask.any()):
            blocks.append(Block(lower, upper, None if int(mask.sum()) == full else mask))
    return blocks


def _neighbours(sizes: tuple[int, ...], masks: Mapping[Any, Any], faults: Faults) -> list[Block]:
    pairs = [(layer, layer + 1) for layer in range(len(sizes) - 1)]
    for key in masks:
        if key not in pairs:
            faults.add(f"mask has the pair {key!r}; give pairs of neighbouring layers, {pairs}, or a mask of all units")
    blocks = []
    for lower, upper in pairs:
        own = masks.get((lower, upper))
        mask = None if own is None else _matrix(own, (sizes[lower], sizes[upper]), f"mask[{lower}, {upper}]", faults)
        if mask is None or bool(mask.any()):
            blocks.append(Block(lower, upper, mask))
    return blocks


def _insides(sizes: tuple[int, ...], intra_layer: Any, faults: Faults) -> list[Block]:
    if intra_layer is None or intra_layer is False:
        return []
    if intra_layer is True:
        intra_layer = list(range(len(sizes)))
    if isinstance(intra_layer, Mapping):
        chosen = dict(intra_layer)
    elif isinstance(intra_layer, (Sequence, set, frozenset)) and not isinstance(intra_layer, str):
        chosen = dict.fromkeys(intra_layer, True)
    else:
        faults.add(f"intra_layer is {intra_layer!r}; give True, layer indices such as [0, 1], or a dict of masks")
        return []
    blocks = []
    for layer, mask in chosen.items():
        if isinstance(layer, bool) or not isinstance(layer, int) or not 0 <= layer < len(sizes):
            faults.add(f"intra_layer has layer {layer!r}; give 0 to {len(sizes) - 1}")
        elif sizes[layer] < 2:
            faults.add(
                f"intra_layer has layer {layer}, which has a single unit: there is nothing to link; leave it out"
            )
        elif mask is True:
            blocks.append(Block(layer, layer))
        elif mask is not False and mask is not None:
            links = check_symmetric(mask, sizes[layer], f"intra_layer[{layer}]", faults)
            if links is not None and bool(links.any()):
                blocks.append(Block(layer, layer, links))
    return blocks


def _colours(size: int, linked: npt.NDArray[np.bool_] | None) -> tuple[Tensor, ...]:
    """Return groups of units without links among each other; each unit in the first group that takes it."""
    if linked is None:
        return (torch.arange(size),)
    groups: list[list[int]] = []
    for unit in range(size):
        for group in groups:
            if not linked[unit, group].any():
                group.append(unit)
                break
        else:
            groups.append([unit])
    return tuple(torch.tensor(group) for group in groups)


def mask_of(structure: Structure) -> Tensor:
    """Return the links of a structure as one symmetric bool matrix (units, units)."""
    whole = torch.zeros(structure.units, structure.units, dtype=torch.bool)
    for block in structure.blocks:
        rows, columns = structure.slices[block.lower], structure.slices[block.upper]
        mask = torch.ones(structure.sizes[block.lower], structure.sizes[block.upper], dtype=torch.bool)
        if block.mask is not None:
            mask = block.mask
        elif block.inside:
            mask = ~torch.eye(len(mask), dtype=torch.bool)
        whole[rows, columns] = mask
        whole[columns, rows] = mask.T
    return whole


def check_state_width(width: int, structure: Structure) -> None:
    """Raise InvalidValue unless states of this width are those of all units."""
    if width != structure.units:
        raise InvalidValue(
            f"states have {width} units, and the machine has {structure.units} = "
            f"{' + '.join(map(str, structure.sizes))}; give visible and hidden units side by side"
        )
