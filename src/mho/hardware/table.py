"""A network as a table of arrays."""

from __future__ import annotations

import copy
import fnmatch
from collections.abc import Iterable, Mapping
from typing import final

import torch
from torch import Tensor, nn

from mho.arrays import Array, ArrayRow
from mho.config import RPU
from mho.errors import InvalidValue, nearest
from mho.hardware.trace import Trace, trace
from mho.kernels.ops import Floats
from mho.models import Network
from mho.nn import array_layers, replica_outputs


def array_table(model: nn.Module, image: Tensor) -> list[ArrayRow]:
    """The arrays of a converted model, in the order in which an image (B, ...) first meets them.

    The image is sent through a copy, so no stream of the model moves.
    """
    met: list[tuple[str, _Counted]] = []
    twin = copy.deepcopy(model).eval()
    for path, layer in array_layers(twin).items():
        layer.crossbars = [_Counted(array, path, met) for array in layer.crossbars]  # type: ignore[misc]
    with torch.no_grad():
        replica_outputs(twin, image, per_replica=False)
    paths = [path for path, _ in met]
    first = dict(reversed(met))
    return [_row(path, first[path], len(image), paths.count(path)) for path in dict.fromkeys(paths)]


@final
class _Counted:
    """Stands in for an array in a layer, and counts what is read from it."""

    def __init__(self, array: Array, path: str, met: list[tuple[str, _Counted]]) -> None:
        self.array, self.path, self.met = array, path, met
        self.vectors = self.uses = 0

    def read_vectors(self, inputs: Floats, *, backward: bool) -> Floats:
        if not self.uses:
            self.met.append((self.path, self))
        self.vectors, self.uses = self.vectors + inputs.shape[1], self.uses + 1
        return self.array.read_vectors(inputs, backward=backward)


def _row(path: str, counted: _Counted, images: int, groups: int) -> ArrayRow:
    array = counted.array
    return ArrayRow.planned(
        path,
        (array.out_features, array.in_features),
        array.rpu,
        vectors=counted.vectors // images,
        groups=groups,
        replicas=array.replicas,
        uses=counted.uses,
        scale=scale_in_words(array),
    )


def _scale(value: object) -> str:
    """Return the factor of a description as `scale_in_words` does for an array; by its name if it is chosen later."""
    return f"{value:.3g}" if isinstance(value, (int, float)) else str(value)


def scale_in_words(array: Array) -> str:
    """Return the digital factors of an array at present: "4.3", or "3.1 to 8.7"; empty where there are none."""
    scale = array.scale
    if scale is None:
        return ""
    low, high = f"{float(scale.min()):.3g}", f"{float(scale.max()):.3g}"
    return low if low == high else f"{low} to {high}"


def planned_table(
    network: Network,
    rpu: RPU,
    *,
    layers: Mapping[str, RPU] | None = None,
    exclude: Iterable[str] = (),
    bias_column: bool = True,
) -> list[ArrayRow]:
    """The arrays that a network would have on an RPU, without any weight in memory.

    Args:
        network: how the model is built, and the shape of its image; any model of layers with an array form will do.
        rpu: what the arrays are made of; its tile and its cell are what counts here.
        layers: other RPUs for layers whose qualified name matches a pattern, as of `mho.convert`.
        exclude: patterns of layers that stay digital.
        bias_column: whether the bias of a layer is a column of its array, as mho trains it. False: it is added
            digitally, and the numbers of multiply-accumulates are those of the literature.

    Raises:
        InvalidValue: naming the module that cannot be traced; or a pattern that matches no layer on arrays.
    """
    return rows_of(trace(network, exclude=exclude), rpu, layers=layers, bias_column=bias_column)


def rows_of(
    traced: Trace, rpu: RPU, *, layers: Mapping[str, RPU] | None = None, bias_column: bool = True
) -> list[ArrayRow]:
    """Return the arrays that a traced network would have on an RPU, as `planned_table` does for a network not traced.

    Args:
        traced: of `mho.hardware.trace`.
        rpu: what the arrays are made of.
        layers: other RPUs for layers whose qualified name matches a pattern.
        bias_column: whether the bias of a layer is a column of its array; False: it is added digitally.
    """
    special = dict(layers or {})
    check_patterns(special, [name for layer in traced.layers for name in layer.names])
    rows: list[ArrayRow] = []
    for layer in traced.layers:
        matching = (spec for name in layer.names for p, spec in special.items() if fnmatch.fnmatchcase(name, p))
        own = next(matching, rpu)
        size = layer.out, layer.inputs + (layer.bias and bias_column)
        rows.append(
            ArrayRow.planned(
                layer.name,
                size,
                own,
                vectors=layer.vectors,
                groups=layer.groups,
                replicas=own.replicas or 1,
                uses=layer.uses,
                scale="" if own.scaling is None else _scale(own.scaling.value),
            )
        )
    return rows


def check_patterns(patterns: Iterable[str], names: list[str]) -> None:
    """Raise unless every pattern matches a layer on arrays."""
    faults = [f"{p!r} matches no layer on arrays{nearest(p, names)}" for p in patterns if not fnmatch.filter(names, p)]
    if faults:
        raise InvalidValue("; ".join(faults), faults)
