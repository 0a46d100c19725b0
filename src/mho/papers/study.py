"""The interface between `mho reproduce` and what it trains for a curve."""

from __future__ import annotations

import abc
import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from mho.errors import InvalidValue
from mho.papers.plain import plain
from mho.runs.work import OnProgress


@dataclasses.dataclass(frozen=True, kw_only=True)
class Study(abc.ABC):
    """A training behind a curve of a paper. A study is a final, frozen dataclass, in the paper's folder.

    Its fields decide its results, together with the seed and the version of the physics. `run` trains it in a folder of
    its own, in another process, and may be killed at any moment: `mho.papers.journal.Journal` keeps its lines and its
    checkpoint. For example, in `papers/author_year/walk.py`:

        @final
        @dataclasses.dataclass(frozen=True, kw_only=True)
        class Walk(Study):
            \"\"\"Particles on a line that take a random step an epoch.\"\"\"

            epochs: int = 20
            step: float = 1.0
            particles: int = 1000

            def quick(self) -> Study:
                return dataclasses.replace(self, epochs=3, particles=100)

            def run(self, folder, *, seed, data_folder, on_progress, stop) -> bool:
                journal = Journal(folder)                           # lines and state of an earlier process
                places = journal.tensors.get("places", torch.zeros(self.particles))
                for epoch in range(journal.epochs, self.epochs):    # from the number of finished epochs
                    on_progress(epoch, 0.0)
                    if stop():
                        return False
                    draws = np.random.Generator(np.random.Philox(key=[seed, epoch]))  # named, so that it can resume
                    places = places + self.step * torch.from_numpy(draws.normal(size=self.particles))
                    journal.finish_epoch({"spread": places.std()}, tensors={"places": places})
                return True

    The paper's `curves.py` names it, `CURVES = {"small": Walk, "large": partial(Walk, step=2.0)}`, and its
    `expected.toml` the quantity that is drawn and judged, `quantity = "spread"`; "Adding a paper" in CONTRIBUTING has a
    whole folder. A study may leave pictures, `journal.picture(name)`, and a `summary.json` with the keys `arrays`,
    `counters` and `diagnosis` of that of `mho train`.

    Attributes:
        epochs: lines of metrics.jsonl that a whole run has.
    """

    epochs: int

    @abc.abstractmethod
    def quick(self) -> Study:
        """Return the version of this study that trains within a minute or two; its results have their own checks."""

    @abc.abstractmethod
    def run(
        self,
        folder: Path,
        *,
        seed: int,
        data_folder: Path | None,
        on_progress: OnProgress,
        stop: Callable[[], bool],
    ) -> bool:
        """Train to the last epoch, from where an earlier process stopped or was killed, to the same bits.

        Each epoch adds one line to metrics.jsonl: `epoch` from 1 on, any named numbers, and `seconds`. Only names that
        contain "second" may depend on the machine.

        Args:
            folder: the run folder, which exists; its name is unlike that of any other study or seed.
            seed: seed of all draws.
            data_folder: folder with the data set's files; None: where `mho.data.load` looks.
            on_progress: to be called often with the number of finished epochs, and the finished share (0 to 1) of the
                next.
            stop: to be asked often; True means to return soon, with a checkpoint from which the next call continues.

        Returns:
            True if every epoch is finished, False if `stop` ended the training.
        """

    def to_dict(self) -> dict[str, Any]:
        """Describe all that decides a result, in values that JSON has, without the seed and the epochs, which may grow.

        Studies of equal description share their run folder. The description here has the class and every field but
        `epochs`; a study whose results of early epochs depend on their number adds it under another name.
        """
        kind = type(self)
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name != "epochs"}
        return {"study": f"{kind.__module__}:{kind.__qualname__}", **plain(values)}

    def description(self, seed: int) -> dict[str, Any]:
        """Describe a run of this study, with its seed."""
        return {**self.to_dict(), "seed": seed}

    def specification(self) -> str:
        """Return the whole description as a text for readers, here JSON."""
        return json.dumps({**self.to_dict(), "epochs": self.epochs}, indent=1)

    def with_epochs(self, epochs: int) -> Self:
        """Return this study with another number of epochs."""
        return dataclasses.replace(self, epochs=epochs)

    def with_images(self, *, train: int, test: int) -> Study:
        """Return this study with fewer training and test images; 0 is all.

        Raises:
            InvalidValue: for a study that does not train on images.
        """
        raise InvalidValue(
            f"{type(self).__name__} does not train on a part of its images; leave --train-images and --test-images "
            "out, or give --quick"
        )

    def prepare(self, data_folder: Path | None) -> None:
        """Look for the data of this study, so that missing data are reported before any process starts.

        Raises:
            DataMissing: if a data set is not found and cannot be downloaded.
        """
        return

    def seconds_an_epoch(self, data_folder: Path | None) -> float | None:
        """Estimate the seconds that an epoch takes on this machine; None if this study has no estimate."""
        return None

    def recorded(self, line: Mapping[str, Any]) -> dict[str, float]:
        """Return the numbers of a line of metrics.jsonl that results keep, here all numbers."""
        return {name: value for name, value in line.items() if type(value) in (int, float)}
