"""Result of CoNNTrA, and its file of packed weights."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from mho.config import RPU
from mho.errors import CheckpointError, InvalidValue, WrongUse
from mho.files import write_atomically
from mho.learning.combinatorial.chain import Chain
from mho.learning.combinatorial.levels import Levels, values_of
from mho.learning.combinatorial.packing import bits_of, pack, unpack
from mho.learning.combinatorial.sequential import as_sequential

FORMAT = "mho conntra 1"


@final
@dataclasses.dataclass(frozen=True)
class ConntraResult:
    """A network whose weights are levels, and how it was trained.

    Attributes:
        model: a torch model like the given model, whose weights are level times scale in float32, ready to use; only
            the layers that were trained differ.
        loss: mean loss of all training examples, recomputed in float64.
        history: that loss at the start and after each sweep; without mini-batches it never rises.
        records: records of each sweep: `sweep`, `loss`, `train_error` (per cent, or a mean squared error), with
            validation `validation_error` and `validation_loss`, `evaluations` (levels that were evaluated), `changes`
            (weights that changed) and `seconds` of descent.
        levels: in ascending order.
        indices: (W,) int8, the level of each weight: layer after layer, outputs in turn, the bias of each last.
        scales: the digital factor of each layer, by name.
        chain: the network as operations.
        stopped: "converged" (a sweep changed nothing), "sweeps", "time", or "asked" (by a callback).
    """

    model: nn.Module
    loss: float
    history: tuple[float, ...]
    records: tuple[dict[str, Any], ...]
    levels: tuple[float, ...]
    indices: Levels
    scales: Mapping[str, float]
    chain: Chain
    stopped: str

    @property
    def converged(self) -> bool:
        """Return True if no single change of a weight lowers the loss any more."""
        return self.stopped == "converged"

    @property
    def evaluations(self) -> int:
        """Return how many levels of weights were evaluated in all."""
        return sum(int(record["evaluations"]) for record in self.records)

    @property
    def seconds(self) -> float:
        """Return the time of the descent in seconds, without measuring losses and compiling."""
        return float(sum(record["seconds"] for record in self.records))

    @property
    def bits(self) -> int:
        """Return the bits that a stored weight takes."""
        return bits_of(len(self.levels))

    def to_torch(self) -> nn.Module:
        """Return a copy of the model: a plain torch model whose weights are level times scale."""
        return copy.deepcopy(self.model)

    def to_arrays(self, rpu: RPU | None = None, *, seed: int = 0) -> nn.Module:
        """Return the network on arrays: by default exact arrays whose devices have just these levels.

        Args:
            rpu: other arrays, for example `mho.learning.level_rpu(levels, write_error=0.05, read=mho.Read())`.
            seed: seed of the devices and of all noise.

        Raises:
            WrongUse: for a network with scales, which the default arrays do not have: its devices would need levels
                of each layer's own.
        """
        from mho.learning.combinatorial.device import level_rpu
        from mho.nn import convert

        if rpu is None and set(self.scales.values()) != {1.0}:
            raise WrongUse(
                "the network has a digital scale a layer, so its weights are not the levels of one device; give an rpu"
            )
        return convert(self.to_torch(), rpu or level_rpu(self.levels), seed=seed, quiet=True)

    def save(self, path: str | Path) -> int:
        """Write the packed weights, with all that `load_conntra` needs to make the network again.

        Returns:
            Bytes of the weights within the file: ⌈W·bits/8⌉, two bits per weight for ternary levels.
        """
        trained = self.chain.trained()
        packed = torch.from_numpy(pack(self.indices[trained], len(self.levels)))
        notes = {
            "format": FORMAT,
            "levels": json.dumps(self.levels),
            "scales": json.dumps(dict(self.scales)),
            "chain": json.dumps(self.chain.to_table()),
            "loss": json.dumps(self.loss),
        }
        write_atomically(Path(path), save({"weights": packed}, notes))
        return packed.numel()


@final
@dataclasses.dataclass(frozen=True)
class PackedNetwork:
    """A network that `load_conntra` read.

    Attributes:
        model: a torch.nn.Sequential of its operations, or a copy of the model that was given, with the weights.
        levels: the K values that a weight can have before its scale, in ascending order.
        indices: the level of each weight, from 0 to K - 1, (W,) int8, as `ConntraResult` has them.
        scales: the factor of each layer's levels, by the name of the layer.
        loss: mean loss of its training examples when it was saved.
        weight_bytes: bytes of the weights in the file.
        file_bytes: bytes of the whole file.
    """

    model: nn.Module
    levels: tuple[float, ...]
    indices: Levels
    scales: Mapping[str, float]
    loss: float
    weight_bytes: int
    file_bytes: int


def load_conntra(path: str | Path, model: nn.Module | None = None) -> PackedNetwork:
    """Read a file that `ConntraResult.save` wrote.

    Args:
        path: the file.
        model: a model of the same layers, of which a copy gets the weights; None: a torch.nn.Sequential is made.

    Raises:
        CheckpointError: for a file that is damaged or something else.
        InvalidValue: for a model whose layers differ.
    """
    file = Path(path)
    try:
        with safe_open(file, framework="pt") as content:
            notes = content.metadata() or {}
            packed = content.get_tensor("weights").numpy() if "weights" in content.keys() else None  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{file} is damaged or no file of packed weights ({error})") from error
    if notes.get("format") != FORMAT or packed is None:
        raise CheckpointError(
            f"{file} holds no packed weights of CoNNTrA (format {notes.get('format')!r}, not {FORMAT!r}); give a file "
            "that ConntraResult.save wrote"
        )
    levels, scales = tuple(json.loads(notes["levels"])), json.loads(notes["scales"])
    chain = Chain.from_table(json.loads(notes["chain"]))
    trained = chain.trained()
    indices = np.zeros(chain.weights, np.int8)
    try:
        indices[trained] = unpack(packed, len(levels), len(trained))
    except InvalidValue as error:
        raise CheckpointError(f"{file} is damaged: {error}") from None
    network = as_sequential(chain) if model is None else copy.deepcopy(model)
    chain.check(network)
    chain.scatter(weights_of(chain, indices, levels, scales), network)
    return PackedNetwork(network, levels, indices, scales, json.loads(notes["loss"]), packed.size, file.stat().st_size)


def weights_of(
    chain: Chain, indices: Levels, levels: tuple[float, ...], scales: Mapping[str, float]
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return what the weights (W,) of these levels are worth; 0 for missing biases."""
    row = np.zeros(chain.weights)
    for layer, values in zip(chain.layers, values_of(chain, levels, scales), strict=True):
        row[layer.places] = values[indices[layer.places]]
        if not layer.bias:
            row[layer.places].reshape(layer.out, -1)[:, -1] = 0.0
    return row
