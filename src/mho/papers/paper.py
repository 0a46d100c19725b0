"""A paper: what it shows, and the experiment behind each of its curves."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import final

from mho.errors import InvalidValue, nearest
from mho.papers.expected import Expected, read_expected
from mho.runs import Experiment


@final
@dataclasses.dataclass(frozen=True)
class Paper:
    """A paper in its folder.

    Attributes:
        name: first author and year.
        folder: with expected.toml, README.md and results.
        curves: the experiment of each curve by name, with the seed and the epochs left at their defaults.
    """

    name: str
    folder: Path
    curves: Mapping[str, Callable[[], Experiment]]

    @functools.cached_property
    def expected(self) -> Expected:
        """Its expected.toml."""
        return read_expected(self.folder / "expected.toml")

    @property
    def results(self) -> Path:
        """The folder of the results that come with mho."""
        return self.folder / "results"

    def choose(self, figures: Sequence[str] = (), curves: Sequence[str] = ()) -> list[str]:
        """Names of the curves of some figures, and of single curves beside; of all figures if neither is given.

        Raises:
            InvalidValue: naming every unknown figure and curve, with the nearest known.
        """
        shown = self.expected.figures
        faults = [
            f"{self.name} has no figure {name!r} here{nearest(name, shown)}" for name in figures if name not in shown
        ]
        known = self.expected.curves
        faults += [f"{self.name} has no curve {name!r}{nearest(name, known)}" for name in curves if name not in known]
        if faults:
            raise InvalidValue("; ".join(faults), faults)
        wanted = [name for figure in figures or (() if curves else shown) for name in shown[figure].curves]
        return list(dict.fromkeys([*wanted, *curves]))
