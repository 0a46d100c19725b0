"""Replacement of the convolutions of a torch model by band-limited convolutions."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterable
from typing import final

from rich.console import Console
from rich.table import Table
from torch import nn

from mho.errors import InvalidValue, in_words, warn
from mho.nn.array_layer import ArrayLayer
from mho.nn.band_limited.layer import BandLimitedConv1d, BandLimitedConv2d
from mho.nn.band_limited.limit import BandLimit
from mho.nn.convert import unmatched
from mho.nn.place import Replacement, matches
from mho.text import layers_in_words

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
"""Layers that `band_limit` looks at: it replaces some and names the others."""


@final
class NotBandLimited(UserWarning):
    """A convolution has no band-limited form and was not excluded by name."""


@final
@dataclasses.dataclass(frozen=True)
class Limited:
    """Row of a table of `band_limit`: one convolution, and what became of it.

    Attributes:
        name: name of the layer in its model.
        kind: its type.
        became: what it is now, in words.
    """

    name: str
    kind: str
    became: str


@in_words
def band_limit(
    model: nn.Module,
    *,
    compression: float | None = None,
    energy: float | None = None,
    exclude: Iterable[str] = (),
    pointwise: bool = False,
    quiet: bool = False,
) -> nn.Module:
    """Return a copy of `model` whose Conv1d and Conv2d keep only low frequencies, with the same weights.

    Layers that are band-limited already get the new limit, so that a trained network can be tested at another limit.
    `band_limit_rows` has what became of each convolution.

    Args:
        model: a torch model without layers on arrays; it is left as it is. `mho.convert` takes the result.
        compression: share of the coefficients that is dropped, in per cent, from 0 to below 100.
        energy: in place of a compression: share of the energy of each layer's input that is kept at least, in per
            cent, greater than 0 and at most 100.
        exclude: patterns of layers that stay as they are ("conv1", "layer1.*").
        pointwise: whether 1×1 convolutions are limited too. They mix channels and look at no neighbours: a limit
            blurs their input, and costs two transforms where there were none.
        quiet: do not print the table of what became of each convolution.

    Raises:
        InvalidValue: for a limit out of its range, a pattern that matches no layer, a model with layers on arrays, or a
            model without a convolution to limit.

    Warns:
        NotBandLimited: naming convolutions without a band-limited form, such as Conv3d or subclasses of Conv2d, that
            were not excluded.
    """
    BandLimit(compression=compression, energy=energy, axes=2)
    excluded = [exclude] if isinstance(exclude, str) else list(exclude)
    faults = unmatched(excluded, [name for name, _ in model.named_modules() if name])
    if any(isinstance(module, ArrayLayer) for module in model.modules()):
        faults.append("the model has layers on arrays; limit the digital model, then convert it")
    if faults:
        raise InvalidValue("; ".join(faults), faults)
    made = _Limiting(compression, energy, excluded, pointwise)
    limited = made.walk(copy.deepcopy(model), "")
    if not made.count:
        reason = "; ".join(f"layer {row.name}: {row.became}" for row in made.rows) or "it has no convolution"
        raise InvalidValue(f"no layer was limited: {reason}; band_limit replaces Conv1d and Conv2d")
    if made.unknown:
        warn(
            f"no band-limited form for {layers_in_words(', '.join(made.unknown))}: they keep the whole spectrum. "
            "Name them in exclude= to say that this is meant",
            NotBandLimited,
        )
    limited.band_limits = made.rows  # type: ignore[assignment]
    if not quiet:
        Console(stderr=True).print(band_limit_table(limited))
    return limited


def band_limit_rows(model: nn.Module) -> list[Limited]:
    """Return what `band_limit` made of each convolution of the model that it returned.

    Raises:
        InvalidValue: for another model.
    """
    rows: list[Limited] | None = getattr(model, "band_limits", None)
    if rows is None:
        raise InvalidValue("this model does not come from mho.band_limit, so there is no table of its convolutions")
    return rows


def band_limit_table(model: nn.Module) -> Table:
    """Return `band_limit_rows` as a table of rich."""
    table = Table(title="band-limited layers", title_justify="left")
    for heading in ("layer", "was", "became"):
        table.add_column(heading)
    for row in band_limit_rows(model):
        table.add_row(row.name, row.kind, row.became)
    return table


@final
class _Limiting(Replacement):
    """One walk over a model."""

    def __init__(self, compression: float | None, energy: float | None, excluded: list[str], pointwise: bool) -> None:
        super().__init__()
        self.limit = {"compression": compression, "energy": energy}
        self.excluded, self.pointwise = excluded, pointwise
        self.rows: list[Limited] = []
        self.unknown: list[str] = []
        self.count = 0

    def replace(self, module: nn.Module, name: str) -> nn.Module:
        if not isinstance(module, CONVOLUTIONS):
            self.inside(module, name)
            return module
        label, kind = name or "model", type(module).__name__
        layer, became = module, "unchanged (no band-limited form)"
        if matches(name, self.excluded):
            became = "unchanged (excluded)"
        elif type(module) in (nn.Conv1d, BandLimitedConv1d, nn.Conv2d, BandLimitedConv2d):
            if set(module.kernel_size) == {1} and not self.pointwise:
                became = "unchanged (1×1: pointwise=True limits it)"
            else:
                form = BandLimitedConv1d if isinstance(module, nn.Conv1d) else BandLimitedConv2d
                layer = form.of(module, **self.limit)
                became = f"band-limited, {layer.limit}"
                self.count += 1
        else:
            self.unknown.append(f"{label} ({kind})")
        self.rows.append(Limited(label, kind, became))
        return layer
