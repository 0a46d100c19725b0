"""Advice that can be typed: what differs between two arrays as `--set` of `mho train`, and in Python words."""

from __future__ import annotations

import dataclasses
import math
import shlex
import tomllib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mho.cells import AGAD, CELLS, Referenced, Replicated, Single
from mho.cells.fast_slow import Buffered
from mho.config import RPU
from mho.devices import LAWS
from mho.devices.fields import as_per_cell
from mho.learning import ZeroShifting
from mho.tables import table_of
from mho.toml_files import NONE

USUAL: dict[str, dict[str, Any]] = {"zero_shifting": dataclasses.asdict(ZeroShifting()) | {"tolerance": NONE}}
"""Sections that a config may lack, with the values that they have by default."""
SHIFT = 2000
"""Pulses of zero-shifting."""
MOST_DEVICES = 16
"""Devices per weight, at most, that are advised."""
KINDS = (".kind", ".law")
"""Ends of the settings that start a section afresh."""
Settings = tuple[str, ...]
"""What to give after `--set`, such as "backward.noise_management=true"."""


def changes(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> Settings:
    """Return what differs in the tables of a config, as after `--set`.

    Another law or kind comes first and starts its section afresh, so that only its own values follow.
    """
    found: list[str] = []
    for name, value in new.items():
        under, path = old.get(name), f"{prefix}{name}"
        if not isinstance(value, Mapping):
            found += [f"{path}={toml(value)}"] if value != under else []
        elif not isinstance(under, Mapping):
            found += changes(USUAL.get(path, {}), value, f"{path}.")
        elif "mean" in value and "mean" in under:
            found += [f"{path}={_per_cell(value)}"] if value != under else []
        elif word := next((word for word in ("law", "kind") if value.get(word) != under.get(word)), ""):
            found.append(f"{path}.{word}={value[word]}")
            found += changes(_usual(name, word, value[word]), value, f"{path}.")
        else:
            found += changes(under, value, f"{path}.")
    gone = [name for name in old if name not in new]  # effects that are off stand in no table
    return (*found, *(f"{prefix}{name}=0.0" for name in gone if prefix and not isinstance(old[name], Mapping)))


def toml(value: object) -> str:
    """Return a value as after `--set section.key=`."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def over(given: Sequence[str], better: Sequence[str]) -> Settings:
    """Return settings with better ones laid over them: another kind or law makes those of its section void."""
    afresh = {path.rpartition(".")[0] for text in better for path in [text.partition("=")[0]] if path.endswith(KINDS)}
    kept = [text for text in given if not any(text.startswith(f"{section}.") for section in afresh)]
    return (*kept, *better)


def _per_cell(value: Mapping[str, Any]) -> str:
    """Return a field of every device as a table of TOML on one line, without what is 0."""
    return "{" + ",".join(f"{name}={_quoted(part)}" for name, part in value.items() if part or name == "mean") + "}"


def _quoted(value: object) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value)


def _usual(section: str, word: str, kind: str) -> dict[str, Any]:
    """Return the table of a part that is given by its law or kind alone; only this where it needs more."""
    known: dict[str, Mapping[str, type]] = {"device": LAWS, "cell": CELLS}
    try:
        return table_of(known[section][kind]())
    except (KeyError, TypeError):  # a class of the user's, or a class with fields that must be given
        return {word: kind}


# Cures that several checks have -------------------------------------------------------------------


def more_devices(rpu: RPU, count: float) -> Settings:
    """Return how to have some devices per weight in place of one; () where the cell fixes their number."""
    n = min(max(math.ceil(count), 2), MOST_DEVICES)
    lines = rpu.cell.averaged()
    return (f"cell.kind={Replicated.kind()}", f"cell.n={n * lines}") if lines else ()


def shifted_zero(rpu: RPU) -> Settings:
    """Return how to shift the zero of devices to their symmetry points; () where the cell or the device cannot."""
    if rpu.cell not in (Single(), Referenced()) or math.isnan(float(rpu.device.symmetry_point())):
        return ()
    return (f"cell.kind={Referenced.kind()}", f"zero_shifting.pulses={SHIFT}")


def agad_beside(rpu: RPU) -> Settings:
    """Return how to have `AGAD`, which needs no references, with the settings of the present cell that it has too."""
    own = {}
    if isinstance(rpu.cell, Buffered):  # of other cells equal names mean other things
        usual = {field.name: field.default for field in dataclasses.fields(rpu.cell) if field.init}
        given = {name: value for name in usual if (value := getattr(rpu.cell, name)) != usual[name]}
        known = {field.name for field in dataclasses.fields(AGAD)} - {"reference"}
        own = {name: value for name, value in given.items() if name in known}
    return changes({"cell": table_of(rpu.cell)}, {"cell": table_of(AGAD(**own))})


def device_fields(rpu: RPU, better: Mapping[str, Callable[[float], float]]) -> Settings:
    """Return how to change the means of some fields of the device; those that it lacks are left out.

    Args:
        rpu: of the device.
        better: field to a function from its mean to a better mean.
    """
    fields = rpu.device.parameters()
    found = []
    for name, change in better.items():
        if name not in fields:
            continue
        mean, whole = float(as_per_cell(getattr(rpu.device, name)).mean), table_of(rpu.device)[name]
        value = float(f"{change(mean):.3g}")
        found.append(f"device.{name}={_per_cell(whole | {'mean': value}) if isinstance(whole, dict) else value}")
    return tuple(found)


def in_layer(settings: Settings, layer: str) -> Settings | None:
    """Return settings for one layer only; None where its name cannot be typed, or they are of the whole training."""
    sections = {setting.partition(".")[0] for setting in settings}
    if "." in layer or sections & {"training", "zero_shifting"}:
        return None
    return tuple(f"layers.{layer}.{setting}" for setting in settings)


def of_training(settings: Settings) -> bool:
    """Return whether settings are of the training, which all layers have in common."""
    return all(setting.startswith("training.") for setting in settings)


def on_command_line(settings: Settings) -> str:
    """Return settings as options of `mho train`."""
    return " ".join(f"--set {shlex.quote(setting)}" for setting in settings)


def in_python(settings: Settings) -> str:
    """Return settings as what a script gives, in words of Python."""
    parts: dict[str, list[tuple[str, str]]] = {}
    for setting in settings:
        path, _, value = setting.partition("=")
        keys = path.split(".")
        layer = f"{keys[1]}: " if keys[0] == "layers" else ""
        section, *rest = keys[2:] if layer else keys
        parts.setdefault(layer + section, []).append((".".join(rest), _literal(value)))
    return ", ".join(_part(section, dict(fields)) for section, fields in parts.items())


def _part(section: str, fields: Mapping[str, str]) -> str:
    layer, _, name = section.rpartition(": ")
    where = f" for layers={{{layer!r}: ...}}" if layer else ""
    values = ", ".join(f"{field}={value}" for field, value in fields.items() if field != "kind")
    if name == "training":
        return ", ".join(
            f"mho.AnalogSGD(model, lr={value})" if field == "lr" else f"{field}={value}"
            for field, value in fields.items()
        )
    if name == "zero_shifting":
        return f"mho.learning.zero_shift(model, {values})"
    if name == "scale" and not any(fields):
        return f"scale={fields['']!r}{where}"
    if name == "cell":
        return f"cell={_cell(fields)}{where}"
    if name == "device":
        return f"device=dataclasses.replace(rpu.device, {values}){where}"
    made = {"forward": "mho.Read", "backward": "mho.Read", "update": "mho.Pulses"}.get(name, f"mho.{name.title()}")
    return f"{name}={made}(..., {values}){where}"


def _cell(fields: Mapping[str, str]) -> str:
    """Return a cell of another kind, or the present cell with other settings; of a circuit in it likewise."""
    kind, parts = fields.get("kind", "").strip("'"), dict[str, list[str]]()
    for field, value in fields.items():
        part, _, own = field.rpartition(".")
        parts.setdefault(part, []).append(f"{own}={value}")
    values = [text for text in parts.pop("", []) if not text.startswith("kind=")]
    for part, own_values in parts.items():
        law = next((text[4:] for text in own_values if text.startswith("law=")), "")
        own = ", ".join(text for text in own_values if not text.startswith("law="))
        made = f"mho.devices.{law}({own})" if law else f"mho.Read({own})"
        values.append(f"{part}={made}" if kind or law else f"{part}=dataclasses.replace(rpu.cell.{part}, {own})")
    inside = ", ".join(values)
    return f"mho.cells.{kind}({inside})" if kind else f"dataclasses.replace(rpu.cell, {inside})"


def _literal(value: str) -> str:
    if value.startswith("{"):
        table = tomllib.loads(f"value = {value}")["value"]
        rest = "".join(f", {name}={part!r}" for name, part in table.items() if name != "mean")
        return f"mho.per_cell({table['mean']!r}{rest})"
    return {"true": "True", "false": "False", "none": "None"}.get(value, value)
