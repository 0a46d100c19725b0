"""Results of a paper's curves as small files: one a curve, one line an epoch of each seed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

from mho.errors import InvalidValue
from mho.files import write_atomically
from mho.version import PHYSICS_VERSION

FORMAT = "mho curve 2"
KEPT = ("epoch", "train_error", "test_error", "train_loss", "seconds")
"""What is kept of a line of metrics.jsonl."""


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Record:
    """The results of one curve.

    Attributes:
        curve: name.
        command: what trains it again.
        physics: version of the physics that the results are valid for, `mho.PHYSICS_VERSION` of their training.
        version: of mho.
        images: training images an epoch.
        arrays: the network as a table of arrays, as in summary.json.
        seeds: seed to its lines of metrics, one an epoch.
        counters: seed to layer to counter, totals at the last epoch; evaluation's apart.
        diagnoses: seed to its diagnosis, as in summary.json; results of before there were any lack them.
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

    def write(self, folder: Path) -> Path:
        """Write `<curve>.jsonl`: a head, then the epochs and the counters of each seed, and its diagnosis."""
        head = {"format": FORMAT, **{name: getattr(self, name) for name in _HEAD}}
        lines = [head]
        for seed, metrics in sorted(self.seeds.items()):
            names = {"curve": self.curve, "seed": seed}
            lines += [names | {name: line[name] for name in KEPT} for line in metrics]
            lines.append(names | {"counters": self.counters[seed]})
            if seed in self.diagnoses:
                lines.append(names | {"diagnosis": self.diagnoses[seed]})
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{self.curve}.jsonl"
        write_atomically(file, "".join(json.dumps(line) + "\n" for line in lines).encode())
        return file


_HEAD = ("curve", "command", "physics", "version", "images", "arrays")


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
    seeds: dict[int, list[dict[str, Any]]] = {}
    counters: dict[int, dict[str, dict[str, int]]] = {}
    diagnoses: dict[int, dict[str, Any]] = {}
    for number, content in enumerate(text.splitlines(), 1):
        try:
            line = json.loads(content)
            if number == 1:
                if line["format"] != FORMAT:
                    raise ValueError(f"format {line['format']!r}, not {FORMAT!r}")
                head = {name: line[name] for name in _HEAD}
                if type(head["physics"]) is not int:
                    raise ValueError(f"physics is {head['physics']!r}, not a version number")
            elif "counters" in line:
                counters[line["seed"]] = line["counters"]
            elif "diagnosis" in line:
                diagnoses[line["seed"]] = line["diagnosis"]
            else:
                lines = seeds.setdefault(line["seed"], [])
                lines.append({name: line[name] for name in KEPT})
                if line["epoch"] != len(lines):
                    raise ValueError(f"epoch {line['epoch']} stands where {len(lines)} should")
        except (ValueError, KeyError, TypeError) as error:
            what = f"no {error}" if isinstance(error, KeyError) else error
            raise InvalidValue(f"{file}, line {number}, is no result of a curve ({what}); restore the file") from None
    if not head:
        raise InvalidValue(f"{file} is empty; restore the file")
    return Record(**head, seeds=seeds, counters=counters, diagnoses=diagnoses)


def read_records(folder: Path) -> dict[str, Record]:
    """Read all records of a folder by curve, of whatever physics; none if the folder does not exist."""
    return {file.stem: read_record(file) for file in sorted(folder.glob("*.jsonl"))}


def valid_records(records: Mapping[str, Record]) -> dict[str, Record]:
    """Return the records whose results this mho gives too: those of its version of the physics."""
    return {name: record for name, record in records.items() if record.physics == PHYSICS_VERSION}
