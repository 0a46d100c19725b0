"""Sources of curves: the names that users give, and the curves behind each."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

from mho.comparison.curve import ERROR, LOSS, Curve, Lines, Origin
from mho.comparison.tables import read_curves
from mho.errors import InvalidValue, nearest
from mho.files import expanded
from mho.papers import PAPERS, Paper
from mho.papers.experiment_study import ExperimentStudy
from mho.papers.page import HEAD, PAGES, is_reproduction
from mho.papers.records import Record, read_record, read_records, valid_records
from mho.report import is_sweep
from mho.runs.axes import flat
from mho.runs.folder import CONFIG, METRICS, read_folder, read_history
from mho.runs.points import lowest, named, points_of
from mho.runs.replicas import values_in_name
from mho.runs.results import DONE, RESULTS, ResultTable, read_table

KEPT = ("epoch", ERROR, "train_error", LOSS)


class Source(abc.ABC):
    """A kind of what users name."""

    @abc.abstractmethod
    def takes(self, given: str, path: Path) -> bool:
        """Return whether a name, or the path that it is, is of this kind."""

    @abc.abstractmethod
    def read(self, given: str, path: Path) -> list[Curve]:
        """Read the curves.

        Raises:
            InvalidValue: if there is no curve, or a file is damaged.
        """


@final
class RunFolder(Source):
    """The folder of `mho train`: one curve over its replicas, or one for each setting in which these differ."""

    def takes(self, given: str, path: Path) -> bool:
        return (path / CONFIG).is_file()

    def read(self, given: str, path: Path) -> list[Curve]:
        run = read_folder(path)
        if not run.metrics:
            raise InvalidValue(f"{given} has no finished epoch yet")
        origin, seeds = _origin(run.config, run.measure), _seeds(run.config)
        names = run.names or [""] * len(seeds)  # folders of before they were written have none
        groups: dict[str, dict[int, Lines]] = {}
        for replica, (seed, name) in enumerate(zip(seeds, names, strict=False)):
            # by its values: replicas of --paired have one seed
            lines = _lines_of_replica(run.metrics, replica, len(seeds))
            groups.setdefault(values_in_name(name), {})[seed] = lines
        label = path.absolute().name
        return [
            Curve(label=f"{label}, {words}" if words else label, source=given, seeds=group, origin=origin)
            for words, group in groups.items()
        ]


@final
class SweepFolder(Source):
    """The folder of `mho sweep`: a curve for each point.

    `FOLDER:3` is point 3, `FOLDER:best` that of the lowest error; of a tie each is a curve.
    """

    def takes(self, given: str, path: Path) -> bool:
        return is_sweep(path) or is_sweep(expanded(given.rpartition(":")[0] or given))

    def read(self, given: str, path: Path) -> list[Curve]:
        which = ""
        if not is_sweep(path):
            folder, _, which = given.rpartition(":")
            path = expanded(folder)
        table = read_table(path / RESULTS)
        points = points_of(table.records, table.fields)
        if not points:
            raise InvalidValue(f"{given} has no row that is done")
        if which == "best":
            points = lowest(points)
        elif which:
            known = {str(point.number): point for point in points}
            if which not in known:
                raise InvalidValue(
                    f"{path} has no finished point {which!r}; give best, or a number of its table: {_span(known)}"
                )
            points = [known[which]]
        training = table.content["base"]
        label = path.absolute().name
        found = []
        for point in points:
            rows = [row for row in table.records if row["point"] == point.number and row["status"] == DONE]
            values = {**training, **point.values}
            origin = dataclasses.replace(_origin_of_fields(values), measure=_measure(path, rows[0]))
            words = named(point.values)
            seeds = {row["seed"]: _lines_of_row(path, row, table) for row in rows}
            found.append(Curve(label=f"{label}: {words}" if words else label, source=given, seeds=seeds, origin=origin))
        return found


@final
class PaperCurves(Source):
    """A paper's committed curves: `gokmen_2017` (all), `gokmen_2017/results`, or `gokmen_2017:nm_bm`."""

    def takes(self, given: str, path: Path) -> bool:
        return not path.exists() and given.removesuffix("/results").partition(":")[0] in PAPERS

    def read(self, given: str, path: Path) -> list[Curve]:
        name, _, curve = given.removesuffix("/results").partition(":")
        paper = PAPERS[name]
        records = valid_records(read_records(paper.results))
        if curve and curve not in paper.expected.curves:
            raise InvalidValue(f"{name} has no curve {curve!r}{nearest(curve, paper.expected.curves)}")
        wanted = [curve] if curve else list(records)
        if not records or wanted[0] not in records:
            raise InvalidValue(
                f"the results of {given} do not come with mho; train them with: mho reproduce {name}"
                + (f" --curve {curve}" if curve else "")
            )
        return [_curve_of_record(records[each], paper, given) for each in wanted]


@final
class ReproductionFolder(Source):
    """The folder of `mho reproduce`, or one of its results, which has a file NAME.jsonl for each curve."""

    def takes(self, given: str, path: Path) -> bool:
        return is_reproduction(path) or (path.is_dir() and is_reproduction(path.parent) and path.name in PAGES)

    def read(self, given: str, path: Path) -> list[Curve]:
        import json

        head = path if is_reproduction(path) else path.parent
        folders = [path / kind for kind in PAGES] if head == path else [path]
        records = next((found for folder in folders if (found := read_records(folder))), {})
        if not records:
            raise InvalidValue(f"{given} has no results yet")
        paper = PAPERS.get(json.loads((head / HEAD).read_text(encoding="utf-8"))["paper"])
        return [_curve_of_record(record, paper, given) for record in records.values()]


@final
class LinesFile(Source):
    """A metrics.jsonl of a run, or the results file of one curve of a paper."""

    def takes(self, given: str, path: Path) -> bool:
        return path.is_file() and path.suffix == ".jsonl"

    def read(self, given: str, path: Path) -> list[Curve]:
        lines = read_history(path)
        if lines and "format" in lines[0]:
            return [_curve_of_record(read_record(path), None, given)]
        label = path.absolute().parent.name if path.name == METRICS else path.stem
        return [Curve(label=label, source=given, seeds={0: _checked(lines, given)})]


@final
class TableFile(Source):
    """A user's CSV: a column of epochs, and one or several of errors in per cent."""

    def takes(self, given: str, path: Path) -> bool:
        return path.is_file()

    def read(self, given: str, path: Path) -> list[Curve]:
        found = read_curves(path)
        return [
            Curve(label=label, source=given, seeds=seeds, origin=Origin(seeds_known=known))
            for label, (seeds, known) in found.items()
        ]


SOURCES: tuple[Source, ...] = (
    RunFolder(),
    SweepFolder(),
    ReproductionFolder(),
    LinesFile(),
    PaperCurves(),
    TableFile(),
)


def read_source(given: str) -> list[Curve]:
    """Return the curves behind a name: of a run, a sweep, a paper, a file of lines, or a table.

    Raises:
        InvalidValue: if there is nothing by this name, or it has no curve.
    """
    path = expanded(given)
    for source in SOURCES:
        if source.takes(given, path):
            return source.read(given, path)
    if path.is_dir():
        raise InvalidValue(f"{given} is a folder, but not of mho train, mho sweep or mho reproduce")
    raise InvalidValue(
        f"there is no {given}: give the folder of a run or a sweep, a CSV file, or a paper's curve such as "
        f"gokmen_2017:nm_bm{nearest(given.partition(':')[0], PAPERS)}"
    )


def _curve_of_record(record: Record, paper: Paper | None, given: str) -> Curve:
    study = paper.study(record.curve) if paper is not None and record.curve in paper.curves else None
    origin = Origin(seeds_known=True)
    if isinstance(study, ExperimentStudy):
        origin = dataclasses.replace(_origin(study.experiment.to_dict(), "error"), seeds_known=True)
    label = f"{paper.name}, {paper.expected.curves[record.curve].label}" if study and paper else record.curve
    seeds = {seed: _checked(lines, f"{given}: {record.curve}") for seed, lines in record.seeds.items() if lines}
    return Curve(label=label, source=given, seeds=seeds, origin=origin)


def _checked(lines: Lines, given: str) -> Lines:
    """Return lines that have epochs and test errors."""
    if not lines:
        raise InvalidValue(f"{given} has no finished epoch yet")
    if not all("epoch" in line and ERROR in line for line in lines):
        numbers = ", ".join(name for name in lines[0] if name != "epoch")
        raise InvalidValue(f"{given} has no test error, which is compared; its numbers: {numbers}")
    return [{name: line[name] for name in KEPT if name in line} for line in lines]


def _lines_of_replica(metrics: Lines, replica: int, replicas: int) -> Lines:
    if replicas == 1:
        return [{name: line[name] for name in KEPT if name in line} for line in metrics]
    return [
        {"epoch": line["epoch"]}
        | {name: line[f"{name}_replicas"][replica] for name in KEPT if f"{name}_replicas" in line}
        for line in metrics
    ]


def _lines_of_row(folder: Path, row: Mapping[str, Any], table: ResultTable) -> Lines:
    """Return the lines of a row from its run folder; where that is gone, the test errors of the results."""
    place = folder / row["folder"]
    if (place / CONFIG).is_file() and (place / METRICS).is_file():
        batch = sum(other["folder"] == row["folder"] for other in table.records)
        lines = read_history(place / METRICS)
        if lines and (batch == 1 or f"{ERROR}_replicas" in lines[0]):
            return _lines_of_replica(lines, row["replica"], batch)
    return [{"epoch": epoch, ERROR: error} for epoch, error in enumerate(row["test_errors"], 1)]


def _measure(folder: Path, row: Mapping[str, Any]) -> str | None:
    place = folder / row["folder"]
    return read_folder(place).measure if (place / CONFIG).is_file() else None


def _seeds(config: Mapping[str, Any]) -> list[int]:
    training = config["training"]
    seed, replicas = training.get("seed", 0), training.get("replicas", 1)
    return list(seed) if isinstance(seed, list) else [seed + replica for replica in range(replicas)]


def _origin(config: Mapping[str, Any], measure: str) -> Origin:
    return dataclasses.replace(_origin_of_fields(flat({"training": config["training"]})), measure=measure)


def _origin_of_fields(fields: Mapping[str, Any]) -> Origin:
    """Return what settings by dotted name say."""
    names = ("data", "data_seed", "train_images", "test_images")
    return Origin(seeds_known=True, **{name: fields.get(f"training.{name}") for name in names})


def _span(known: Mapping[str, Any]) -> str:
    numbers = sorted(map(int, known))
    return f"{numbers[0]} to {numbers[-1]}" if len(numbers) > 1 else str(numbers[0])
