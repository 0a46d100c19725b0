"""The papers of a package: each of its folders that has an expected.toml, without a list anywhere."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, final

from mho.errors import WrongUse
from mho.papers.paper import Paper

if TYPE_CHECKING:
    from mho.papers.study import Study
    from mho.runs import Experiment

    Makers = Mapping[str, Callable[[], Study | Experiment]]


@final
class Curves(Mapping[str, "Callable[[], Study | Experiment]"]):
    """The makers of a paper's curves by name, imported when they are first asked for.

    Args:
        module: importable name of the paper's `curves.py`.

    Raises:
        WrongUse: when they are asked for, if the module has no `CURVES`.
    """

    def __init__(self, module: str) -> None:
        self._module = module
        self._makers: Makers | None = None

    def __getitem__(self, name: str) -> Callable[[], Study | Experiment]:
        return self._imported()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._imported())

    def __len__(self) -> int:
        return len(self._imported())

    def _imported(self) -> Makers:
        if self._makers is None:
            module = importlib.import_module(self._module)
            if not hasattr(module, "CURVES"):
                raise WrongUse(f"{module.__file__} has no CURVES; give the makers of its curves by name")
            self._makers = module.CURVES
        return self._makers


@final
class Papers(Mapping[str, Paper]):
    """Papers by the name of their folders; the curves of a paper are imported when they are asked for.

    A folder holds `expected.toml`, and `curves.py` with a constant `CURVES` of makers of studies or experiments by
    name; see `mho.papers.paper.Paper` and "Adding a paper" in CONTRIBUTING.

    Args:
        package: importable name of the package of papers.
        folder: where it is.
    """

    def __init__(self, package: str, folder: Path) -> None:
        self._package, self._folder = package, folder
        self._names = sorted(file.parent.name for file in folder.glob("*/expected.toml"))
        self._papers: dict[str, Paper] = {}

    def __getitem__(self, name: str) -> Paper:
        """Return a paper.

        Raises:
            KeyError: for a name that is no folder of a paper.
        """
        if name not in self._names:
            raise KeyError(name)
        if name not in self._papers:
            self._papers[name] = Paper(name, self._folder / name, Curves(f"{self._package}.{name}.curves"))
        return self._papers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
