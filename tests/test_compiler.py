"""From sources to native code: what the compiler room promises to the rooms above."""

from __future__ import annotations

import ast
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

import mho

ROOT = Path(__file__).parents[1]
PRIVATE = ("numba.core", "numba.extending", "numba.np", "numba.experimental", "llvmlite")


def private_parts(tree: ast.AST) -> set[str]:
    """Names of Numba's private parts and of LLVM's builder that a module imports or reaches."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Attribute):
            names.add(ast.unparse(node))
    return {name for name in names if any(name == part or name.startswith(f"{part}.") for part in PRIVATE)}


def test_only_one_module_knows_numbas_private_parts():
    package = Path(mho.__file__).parent
    knowing = {
        file.relative_to(package).as_posix()
        for file in package.rglob("*.py")
        if private_parts(ast.parse(file.read_text(encoding="utf-8")))
    }
    assert knowing == {"compiler/numba_internals.py"}


def test_numba_has_an_upper_bound_which_is_the_series_that_was_tested():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    numba = next(r for r in map(Requirement, project["dependencies"]) if r.name == "numba")
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = Version(next(line.removeprefix("numba==") for line in pins if line.startswith("numba==")))
    bound = next(part.version for part in numba.specifier if part.operator == "<")
    assert bound == f"{pinned.major}.{pinned.minor + 1}"
    assert metadata.version("numba") in numba.specifier
