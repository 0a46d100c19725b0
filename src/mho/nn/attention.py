"""Attention with several heads: four projections on arrays, and products of activations in digital logic."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mho.config import RPU
from mho.errors import Faults, InvalidValue, shown
from mho.nn.composite import Composite, PartRPUs
from mho.nn.dropout import Dropout
from mho.nn.kinds import LayerKind, Matrix, Part, register
from mho.nn.linear import Linear
from mho.spoken import kept_digital

INPUTS = ("query", "key", "value")


@final
class MultiheadAttention(Composite):
    """`torch.nn.MultiheadAttention` on arrays: `q_proj`, `k_proj`, `v_proj` and `out_proj`, each with its bias.

    The product of queries and keys, masks, softmax and the product with the values multiply activations with each
    other: they are digital. Each array takes its vectors sample after sample, within a sample in the order of time. A
    query whose keys are all masked gets weights of 0, as in torch with need_weights=False, and never NaN.

    Takes (R·B, T, n) where `batch_first`, (T, B, n), or (T, n) without a batch, and returns what torch does. Arguments
    are those of torch, and:

    Args:
        rpu: what the arrays are made of.
        layers: other RPUs by pattern of a part's name, {"out*": other_rpu}.
        seed: seed of replica 0, the others get seed + 1, ...; or one seed per replica.
        replicas: R.
        name: names the draws.

    Raises:
        InvalidValue: for sizes or a dropout out of range, `num_heads` that does not divide `embed_dim`, replicas
            without `batch_first`, or a pattern that matches no part.
    """

    _qkv_same_embed_dim = False  # what torch looks at before it takes in_proj_weight in place of this forward
    bias_k = bias_v = None
    _written_by = "layer.q_proj.write(weight, bias)"

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        *,
        rpu: RPU,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        layers: Mapping[str, RPU] | None = None,
        seed: int | Sequence[int] = 0,
        replicas: int = 1,
        name: str = "attention",
    ) -> None:
        super().__init__(name=name, replicas=replicas)
        self.kdim, self.vdim = embed_dim if kdim is None else kdim, embed_dim if vdim is None else vdim
        faults = Faults(f"layer {name}")
        for label, size in {"embed_dim": embed_dim, "num_heads": num_heads, "kdim": kdim, "vdim": vdim}.items():
            faults.number(label, size, low=1, integer=True, optional=label in ("kdim", "vdim"))
        faults.number("dropout", dropout, low=0.0, high=1.0)
        if not faults.found and embed_dim % num_heads:
            faults.add(f"embed_dim is {embed_dim}; give a multiple of num_heads={num_heads}")
        if replicas > 1 and not batch_first:
            faults.add(
                f"batch_first=False puts time on the first axis, where {replicas} replicas lie, and layers beside the "
                "attention would take steps of time for replicas; build the model with batch_first=True"
            )
        faults.raise_any()
        self.embed_dim, self.num_heads, self.head_dim = embed_dim, num_heads, embed_dim // num_heads
        self.dropout, self.batch_first, self.add_zero_attn, self.has_bias = dropout, batch_first, add_zero_attn, bias
        widths = {"q_proj": embed_dim, "k_proj": self.kdim, "v_proj": self.vdim, "out_proj": embed_dim}
        rpus = PartRPUs(rpu, layers, widths)
        for part, width in widths.items():
            own = {"rpu": rpus[part], "bias": bias, "seed": seed, "replicas": replicas, "name": f"{name}.{part}"}
            self.add_module(part, Linear(width, embed_dim, **own))  # type: ignore[arg-type]
        if dropout:
            self.drop = Dropout(dropout, seed=seed, replicas=replicas, name=f"{name}.drop")

    @property
    def in_proj_weight(self) -> Tensor | None:
        """Exact weights of queries, keys and values, (3·embed_dim, embed_dim), (R, ...) where R > 1: a copy to read.

        None where keys or values have another width, as in torch.
        """
        parts = list(self.parts.values())[:3]
        return self._joined([part.weight for part in parts]) if self.kdim == self.vdim == self.embed_dim else None

    @property
    def in_proj_bias(self) -> Tensor | None:
        """Exact biases of queries, keys and values, (3·embed_dim,), (R, ...) where R > 1: a copy to read; or None."""
        biases = [part.bias for part in list(self.parts.values())[:3]]
        return self._joined([bias for bias in biases if bias is not None]) if self.has_bias else None

    def _joined(self, values: list[Tensor]) -> Tensor:
        return self._read_only(torch.cat([value.clone() for value in values], dim=int(self.replicas > 1)))

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Return the attention's output, in the form of the query, and its weights or None.

        Args:
            query: (R·B, T, embed_dim) where `batch_first`, else (T, R·B, embed_dim), or (T, embed_dim).
            key: (R·B, S, kdim) where `batch_first`, else (S, R·B, kdim), or (S, kdim).
            value: (R·B, S, vdim) where `batch_first`, else (S, R·B, vdim), or (S, vdim).
            key_padding_mask: (R·B, S), or (S,): True where a key is left out, or numbers that are added.
            need_weights: whether to return the weights, (R·B, T, S).
            attn_mask: (T, S), or (R·B·num_heads, T, S): True where a key is left out, or numbers that are added.
            average_attn_weights: whether weights are means over heads, and not (R·B, num_heads, T, S).
            is_causal: says that `attn_mask` is causal, and changes nothing.

        Raises:
            InvalidValue: for inputs or masks of other shapes, nested tensors, or `is_causal` without `attn_mask`.
        """
        self._check(query, key, value)
        alone = query.dim() == 2
        if alone:
            key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
            query, key, value = (x.unsqueeze(0) for x in (query, key, value))
        elif not self.batch_first:
            query, key, value = (x.transpose(0, 1) for x in (query, key, value))
        if is_causal and attn_mask is None:
            raise InvalidValue(
                f"layer {self.name}: is_causal=True says of attn_mask that it is causal, and there is none; give "
                "attn_mask=torch.nn.Transformer.generate_square_subsequent_mask(steps)"
            )
        mask = self._mask(key_padding_mask, attn_mask, query, key)
        q, k, v = (self._heads(part(x)) for part, x in zip(self.parts.values(), (query, key, value), strict=False))
        if self.add_zero_attn:
            k, v = F.pad(k, (0, 0, 0, 1)), F.pad(v, (0, 0, 0, 1))
            mask = None if mask is None else F.pad(mask, (0, 1))
        whole = self._weights(q, k, mask)
        out = self.out_proj((whole @ v).transpose(1, 2).flatten(2))
        weights = None if not need_weights else whole.mean(dim=1) if average_attn_weights else whole
        if alone:
            return out.squeeze(0), None if weights is None else weights.squeeze(0)
        return out if self.batch_first else out.transpose(0, 1), weights

    def _heads(self, x: Tensor) -> Tensor:
        """Return the numbers of each head, (S, num_heads, T, head_dim), of (S, T, embed_dim)."""
        heads: Tensor = x.unflatten(2, (self.num_heads, self.head_dim)).transpose(1, 2)
        return heads

    def _weights(self, q: Tensor, k: Tensor, mask: Tensor | None) -> Tensor:
        """Return softmax(q kᵀ/√head_dim + mask), with dropout in training; 0 where all keys are masked."""
        scores = (q / math.sqrt(self.head_dim)) @ k.mT
        if mask is None:
            weights = scores.softmax(-1)
        else:
            scores = scores + mask
            nothing = (scores == -math.inf).all(-1, keepdim=True)
            weights = scores.masked_fill(nothing, 0.0).softmax(-1).masked_fill(nothing, 0.0)
        return self.drop(weights) if self.dropout else weights

    # What comes in -------------------------------------------------------------------------------

    def takes(self, shape: Sequence[int]) -> bool:
        return len(shape) == 3 and shape[-1] == self.embed_dim

    def _check(self, *inputs: Tensor) -> None:
        axes = "(batch, time, " if self.batch_first else "(time, batch, "
        for label, x, width in zip(INPUTS, inputs, (self.embed_dim, self.kdim, self.vdim), strict=True):
            given = tuple(x.shape) if isinstance(x, Tensor) and not x.is_nested else None
            if isinstance(x, Tensor) and x.is_nested:
                raise InvalidValue(
                    f"layer {self.name}: the {label} is a nested tensor, as TransformerEncoder makes with "
                    "enable_nested_tensor=True; build it with enable_nested_tensor=False"
                )
            alone = " or (time, " + f"{width})" if self.replicas == 1 else ""
            if given is None or len(given) not in ((2, 3) if self.replicas == 1 else (3,)) or given[-1] != width:
                words = shown(x) if given is None else f"of shape {given}"
                raise InvalidValue(f"layer {self.name}: {label} {words}; give {axes}{width}){alone}")
        query, key, value = (tuple(x.shape) for x in inputs)
        batch = 0 if self.batch_first else 1
        if len({len(query), len(key), len(value)}) > 1 or (len(query) == 3 and query[batch] != key[batch]):
            raise InvalidValue(
                f"layer {self.name}: query {query} and key {key} have different batches; give them one batch"
            )
        if key[:-1] != value[:-1]:
            raise InvalidValue(f"layer {self.name}: key {key} and value {value}; give a value for each key")

    def _mask(self, padding: Tensor | None, attention: Tensor | None, query: Tensor, key: Tensor) -> Tensor | None:
        """Return what is added to scores (S, num_heads, T, S'), of the same number of axes; None: nothing.

        Raises:
            InvalidValue: for a mask of another shape, or of integers.
        """
        samples, steps, keys = len(query), query.shape[1], key.shape[1]
        heads = (samples, self.num_heads, steps, keys)
        forms: dict[str, tuple[Tensor | None, dict[tuple[int, ...], tuple[int, ...]], str]] = {
            "key_padding_mask": (padding, {(samples, keys): (samples, 1, 1, keys)}, "(batch, keys)"),
            "attn_mask": (
                attention,
                {(steps, keys): (1, 1, steps, keys), (samples * self.num_heads, steps, keys): heads},
                "(queries, keys) or (batch·num_heads, queries, keys)",
            ),
        }
        whole: Tensor | None = None
        for label, (mask, shapes, words) in forms.items():
            if mask is None:
                continue
            if not isinstance(mask, Tensor) or tuple(mask.shape) not in shapes:
                give = " or ".join(map(str, shapes))
                given = f"of shape {tuple(mask.shape)}" if isinstance(mask, Tensor) else shown(mask)
                raise InvalidValue(f"layer {self.name}: {label} {given}; give a tensor {give}: {words}")
            if mask.dtype != torch.bool and not mask.is_floating_point():
                raise InvalidValue(
                    f"layer {self.name}: {label} is {str(mask.dtype).removeprefix('torch.')}; give booleans, True "
                    "where nothing is attended to, or floats that are added: mask.bool()"
                )
            own = mask.float() if mask.is_floating_point() else _closed(mask)
            own = own.reshape(shapes[tuple(mask.shape)])
            whole = own if whole is None else whole + own
        return whole

    def extra_repr(self) -> str:
        """Return the sizes and options of the layer in words, as print(model) shows them."""
        options = {
            "dropout": (self.dropout, 0.0),
            "bias": (self.has_bias, True),
            "add_zero_attn": (self.add_zero_attn, False),
            "kdim": (self.kdim, self.embed_dim),
            "vdim": (self.vdim, self.embed_dim),
            "batch_first": (self.batch_first, False),
        }
        words = (f", {name}={value}" for name, (value, usual) in options.items() if value != usual)
        return f"{self.embed_dim}, {self.num_heads}{''.join(words)}"


def _closed(mask: Tensor) -> Tensor:
    return torch.zeros(mask.shape).masked_fill(mask, -math.inf)


def _arguments(layer: Any) -> dict[str, Any]:
    names = ("embed_dim", "num_heads", "dropout", "add_zero_attn", "kdim", "vdim", "batch_first")
    has_bias = layer.has_bias if isinstance(layer, MultiheadAttention) else layer.in_proj_bias is not None
    return {name: getattr(layer, name) for name in names} | {"bias": has_bias}


def _make(module: nn.MultiheadAttention, **options: Any) -> MultiheadAttention:
    """Make the layer on arrays.

    Raises:
        InvalidValue: for keys and values that are parameters.
    """
    if module.bias_k is not None:
        name = options["name"]
        raise InvalidValue(
            f"layer {name}: add_bias_kv=True has a key and a value that are parameters, no matrix that multiplies "
            f"vectors; make the layer without it, or keep it digital: {kept_digital([name])}"
        )
    return MultiheadAttention(**_arguments(module), **options)


def _parts(module: nn.MultiheadAttention) -> dict[str, Part]:
    separate = (module.q_proj_weight, module.k_proj_weight, module.v_proj_weight)
    weights = separate if module.in_proj_weight is None else module.in_proj_weight.chunk(3)
    biases = (None,) * 3 if module.in_proj_bias is None else module.in_proj_bias.chunk(3)
    pairs = zip(weights, biases, strict=True)
    parts = {
        f"{label[0]}_proj": Part([Matrix(*pair)], vectors=_of_input(number))
        for number, (label, pair) in enumerate(zip(INPUTS, pairs, strict=True))
    }
    return parts | {"out_proj": Part([Matrix(module.out_proj.weight, module.out_proj.bias)])}


def _of_input(number: int) -> Callable[[Sequence[Sequence[int]], Sequence[int]], int]:
    return lambda given, answer: math.prod(given[number][:-1])


def _fault(module: nn.MultiheadAttention, shape: Sequence[int]) -> str | None:
    return None if shape and shape[-1] == module.embed_dim else f"its last number must be {module.embed_dim}"


register(
    LayerKind(
        replaces=nn.MultiheadAttention,
        layer=MultiheadAttention,
        make=_make,
        parts=_parts,
        vectors=lambda given, answer: math.prod(given[:-1]),
        fault=_fault,
        digital=lambda layer: "products and softmax digital",
        twin=lambda layer: nn.MultiheadAttention(**_arguments(layer)),
    )
)
