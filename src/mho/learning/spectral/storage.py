"""Checkpoints of estimators: parameters, statistics, moments and the rows of the block that has begun."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mho.errors import CheckpointError, InvalidValue
from mho.learning.spectral.scores import GaussianScores, MarkovScores
from mho.learning.spectral.setting import make_setting
from mho.learning.spectral.stream import Stream

KIND = "SpectralRNN"
FUNCTION = "a function"
KNOWN = {"GaussianScores": GaussianScores, "MarkovScores": MarkovScores}


def pack(
    stream: Stream, parameters: Mapping[str, Any], flat: bool, names: list[str] | None
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return a stream and the parameters of its estimator as tensors, and notes in values that JSON has.

    Args:
        stream: stream of the sequence so far.
        parameters: parameters of the estimator.
        flat: whether y was (n,).
        names: names of the columns of X, if they had names.
    """
    arrays: dict[str, Any] = {f"moments.{name}": array for name, array in stream.moments.sums.items()}
    arrays |= {"rows.x": stream.rows[0], "rows.y": stream.rows[1], "y_sums": stream.y_sums}
    if stream.moments.basis is not None:
        arrays["basis"] = stream.moments.basis
    if stream.statistics is not None:
        arrays |= {f"statistics.{name}": array for name, array in stream.statistics.arrays.items()}
    for place, (x, y) in enumerate(stream.held):
        arrays |= {f"held.{place}.x": x, f"held.{place}.y": y}
    density = parameters["density"]
    if not isinstance(density, str):
        kind = type(density).__name__
        if kind in KNOWN:
            arrays |= {f"density.{name}": np.asarray(value, np.float64) for name, value in vars(density).items()}
        density = {"kind": kind if kind in KNOWN else FUNCTION}
    setting = stream.setting
    plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in parameters.items()}
    notes = {
        "kind": KIND, "parameters": plain | {"density": density}, "seen": stream.seen, "blocks": stream.blocks,
        "inputs": setting.inputs, "outputs": setting.outputs, "held": len(stream.held), "flat": flat, "names": names,
    }  # fmt: skip
    return {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}, notes


def unpack(
    file: Path | str, tensors: Mapping[str, Tensor], notes: Mapping[str, Any], function: Any = None
) -> tuple[Stream, dict[str, Any], bool, list[str] | None]:
    """Return what `pack` packed: stream, parameters, whether y was (n,), and names of columns.

    Args:
        file: where it was stored, for messages.
        tensors: tensors of `pack`.
        notes: notes of `pack`.
        function: the density where it was a function.

    Raises:
        CheckpointError: for notes of another kind.
        InvalidValue: if a function is needed and None, or given and not needed.
    """
    if notes.get("kind") != KIND:
        raise CheckpointError(f"{file} is not a checkpoint of a SpectralRNN; give a file that its save wrote")
    parameters = dict(notes["parameters"])
    parameters["density"] = _density(file, parameters["density"], tensors, function)
    stream = Stream(make_setting(parameters, notes["inputs"], notes["outputs"]))
    stream.seen, stream.blocks = notes["seen"], notes["blocks"]
    if "basis" in tensors:
        stream.moments.set_basis(tensors["basis"].numpy())
    stream.moments.sums = _under("moments.", tensors)
    if stream.statistics is not None:
        stream.statistics.arrays = _under("statistics.", tensors)
    stream.rows = tensors["rows.x"].numpy(), tensors["rows.y"].numpy()
    stream.held = [
        (tensors[f"held.{place}.x"].numpy(), tensors[f"held.{place}.y"].numpy()) for place in range(notes["held"])
    ]
    stream.y_sums = tensors["y_sums"].numpy()
    return stream, parameters, notes["flat"], notes["names"]


def _density(file: Path | str, density: Any, tensors: Mapping[str, Tensor], function: Any) -> Any:
    is_function = isinstance(density, dict) and density["kind"] == FUNCTION
    if is_function != (function is not None):
        raise InvalidValue(
            f"{file} was saved with a function as its density; give it again, load(file, density=function)"
            if is_function
            else f"{file} has its density; leave density out"
        )
    if is_function or isinstance(density, str):
        return function if is_function else density
    return KNOWN[density["kind"]](**_under("density.", tensors))


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the arrays whose names begin so, by the rest of their names."""
    return {name[len(prefix) :]: tensor.numpy() for name, tensor in tensors.items() if name.startswith(prefix)}
