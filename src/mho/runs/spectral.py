"""Run folders of spectral learning: config, metrics and checkpoint of one recurrent network."""

from __future__ import annotations

import dataclasses
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, final

import numpy as np

from mho.errors import CheckpointError, DataMissing, Faults, InvalidValue, nearest
from mho.imports import file_hash, import_own, is_own, source_hash
from mho.learning.spectral import SpectralRNN
from mho.learning.spectral.problem import CHUNK, Problem, Sequence, parameter_errors
from mho.runs.folder import (
    CHECKPOINT,
    CONFIG,
    METRICS,
    read_history,
    refuse_used,
    write_config,
    write_metrics,
    write_summary,
)
from mho.tables import fields_from_table
from mho.toml_files import write_toml
from mho.version import PHYSICS_VERSION

SECTION = "spectral"
GENERATED = "generated"


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class SpectralExperiment:
    """The [spectral] section of a config: a sequence, and the network that is looked for.

    Attributes:
        data: "generated": by a random network, whose weights are compared with those found; FILE.npz with arrays x
            (n, d_x) and y (n, d_y) or (n,); or `module:function` that returns (x, y).
        data_hash: of the file or of the function's source; "": not yet known.
        samples: of the sequence: how many are generated, or are read at most; 0: all of a file.
        inputs: d_x of a generated sequence.
        outputs: d_y of a generated sequence.
        noise: standard deviation of its outputs' noise.
        recurrent: norm ‖U‖₂ of its network.
        memory: 0 for independent inputs, else they are a Gaussian chain whose Φ is a rotation times this.
        hidden: hidden units of each direction.
        activation: "quadratic" or "linear".
        bidirectional: whether a second network runs backward.
        density: of the inputs, "gaussian" or "markov"; "": "markov" for generated chains, else "gaussian".
        seed: of a generated sequence, and of the power iteration.
    """

    data: str = GENERATED
    data_hash: str = ""
    samples: int = 300_000
    inputs: int = 10
    outputs: int = 4
    noise: float = 0.1
    recurrent: float = 0.1
    memory: float = 0.0
    hidden: int = 4
    activation: str = "quadratic"
    bidirectional: bool = False
    density: str = ""
    seed: int = 0

    def __post_init__(self) -> None:
        faults = Faults(SECTION)
        for name in ("inputs", "outputs", "hidden"):
            faults.number(name, getattr(self, name), low=1, integer=True)
        faults.number("samples", self.samples, low=0, integer=True)
        faults.number("noise", self.noise, low=0.0)
        faults.number("recurrent", self.recurrent, low=0.0)
        if faults.number("memory", self.memory, low=0.0) and not self.memory < 1:
            faults.add(f"memory is {self.memory!r}; give a number of at least 0 and less than 1")
        faults.number("seed", self.seed, low=0, high=2**63 - 1, integer=True)
        faults.flag("bidirectional", self.bidirectional)
        if self.activation not in ("quadratic", "linear"):
            faults.add(f"activation is {self.activation!r}; give quadratic or linear")
        if self.density not in ("", "gaussian", "markov"):
            faults.add(f"density is {self.density!r}; give gaussian or markov")
        if not isinstance(self.data, str) or not (self.data == GENERATED or self._file() or is_own(self.data)):
            faults.add(f"data is {self.data!r}; give {GENERATED}, FILE.npz, or module:function")
        faults.raise_any()

    def _file(self) -> bool:
        return self.data.endswith(".npz")

    def problem(self) -> Problem:
        """Return what generates the sequence."""
        return Problem(
            inputs=self.inputs, hidden=self.hidden, outputs=self.outputs, recurrent=float(self.recurrent),
            noise=float(self.noise), quadratic=self.activation == "quadratic", bidirectional=self.bidirectional,
            memory=float(self.memory),
        )  # fmt: skip

    def estimator(self) -> SpectralRNN:
        """Return the estimator, not yet fitted."""
        density = self.density or ("markov" if self.data == GENERATED and self.memory else "gaussian")
        return SpectralRNN(
            self.hidden, activation=self.activation, bidirectional=self.bidirectional, density=density, seed=self.seed
        )

    def with_hash(self) -> SpectralExperiment:
        """Return this experiment with the hash of its file or function as they are now."""
        if self.data == GENERATED:
            return self
        if self._file() and not Path(self.data).exists():
            raise DataMissing(f"{self.data} does not exist; give a file .npz with arrays x and y")
        found = file_hash(Path(self.data)) if self._file() else source_hash(self.data)
        if self.data_hash not in ("", found):
            raise CheckpointError(
                f"{self.data} has changed since this config was written (hash {self.data_hash}, now {found}); restore "
                'it, or set spectral.data_hash="" and give another --out'
            )
        return dataclasses.replace(self, data_hash=found)

    def to_toml(self) -> str:
        """Return the complete config."""
        return write_toml({SECTION: dataclasses.asdict(self)})

    @classmethod
    def from_dict(cls, tables: Mapping[str, Any]) -> SpectralExperiment:
        """Build from plain tables.

        Raises:
            InvalidValue: naming every fault at once.
        """
        for section in tables:
            if section != SECTION:
                raise InvalidValue(f"unknown section {section!r}{nearest(section, [SECTION])}")
        table = tables.get(SECTION, {})
        if not isinstance(table, Mapping):
            raise InvalidValue(f"{SECTION} is {table!r}; write a section [{SECTION}]")
        return fields_from_table(cls, table)


@final
class SpectralRun:
    """One recovery in its folder, piece by piece.

    Args:
        experiment: what to learn from, and what.
        folder: where; it must not exist, or be empty, unless `resume`.
        resume: continue from the folder's checkpoint, if any.

    Raises:
        WrongUse: if the folder holds something already.
        CheckpointError: if it holds another experiment, or a damaged checkpoint.

    Attributes:
        rnn: the estimator.
        metrics: one entry each time that the samples have doubled, and at the end, as in metrics.jsonl.
    """

    def __init__(self, experiment: SpectralExperiment, folder: Path, *, resume: bool = False) -> None:
        if not resume:
            refuse_used(folder)
        self.experiment, self.folder = experiment.with_hash(), folder
        self.rnn, self.metrics = self.experiment.estimator(), list[dict[str, Any]]()
        self.truth = self.sequence = None
        if experiment.data == GENERATED:
            self.sequence = Sequence(experiment.problem(), experiment.seed)
            self.truth = self.sequence.weights
            self.x = self.y = np.empty((0, 0))
            self.total = experiment.samples
        else:
            self.x, self.y = _read(experiment.data)
            self.total = min(experiment.samples or len(self.x), len(self.x))
        if resume and (folder / CHECKPOINT).exists():
            self._restore()

    @property
    def seen(self) -> int:
        """Samples so far."""
        return self.rnn.n_samples_seen_ if self.metrics or self.rnn.__sklearn_is_fitted__() else 0

    def learn(self, on_piece: Callable[[int, int], bool] = lambda seen, total: False) -> bool:
        """Learn to the end of the sequence, writing metrics and a checkpoint on the way.

        Args:
            on_piece: sees samples so far and in all; True asks to stop, which stores a checkpoint first.

        Returns:
            Whether the end was reached.

        Raises:
            InvalidValue: for a condition that does not hold, by name; the folder keeps the last checkpoint before it.
        """
        began = time.perf_counter()
        while self.seen < self.total:
            number = self.seen // CHUNK
            if self.sequence is not None:
                piece = slice(self.seen % CHUNK, self.seen % CHUNK + self.total - self.seen)
                x, y = (part[piece] for part in self.sequence.chunk(number))
            else:
                piece = slice(self.seen, min(self.seen + CHUNK, self.total))
                x, y = self.x[piece], self.y[piece]
            self.rnn.partial_fit(x, y)
            last, doubled = self.seen >= self.total, (number + 1) & number == 0
            if last or (doubled and self.truth is not None):
                try:
                    self.metrics.append(self._line(time.perf_counter() - began))
                except InvalidValue:  # more samples may do
                    if last:
                        raise
                began = time.perf_counter()
            stop = on_piece(self.seen, self.total)
            if last or doubled or stop:
                self._write()
            if stop and not last:
                return False
        return True

    def _line(self, seconds: float) -> dict[str, Any]:
        line: dict[str, Any] = {"epoch": len(self.metrics) + 1, "samples": self.seen}
        for name, value in self.rnn.report_.relative.items():
            line[f"estimated_{name}_error"] = 100 * value
        if self.truth is not None:
            line |= parameter_errors(self.rnn.weights_, self.truth)
        return line | {"seconds": seconds}

    def _write(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        write_config(self.folder, self.experiment.to_toml())
        self.rnn.save(self.folder / CHECKPOINT)
        write_metrics(self.folder, self.metrics)
        if self.seen >= self.total:
            weights, report = self.rnn.weights_, self.rnn.report_
            names = ("input", "recurrent", "output")
            summary = {
                "title": f"spectral RNN of {self.experiment.hidden} hidden units on {self.experiment.data}",
                "physics_version": PHYSICS_VERSION,
                "samples": self.seen,
                "report": str(report),
                **{f"{name}_weight": getattr(weights, name).tolist() for name in names},
                **{f"{name}_error": np.nan_to_num(getattr(report, f"{name}_error"), nan=-1).tolist() for name in names},
            }
            write_summary(self.folder, summary)

    def _restore(self) -> None:
        from mho.toml_files import parse_toml

        before = SpectralExperiment.from_dict(parse_toml((self.folder / CONFIG).read_text(encoding="utf-8")))
        was, now = dataclasses.asdict(before), dataclasses.asdict(self.experiment)
        other = [f"{name} was {was[name]!r} and is {now[name]!r}" for name in was if was[name] != now[name]]
        if [name for name in was if was[name] != now[name] and name != "samples"]:
            raise CheckpointError(f"{self.folder} holds another run: {'; '.join(other)}; give another --out")
        self.rnn = SpectralRNN.load(self.folder / CHECKPOINT)
        seen = self.rnn.n_samples_seen_
        lines = read_history(self.folder / METRICS) if (self.folder / METRICS).exists() else []
        self.metrics = [line for line in lines if line["samples"] <= seen]


def _read(name: str) -> tuple[Any, Any]:
    """Return x and y of a file .npz or of a user's function."""
    if name.endswith(".npz"):
        try:
            with np.load(name) as file:
                missing = [key for key in ("x", "y") if key not in file]
                if missing:
                    raise InvalidValue(
                        f"{name} has no array {' and no array '.join(missing)} (it has {', '.join(file)}); save it "
                        "with np.savez(file, x=x, y=y), x of (n, d_x), y of (n, d_y)"
                    )
                found: Any = file["x"], file["y"]
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            if isinstance(error, InvalidValue):
                raise
            raise InvalidValue(f"{name} cannot be read as a file .npz: {error}") from None
    else:
        found = import_own(name)()
        if not isinstance(found, (tuple, list)) or len(found) != 2:
            raise InvalidValue(f"{name} returns {type(found).__name__}; return (x, y), x of (n, d_x), y of (n, d_y)")
        found = tuple(map(np.asarray, found))
    if len(found[0]) != len(found[1]):
        raise InvalidValue(f"{name}: x has {len(found[0])} rows and y {len(found[1])}; give outputs of the same times")
    return found  # type: ignore[no-any-return]
