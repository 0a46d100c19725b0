"""Checkpoints: everything that the future depends on, in one safetensors file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from mho.errors import CheckpointError
from mho.files import write_atomically
from mho.version import PHYSICS_VERSION

FORMAT = "mho checkpoint 2"
"""Raised where tensors or notes change so that an older mho, or a newer, could not read them."""
PHYSICS = "physics_version"


def save_checkpoint(file: Path, tensors: dict[str, Tensor], notes: dict[str, Any]) -> None:
    """Write tensors, and notes as JSON beside them in the file's header."""
    whole = {name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}
    header = {"format": FORMAT, PHYSICS: str(PHYSICS_VERSION), "notes": json.dumps(notes)}
    write_atomically(file, save(whole, header))


def load_checkpoint(
    file: Path, *, cure: str = "delete it to start the run afresh with --resume"
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save_checkpoint` wrote.

    Args:
        file: the checkpoint.
        cure: what to do about a damaged file, for the message.

    Raises:
        CheckpointError: for a file that is damaged, truncated, or not ours; or of another format, or another version
            of the physics, naming both.
    """
    try:
        with safe_open(file, framework="pt") as content:
            header = content.metadata() or {}
            _check_header(file, header)
            tensors = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{file} is damaged or no checkpoint ({error}); {cure}") from error
    return tensors, json.loads(header["notes"])


def _check_header(file: Path, header: Mapping[str, str]) -> None:
    """Refuse what this version of mho could not continue to the bit."""
    stored = header.get("format", "")
    if not stored.startswith(FORMAT.rpartition(" ")[0]):
        raise CheckpointError(
            f"{file} is a safetensors file, but no checkpoint of mho (format {stored!r}); give the folder of a run of "
            "mho train"
        )
    what, was, here = "format", stored, FORMAT
    if was == here:
        what, was, here = "version of the physics", header.get(PHYSICS, "none"), str(PHYSICS_VERSION)
    if was != here:
        raise CheckpointError(
            f"{file} has {what} {was!r}, and this mho has {here!r}: another version of mho wrote it, and the run would "
            "not continue with the same bits; use that version to continue it, or start anew with another --out"
        )


def fill(target: dict[str, Tensor], source: dict[str, Tensor], prefix: str, file: Path) -> None:
    """Copy every tensor of `target` from `source[prefix + name]`.

    Raises:
        CheckpointError: naming what is missing or of another shape, before anything is changed.
    """
    faults = []
    for name, tensor in target.items():
        stored = source.get(prefix + name)
        if stored is None:
            faults.append(f"{name} is missing")
        elif stored.shape != tensor.shape or stored.dtype != tensor.dtype:
            faults.append(f"{name} is {tuple(stored.shape)} {stored.dtype}, not {tuple(tensor.shape)} {tensor.dtype}")
    if faults:
        raise CheckpointError(f"{file} belongs to another network: {'; '.join(faults[:8])}")
    with torch.no_grad():
        for name, tensor in target.items():
            tensor.copy_(source[prefix + name])
