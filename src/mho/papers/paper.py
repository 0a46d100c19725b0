"""A paper: what it shows, and the study behind each of its curves."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, final

from mho.errors import InvalidValue, nearest
from mho.papers.expected import read_expected
from mho.papers.shown import Expected

if TYPE_CHECKING:
    from mho.papers.study import Study
    from mho.runs import Experiment


@final
@dataclasses.dataclass(frozen=True)
class Paper:
    """A paper in its folder.

    Attributes:
        name: first author and year.
        folder: with expected.toml, README.md and results.
        curves: makes the study of each curve, or its experiment of `mho train`, by name, with the seed and the epochs
            left at their defaults.
    """

    name: str
    folder: Path
    curves: Mapping[str, Callable[[], Study | Experiment]]

    @functools.cached_property
    def expected(self) -> Expected:
        """Return the figures and curves of the paper, as its expected.toml has them."""
        return read_expected(self.folder / "expected.toml")

    @property
    def results(self) -> Path:
        """Folder of the results that come with mho."""
        return self.folder / "results"

    def study(self, curve: str) -> Study:
        """Return the study of a curve, with the paper's own epochs."""
        from mho.papers.experiment_study import as_study  # torch, which a list of curves need not wait for

        return as_study(self.curves[curve]())

    def epochs(self, kind: str) -> dict[str, int]:
        """Return the epochs of each curve as the paper has them, or of its quick version where `kind` is "quick"."""
        studies = {curve: self.study(curve) for curve in self.curves}
        return {curve: (study.quick() if kind == "quick" else study).epochs for curve, study in studies.items()}

    def choose(self, figures: Sequence[str] = (), curves: Sequence[str] = ()) -> list[str]:
        """Return the names of the curves of some figures, and of single curves; of all figures if neither is given.

        Raises:
            InvalidValue: naming every unknown figure and curve, with the nearest known.
        """
        shown = self.expected.figures
        figures = [self.expected.figure_named(name) for name in figures]
        faults = [
            f"{self.name} has no figure {name!r} here{nearest(name, shown)}" for name in figures if name not in shown
        ]
        known = self.expected.curves
        faults += [f"{self.name} has no curve {name!r}{nearest(name, known)}" for name in curves if name not in known]
        if faults:
            raise InvalidValue("; ".join(faults), faults)
        wanted = [name for figure in figures or (() if curves else shown) for name in shown[figure].curves]
        return list(dict.fromkeys([*wanted, *curves]))
