"""All that decides a run's result, as one description; reads and writes TOML."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, final

from mho.config import RPU, replicas_fault
from mho.errors import Faults, InvalidValue, nearest
from mho.fields import EXAMPLE, under
from mho.learning import ZeroShifting
from mho.models import NETWORKS, check_options
from mho.runs.sources import check_sources, forget_sources, source_hashes
from mho.tables import NO_SCALE, READ_WHERE_ON, fields_from_table
from mho.toml_files import NONE, parse_toml, write_toml
from mho.training import Task, Training, find_task

T = TypeVar("T")
MAY_GROW = ("training.epochs", "training.checkpoint_every", "training.patience")
"""Settings that a resumed run may change: they change nothing of what is done."""
WHERE_ON: dict[str, Any] = {"validation": 0, "patience": 0, "schedule": "constant", "augment": ()}
"""Fields of [training] that a config has where they are not these, so that runs without them keep their addresses."""
LATER: dict[str, Any] = {"model": "lenet", "lr_steps": {}, "task": "classification", **WHERE_ON}
"""Fields of [training] that stored configs may lack, with what they were then."""


SECTIONS = ("training", "task", "model", "zero_shifting", "layers", *(field.name for field in dataclasses.fields(RPU)))


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
    """All that decides a result: training, its task, the arrays, and other arrays for some layers by name pattern.

    Attributes:
        task: what is trained for, with its options; None: the task that `training` names, without options.
        model: options of the network that `training` names, where they are not as its paper has them: {"hidden": 128}.
        zero_shifting: done once before the first epoch; None: not at all.

    Raises:
        InvalidValue: for lists in an RPU that do not have one value for each of `training.replicas`, zero-shifting
            without `Referenced` cells, or another task than `training` names.
    """

    training: Training
    rpu: RPU
    layers: Mapping[str, RPU] = dataclasses.field(default_factory=dict)
    zero_shifting: ZeroShifting | None = None
    task: Task = None  # type: ignore[assignment]  # made in __post_init__
    model: Mapping[str, int] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        faults = Faults("the config")
        kind = find_task(self.training.task)
        if self.task is None:
            object.__setattr__(self, "task", kind(**_paper_options(self.training, kind)))
        elif type(self.task) is not kind:
            faults.add(
                f"task is a {type(self.task).__name__}, and training.task names {self.training.task}; let them agree"
            )
        options = Faults("model")
        check_options(self.training.model, self.model, options)
        faults.found += [f"model.{fault}" for fault in options.found]
        for prefix, rpu in [("", self.rpu), *((f"layers.{pattern}: ", rpu) for pattern, rpu in self.layers.items())]:
            fault = replicas_fault(rpu, self.training.replicas)
            if fault:
                faults.add(prefix + fault)
        cells = [rpu.cell for rpu in (self.rpu, *self.layers.values())]
        referenced = any(rpu.banks[0].reference for rpu in (self.rpu, *self.layers.values()))
        if self.zero_shifting is not None and not referenced:
            kinds = sorted({type(cell).__name__ for cell in cells})
            faults.add(
                f"[zero_shifting] would have no effect: the cells are {' and '.join(kinds)}, without a reference "
                'device; give cell.kind = "Referenced", or remove the section'
            )
        faults.raise_any()

    def to_dict(self) -> dict[str, Any]:
        """Return the experiment as plain tables; the RPU's sections stand at the top level."""
        training = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self.training).items()
            if name not in WHERE_ON or value != WHERE_ON[name]
        }
        tables: dict[str, Any] = {"training": training | source_hashes(self.training)} | self.rpu.to_dict()
        options = dataclasses.asdict(self.task)
        if options:
            tables["task"] = {name: NONE if value is None else value for name, value in options.items()}
        if self.model:
            tables["model"] = dict(self.model)
        if self.zero_shifting is not None:
            settings = dataclasses.asdict(self.zero_shifting)
            tables["zero_shifting"] = {name: NONE if value is None else value for name, value in settings.items()}
        if self.layers:
            tables["layers"] = {pattern: _complete(rpu.to_dict(), tables) for pattern, rpu in self.layers.items()}
        return tables

    def to_toml(self) -> str:
        """Return the complete config as TOML, which `from_toml` reads back to an equal experiment."""
        return write_toml(self.to_dict())

    @classmethod
    def from_dict(cls, tables: Mapping[str, Any]) -> Experiment:
        """Build from plain tables; a layer's section needs only what differs from the main section.

        Raises:
            InvalidValue: naming every fault at once.
        """
        rest = dict(tables)
        faults: list[str] = []
        table, options = rest.pop("training", {}), rest.pop("task", {})
        training = _read("training", table, lambda table: fields_from_table(Training, check_sources(table)), faults)
        kind = _known_task(training.task if training else table.get("task") if isinstance(table, Mapping) else None)
        usual = _paper_options(training, kind) if training and kind else {}
        task = (
            _read("task", options, lambda table: fields_from_table(kind, usual | dict(table)), faults) if kind else None
        )
        model = _read("model", rest.pop("model", {}), lambda table: _options(training, table), faults) or {}
        shifting = None
        if "zero_shifting" in rest:
            given = rest.pop("zero_shifting")
            shifting = _read("zero_shifting", given, lambda table: fields_from_table(ZeroShifting, table), faults)
        special = rest.pop("layers", {})
        layers: dict[str, RPU] = {}
        for section in [section for section in rest if section not in SECTIONS]:
            faults.append(f"unknown section {section!r}{nearest(section, SECTIONS)}")
            del rest[section]
        rpu = RPU()
        try:
            rpu = RPU.from_dict(rest)
        except InvalidValue as error:
            faults += error.faults
            rpu = _without_faults(rest, error.faults)
        for pattern, table in (_read("layers", special, dict, faults) or {}).items():
            named = f"layers.{pattern}"
            layer = _read(named, table, lambda table: RPU.from_dict(merged(rpu.to_dict(), table)), faults)
            layers |= {} if layer is None else {pattern: layer}
        if faults:
            faults = [fault.replace(f"value{EXAMPLE}", f"value{EXAMPLE}--set ") for fault in faults]
            raise InvalidValue("the config has faults:\n  " + "\n  ".join(faults), faults)
        assert training is not None
        assert task is not None
        return cls(training=training, rpu=rpu, layers=layers, zero_shifting=shifting, task=task, model=model)

    @classmethod
    def from_toml(cls, text: str) -> Experiment:
        """Return the experiment of a config, whose missing keys have their defaults.

        Args:
            text: TOML, as `to_toml` writes it or a part of it.

        Raises:
            InvalidValue: for text that is not TOML, or naming every fault at once.
        """
        return cls.from_dict(parse_toml(text))


def _without_faults(tables: Mapping[str, Any], faults: Sequence[str]) -> RPU:
    """Return the arrays of the sections that have no faults, so that faults of layers are found beside them."""
    sound = {name: table for name, table in tables.items() if not any(fault.startswith(name) for fault in faults)}
    try:
        return RPU.from_dict(sound)
    except InvalidValue:
        return RPU()


def _read(section: str, table: object, make: Callable[[Mapping[str, Any]], T], faults: list[str]) -> T | None:
    """Make what a section describes, or note what is wrong with it."""
    if not isinstance(table, Mapping):
        faults.append(f"{section} is {table!r}; write a section [{section}]")
        return None
    try:
        return make(table)
    except InvalidValue as error:
        faults += [under(section, fault) for fault in error.faults]
        return None


def _known_task(name: object) -> type[Task] | None:
    """Return the class of a task; None where [training] has a fault already."""
    try:
        return find_task(name) if isinstance(name, str) else None
    except InvalidValue:
        return None


def _paper_options(training: Training, kind: type[Task]) -> dict[str, Any]:
    """Return the options of a task that the paper of a network of mho's has."""
    network, known = NETWORKS.get(training.model), {field.name for field in dataclasses.fields(kind)}
    return {} if network is None else {name: value for name, value in network.task.items() if name in known}


def _options(training: Training | None, table: Mapping[str, Any]) -> dict[str, int]:
    """Return the options of a network, but for those that are as its paper has them."""
    if training is None:  # its own faults are noted
        return {}
    faults = Faults("model")
    check_options(training.model, table, faults)
    faults.raise_any()
    usual = NETWORKS[training.model].options if training.model in NETWORKS else {}
    return {name: value for name, value in table.items() if value != usual.get(name)}


def _complete(layer: dict[str, Any], main: Mapping[str, Any]) -> dict[str, Any]:
    """Return a layer's tables, to be laid over the main tables, with what is off or normal in the layer written out."""
    if layer["device"]["law"] == main["device"]["law"]:
        empty: dict[str, Any] = {"effects": [], "conductance": NONE}
        off = {name: empty.get(name, 0.0) for name in main["device"] if name not in layer["device"]}
        layer["device"] |= off
    for name, value in layer["device"].items():
        under = main["device"].get(name)
        if isinstance(value, dict) and isinstance(under, Mapping) and "distribution" in under:
            value.setdefault("distribution", "normal")
    _fill_reads(layer, main)
    return layer


def _fill_reads(layer: dict[str, Any], main: Mapping[str, Any]) -> None:
    """Write out the defaults of reads in a layer's tables where the main tables have another value."""
    for name, value in main.items():
        own = layer.get(name)
        if isinstance(value, Mapping) and isinstance(own, dict):
            _fill_reads(own, value)
        elif name in READ_WHERE_ON:
            layer.setdefault(name, READ_WHERE_ON[name])


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return tables of a config with changes laid over them; another law or kind starts its section afresh.

    A task, model or data named anew lose the hash of what was named before.

    Args:
        base: tables by section.
        changes: tables of the keys that change.
    """
    out = dict(base)
    for key, value in changes.items():
        old = out.get(key)
        if not isinstance(value, Mapping) or not isinstance(old, Mapping):
            out[key] = value
        elif any(name in value and value[name] != old.get(name) for name in ("law", "kind")):
            out[key] = dict(value)
        else:
            out[key] = merged(forget_sources(old, value), value)
    return out


def completed(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config with the fields and sections that it lacks, being too old or off."""
    whole = {"scale": NO_SCALE} | {**config, "training": LATER | dict(config.get("training", {}))}
    if "layers" in config:
        whole["layers"] = {pattern: {"scale": NO_SCALE} | table for pattern, table in config["layers"].items()}
    return whole


def changes(stored: Mapping[str, Any], experiment: Experiment) -> list[str]:
    """Dotted names of the fields in which an experiment differs from a stored config, with both values."""
    old, new = completed(stored), completed(json.loads(json.dumps(experiment.to_dict())))
    found = differences(old, new)
    was, now, schedule = old["training"]["epochs"], experiment.training.epochs, experiment.training.schedule
    if schedule != "constant" and was != now:
        found.append(f"training.epochs was {was} and is {now}, at which the {schedule} schedule of the rate ends")
    return found


def lasting(tables: Mapping[str, Any]) -> set[str]:
    """Return the names in `MAY_GROW` that a resumed run of a config may not change after all."""
    return {"training.epochs"} if tables.get("training", {}).get("schedule", "constant") != "constant" else set()


def differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return the dotted names of the fields in which two configs differ, each with both values.

    Args:
        old: tables of one config.
        new: tables of the other.
        prefix: put before each name.
    """
    found: list[str] = []
    for key in sorted({*old, *new}):
        absent = READ_WHERE_ON.get(key, "absent")
        name, was, now = f"{prefix}{key}", old.get(key, absent), new.get(key, absent)
        if isinstance(was, Mapping) and isinstance(now, Mapping):
            found += differences(was, now, f"{name}.")
        elif was != now and name not in MAY_GROW:
            found.append(f"{name} was {was!r} and is {now!r}")
    return found
