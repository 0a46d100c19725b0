"""A run folder as a page needs it: read, checked, every fault told at once."""

from __future__ import annotations

import dataclasses
import math
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, final

from mho.arrays import ArrayRow
from mho.errors import Faults, InvalidValue
from mho.nn import Converted
from mho.runs.history import json_object
from mho.runs.run import FLOAT, METRICS
from mho.runs.verdict import verdict
from mho.tables import fields_from_table
from mho.training.tasks import Chance

T = TypeVar("T")
CURE = "restore it, or write it again with: mho train --resume --out {folder}"
ERRORS = ("test_error", "train_error")
VALIDATION = "validation_error"
"""An error that all lines have, or none."""
SCHEMA = 2
"""Newest version of a run folder's files that is read."""


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Diagnosed:
    """The verdict of a diagnosis ("" in runs of an older mho), and what its checks found, the worst first.

    `failed` says why where they could not be made.
    """

    verdict: str
    findings: list[Mapping[str, Any]]
    replicas: int
    failed: str

    @property
    def faults(self) -> list[Mapping[str, Any]]:
        return [finding for finding in self.findings if finding["fault"]]


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Validation:
    """How many training examples were held out, and whether no lower error of theirs ended the training early."""

    examples: int
    out_of_patience: bool


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class RunFolder:
    """The contents of config.toml, metrics.jsonl and summary.json."""

    title: str
    version: str
    command: str
    spec: str
    planned_epochs: int | None
    metrics: list[dict[str, Any]]
    arrays: list[ArrayRow]
    layers: list[Converted]
    counters: dict[str, dict[str, int]]
    """Layer to counter to its sum over replicas."""
    images: int | None
    """Examples that each replica was trained on; None in folders of before it was written."""
    measure: str
    """What the errors are, in words."""
    units: Mapping[str, str]
    """What losses and further numbers are measured in, by their names without "test_"."""
    notes: list[str]
    """Sentences on how the data were made."""
    examples: str
    """Word for several examples."""
    diagnosis: Diagnosed | None
    """None before the last epoch, and in folders of before it was written."""
    shifts: list[str]
    """What zero-shifting did, a line an array."""
    validation: Validation | None
    """None where no examples were held out."""
    chance: Chance | None
    """None where the task does not say, and in folders of before it was written."""
    names: list[str]
    """Of the replicas; empty for a single network, and in folders of before they were written."""
    twin: list[dict[str, Any]]
    """Lines of the same network in floating point; empty where it was not trained."""

    @property
    def example(self) -> str:
        """Word for a single example."""
        return self.examples.removesuffix("s")

    @property
    def verdict(self) -> list[str]:
        """What the training came to, in sentences, the result first; [] without an epoch."""
        if not self.metrics:
            return []
        twin = self.twin[-1] if self.twin else None
        return verdict(self.metrics[-1], measure=self.measure, units=self.units, chance=self.chance, twin=twin)

    @property
    def values_differ(self) -> bool:
        """Whether replicas differ in a value, and not in their seeds only."""
        return any(" = " in name for name in self.names)


def read_folder(folder: Path) -> RunFolder:
    """Read and check a run folder.

    Raises:
        InvalidValue: naming every file that is missing or damaged, and what to do.
    """
    if not folder.is_dir():
        raise InvalidValue(f"there is no run folder {folder}; give the folder that `mho train --out` wrote")
    faults = Faults(f"run folder {folder}")
    spec, training = _read(folder / "config.toml", _config, faults) or ("", {})
    metrics = _read(folder / "metrics.jsonl", _metrics, faults) or []
    parts = _read(folder / "summary.json", _summary, faults) or {}
    twin = folder / FLOAT / METRICS
    lines = (_read(twin, _metrics, faults) if twin.exists() else None) or []
    faults.raise_any()
    planned = training.get("epochs")
    count = len(metrics[-1].get("test_error_replicas") or ()) if metrics else 0
    if parts["names"] and metrics and len(parts["names"]) != count:
        raise InvalidValue(
            f"run folder {folder}: summary.json names {len(parts['names'])} replicas, and there are {count}"
        )
    return RunFolder(
        spec=spec, planned_epochs=planned if _whole(planned) else None, metrics=metrics, twin=lines, **parts
    )


def _read(path: Path, parse: Callable[[str], T], faults: Faults) -> T | None:
    """Parse a file, or note what is wrong with it."""
    cure = CURE.format(folder=path.parent)
    try:
        return parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        faults.add(f"{path.name} is missing; {cure}")
    except OSError as error:
        faults.add(f"{path.name} cannot be read ({error.strerror}); check its permissions")
    except InvalidValue as error:
        faults.add(f"{path.name} is damaged: {error}; {cure}")
    except UnicodeDecodeError as error:
        faults.add(f"{path.name} is damaged: byte {error.start} is not UTF-8; {cure}")
    except tomllib.TOMLDecodeError as error:
        faults.add(f"{path.name} is damaged: it is not TOML ({error}); {cure}")
    return None


def _config(text: str) -> tuple[str, Mapping[str, Any]]:
    training = tomllib.loads(text).get("training", {})
    return text, training if isinstance(training, Mapping) else {}


def _metrics(text: str) -> list[dict[str, Any]]:
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    metrics: list[dict[str, Any]] = []
    for number, line in lines:
        values = json_object(line, f"line {number}")
        before = metrics[-1]["epoch"] if metrics else 0
        if not _whole(values.get("epoch")) or values["epoch"] <= before:
            raise InvalidValue(f"line {number} has epoch {values.get('epoch')!r} after epoch {before}")
        held_out = VALIDATION in (metrics[0] if metrics else values)
        for name in (*ERRORS, VALIDATION) if held_out else ERRORS:
            if not _error(values.get(name)):
                raise InvalidValue(f"line {number} has {name} {values.get(name)!r}, not a number of at least 0")
            _check_replicas(values, f"{name}_replicas", metrics, number)
        metrics.append(values)
    return metrics


def _check_replicas(values: dict[str, Any], name: str, metrics: list[dict[str, Any]], number: int) -> None:
    replicas = values.get(name)
    if replicas is not None and not (isinstance(replicas, list) and replicas and all(map(_error, replicas))):
        raise InvalidValue(f"line {number} has {name} {replicas!r}, not a list of numbers of at least 0")
    if metrics and len(replicas or ()) != len(metrics[0].get(name) or ()):
        raise InvalidValue(f"line {number} has another number of replicas in {name} than line 1")


def _summary(text: str) -> dict[str, Any]:
    summary = json_object(text, "the file")
    schema = summary.get("schema", 1)  # folders of before it was written do not have it
    if not _whole(schema) or schema > SCHEMA:
        raise InvalidValue(
            f"it has schema {schema!r}, and this mho reads up to {SCHEMA}: mho {summary.get('version')} wrote it; use "
            "that version"
        )
    try:
        return {
            **{name: _text(summary[name], name) for name in ("title", "version", "command")},
            "arrays": [ArrayRow.from_dict(table) for table in summary["arrays"]],
            "layers": [_layer(table) for table in summary["layers"]],
            "images": _images(summary.get("images")),
            "measure": _text(summary.get("measure", "error"), "measure"),
            "examples": _text(summary.get("examples", "images"), "examples"),
            "units": {name: _text(words, f"units.{name}") for name, words in summary.get("units", {}).items()},
            "notes": [_text(note, "data") for note in summary.get("data", [])],
            "diagnosis": _diagnosis(summary.get("diagnosis")),
            "shifts": [_text(table["told"], "told") for table in summary.get("zero_shifting", [])],
            "validation": _validation(summary.get("validation")),
            "chance": _chance(summary.get("chance")),
            "names": [_text(name, "a name of a replica") for name in summary.get("replicas", [])],
            "counters": {
                layer: {name: _total(values, f"{layer}.{name}") for name, values in table.items()}
                for layer, table in summary["counters"].items()
            },
        }
    except KeyError as error:
        raise InvalidValue(f"it has no {error.args[0]!r}") from None
    except (TypeError, AttributeError):
        raise InvalidValue("arrays and layers must be lists of tables, counters a table of tables") from None


def _layer(table: Mapping[str, Any]) -> Converted:
    clipped = table.get("clipped")
    if clipped is not None and not (_number(clipped) and 0 <= clipped <= 1):
        raise InvalidValue(f"layer {table['name']!r} has clipped {clipped!r}, not a share from 0 to 1")
    words = {name: _text(table[name], name) for name in ("name", "kind", "became")}
    return Converted(**words, clipped=clipped)


def _total(values: object, name: str) -> int:
    counts = values if isinstance(values, list) else [values]
    if not all(_whole(count) for count in counts):
        raise InvalidValue(f"counter {name} is {values!r}, not a list of whole numbers")
    return sum(counts)


def _images(value: Any) -> int | None:
    if value is not None and not (_whole(value) and value >= 0):
        raise InvalidValue(f"images is {value!r}, not a whole number of at least 0")
    return value  # type: ignore[no-any-return]


def _validation(table: Any) -> Validation | None:
    if table is None:
        return None
    examples, over = table["examples"], table["out_of_patience"]
    if not _whole(examples) or examples < 1 or not isinstance(over, bool):
        raise InvalidValue(f"validation is {table!r}, not a number of examples of at least 1 and true or false")
    return Validation(examples=examples, out_of_patience=over)


def _chance(table: Any) -> Chance | None:
    if table is None:
        return None
    numbers = [table["error"], table["deviation"], *table["numbers"].values()]
    if not all(map(_error, numbers)):
        raise InvalidValue(f"chance is {table!r}, not numbers of at least 0")
    return fields_from_table(Chance, {**table, "answer": _text(table["answer"], "chance.answer")})


def _diagnosis(table: Any) -> Diagnosed | None:
    if table is None:
        return None
    if not isinstance(table, Mapping):
        raise InvalidValue(f"diagnosis is {table!r}, not a table")
    if "failed" in table:
        return Diagnosed(verdict="", findings=[], replicas=1, failed=_text(table["failed"], "diagnosis.failed"))
    for finding in table["findings"]:
        for name in ("check", "array", "number", "meaning", "cure"):
            _text(finding[name], f"{name} of a finding")
        if not (_number(finding["lost"]) and 0 <= finding["lost"] <= 1 and isinstance(finding["fault"], bool)):
            raise InvalidValue(f"finding {finding['check']!r} has lost {finding['lost']!r}, not a share from 0 to 1")
        if not _whole(finding["replica"]):
            raise InvalidValue(f"finding {finding['check']!r} has replica {finding['replica']!r}, not a whole number")
    verdict = table.get("verdict", {})
    sentence = _text(verdict.get("sentence", ""), "verdict.sentence") if isinstance(verdict, Mapping) else ""
    return Diagnosed(verdict=sentence, findings=table["findings"], replicas=table["replicas"], failed="")


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise InvalidValue(f"{name} is {value!r}, not text")
    return value


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _error(value: Any) -> bool:
    return _number(value) and value >= 0
