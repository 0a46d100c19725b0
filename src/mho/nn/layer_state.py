"""A state_dict given to a layer on arrays: the state of arrays, or the weights of the torch layer in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mho.errors import InvalidValue, WrongUse

if TYPE_CHECKING:
    from mho.nn.array_layer import ArrayLayer


def refuse_averages(layer: ArrayLayer, state: dict[str, Any], prefix: str) -> None:
    """Raise if a state has been computed with: its seeds and counters are fractions then."""
    for name, own in layer.named_buffers():
        given = state.get(f"{prefix}{name}")
        if given is not None and given.is_floating_point() and not own.is_floating_point():
            raise WrongUse(
                f"{prefix}{name} of this state_dict is {given.dtype}, and an array's is {own.dtype}: the state has "
                "been computed with, as for a soft update or an average of models, which would mix their devices, "
                "seeds and counters. Average the weights, layer by layer, and program them: "
                "layer.write(tau * other.weight + (1 - tau) * layer.weight), with the bias likewise"
            )


def scale_faults(layer: ArrayLayer, state: dict[str, Any], prefix: str) -> list[str]:
    """Return a fault if a state of arrays has no scale and this layer does, or the other way round."""
    stored = [key for key in state if key.startswith(f"{prefix}arrays.") and key.endswith("factor")]
    own = [f"{prefix}arrays.{name}" for name in layer.arrays.state_dict() if name.endswith("factor")]
    if not any(key.startswith(f"{prefix}arrays.") for key in state) or sorted(stored) == sorted(own):
        return []
    kinds = {"": "without a scale", "factor": "with a scale", "log_factor": "with a scale that is learned"}
    there, here = (kinds[keys[0].rsplit(".", 1)[-1] if keys else ""] for keys in (stored, own))
    return [
        f"layer {layer.name}: the state belongs to arrays {there}, and these are {here}; convert with the RPU of the "
        "state (scale=...), or load the state_dict of mho.to_digital(model), which any RPU takes"
    ]


def load_digital(layer: ArrayLayer, state: dict[str, Any], prefix: str, missing: list[str], faults: list[str]) -> None:
    """Program the weights of the torch layer that this layer replaces, if a state_dict has these."""
    keys = [f"{prefix}{name}" for name in (("weight", "bias") if layer.has_bias else ("weight",))]
    if keys[0] not in state or any(key.startswith(f"{prefix}arrays.") for key in state):
        return
    try:
        layer.program(*(state[key] for key in keys if key in state))
    except InvalidValue as error:
        faults.append(str(error))
    missing += [key for key in keys if key not in state]
    for key in keys:
        state.pop(key, None)
    state.update(layer.state_dict(prefix=prefix))
