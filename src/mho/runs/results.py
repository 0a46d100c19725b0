"""The results of a sweep: one Parquet file, one row a point and seed, written whole or not at all."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

from mho.config import NONE
from mho.errors import InvalidValue, WrongUse
from mho.files import write_atomically
from mho.runs.axes import Value
from mho.runs.experiment import differences
from mho.runs.run import VERSION
from mho.runs.sweep import Sweep, digest
from mho.version import PHYSICS_VERSION

RESULTS = "results.parquet"
DONE, FAILED = "done", "failed"
FORMAT = b"mho sweep 1"
SHOWN = 12


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """What one row came to.

    Attributes:
        status: "done" or "failed"; a failed row has its reason in `message` and no numbers.
        epoch: epochs trained.
        train_error, test_error: the task's error in the last epoch, in per cent.
        train_loss: mean of the last epoch.
        test_errors: in per cent, one an epoch.
        seconds: training time, the row's share of its batch.
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
        InvalidValue: without pyarrow, naming the extra that brings it.
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
        """Numbers of the rows that are done; failed ones are not."""
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
        """Of the last epoch of a row."""
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

    def write(self) -> None:
        """Write the file: the rows so far, sorted, and the sweep they belong to."""
        pa, parquet = import_pyarrow()
        rows = [self._rows[number] for number in sorted(self._records)]
        names = self.sweep.axes.fields
        columns = {"point": pa.array([row.point for row in rows], pa.int64())}
        for name in names:
            columns[name] = _swept_column(pa, [row.values[name] for row in rows], [p[name] for p in self.sweep.points])
        columns["seed"] = pa.array([row.seed for row in rows], pa.int64())
        for name, kind in _COLUMNS.items():
            values = [self._records[row.number][name] for row in rows]
            columns[name] = pa.array(values, pa.list_(pa.float64()) if kind == "list" else getattr(pa, kind)())
        metadata = {
            b"mho.format": FORMAT,
            b"mho.version": VERSION.encode(),
            b"mho.physics": str(PHYSICS_VERSION).encode(),
            b"mho.sweep": json.dumps(self._content).encode(),
            b"mho.sweep.hash": digest(self._content).encode(),
        }
        content = io.BytesIO()
        parquet.write_table(pa.table(columns).replace_schema_metadata(metadata), content)
        write_atomically(self.file, content.getvalue())

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
    "energy_inference_image": "float64",
    "energy_training_image": "float64",
    "time_training_image": "float64",
    "area_training": "float64",
    "folder": "string",
    "replica": "int64",
}
"""Fields of a `Result` to their types in the file."""
COSTS = ("energy_inference_image", "energy_training_image", "time_training_image", "area_training")
"""Those that files of earlier versions lack."""


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
    """Read a results file.

    Raises:
        WrongUse: if it is damaged or no results of a sweep.
        InvalidValue: without pyarrow, naming the extra that brings it.
    """
    pa, parquet = import_pyarrow()
    try:
        table = parquet.read_table(file)
    except (pa.ArrowException, OSError) as error:
        raise WrongUse(
            f"{file} is damaged or no Parquet file ({error}); restore it, or delete it and use mho sweep "
            "--resume, which reads what is done from the run folders"
        ) from None
    metadata = table.schema.metadata or {}
    missing = [name for name in ("point", "seed", *_COLUMNS) if name not in (*table.column_names, *COSTS)]
    if metadata.get(b"mho.format") != FORMAT or missing:
        raise WrongUse(f"{file} is a Parquet file, but not the results of a sweep of mho; give another --out")
    content = json.loads(metadata[b"mho.sweep"])
    start = table.column_names.index("point") + 1
    fields = table.column_names[start : table.column_names.index("seed")]
    # files of before it was written have no version of the physics
    version, physics = metadata[b"mho.version"].decode(), metadata.get(b"mho.physics", b"none").decode()
    return ResultTable(content, version, physics, fields, table.to_pylist())


def import_pyarrow() -> tuple[Any, Any]:
    """pyarrow and pyarrow.parquet, which only sweeps need."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InvalidValue(
            'the results of a sweep are a Parquet file, and pyarrow is not installed; run: pip install "mho[sweep]"'
        ) from None
    return pyarrow, pyarrow.parquet


def result_of(
    metrics: Sequence[Mapping[str, Any]], folder: str, replica: int, replicas: int, *, costs: Mapping[str, float]
) -> Result:
    """Return the result of one replica, from the lines of its run's metrics, and what an example costs."""
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
        energy_inference_image=costs.get("energy_inference_image"),
        energy_training_image=costs.get("energy_training_image"),
        time_training_image=costs.get("time_training_image"),
        area_training=costs.get("area_training"),
    )


def _swept_column(pa: Any, values: Sequence[Value], all_values: Sequence[Value]) -> Any:
    """A column with the type that fits every value of the field; among numbers, "none" is null."""
    kinds: set[type] = {type(value) for value in all_values if value != NONE}
    types: list[tuple[set[type], Any]] = [({bool}, pa.bool_()), ({int}, pa.int64()), ({int, float}, pa.float64())]
    kind = next((kind for fitting, kind in types if kinds and kinds <= fitting), None)
    if kind is None:
        return pa.array([value if isinstance(value, str) else json.dumps(value) for value in values], pa.string())
    return pa.array([None if value == NONE else value for value in values], kind)
