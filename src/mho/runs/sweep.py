"""A sweep: a config, the fields that change, and seeds; every point with every seed is one row."""

from __future__ import annotations

import copy
import dataclasses
import difflib
import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, final

import torch

from mho.errors import Faults, InvalidValue, nearest
from mho.models import NETWORKS, Sizes, build_model
from mho.nn.convert import unmatched
from mho.runs.axes import MAX_SEED, Axes, Draw, Point, flat
from mho.runs.experiment import LATER, Experiment, merged
from mho.runs.presets import DEFAULT_PRESET, over_preset
from mho.runs.sources import NAMED
from mho.tables import fields_from_table
from mho.toml_files import parse_toml, write_toml
from mho.training import Task, Training

SPEC = "sweep.toml"
"""File in the folder of a sweep: its description, from which it can be repeated."""

KEYS = ("seeds", "replicas", "grid", "list", "random")
EXAMPLE = '[sweep.grid] with for example "forward.noise" = [0.0, 0.06], or [sweep] with seeds = 3'
LEAVES = ("low", "high")
"""Keys of a draw: a table with such a key is a value, no section."""
REPLICAS, MAX_REPLICAS = 8, 1024
"""Rows side by side in a batch, unless a sweep says otherwise, and the most that it may say."""
MAX_ROWS = 100_000
SHOWN_FAULTS = 24
CANNOT = {
    "training.seed": "write seeds = 3, or seeds = [0, 4, 7], in [sweep]",
    "training.replicas": "rows are trained side by side by themselves; [sweep] replicas limits how many",
    "training.checkpoint_every": "it changes no result; set it in [training]",
    "training.exclude": "it is a list; run one sweep for each",
    "device.law_hash": "sweep device.law",
    **{f"training.{field}_hash": f"sweep training.{field}" for field in NAMED},
}
"""Fields that are not swept, and what to do instead."""


@final
@dataclasses.dataclass(frozen=True)
class Row:
    """One point with one seed: `number` counts rows, `point` points, both from 0."""

    number: int
    point: int
    values: Point
    seed: int


@final
class Sweep:
    """A description of a sweep, checked to the last point.

    Args:
        tables: the config of `mho train` as plain tables, `preset` allowed, with a table `sweep`.

    Attributes:
        axes: what is swept.
        points: the values of each point.
        experiments: what each point describes.
        seeds: one run a point and seed.
        replicas: at most so many rows are trained side by side; no result depends on it.

    Raises:
        InvalidValue: naming every fault at once, those of single points too.
    """

    def __init__(self, tables: Mapping[str, Any]) -> None:
        self.tables = copy.deepcopy(dict(tables))
        table = self.tables.get("sweep")
        if not isinstance(table, Mapping) or not table:
            near = difflib.get_close_matches("sweep", self.tables, n=1)
            hint = f" (there is [{near[0]}]; did you mean [sweep]?)" if near and not table else ""
            raise InvalidValue(f"there is no table [sweep] that says what to sweep{hint}; write {EXAMPLE}")
        faults = Faults("the sweep")
        self.base = _base(self.tables, faults)
        for key in table:
            if key not in KEYS:
                faults.add(f"sweep.{key}: no such field{nearest(key, KEYS)}")
        self.replicas: int = table.get("replicas", REPLICAS)
        faults.number("sweep.replicas", self.replicas, low=1, high=MAX_REPLICAS, integer=True)
        parts = _parts(table, faults)
        for name in {**parts["grid"], **parts["columns"], **parts["draws"]}:
            _check_name(name, faults)
        self.axes = _axes(parts, faults)
        self.seeds = _seeds(table.get("seeds", 1), self.base, faults)
        if len(self.axes) * len(self.seeds) > MAX_ROWS:
            faults.add(f"{len(self.axes) * len(self.seeds):,} rows; a sweep has at most {MAX_ROWS:,}")
        if faults.found:
            _raise([*faults.found, *self._described(_sample(parts))[1]])
        self.points = list(self.axes.points())
        self.experiments, found = self._described(self.points)
        _raise(found)

    @classmethod
    def from_toml(cls, text: str) -> Sweep:
        """Read a sweep file."""
        return cls(parse_toml(text))

    def to_toml(self) -> str:
        """Return the file with its preset and what was set beside it; swept fields by dotted name, in their order."""
        table = dict(self.tables["sweep"])
        for key in ("grid", "list", "random"):
            if key in table:
                table[key] = flat(table[key], leaves=LEAVES)
        return write_toml({"preset": DEFAULT_PRESET} | self.tables | {"sweep": table})

    @property
    def rows(self) -> list[Row]:
        """Every point with every seed, point after point."""
        count = len(self.seeds)
        return [
            Row(point * count + place, point, values, seed)
            for point, values in enumerate(self.points)
            for place, seed in enumerate(self.seeds)
        ]

    def config(self, values: Point, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Return the config of a point as tables, with further `changes` by dotted name."""
        tables = self.base
        named = {**values, **changes}
        # another law or kind starts its section afresh, so it comes before the section's fields
        for name in sorted(named, key=lambda name: name.rpartition(".")[2] not in ("law", "kind")):
            tables = merged(tables, nested(name, named[name]))
        return tables

    def experiment(self, values: Point, changes: Mapping[str, Any]) -> Experiment:
        """Return the experiment that `config` describes."""
        return Experiment.from_dict(self.config(values, changes))

    @property
    def epochs(self) -> int | None:
        """Epochs of every row; None where the sweep changes them."""
        return None if self._swept("training.epochs") else self.experiments[0].training.epochs

    def trainings(self) -> list[tuple[Training, Task]]:
        """Return the trainings of the points with their tasks, each once however many arrays and rates it meets."""
        found: dict[str, tuple[Training, Task]] = {}
        for experiment in self.experiments:
            training = dataclasses.replace(experiment.training, lr=1.0)
            found.setdefault(repr((training, experiment.task)), (experiment.training, experiment.task))
        return list(found.values())

    def content(self) -> dict[str, Any]:
        """Return all that decides a result but epochs, which may grow, however the file is written."""
        points = [self._lasting(experiment) for experiment in self.experiments]
        base = {name: value for name, value in flat(points[0]).items() if not self._swept(name)}
        return {
            "base": base,
            "grid": {name: list(values) for name, values in self.axes.grid.items()},
            "list": {name: list(values) for name, values in self.axes.columns.items()},
            "random": {name: dataclasses.asdict(draw) for name, draw in self.axes.draws.items()}
            | ({"count": self.axes.count, "seed": self.axes.draw_seed} if self.axes.draws else {}),
            "seeds": self.seeds,
            "rows": len(points) * len(self.seeds),
            "points": _hash(points),
        }

    def _lasting(self, experiment: Experiment) -> dict[str, Any]:
        """Return a point's complete config without seeds, and without what changes no result or may grow."""
        config = experiment.to_dict()
        for name in ("seed", "replicas", "checkpoint_every", *(() if self._swept("training.epochs") else ["epochs"])):
            del config["training"][name]
        # a field at the value that it had before it was a field leaves the sweep's hash as it was then
        config["training"] = {k: v for k, v in config["training"].items() if k not in LATER or v != LATER[k]}
        return config

    def _swept(self, name: str) -> bool:
        return any(name == field or name.startswith(f"{field}.") for field in self.axes.fields)

    def _described(self, points: Sequence[Point]) -> tuple[list[Experiment], list[str]]:
        """Return the experiments of some points, and what is wrong with them; those of faulty tables are left out."""
        experiments: list[Experiment] = []
        faults: list[str] = []
        for values in points:
            try:
                experiment = self.experiment(values, {})
            except InvalidValue as error:
                faults += [fault for fault in error.faults if fault not in faults]
                continue
            experiments.append(experiment)
            training = experiment.training
            lost = unmatched(
                [*experiment.layers, *training.exclude], _layer_names(training.model, tuple(experiment.model.items()))
            )
            faults += [fault for fault in lost if fault not in faults]
        return experiments, faults


def nested(name: str, value: Any) -> dict[str, Any]:
    """`a.b` and a value as nested tables."""
    for key in reversed(name.split(".")):
        value = {key: value}
    tables: dict[str, Any] = value
    return tables


def digest(content: Mapping[str, Any]) -> str:
    """Hash of a sweep's content."""
    return _hash(content)


@functools.cache
def _layer_names(model: str, options: tuple[tuple[str, int], ...]) -> list[str]:
    # networks that have options are for texts; of which size changes no name
    sizes = Sizes(example=NETWORKS[model].image, indices=2, outputs=2, every_step=True) if options else None
    # a user's own may compute with values when it is built, which torch's meta device does not have
    with torch.device("meta" if model in NETWORKS else "cpu"):
        return [name for name, _ in build_model(model, sizes, dict(options)).named_modules() if name]


def _hash(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _base(tables: Mapping[str, Any], faults: Faults) -> dict[str, Any]:
    """Return the config of every point, without what differs between replicas: that is the sweep's own business."""
    base = {name: table for name, table in tables.items() if name not in ("sweep", "preset")}
    for name, value in flat(base).items():
        if name == "training.replicas" and value != 1:
            faults.add(
                f"{name} is {value!r}: a sweep trains rows side by side by itself; leave it at 1, and write seeds = "
                f"{value!r} in [sweep] for as many seeds"
            )
        elif isinstance(value, list) and not name.startswith("training."):
            faults.add(f'{name} is {value!r}; write "{name}" = {value!r} under [sweep.grid], or give one value')
        else:
            continue
        base = _without(base, name)
    try:
        return over_preset(base | {name: tables[name] for name in ("preset",) if name in tables})
    except InvalidValue as error:
        faults.add(str(error))
        return over_preset(base)


def _without(tables: Mapping[str, Any], name: str) -> dict[str, Any]:
    key, _, rest = name.partition(".")
    if not rest:
        return {other: value for other, value in tables.items() if other != key}
    return {**tables, key: _without(tables[key], rest)}


def _parts(table: Mapping[str, Any], faults: Faults) -> dict[str, Any]:
    """Return what `Axes` is made of, as far as the table tells."""
    parts: dict[str, Any] = {}
    for key, name in (("grid", "grid"), ("list", "columns"), ("random", "draws")):
        value = table.get(key, {})
        if not isinstance(value, Mapping):
            faults.add(f"sweep.{key} is {value!r}; write a table [sweep.{key}]")
            value = {}
        parts[name] = flat(value, leaves=LEAVES)
    parts["count"], parts["draw_seed"] = parts["draws"].pop("count", 0), parts["draws"].pop("seed", 0)
    drawn = dict(parts["draws"])
    parts["draws"] = {}
    for name, how in drawn.items():
        if not isinstance(how, Mapping):
            faults.add(f"sweep.random: {name} is {how!r}; write {{ low = 0.01, high = 0.1, log = true }}")
            continue
        try:
            parts["draws"][name] = fields_from_table(Draw, how)
        except InvalidValue as error:
            for fault in error.faults:
                faults.add(f"sweep.random: {name}: {fault}")
    if drawn and "count" not in table["random"]:
        faults.add("sweep.random: count is missing; give the number of draws, for example count = 8")
        parts["count"] = 1
    if not drawn and "random" in table:
        faults.add("sweep.random names no field; write for example forward.noise = { low = 0.0, high = 0.1 }")
    return parts


def _axes(parts: Mapping[str, Any], faults: Faults) -> Axes:
    try:
        return Axes(**parts)
    except InvalidValue as error:
        for fault in error.faults:
            faults.add(fault)
        return Axes()


def _sample(parts: Mapping[str, Any]) -> list[Point]:
    """Points that hold every value of axes which are no axes yet: what else is wrong is told at once."""
    grid, columns = (
        {name: values for name, values in parts[kind].items() if isinstance(values, list) and name not in CANNOT}
        for kind in ("grid", "columns")
    )
    draws = {name: [draw.low, draw.high] for name, draw in parts["draws"].items() if name not in CANNOT}
    usable = {name: values for name, values in (grid | columns | draws).items() if values and "." in name}
    most = max(map(len, usable.values()), default=1)
    return [{name: values[min(place, len(values) - 1)] for name, values in usable.items()} for place in range(most)]


def _check_name(name: str, faults: Faults) -> None:
    if name in CANNOT:
        faults.add(f"{name} cannot be swept: {CANNOT[name]}")
    elif name.count(".") == 0 or not all(name.split(".")):
        faults.add(f"{name} cannot be swept: write section.key, for example forward.noise")


def _seeds(given: object, base: Mapping[str, Any], faults: Faults) -> list[int]:
    training = base.get("training", {})
    first = training.get("seed", 0) if isinstance(training, Mapping) else 0
    if isinstance(first, list):
        faults.add(f"training.seed is {first!r}; in a sweep write seeds = {first!r} in [sweep]")
        return [0]
    if not isinstance(given, list):
        valid = faults.number("sweep.seeds", given, low=1, high=MAX_ROWS, integer=True)
        valid = faults.number("training.seed", first, low=0, high=MAX_SEED, integer=True) and valid
        return [first + place for place in range(given)] if valid else [0]  # type: ignore[call-overload]
    if not given:
        faults.add("sweep.seeds is an empty list; give at least one seed, or a number of seeds")
    valid = not [s for s in given if not faults.number("a seed of sweep.seeds", s, low=0, high=MAX_SEED, integer=True)]
    if valid and len(set(given)) < len(given):
        faults.add(f"sweep.seeds is {given!r}, with a seed twice; a seed twice gives the same bits")
    return given if valid and given else [0]


def _raise(faults: Sequence[str]) -> None:
    if faults:
        more = len(faults) - SHOWN_FAULTS
        shown = [*faults[:SHOWN_FAULTS], f"and {more} more"] if more > 0 else faults
        raise InvalidValue("the sweep has faults:\n  " + "\n  ".join(shown), faults)
