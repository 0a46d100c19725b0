"""Contents of summary.json of a run of mho train: `summary_of` writes it, `parse_summary` reads it."""

from __future__ import annotations

import dataclasses
import math
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, final

from mho.arrays import ArrayRow
from mho.diagnosis import Diagnosis
from mho.errors import InvalidValue, MhoError
from mho.hardware import scale_in_words
from mho.models import find_builder
from mho.nn import ArrayLayer, Converted, array_layers
from mho.nn.convert import conversion_rows
from mho.runs.folder.files import CONFIG, FLOAT, json_object
from mho.tables import fields_from_table
from mho.training.tasks import Chance
from mho.version import PHYSICS_VERSION, VERSION

if TYPE_CHECKING:
    from torch import nn

    from mho.runs.run import Run

SCHEMA = 2
"""Version of a run folder's files, in summary.json: raised where an older mho could not read them."""


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Diagnosed:
    """The verdict of a diagnosis ("" in runs of an older mho), and what its checks found, the worst first.

    `failed` says why where they could not be made; `parts` has name and verdict of replicas judged by themselves.
    """

    verdict: str
    findings: list[Mapping[str, Any]]
    replicas: int
    failed: str
    parts: list[tuple[str, str]] = dataclasses.field(default_factory=list)

    @property
    def faults(self) -> list[Mapping[str, Any]]:
        return [finding for finding in self.findings if finding["fault"]]


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Validation:
    """Validation of a run: how many examples were held out, and whether their error ended the training early."""

    examples: int
    out_of_patience: bool


def summary_of(run: Run, diagnosis: Diagnosis | MhoError | None, shifts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what pages need of a run beside its config and its lines.

    Args:
        run: at the end of an epoch, or where it was stopped.
        diagnosis: what the checks found; why they could not be made; None before they are.
        shifts: what zero-shifting did, a table an array.
    """
    settings, loop, layers = run.experiment.training, run.loop, array_layers(run.model)
    name = getattr(find_builder(settings.model), "__name__", settings.model)
    summary = {
        "schema": SCHEMA,
        "title": f"{name} on {loop.data.name}, {type(run.experiment.rpu.device).__name__} devices",
        "version": VERSION,
        "physics_version": PHYSICS_VERSION,
        "measure": loop.task.measure,
        "examples": loop.words,
        "units": dict(loop.task.units),
        "data": list(loop.data.notes),
        "chance": None if loop.chance is None else loop.chance.to_dict(),
        "replicas": run.names if settings.replicas > 1 else [],
        "command": f"mho train {shlex.quote(str(run.folder / CONFIG))}",
        "arrays": [
            dataclasses.replace(row, scale=scale_in_words(layers[row.layer].crossbars[0])).to_dict()
            for row in run.arrays
        ],
        "driver": {"name": loop.driver.name, "reason": loop.driver.reason},
        "images": loop.progress.epoch * loop.examples + loop.progress.position,
        "counters": _counters(run.model),
        "diagnosis": _diagnosis_table(diagnosis),
        "layers": [dataclasses.asdict(row) for row in conversion_rows(run.model)],
    }
    if shifts:
        summary["zero_shifting"] = shifts
    if run.compared:
        summary[FLOAT] = {"folder": FLOAT, **run.compared[-1]}
    if loop.validation is not None:
        summary["validation"] = {"examples": len(loop.validation[0]), "out_of_patience": loop.out_of_patience}
    return summary


def parse_summary(text: str) -> dict[str, Any]:
    """Return what summary.json says, by the fields of `RunFolder`, checked.

    Raises:
        InvalidValue: saying what is wrong with it.
    """
    summary = json_object(text, "the file")
    schema = summary.get("schema", 1)  # folders of before it was written do not have it
    if not is_whole(schema) or schema > SCHEMA:
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


def _diagnosis_table(diagnosis: Diagnosis | MhoError | None) -> dict[str, Any] | None:
    if isinstance(diagnosis, MhoError):
        return {"failed": str(diagnosis)}
    return diagnosis and diagnosis.to_dict()


def _counters(model: nn.Module) -> dict[str, dict[str, list[int]]]:
    """Return the counters of each layer, one number a replica, summed over its arrays."""
    counters: dict[str, dict[str, list[int]]] = {}
    for module in model.modules():
        if isinstance(module, ArrayLayer):
            each = [array.counters() for array in module.crossbars]
            counters[module.name] = {
                name: [int(n) for n in sum(c[name] for c in each)]  # type: ignore[union-attr]
                for name in each[0]
            }
    return counters


def _layer(table: Mapping[str, Any]) -> Converted:
    clipped = table.get("clipped")
    if clipped is not None and not (is_number(clipped) and 0 <= clipped <= 1):
        raise InvalidValue(f"layer {table['name']!r} has clipped {clipped!r}, not a share from 0 to 1")
    words = {name: _text(table[name], name) for name in ("name", "kind", "became")}
    return Converted(**words, clipped=clipped)


def _total(values: object, name: str) -> int:
    counts = values if isinstance(values, list) else [values]
    if not all(is_whole(count) for count in counts):
        raise InvalidValue(f"counter {name} is {values!r}, not a list of whole numbers")
    return sum(counts)


def _images(value: Any) -> int | None:
    if value is not None and not (is_whole(value) and value >= 0):
        raise InvalidValue(f"images is {value!r}, not a whole number of at least 0")
    return value  # type: ignore[no-any-return]


def _validation(table: Any) -> Validation | None:
    if table is None:
        return None
    examples, over = table["examples"], table["out_of_patience"]
    if not is_whole(examples) or examples < 1 or not isinstance(over, bool):
        raise InvalidValue(f"validation is {table!r}, not a number of examples of at least 1 and true or false")
    return Validation(examples=examples, out_of_patience=over)


def _chance(table: Any) -> Chance | None:
    if table is None:
        return None
    numbers = [table["error"], table["deviation"], *table["numbers"].values()]
    if not all(map(is_error, numbers)):
        raise InvalidValue(f"chance is {table!r}, not numbers of at least 0")
    return fields_from_table(Chance, {**table, "answer": _text(table["answer"], "chance.answer")})


LATER = {"basis": "", "aside": []}
"""What findings of an older mho lack, as a finding has it that needs none."""


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
        if not (is_number(finding["lost"]) and 0 <= finding["lost"] <= 1 and isinstance(finding["fault"], bool)):
            raise InvalidValue(f"finding {finding['check']!r} has lost {finding['lost']!r}, not a share from 0 to 1")
        if not is_whole(finding["replica"]):
            raise InvalidValue(f"finding {finding['check']!r} has replica {finding['replica']!r}, not a whole number")
    verdict = table.get("verdict", {})
    sentence = _text(verdict.get("sentence", ""), "verdict.sentence") if isinstance(verdict, Mapping) else ""
    parts = [
        (_text(part["name"], "name of a part"), _text(part["verdict"]["sentence"], "verdict of a part"))
        for part in table.get("parts", [])
    ]
    return Diagnosed(
        verdict=sentence,
        findings=[LATER | finding for finding in table["findings"]],
        replicas=table["replicas"],
        failed="",
        parts=parts if len(parts) > 1 else [],
    )


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise InvalidValue(f"{name} is {value!r}, not text")
    return value


def is_whole(value: object) -> bool:
    """Return whether a value of JSON is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> bool:
    """Return whether a value of JSON is a finite number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def is_error(value: Any) -> bool:
    """Return whether a value of JSON is a finite number of at least 0."""
    return is_number(value) and value >= 0
