"""Weights that several layers share: which of them one array can serve, and an embedding on the array of a Linear."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from mho.config import RPU
from mho.errors import InvalidValue, WrongUse
from mho.kernels.ops import Floats
from mho.nn.embedding import check_indices, one_hot, refuse_options
from mho.nn.kinds import kind_of
from mho.nn.layer_cycles import check_tensor, through_arrays
from mho.nn.linear import Linear
from mho.nn.on_arrays import OnArrays
from mho.nn.place import HOOKS
from mho.spoken import kept_digital


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Ties:
    """Layers of a digital model that share parameters.

    Attributes:
        owners: for each layer without arrays of its own, the layer whose arrays it uses.
        faults: what is wrong with parameters that no one array can serve.
    """

    owners: dict[nn.Module, nn.Module]
    faults: list[str]

    def names(self, owner: nn.Module, paths: dict[nn.Module, str]) -> list[str]:
        """Return the paths of all layers that share the arrays of a layer, its own first."""
        return [paths[owner], *(paths[layer] for layer, own in self.owners.items() if own is owner)]


def find_ties(model: nn.Module, stays: Callable[[str], bool]) -> Ties:
    """Return which layers of a model share parameters.

    One array serves layers that are alike, of one type with the same parameters and options, and an Embedding whose
    weight is that of a Linear.

    Args:
        model: the digital model.
        stays: whether a layer of this path stays digital.
    """
    users: dict[Tensor, dict[str, nn.Module | None]] = {}
    becoming: dict[str, nn.Module] = {}
    for path, module in model.named_modules():
        if kind_of(module) is not None and not stays(path):
            becoming[path] = module
        around = next((own for own in becoming if own in ("", path) or path.startswith(f"{own}.")), None)
        layer = None if around is None else becoming[around]
        for name, parameter in module._parameters.items():
            if parameter is not None:
                users.setdefault(parameter, {})[f"{path}.{name}" if path else name] = layer
    owners: dict[nn.Module, nn.Module] = {}
    faults: list[str] = []
    for places in users.values():
        layers = list(dict.fromkeys(layer for layer in places.values() if layer is not None))
        if len(places) == 1 or not layers:
            continue
        owner = next((layer for layer in layers if type(layer) is nn.Linear), layers[0])
        others = [layer for layer in layers if layer is not owner]
        if len(layers) == len(places) and all(_serves(owner, other) for other in others):
            owners |= dict.fromkeys(others, owner)
        else:
            last = list(places)[-1]
            paths = [name.rpartition(".")[0] for name in places]
            faults.append(
                f"{' and '.join(places)} are one parameter (tied), and one array serves layers that are alike, or an "
                f"Embedding and a Linear; untie them, {last} = nn.Parameter({last}.detach().clone()), use one module "
                f"in both places, or {kept_digital(paths)}"
            )
    return Ties(owners, faults)


def _serves(owner: nn.Module, other: nn.Module) -> bool:
    """Return True if the arrays of a layer can serve another layer that shares a parameter with it."""
    if type(owner) is nn.Linear and type(other) is nn.Embedding:
        return other.weight is owner.weight
    held = [[id(parameter) for parameter in layer.parameters()] for layer in (owner, other)]
    hooked = any(getattr(layer, name) for layer in (owner, other) for name in HOOKS)
    return type(owner) is type(other) and held[0] == held[1] and _options(owner) == _options(other) and not hooked


def _options(layer: nn.Module) -> dict[str, Any]:
    return {name: value for name, value in vars(layer).items() if not name.startswith("_")}


def one_rpu(given: Mapping[str, RPU | None], usual: RPU) -> RPU:
    """Return the RPU of an array.

    Args:
        given: the RPU that patterns give to each layer that uses the array, by path; None: no pattern matches.
        usual: RPU of layers that no pattern matches.

    Raises:
        InvalidValue: where the layers have different RPUs.
    """
    chosen = {name: own for name, own in given.items() if own is not None}
    first = next(iter(chosen), None)
    for name, own in chosen.items():
        if first is not None and own != chosen[first]:
            raise InvalidValue(
                f"layers: {first} and {name} are one array (tied), and patterns give it two RPUs; let one pattern "
                "match both, or only one of them"
            )
    return usual if first is None else chosen[first]


@final
class TiedEmbedding(OnArrays):
    """An Embedding on the array of a Linear with the same weight, as language models tie their first and last layer.

    The Linear reads its array forward; an index drives one row of it, and the backward read of the array is the vector
    of the index, with noise and bounds of `RPU.backward`. In an update the row gets pulses where the vector's δ drives
    the columns. Vectors of both uses are pulsed as one update, in the order of the forwards. A bias of the Linear is
    not read, and not pulsed by the embedding; nor is the row of `padding_idx`.

    It has no arrays, learning rate or mode of its own: those of the Linear count for both.

    Takes integers (R·B, ...) and returns (R·B, ..., embedding_dim).

    Args:
        owner: the layer whose array holds the weights.
        padding_idx: index whose vector no update of the embedding moves, or None.
        name: for messages.
    """

    _written_by = "layer.write(weight)"

    def __init__(self, owner: Linear, padding_idx: int | None, *, name: str) -> None:
        super().__init__()
        self.name, self.replicas, self.padding_idx = name, owner.replicas, padding_idx
        self._owner = (owner,)  # a tuple, as it is a submodule elsewhere

    @property
    def owner(self) -> Linear:
        """Return the layer whose array holds the weights."""
        return self._owner[0]

    @property
    def num_embeddings(self) -> int:
        """Number of indices."""
        return self.owner.out_features

    @property
    def embedding_dim(self) -> int:
        """Number of entries of a vector."""
        return self.owner.in_features

    @property
    def weight(self) -> Tensor:
        """Exact weights (num_embeddings, embedding_dim), (R, ...) where R > 1: those of the owner, a copy to read."""
        return self.owner.weight

    @property
    def anchor(self) -> nn.Parameter:
        """Return the anchor of the owner."""
        return self.owner.anchor

    @property
    def trains(self) -> bool:
        return self.owner.trains

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, nn.Parameter]]:
        """Yield the parameters of the owner, as torch has a tied weight in both layers: freezing one freezes both."""
        return self.owner.named_parameters(prefix, recurse, remove_duplicate)

    def register_parameter(self, name: str, param: nn.Parameter | None) -> None:
        """Refuse parameters, which would stand for weights that are the state of an array, as of a pruning.

        Raises:
            WrongUse: always.
        """
        raise WrongUse(
            f"layer {self.name}: {name} would be a parameter of a layer on the array of {self.owner.name}, whose "
            "weights are the state of devices; prune weights in the digital model before mho.convert, or untie them"
        )

    def write(self, weight: Tensor) -> float:
        """Program the array of the owner with these weights, and leave its bias: see `ArrayLayer.write`."""
        return self.owner.write(weight)

    def learned_scales(self) -> list[nn.Parameter]:
        """Return the scales of the owner that are learned."""
        return self.owner.learned_scales()

    def takes(self, shape: Sequence[int]) -> bool:
        return len(shape) > 0

    def forward(self, x: Tensor) -> Tensor:
        """Return the vector of each index.

        Raises:
            InvalidValue: for what is no index.
        """
        check_tensor(x, self.name)
        alone = self.replicas == 1 and x.dim() == 0
        x = check_indices(x.unsqueeze(0) if alone else x, self.num_embeddings, self.name)
        answer = through_arrays(x, self, _Rows)
        return answer.squeeze(0) if alone else answer

    def twin(self, owner: nn.Linear) -> nn.Embedding:
        """Return the torch layer that this layer replaces, with the weight of the owner's twin."""
        twin = nn.Embedding(self.num_embeddings, self.embedding_dim, self.padding_idx, _weight=owner.weight.detach())
        twin.weight = owner.weight
        return twin

    def _apply_to_all(self, fn: Callable[[nn.Module], None]) -> None:
        fn(self)

    def _initialise(self, fn: Callable[[nn.Module], None], *, alone: bool) -> bool:
        weight = self.owner.matrix()[0, :, : self.embedding_dim]
        twin = nn.Embedding(self.num_embeddings, self.embedding_dim, self.padding_idx, _weight=weight.clone())
        fn(twin)
        changed = not torch.equal(twin.weight, weight)
        if changed:
            self.owner.program(twin.weight)
        return changed

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *arguments: Any) -> None:
        faults = arguments[-1]
        weight = state.pop(f"{prefix}weight", None)  # of a torch model, which has it in both places
        if weight is not None:
            try:
                self.owner.program(weight)
            except InvalidValue as error:
                faults.append(str(error))
        super()._load_from_state_dict(state, prefix, *arguments)

    def extra_repr(self) -> str:
        """Return the sizes and options of the layer in words, as print(model) shows them."""
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}, on the array of {self.owner.name}"


def make_tied(module: nn.Module, layer: OnArrays, name: str) -> OnArrays:
    """Return what takes the place of a module that uses the arrays of a layer: the layer itself, or an embedding.

    Raises:
        InvalidValue: for options of an Embedding that arrays cannot follow.
    """
    if not (isinstance(module, nn.Embedding) and isinstance(layer, Linear)):
        return layer
    refuse_options(module, name)
    return TiedEmbedding(layer, module.padding_idx, name=name)


class _Rows(torch.autograd.Function):
    """Backward read of rows of an array as a forward, and its vectors for the update."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, anchor: Tensor, layer: TiedEmbedding, *scales: Tensor) -> Tensor:
        owner = layer.owner
        driven = owner.by_replica(one_hot(x, layer.num_embeddings))
        ctx.layer, ctx.driven, ctx.number = layer, driven, owner.memory.number()
        answer = owner.crossbars[0].read_vectors(driven, backward=True)[..., : layer.embedding_dim]
        ctx.answer = answer.copy() if scales and owner.training else None
        return torch.from_numpy(np.ascontiguousarray(answer).reshape(*x.shape, layer.embedding_dim))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        layer: TiedEmbedding = ctx.layer
        owner, driven = layer.owner, ctx.driven
        errors = grad.detach().neg().contiguous().numpy().reshape(len(driven), -1, layer.embedding_dim)
        if layer.padding_idx is not None:
            driven[..., layer.padding_idx] = 0  # drives nothing in the update
        bias = np.zeros((*errors.shape[:2], int(owner.has_bias)), np.float32)
        owner.keep(ctx.number, [np.concatenate([errors, bias], axis=2)], [driven])
        scales = layer.learned_scales()
        return None, torch.empty(0), None, *(_scale_gradient(s, driven, errors, ctx.answer) for s in scales)


def _scale_gradient(log_factor: Tensor, driven: Floats, errors: Floats, answer: Floats | None) -> Tensor | None:
    """Return the derivative by log s, (R, 1) or (R, out), where vectors are s times rows; None without an answer."""
    if answer is None:
        return None
    per_output = -np.einsum("rtv,rt->rv", driven, (errors * answer).sum(axis=2))
    return torch.from_numpy(per_output if log_factor.shape[1] > 1 else per_output.sum(axis=1, keepdims=True))
