"""Results of a paper's curves as small files, one per curve: a line per epoch of each seed, and pictures beside."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, final

from mho.errors import InvalidValue
from mho.files import write_atomically
from mho.version import PHYSICS_VERSION

FORMAT = "mho curve 2"
"""Format of results whose lines have the numbers `USUAL`."""
NAMED = "mho curve 3"
"""Format of results with other numbers; the first line of the file has their names, as `numbers`."""
USUAL = ("epoch", "train_error", "test_error", "train_loss", "seconds")
"""Names of the numbers of a classification by `mho train`."""
_HEAD = ("curve", "command", "physics", "version", "images", "arrays")


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Record:
    """The results of one curve.

    Attributes:
        curve: name.
        command: what trains it again.
        physics: version of the physics that the results are valid for, `mho.PHYSICS_VERSION` of their training.
        version: version of mho.
        images: training images per epoch; 0 for a study without images.
        arrays: the network as a table of arrays, as in summary.json; empty for a study that has none there.
        seeds: seed to its lines of metrics, one per epoch: named numbers, of equal names in all lines.
        counters: seed to layer to counter, totals at the last epoch; evaluation's apart.
        diagnoses: seed to its diagnosis, as in summary.json.
        pictures: seed to its pictures by name, PNG.
    """

    curve: str
    command: str
    physics: int
    version: str
    images: int
    arrays: list[dict[str, Any]]
    seeds: Mapping[int, list[dict[str, Any]]]
    counters: Mapping[int, dict[str, dict[str, int]]]
    diagnoses: Mapping[int, dict[str, Any]] = dataclasses.field(default_factory=dict)
    pictures: Mapping[int, Mapping[str, bytes]] = dataclasses.field(default_factory=dict)

    @property
    def numbers(self) -> tuple[str, ...]:
        """Names of the numbers that each line has."""
        names = next((tuple(lines[0]) for lines in self.seeds.values() if lines), USUAL)
        return USUAL if set(names) == set(USUAL) else names

    def write(self, folder: Path) -> Path:
        """Write `<curve>.jsonl`: a head, then the epochs and the counters of each seed, and its diagnosis.

        Pictures become files `<curve>.<seed>.<picture>.png` beside it, each written before that file.
        """
        names = self.numbers
        usual = {"format": FORMAT} if names == USUAL else {"format": NAMED, "numbers": names}
        lines: list[dict[str, Any]] = [usual | {name: getattr(self, name) for name in _HEAD}]
        folder.mkdir(parents=True, exist_ok=True)
        for seed, metrics in sorted(self.seeds.items()):
            keys = {"curve": self.curve, "seed": seed}
            lines += [keys | {name: line[name] for name in names} for line in metrics]
            if seed in self.counters:
                lines.append(keys | {"counters": self.counters[seed]})
            if seed in self.diagnoses:
                lines.append(keys | {"diagnosis": self.diagnoses[seed]})
            for name, content in self.pictures.get(seed, {}).items():
                _write_changed(folder / f"{self.curve}.{seed}.{name}.png", content)
        file = folder / f"{self.curve}.jsonl"
        write_atomically(file, "".join(json.dumps(line) + "\n" for line in lines).encode())
        return file


def read_record(file: Path) -> Record:
    """Read what `Record.write` wrote.

    Raises:
        InvalidValue: naming the line that is damaged.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidValue(f"{file} cannot be read: {error}") from None
    head: dict[str, Any] = {}
    names: tuple[str, ...] = USUAL
    seeds: dict[int, list[dict[str, Any]]] = {}
    counters: dict[int, dict[str, dict[str, int]]] = {}
    diagnoses: dict[int, dict[str, Any]] = {}
    for number, content in enumerate(text.splitlines(), 1):
        try:
            line = json.loads(content)
            if number == 1:
                head, names = _read_head(line)
            elif "counters" in line:
                counters[line["seed"]] = line["counters"]
            elif "diagnosis" in line:
                diagnoses[line["seed"]] = line["diagnosis"]
            else:
                lines = seeds.setdefault(line["seed"], [])
                lines.append({name: line[name] for name in names})
                if line["epoch"] != len(lines):
                    raise ValueError(f"epoch {line['epoch']} stands where {len(lines)} should")
        except (ValueError, KeyError, TypeError) as error:
            what = f"no {error}" if isinstance(error, KeyError) else error
            raise InvalidValue(f"{file}, line {number}, is no result of a curve ({what}); restore the file") from None
    if not head:
        raise InvalidValue(f"{file} is empty; restore the file")
    pictures: dict[int, dict[str, bytes]] = {}
    for seed, name, picture in _pictures(file):
        pictures.setdefault(seed, {})[name] = picture.read_bytes()
    return Record(**head, seeds=seeds, counters=counters, diagnoses=diagnoses, pictures=pictures)


def read_records(folder: Path) -> dict[str, Record]:
    """Read all records of a folder by curve, of whatever physics; none if the folder does not exist."""
    return {file.stem: read_record(file) for file in sorted(folder.glob("*.jsonl"))}


@final
@dataclasses.dataclass(frozen=True)
class Included:
    """Contents of a file of results: the physics of its first line, and the seeds of the others."""

    physics: int
    seeds: int

    @property
    def valid(self) -> bool:
        """True if this mho gives these results too."""
        return self.physics == PHYSICS_VERSION


def read_included(folder: Path) -> dict[str, Included]:
    """Return which results a folder has, by curve, without reading their numbers; none if it does not exist.

    Raises:
        InvalidValue: for a file whose first line is no head of results.
    """
    return {file.stem: _included(file) for file in sorted(folder.glob("*.jsonl"))}


def _included(file: Path) -> Included:
    head, _, rest = file.read_text(encoding="utf-8").partition("\n")
    try:
        physics = _read_head(json.loads(head))[0]["physics"]
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidValue(f"{file}, line 1, is no result of a curve ({error}); restore the file") from None
    return Included(physics, len(set(re.findall(r'^\{"curve": "[^"]*", "seed": (\d+)', rest, re.MULTILINE))))


def valid_records(records: Mapping[str, Record]) -> dict[str, Record]:
    """Return the records whose results this mho gives too: those of its version of the physics."""
    return {name: record for name, record in records.items() if record.physics == PHYSICS_VERSION}


def _read_head(line: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    if line["format"] not in (FORMAT, NAMED):
        raise ValueError(f"format {line['format']!r}, not {FORMAT!r} or {NAMED!r}")
    names = USUAL if line["format"] == FORMAT else tuple(line["numbers"])
    head = {name: line[name] for name in _HEAD}
    if type(head["physics"]) is not int:
        raise ValueError(f"physics is {head['physics']!r}, not a version number")
    return head, names


def _pictures(file: Path) -> Iterator[tuple[int, str, Path]]:
    """Yield seed, name and path of each picture beside a curve's file."""
    for picture in sorted(file.parent.glob("*.png")):
        match = re.fullmatch(rf"{re.escape(file.stem)}\.(\d+)\.([\w-]+)\.png", picture.name)
        if match:
            yield int(match[1]), match[2], picture


def _write_changed(file: Path, content: bytes) -> None:
    if not file.exists() or file.read_bytes() != content:
        write_atomically(file, content)
