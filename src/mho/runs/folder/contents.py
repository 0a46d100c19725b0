"""A whole run folder of mho train, read and checked, with all faults raised at once."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, final

from mho.arrays import ArrayRow
from mho.errors import Faults, InvalidValue
from mho.nn import Converted
from mho.runs.folder.files import CONFIG, FLOAT, METRICS, SUMMARY, parse_lines
from mho.runs.folder.summary import Diagnosed, Validation, is_error, is_whole, parse_summary
from mho.runs.outcome import outcome
from mho.training.tasks import Chance

T = TypeVar("T")
CURE = "restore it, or write it again with: mho train --resume --out {folder}"
ERRORS = ("test_error", "train_error")
VALIDATION = "validation_error"
"""An error that all lines have, or none."""


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class RunFolder:
    """The contents of config.toml, metrics.jsonl and summary.json."""

    config: Mapping[str, Any]
    """The tables of config.toml."""
    title: str
    version: str
    command: str
    spec: str
    """The text of config.toml."""
    metrics: list[dict[str, Any]]
    arrays: list[ArrayRow]
    layers: list[Converted]
    counters: dict[str, dict[str, int]]
    """Layer to counter to its sum over replicas."""
    images: int | None
    """Examples that each replica was trained on; None in folders of before the number was written."""
    measure: str
    """What the errors are, in words."""
    units: Mapping[str, str]
    """What losses and further numbers are measured in, by their names without "test_"."""
    notes: list[str]
    """Sentences on how the data were made."""
    examples: str
    """Word for several examples."""
    diagnosis: Diagnosed | None
    """Verdict and findings; None before the last epoch, and in folders of before diagnoses were written."""
    shifts: list[str]
    """What zero-shifting did, one line per array."""
    validation: Validation | None
    """Validation of the run; None where no examples were held out."""
    chance: Chance | None
    """Level of guessing; None where the task does not say, and in folders of before the level was written."""
    names: list[str]
    """Names of the replicas; empty for a single network, and in folders of before names were written."""
    twin: list[dict[str, Any]]
    """Lines of the same network in floating point; empty where it was not trained."""

    @property
    def planned_epochs(self) -> int | None:
        """Epochs that the config asks for; None where it does not say."""
        training = self.config.get("training")
        planned = training.get("epochs") if isinstance(training, Mapping) else None
        return planned if is_whole(planned) else None

    @property
    def example(self) -> str:
        """Word for a single example."""
        return self.examples.removesuffix("s")

    @property
    def outcome(self) -> list[str]:
        """What the training came to, in sentences, the result first; [] without an epoch."""
        if not self.metrics:
            return []
        twin = self.twin[-1] if self.twin else None
        return outcome(self.metrics[-1], measure=self.measure, units=self.units, chance=self.chance, twin=twin)

    @property
    def values_differ(self) -> bool:
        """True if replicas differ in a value, and not in their seeds only."""
        return any(" = " in name for name in self.names)


def read_folder(folder: Path) -> RunFolder:
    """Read and check a run folder.

    Raises:
        InvalidValue: naming every file that is missing or damaged, and what to do.
    """
    if not folder.is_dir():
        raise InvalidValue(f"there is no run folder {folder}; give the folder that `mho train --out` wrote")
    faults = Faults(f"run folder {folder}")
    spec, config = _read(folder / CONFIG, _config, faults) or ("", {})
    metrics = _read(folder / METRICS, _metrics, faults) or []
    parts = _read(folder / SUMMARY, parse_summary, faults) or {}
    twin = folder / FLOAT / METRICS
    lines = (_read(twin, _metrics, faults) if twin.exists() else None) or []
    faults.raise_any()
    count = len(metrics[-1].get("test_error_replicas") or ()) if metrics else 0
    if parts["names"] and metrics and len(parts["names"]) != count:
        raise InvalidValue(
            f"run folder {folder}: summary.json names {len(parts['names'])} replicas, and there are {count}"
        )
    return RunFolder(spec=spec, config=config, metrics=metrics, twin=lines, **parts)


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
    return text, tomllib.loads(text)


def _metrics(text: str) -> list[dict[str, Any]]:
    metrics: list[dict[str, Any]] = []
    for number, values in parse_lines(text).items():
        before = metrics[-1]["epoch"] if metrics else 0
        if not is_whole(values.get("epoch")) or values["epoch"] <= before:
            raise InvalidValue(f"line {number} has epoch {values.get('epoch')!r} after epoch {before}")
        held_out = VALIDATION in (metrics[0] if metrics else values)
        for name in (*ERRORS, VALIDATION) if held_out else ERRORS:
            if not is_error(values.get(name)):
                raise InvalidValue(f"line {number} has {name} {values.get(name)!r}, not a number of at least 0")
            _check_replicas(values, f"{name}_replicas", metrics, number)
        metrics.append(values)
    return metrics


def _check_replicas(values: dict[str, Any], name: str, metrics: list[dict[str, Any]], number: int) -> None:
    replicas = values.get(name)
    if replicas is not None and not (isinstance(replicas, list) and replicas and all(map(is_error, replicas))):
        raise InvalidValue(f"line {number} has {name} {replicas!r}, not a list of numbers of at least 0")
    if metrics and len(replicas or ()) != len(metrics[0].get(name) or ()):
        raise InvalidValue(f"line {number} has another number of replicas in {name} than line 1")
