"""Checkpoints of machines: parameters, couplings, biases and progress in one safetensors file."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from mho.config import RPU
from mho.errors import CheckpointError
from mho.learning.boltzmann.network import Network
from mho.learning.boltzmann.training import Progress
from mho.training.checkpoint import fill

KIND = "BoltzmannMachine"
MAY_DIFFER = ("epochs", "verbose")
"""Parameters that change nothing of what is done; `epochs` does where the learning rate falls to its `lr_end`."""


@final
@dataclasses.dataclass(frozen=True)
class Stored:
    """Content of a machine's checkpoint.

    Attributes:
        file: where it was read.
        parameters: parameters of the machine, as `BoltzmannMachine` takes them.
        progress: progress of learning.
        visible: units of the data.
        names: names of the columns of the data, if they had names.
        tensors: couplings, biases and matrices of parameters.
    """

    file: Path
    parameters: dict[str, Any]
    progress: Progress
    visible: int
    names: list[str] | None
    tensors: dict[str, Tensor]

    def fill(self, network: Network) -> None:
        """Set couplings and biases of a network of this machine."""
        fill(state(network), self.tensors, "", self.file)

    def check_same(self, parameters: Mapping[str, Any]) -> None:
        """Raise CheckpointError, naming what differs, unless a machine of these parameters wrote the checkpoint."""
        faults = []
        for name, value in parameters.items():
            if name in MAY_DIFFER and not (name == "epochs" and self.parameters.get("lr_end") is not None):
                continue
            was: dict[str, Tensor] = {}
            own: dict[str, Tensor] = {}
            before, now = _packed(self.parameters.get(name, value), name, was), _packed(value, name, own)
            if before != now:
                faults += _differences(before, now, name)
            elif any(not torch.equal(was[key], own[key]) for key in was):
                faults.append(f"{name} has other entries")
        if faults:
            raise CheckpointError(
                f"{self.file} belongs to another machine: {'; '.join(faults)}; repeat the old values, or load the "
                "machine as it was with BoltzmannMachine.load"
            )


def state(network: Network) -> dict[str, Tensor]:
    """Return the memory of couplings and biases by name."""
    return network.couplings.tensors() | {f"biases.{layer}": bias for layer, bias in enumerate(network.biases)}


def pack(
    parameters: Mapping[str, Any], network: Network, progress: Progress, names: list[str] | None
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return tensors, the memory itself, and notes in values that JSON has: all that a machine is, and no times."""
    tensors = state(network)
    packed = {name: _packed(value, f"parameters.{name}", tensors) for name, value in parameters.items()}
    notes = {
        "kind": KIND,
        "parameters": packed,
        "progress": dataclasses.asdict(progress),
        "visible": len(network.biases[0]),
        "names": names,
    }
    return tensors, notes


def unpack(file: Path, tensors: dict[str, Tensor], notes: Mapping[str, Any]) -> Stored:
    """Return what `pack` packed.

    Args:
        file: where it was stored, for messages.
        tensors: tensors of `pack`.
        notes: notes of `pack`.

    Raises:
        CheckpointError: for notes that are no machine's.
    """
    if notes.get("kind") != KIND:
        raise CheckpointError(
            f"{file} is a checkpoint of mho train, not of a BoltzmannMachine; give a file that its save wrote"
        )
    parameters = {name: _unpacked(value, tensors) for name, value in notes["parameters"].items()}
    return Stored(file, parameters, Progress(**notes["progress"]), notes["visible"], notes["names"], tensors)


def _packed(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """Return a parameter as JSON takes it; matrices go to `tensors`, and their names stay."""
    if isinstance(value, RPU):
        return {"rpu": value.to_dict()}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (np.ndarray, Tensor)):
        tensors[name] = torch.as_tensor(np.asarray(value))
        return {"tensor": name}
    if isinstance(value, Mapping):
        return {"pairs": [[_packed(k, "", {}), _packed(v, f"{name}.{k}", tensors)] for k, v in value.items()]}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_packed(item, f"{name}.{i}", tensors) for i, item in enumerate(value)]
    return value


def _unpacked(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(value, list):
        return [_unpacked(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    if "rpu" in value:
        return RPU.from_dict(value["rpu"])
    if "tensor" in value:
        return tensors[value["tensor"]].numpy()
    pairs = ((tuple(k) if isinstance(k, list) else k, v) for k, v in value["pairs"])
    return {key: _unpacked(item, tensors) for key, item in pairs}


def _differences(before: Any, now: Any, name: str) -> list[str]:
    """Return where two packed values differ, with both values; of tables each field by its dotted name."""
    if isinstance(before, dict) and isinstance(now, dict):
        if "rpu" in before and "rpu" in now:
            return _differences(before["rpu"], now["rpu"], name)
        keys = sorted({*before, *now}) if not {"pairs", "tensor"} & {*before, *now} else []
        faults = [
            fault
            for key in keys
            if before.get(key) != now.get(key)
            for fault in _differences(before.get(key), now.get(key), f"{name}.{key}")
        ]
        return faults or [f"{name} has other entries"]
    return [f"{name} was {_told(before)} and is {_told(now)}"]


def _told(value: Any) -> str:
    """Return a value for a message; matrices and arrays would fill pages."""
    return "given" if isinstance(value, dict) else repr(value)
