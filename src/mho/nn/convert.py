"""Conversion of a torch model to a model whose layers are arrays."""

from __future__ import annotations

import copy
import dataclasses
import fnmatch
import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import final

import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from mho.arrays import WARNED_SHARE, ClippedWeights, seed_list
from mho.config import RPU, replicas_fault
from mho.errors import InvalidValue, WrongUse, in_words, nearest, shown, warn
from mho.nn.array_layer import ArrayLayer
from mho.nn.computed_weights import computed_weight_faults, is_inside
from mho.nn.dropout import Dropout
from mho.nn.fused import close_fused_path
from mho.nn.kinds import LayerKind, Matrix, Part, kind_names, kind_of, layers_inside
from mho.nn.on_arrays import OnArrays
from mho.nn.place import Replacement, matches, take_place
from mho.nn.replicas import ReplicaModel, array_layers
from mho.nn.tied import Ties, find_ties, make_tied, one_rpu
from mho.spoken import already_digital, kept_digital, scale_chosen
from mho.text import layers_in_words

LONGEST = 44
"""Letters of a layer's name in the table before it is folded: half of a narrow terminal."""


@final
class StaysDigital(UserWarning):
    """A layer with parameters has no array form and was not excluded by name."""


@final
@dataclasses.dataclass(frozen=True)
class Converted:
    """Row of `conversion_table`: a layer's name and type, what it became, and the share of its weights clipped."""

    name: str
    kind: str
    became: str
    clipped: float | None = None


@in_words
def convert(
    model: nn.Module,
    rpu: RPU,
    *,
    seed: int | Sequence[int] = 0,
    layers: Mapping[str, RPU] | None = None,
    exclude: Iterable[str] = (),
    replicas: int = 1,
    quiet: bool = False,
) -> nn.Module:
    """Return a copy of `model` whose layers are arrays, with the same weights.

    Linear, Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, RNN, LSTM, GRU and their cells, Embedding,
    MultiheadAttention, also inside torch's Transformer layers, and kinds of your own become arrays. Some become several
    arrays: a recurrent layer becomes an array for the input matrix and an array for the recurrent matrix of each layer
    and direction, which are named as torch names the matrices, "lstm.ih_l0" and "lstm.hh_l0"; a transposed convolution
    "up.kernel" and, for its bias, "up.offset"; attention "q_proj", "k_proj", "v_proj" and "out_proj".

    A module that stands in several places is one array, and so are layers of one type and with the same options that
    share all parameters. An Embedding whose weight is that of a Linear (tied) uses the array of the Linear, see
    `mho.nn.TiedEmbedding`.

    Args:
        model: an ordinary torch model on the CPU; it is left as it is.
        rpu: what the arrays are made of; layers larger than its tile are spread over several.
        seed: seed of replica 0, the others get seed + 1, ...; or one seed per replica.
        layers: other RPUs for layers whose qualified name matches a pattern ("conv2", "block*.fc"), or for single
            arrays of a recurrent layer ("lstm.hh*").
        exclude: patterns of layers that stay digital.
        replicas: R networks side by side, which may differ in their values too (lists in the RPUs); the result
            then takes (B, ...) or (R, B, ...) and returns (R, B, ...). The batch has to be the first axis of what
            the model takes. Digital layers with parameters are refused, they would be shared.
        quiet: do not print the table of what became of each layer (`conversion_table` has it still). Warnings stay:
            `exclude` answers them.

    Raises:
        InvalidValue: for a pattern that matches no layer, an RPU whose lists do not have one value per replica, a model
            without a layer to convert, a model that is converted already, weights that several layers share but no
            single array can serve, or to which `layers` gives two RPUs, or weights that a pruning or a norm makes of
            other parameters.

    Warns:
        StaysDigital: naming layers with parameters that have no array form and were not excluded.
        ClippedWeights: naming layers of which bounds clipped more than 1 % of the weights, and at least five, with a
            scale as the cure.
    """
    for label, value, kind, cure in (
        ("model", model, nn.Module, "torch model, for example mho.models.LeNet()"),
        ("rpu", rpu, RPU, "mho.RPU, for example mho.presets.gokmen_2017() or mho.RPU(device=...)"),
        ("layers", layers or {}, Mapping, 'dict of names and RPUs, for example layers={"conv2": other_rpu}'),
        ("exclude", exclude, Iterable, 'list of names, for example exclude=["fc2"]'),
    ):
        if not isinstance(value, kind):
            raise InvalidValue(f"{label} is {shown(value)}; give a {cure}")

    seeds = seed_list(seed, replicas)
    kept = [path for path, module in model.named_modules() if path and kind_of(module) is not None]
    names = [name for name, _ in model.named_modules() if name and not is_inside(name, kept)]
    special = dict(layers or {})
    excluded = [exclude] if isinstance(exclude, str) else list(exclude)
    stays = functools.partial(matches, patterns=excluded)
    parts = _part_names(model)
    inside = [*(name for name, _ in model.named_modules()), *parts]
    within = {name: whole for name in inside for whole in kept if is_inside(name, [whole])}
    faults = unmatched(special, [*names, *parts])
    lost = [pattern for pattern in excluded if isinstance(pattern, str) and not fnmatch.filter(names, pattern)]
    inner = {pattern: found[0] for pattern in lost if (found := fnmatch.filter(within, pattern))}
    faults += unmatched([pattern for pattern in excluded if pattern not in inner], names)
    faults += [
        f"{pattern!r} matches {part}, a part of layer {within[part]}, which stays digital as a whole or not at all; "
        + kept_digital([within[inner[p]] if p in inner else p for p in excluded if isinstance(p, str)])
        for pattern, part in inner.items()
    ]
    faults += [f"layers[{p!r}] is {shown(s)}; give a mho.RPU" for p, s in special.items() if not isinstance(s, RPU)]
    for label, spec in [("rpu", rpu), *((f"layers[{p!r}]", s) for p, s in special.items())]:
        fault = replicas_fault(spec, replicas) if isinstance(spec, RPU) else None
        if fault:
            faults.append(f"{label}: {fault}")
    if any(isinstance(module, ArrayLayer) for module in model.modules()):
        faults.append("the model has array layers already; convert the digital model")
    empty = [name for name, parameter in model.named_parameters() if parameter.is_meta]
    if empty and torch.get_default_device().type != "meta":  # where it is, as in mho map, nothing has values
        faults.append(f"{empty[0]} is on the meta device and holds no values; load the model's weights first")
    if faults:
        raise InvalidValue("; ".join(faults), faults)

    with already_digital(excluded):
        faults += computed_weight_faults(model, stays) + find_ties(model, stays).faults
        if faults:
            raise InvalidValue("; ".join(faults), faults)
        own = copy.deepcopy(model)
        made = _Conversion(rpu, special, excluded, seeds, own, find_ties(own, stays))
        converted = made.walk(own, "")
        if not any(isinstance(module, ArrayLayer) for module in converted.modules()):
            raise InvalidValue(f"no layer was converted: the model has no {kind_names('or')} that is not excluded")
        made.judge(converted)
    result = ReplicaModel(converted, replicas) if replicas > 1 else converted
    result.conversion = made.rows  # type: ignore[assignment]
    if not quiet:
        Console(stderr=True).print(conversion_table(result))
    return result


FEWEST = 5
"""Clipped weights of a layer from which on `convert` warns: fewer lie on weak devices that any network has."""


def _part_names(model: nn.Module) -> list[str]:
    """Return the paths that the parts of layers will have, where these become several arrays."""
    kinds = {path: (module, kind) for path, module in model.named_modules() if (kind := kind_of(module)) is not None}
    return [_path(path, part) for path, (module, kind) in kinds.items() for part in kind.parts_of(module) if part]


def _path(*steps: str) -> str:
    return ".".join(step for step in steps if step)


def unmatched(patterns: Iterable[str], names: Sequence[str]) -> list[str]:
    """Yield a fault for each pattern that matches no name of a layer."""
    return [
        f"{pattern!r} matches no layer{nearest(pattern, names)}"
        if isinstance(pattern, str)
        else f"{shown(pattern)} is no name of a layer; give text{nearest('', names)}"
        for pattern in patterns
        if not (isinstance(pattern, str) and fnmatch.filter(names, pattern))
    ]


@in_words
def conversion_table(model: nn.Module) -> Table:
    """Return the table (rich) of what `convert` made of each layer of the model it returned.

    Its last line is the share of the weights, biases included, that are on arrays.
    """
    rows = conversion_rows(model)
    table = Table(
        title="layers on arrays", title_justify="left", caption=f"{share_on_arrays(model)}.", caption_justify="left"
    )
    # whole names, as layers of a block differ in their last letters; only names beyond all measure are folded
    table.add_column("layer", width=min(LONGEST, max(len("layer"), *(len(row.name) for row in rows))), overflow="fold")
    for heading in ("was", "became", "clipped at bounds"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        share = "" if row.clipped is None else f"{100 * row.clipped:.2f} %"
        table.add_row(row.name, row.kind, row.became, share)
    return table


def share_on_arrays(model: nn.Module) -> str:
    """Return in words which share of a network's weights, biases included, is on arrays."""
    layers = list(array_layers(model).values())
    held = sum(layer.anchor.numel() for layer in layers)
    scales = sum(scale.numel() for layer in layers for scale in layer.learned_scales())  # are no weights
    whole = sum(parameter.numel() for parameter in model.parameters()) - scales
    return f"{100 * held / whole:.3g} % of {whole // layers[0].replicas:,} weights are on arrays"


def conversion_rows(model: nn.Module) -> list[Converted]:
    """Return the rows that `conversion_table` prints, a `Converted` for each layer; model: what `mho.convert` returned.

    Raises:
        InvalidValue: for a model that does not come from `mho.convert`.
    """
    rows: list[Converted] | None = getattr(model, "conversion", None)
    if rows is None:
        raise InvalidValue("this model does not come from mho.convert, so there is no table of its layers")
    return rows


@final
class _Conversion(Replacement):
    """Walk of `convert` over the modules of a model."""

    def __init__(
        self,
        rpu: RPU,
        special: Mapping[str, RPU],
        excluded: list[str],
        seeds: list[int],
        model: nn.Module,
        ties: Ties,
    ) -> None:
        super().__init__()
        self.ties, self.paths = ties, {module: path for path, module in model.named_modules()}
        self.rpu, self.special, self.excluded, self.seeds = rpu, special, excluded, seeds
        self.rows: list[Converted] = []
        self.unforeseen: list[str] = []
        self.digital: list[str] = []
        self.clipped: list[str] = []

    def replace(self, module: nn.Module, name: str) -> nn.Module:
        label = name or "model"
        kind = type(module).__name__
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in self.excluded):
            if any(True for _ in module.parameters()):
                self.digital.append(label)
                self.rows.append(Converted(label, kind, "digital (excluded)"))
            return module
        if module in self.ties.owners:
            return self._tied(module, name)
        found = kind_of(module)
        if found is not None:
            return self._array(module, found, name, label)
        if type(module) in (nn.Dropout, nn.Dropout2d):
            self.rows.append(Converted(label, kind, "dropout from mho's streams"))
            dropout = Dropout(
                module.p,  # type: ignore[arg-type]
                channels=type(module) is nn.Dropout2d,
                seed=self.seeds,
                replicas=len(self.seeds),
                name=label,
            )
            take_place(dropout, module)
            return dropout
        self.inside(module, name)
        close_fused_path(module)
        own = any(True for _ in module.parameters(recurse=False))
        if own:
            self.digital.append(label)
            self.unforeseen.append(f"{label} ({kind})")
            self.rows.append(Converted(label, kind, "digital (no array form)"))
        return module

    def _array(self, module: nn.Module, kind: LayerKind, name: str, label: str) -> nn.Module:
        parts = kind.parts_of(module)
        names = self.ties.names(module, self.paths)
        rpus = {part: self._rpu(names, part) for part in parts}
        own = {"rpu": rpus[""]} if "" in rpus else {"rpu": self.rpu, "layers": rpus}
        layer = kind.make(module, seed=self.seeds, replicas=len(self.seeds), name=label, **own)
        layer.replaces = kind.replaces
        take_place(layer, module)
        for inside, (part, given) in zip(layers_inside(layer), parts.items(), strict=True):
            path = _path(name, part) or label
            self._freeze(inside, module, given, path)
            clipped = write_digital(inside, given.matrices)
            self._note_clipped(inside, path, clipped)
            became = _became(inside, kind.digital(layer))
            self.rows.append(Converted(path, type(module).__name__, became, clipped))
        return layer

    def _tied(self, module: nn.Module, name: str) -> nn.Module:
        """Return the module that replaces a layer which shares the arrays of another layer."""
        owner = self.ties.owners[module]
        layer = self.walk(owner, self.paths[owner])
        assert isinstance(layer, OnArrays)
        tied = make_tied(module, layer, name)
        if tied is not layer:
            take_place(tied, module)
        words = "the arrays of" if tied is layer else "rows, read backward, of the array of"
        self.rows.append(Converted(name, type(module).__name__, f"{words} {self.paths[owner]} (tied)"))
        return tied

    def _rpu(self, names: Sequence[str], part: str) -> RPU:
        """Return the RPU of a part of a layer with these names: of the first pattern that matches it or the layer."""

        def own(name: str) -> RPU | None:
            paths = (_path(name, part), name)
            found = (spec for path in paths for p, spec in self.special.items() if fnmatch.fnmatchcase(path, p))
            return next(found, None)

        return one_rpu({name: own(name) for name in names}, self.rpu)

    def _freeze(self, layer: ArrayLayer, module: nn.Module, part: Part, path: str) -> None:
        """Freeze a layer whose parameters are frozen; warn where some are."""
        owned = {id(parameter) for matrix in part.matrices for parameter in matrix.parameters}
        trained = {name: p.requires_grad for name, p in module.named_parameters() if id(p) in owned}
        layer.requires_grad_(part.trains)
        if len(set(trained.values())) == 2:
            frozen = next(name for name, trains in trained.items() if not trains)
            warn(
                f"layer {path}: {frozen} is frozen (requires_grad=False) and the other parameters are not; one array "
                "holds all of them and trains as a whole. Freeze all of them, or none",
                StaysDigital,
            )

    def _note_clipped(self, layer: ArrayLayer, path: str, clipped: float) -> None:
        """Note a layer of which bounds clipped more than a few weights, and no scale is chosen for them."""
        scaling = layer.crossbars[0].rpu.scaling
        chosen = scaling is not None and scaling.is_chosen
        if clipped > WARNED_SHARE and clipped * layer.anchor.numel() >= FEWEST and not chosen:
            self.clipped.append(f"{path} ({100 * clipped:.1f} %)")

    def judge(self, model: nn.Module) -> None:
        """Refuse or warn about what stays digital in the converted model, and warn of weights that do not fit."""
        if self.digital and len(self.seeds) > 1:
            raise WrongUse(
                f"{layers_in_words(', '.join(self.digital))} would stay digital, and replicas would share their "
                "parameters; use replicas=1, or a model whose layers with parameters all become arrays"
            )
        if self.unforeseen:
            names = [words.rpartition(" (")[0] for words in self.unforeseen]
            warn(
                f"no array form for {layers_in_words(', '.join(self.unforeseen))}: they stay digital, and "
                f"{share_on_arrays(model)}. Say that this is meant, which ends this warning: "
                f"{kept_digital(names)}",
                StaysDigital,
            )
        if self.clipped:
            warn(
                f"the bounds of the devices clipped weights of {layers_in_words(', '.join(self.clipped))}; have a "
                f"digital factor between weights and devices: {scale_chosen()} chooses it for the weights of each "
                "layer",
                ClippedWeights,
            )


def _became(layer: ArrayLayer, digital: str) -> str:
    """Return in words what a layer is now."""
    first = layer.crossbars[0]
    size = f"{first.out_features}×{first.in_features}"
    became = f"array {size}" if len(layer.crossbars) == 1 else f"{len(layer.crossbars)} arrays {size}"
    if len(first.tile_shapes) > 1:
        rows, columns = next(iter(first.tile_shapes.values()))
        became += f", {'' if len(layer.crossbars) == 1 else 'each '}{len(first.tile_shapes)} tiles {rows}×{columns}"
    frozen = "" if layer.anchor.requires_grad else "frozen"
    scale = first.rpu.scaling.summary() if first.rpu.scaling is not None else ""
    for words in (first.rpu.cell.summary(), scale, digital, frozen):
        became += f", {words}" if words else ""
    return became


def write_digital(layer: ArrayLayer, matrices: Sequence[Matrix]) -> float:
    """Program each array of a layer with its matrix; return the share of the weights that device bounds clipped."""
    clipped = total = 0
    for array, matrix in zip(layer.crossbars, matrices, strict=True):
        part = matrix.weight.detach()
        if matrix.bias is not None:
            part = torch.cat([part, matrix.bias.detach()[:, None]], dim=1)
        cells = array.replicas * part.numel()
        clipped += round(array.adopt(part, quiet=True) * cells)
        total += cells
    return clipped / total
