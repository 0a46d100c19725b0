"""Names that help and completion show: read from the files of rooms, of which none is imported."""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

HOUSE = Path(__file__).parent.parent


@functools.cache
def laws() -> tuple[str, ...]:
    """Return the names of `mho.devices.LAWS`."""
    return tuple(sorted(name for name, bases in _final_classes("devices") if any(b.endswith("Device") for b in bases)))


@functools.cache
def cells() -> tuple[str, ...]:
    """Return the names of `mho.cells.CELLS`."""
    known = {"Cell"}
    classes = [(name, bases) for file in _files("cells") for name, bases, _ in _classes(file)]
    for _ in classes:  # a base may stand in a file further on
        known |= {name for name, bases in classes if known & set(bases)}
    return tuple(sorted(name for name, _ in _final_classes("cells") if name in known))


@functools.cache
def effects() -> tuple[str, ...]:
    """Return the names of `mho.devices.EFFECTS`."""
    return tuple(sorted(name for name, _ in _final_classes("devices/effects")))


@functools.cache
def published() -> tuple[str, ...]:
    """Return the names of `mho.presets.DEVICES`."""
    return _keys("presets/devices.py", "DEVICES")


@functools.cache
def presets() -> tuple[str, ...]:
    """Return the names of `mho.presets.PRESETS`."""
    return (*_keys("presets/arrays.py", "ARRAYS"), *_keys("presets/rules.py", "RULES"))


@functools.cache
def networks() -> tuple[str, ...]:
    """Return the names of `mho.models.NETWORKS`."""
    return _marked("models", "NETWORK")


@functools.cache
def data_sets() -> tuple[str, ...]:
    """Return the names of `mho.data.DATA_SETS`."""
    return _marked("data", "DATA_SET")


@functools.cache
def tasks() -> tuple[str, ...]:
    """Return the names of `mho.training.TASKS`."""
    return _marked("training/tasks", "TASK")


@functools.cache
def papers() -> tuple[str, ...]:
    """Return the names of `mho.papers.PAPERS`."""
    return tuple(sorted(file.parent.name for file in HOUSE.glob("papers/*/expected.toml")))


@functools.cache
def pulse_laws() -> tuple[str, ...]:
    """Return the names of the laws whose devices take pulses."""
    exact = {name for file in _files("devices") for name in _exact_laws(file)}
    return tuple(name for name in laws() if name not in exact)


def devices() -> tuple[str, ...]:
    """Return what DEVICE may be besides files and `module:Class`: published devices, and laws that take pulses."""
    return (*published(), *pulse_laws())


def complete(names: Callable[[], Sequence[str]]) -> Callable[[str], list[str]]:
    """Return what typer asks for the words that complete a value; without any, shells complete files."""

    def words(incomplete: str) -> list[str]:
        return [name for name in names() if name.startswith(incomplete)]

    return words


def _files(room: str) -> list[Path]:
    return sorted((HOUSE / room).glob("*.py"))


@functools.cache
def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def _classes(file: Path) -> Iterator[tuple[str, tuple[str, ...], bool]]:
    """Yield each public class of a file: its name, its bases, and whether it is final, as all are that can be made."""
    for node in _tree(file).body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            bases = tuple(base.id for base in node.bases if isinstance(base, ast.Name))
            yield (
                node.name,
                bases,
                any(isinstance(mark, ast.Name) and mark.id == "final" for mark in node.decorator_list),
            )


def _exact_laws(file: Path) -> list[str]:
    """Return the classes of a file that say `pulse_driven = False`."""
    exact = "pulse_driven: ClassVar[bool] = False"
    return [
        node.name
        for node in _tree(file).body
        if isinstance(node, ast.ClassDef) and exact in map(ast.unparse, node.body)
    ]


def _final_classes(room: str) -> list[tuple[str, tuple[str, ...]]]:
    return [(name, bases) for file in _files(room) for name, bases, final in _classes(file) if final]


def _assigned(file: Path, name: str) -> ast.expr | None:
    """Return the value of a constant of a module, or None."""
    for node in _tree(file).body:
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign):
            targets = [node.target]
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            assert isinstance(node, (ast.Assign, ast.AnnAssign))
            return node.value
    return None


def _marked(room: str, mark: str) -> tuple[str, ...]:
    """Return the files of a room that register something by a constant (`mho.imports.inhabitants`)."""
    return tuple(file.stem for file in _files(room) if _assigned(file, mark) is not None)


def _keys(file: str, name: str) -> tuple[str, ...]:
    table = _assigned(HOUSE / file, name)
    assert isinstance(table, ast.Dict)
    return tuple(key.value for key in table.keys if isinstance(key, ast.Constant) and isinstance(key.value, str))
