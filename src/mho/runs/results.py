"""The results of a sweep: one row per point and seed, in a file that is written whole or not at all.

`results.json` has everything, and is what is read again. `results.csv` has the rows as a table; `results.parquet` too,
where pyarrow is installed.
"""

from __future__ import annotations

import csv
import dataclasses
import importlib.util
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

from mho.errors import WrongUse
from mho.files import write_atomically
from mho.runs.axes import Value
from mho.runs.experiment import differences
from mho.runs.sweep import Sweep, digest
from mho.toml_files import NONE
from mho.training.tasks import Chance
from mho.version import PHYSICS_VERSION, VERSION

RESULTS = "results.json"
"""What is read again; its rows stand in the tables `CSV` and `PARQUET` too."""
CSV, PARQUET = "results.csv", "results.parquet"
DONE, FAILED = "done", "failed"
FORMAT = "mho sweep 2"
SHOWN = 12


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """Result of a row of a sweep.

    Attributes:
        status: "done" or "failed"; a failed row has its reason in `message` and no numbers.
        epoch: epochs trained.
        train_error, test_error: the task's error in the last epoch, in per cent.
        train_loss: mean of the last epoch.
        test_errors: in per cent, one per epoch.
        seconds: training time, the row's share of its batch.
        chance: test error of guessing, in per cent.
        guessing: whether a test of its size cannot tell `test_error` from that.
        energy_inference_image, energy_training_image: of an example, in J, computed from config and model with mho's
            arrays and constants (`mho.hardware.costs_per_example`), updates at most; None where it is not known.
        time_training_image: of a training example in a pipeline, in s.
        area_training: of all arrays, in m².
        folder: run folder of its batch, within the sweep's folder.
        replica: which of the batch.
    """

    status: str = DONE
    message: str = ""
    epoch: int | None = None
    train_error: float | None = None
    test_error: float | None = None
    train_loss: float | None = None
    test_errors: Sequence[float] | None = None
    seconds: float | None = None
    chance: float | None = None
    guessing: bool | None = None
    energy_inference_image: float | None = None
    energy_training_image: float | None = None
    time_training_image: float | None = None
    area_training: float | None = None
    folder: str
    replica: int


@final
class Results:
    """The rows of a sweep that have come to an end, in a folder.

    Args:
        folder: of the sweep; it exists.
        sweep: whose results these are; a file of another sweep is refused.

    Raises:
        WrongUse: if the file is of another sweep, naming what differs, or of another version of the physics, or has
            more epochs, or is no such file at all.
    """

    def __init__(self, folder: Path, sweep: Sweep) -> None:
        self.file, self.sweep = folder / RESULTS, sweep
        self._rows = {row.number: row for row in sweep.rows}
        self._content = sweep.content()
        self._records: dict[int, dict[str, Any]] = {}
        if self.file.exists():
            table = read_table(self.file)
            if table.physics != str(PHYSICS_VERSION):
                raise WrongUse(
                    f"{self.file} has rows of version {table.physics} of the physics (mho {table.version}), and this "
                    f"mho has version {PHYSICS_VERSION}: equal rows give other bits; use that version to continue it, "
                    "or give another --out"
                )
            self._check_same(table.content)
            count = len(sweep.seeds)
            for record in table.records:
                number = record["point"] * count + sweep.seeds.index(record["seed"])
                self._records[number] = {name: record.get(name) for name in _COLUMNS}
            self._check_epochs()

    @property
    def done(self) -> set[int]:
        """Numbers of the rows that are done; failed rows are not."""
        return {number for number, record in self._records.items() if record["status"] == DONE}

    @property
    def failed(self) -> list[int]:
        """Numbers of the rows that failed."""
        return sorted(number for number, record in self._records.items() if record["status"] == FAILED)

    @property
    def folders(self) -> list[str]:
        """Run folders of the rows that are done, within the sweep's folder."""
        return sorted({record["folder"] for record in self._records.values() if record["status"] == DONE})

    def test_error(self, number: int) -> float | None:
        """Return the test error of the last epoch of a row."""
        error: float | None = self._records[number]["test_error"]
        return error

    def forget_unfinished(self) -> None:
        """Drop failed rows, which are tried again, and those of fewer epochs than the sweep has now.

        A row that ran out of patience is among them: its run folder says so at once.
        """
        epochs = self.sweep.epochs
        for number, record in list(self._records.items()):
            if record["status"] != DONE or (epochs is not None and record["epoch"] < epochs):
                del self._records[number]

    def add(self, results: Mapping[int, Result]) -> None:
        """Note what rows (by number) came to, and write the file."""
        for number, result in results.items():
            self._records[number] = {name: getattr(result, name) for name in _COLUMNS}
        self.write()

    @property
    def records(self) -> list[dict[str, Any]]:
        """Rows so far, sorted: point, swept fields, seed, and what `Result` has."""
        return [
            {"point": row.point, **row.values, "seed": row.seed, **self._records[row.number]}
            for row in (self._rows[number] for number in sorted(self._records))
        ]

    def write(self) -> None:
        """Write the rows so far, sorted, and the sweep they belong to; then the same rows as tables."""
        records = self.records
        head = {
            "format": FORMAT,
            "version": VERSION,
            "physics": PHYSICS_VERSION,
            "sweep": self._content,
            "hash": digest(self._content),
            "fields": self.sweep.axes.fields,
        }
        lines = ",\n".join(json.dumps(record) for record in records)
        text = f'{{"head": {json.dumps(head)},\n"rows": [\n{lines}\n]}}\n'
        write_atomically(self.file, text.encode())
        write_atomically(self.file.with_name(CSV), _as_csv(records, self.sweep.axes.fields).encode())
        if has_pyarrow():
            write_atomically(self.file.with_name(PARQUET), _as_parquet(records, self.sweep))

    def _check_same(self, content: Mapping[str, Any]) -> None:
        if digest(content) == digest(self._content):
            return
        changed = differences(content, json.loads(json.dumps(self._content)))
        changed = [line.removeprefix("base.") for line in changed]
        # these follow from the others
        changed = [line for line in changed if not line.startswith(("points ", "rows "))] or [
            "its points are others, or stand in another order: a law's source may have changed, or the order of fields"
        ]
        raise WrongUse(
            f"{self.file} belongs to another sweep:\n  " + "\n  ".join(changed[:SHOWN]) + "\nrepeat the old values, or "
            "give another --out"
        )

    def _check_epochs(self) -> None:
        epochs = self.sweep.epochs
        most = max((record["epoch"] for record in self._records.values() if record["status"] == DONE), default=0)
        if epochs is not None and epochs < most:
            raise WrongUse(
                f"{self.file} has rows of {most} epochs, and training.epochs is {epochs}; epochs can only grow: repeat "
                "the old value, or give another --out"
            )


_COLUMNS = {
    "status": "string",
    "message": "string",
    "epoch": "int64",
    "train_error": "float64",
    "test_error": "float64",
    "train_loss": "float64",
    "test_errors": "list",
    "seconds": "float64",
    "chance": "float64",
    "guessing": "bool_",
    "energy_inference_image": "float64",
    "energy_training_image": "float64",
    "time_training_image": "float64",
    "area_training": "float64",
    "folder": "string",
    "replica": "int64",
}
"""Fields of a `Result` to their types in a Parquet file."""
LATER = (
    "energy_inference_image",
    "energy_training_image",
    "time_training_image",
    "area_training",
    "chance",
    "guessing",
)
"""Fields that files of earlier versions lack."""


@final
@dataclasses.dataclass(frozen=True)
class ResultTable:
    """A results file as read: the content of its sweep, its versions of mho and of the physics, and a record a row."""

    content: dict[str, Any]
    version: str
    physics: str
    fields: list[str]
    records: list[dict[str, Any]]


def read_table(file: Path) -> ResultTable:
    """Read a results file, results.json.

    Raises:
        WrongUse: if it is damaged or no results of a sweep.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise WrongUse(
            f"{file} is damaged or no JSON ({error}); restore it, or delete it and use mho sweep --resume, which reads "
            "what is done from the run folders"
        ) from None
    try:
        head, records = found["head"], found["rows"]
        missing = [name for record in records for name in ("point", "seed", *_COLUMNS) if name not in (*record, *LATER)]
        if head["format"] != FORMAT or missing:
            raise ValueError
        return ResultTable(head["sweep"], head["version"], str(head["physics"]), head["fields"], records)
    except (KeyError, TypeError, ValueError):
        raise WrongUse(f"{file} is JSON, but not the results of a sweep of mho; give another --out") from None


def has_pyarrow() -> bool:
    """Return whether results become a Parquet file too."""
    try:
        return importlib.util.find_spec("pyarrow") is not None
    except ValueError:  # a module that is there and has no spec
        return False


def _as_csv(records: Sequence[Mapping[str, Any]], fields: Sequence[str]) -> str:
    """Write rows as CSV: an empty cell is no value, and errors of the epochs stand in one cell, with spaces."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    names = ["point", *fields, "seed", *_COLUMNS]
    table.writerow(names)
    for record in records:
        table.writerow([_cell(record[name]) for name in names])
    return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return " ".join(map(str, value)) if isinstance(value, (list, tuple)) else value


def _as_parquet(records: Sequence[Mapping[str, Any]], sweep: Sweep) -> bytes:
    """Write rows as Parquet, every column with a type."""
    import pyarrow as pa
    from pyarrow import parquet

    columns = {"point": pa.array([record["point"] for record in records], pa.int64())}
    for name in sweep.axes.fields:
        columns[name] = _swept_column(pa, [r[name] for r in records], [point[name] for point in sweep.points])
    columns["seed"] = pa.array([record["seed"] for record in records], pa.int64())
    for name, kind in _COLUMNS.items():
        values = [record[name] for record in records]
        columns[name] = pa.array(values, pa.list_(pa.float64()) if kind == "list" else getattr(pa, kind)())
    content = io.BytesIO()
    parquet.write_table(pa.table(columns), content)
    return content.getvalue()


def result_of(
    metrics: Sequence[Mapping[str, Any]],
    folder: str,
    replica: int,
    replicas: int,
    *,
    costs: Mapping[str, float],
    chance: Chance | None = None,
) -> Result:
    """Return the result of one replica, from its run's metrics, what an example costs, and the chance level."""
    last = metrics[-1]

    def own(line: Mapping[str, Any], name: str) -> float:
        value: float = line[name] if replicas == 1 else line[f"{name}_replicas"][replica]
        return value

    return Result(
        epoch=last["epoch"],
        train_error=own(last, "train_error"),
        test_error=own(last, "test_error"),
        train_loss=own(last, "train_loss"),
        test_errors=[own(line, "test_error") for line in metrics],
        seconds=sum(line["seconds"] for line in metrics) / replicas,
        folder=folder,
        replica=replica,
        chance=None if chance is None else chance.error,
        guessing=None if chance is None else chance.reached_by(own(last, "test_error")),
        energy_inference_image=costs.get("energy_inference_image"),
        energy_training_image=costs.get("energy_training_image"),
        time_training_image=costs.get("time_training_image"),
        area_training=costs.get("area_training"),
    )


def _swept_column(pa: Any, values: Sequence[Value], all_values: Sequence[Value]) -> Any:
    """Return a column with the type that fits every value of the field; among numbers, "none" is null."""
    kinds: set[type] = {type(value) for value in all_values if value != NONE}
    types: list[tuple[set[type], Any]] = [({bool}, pa.bool_()), ({int}, pa.int64()), ({int, float}, pa.float64())]
    kind = next((kind for fitting, kind in types if kinds and kinds <= fitting), None)
    if kind is None:
        return pa.array([value if isinstance(value, str) else json.dumps(value) for value in values], pa.string())
    return pa.array([None if value == NONE else value for value in values], kind)
