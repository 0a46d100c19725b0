"""From sources to native code: what the compiler room promises to the rooms above."""

from __future__ import annotations

import ast
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import mho
import mho.kernels.cpu
from mho.compiler.linker import Linker

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


@pytest.fixture
def templates(tmp_path, monkeypatch):
    """A function that writes a module of templates, to be linked as `mho.kernels.cpu.NAME`."""
    monkeypatch.setattr(mho.kernels.cpu, "__path__", [*mho.kernels.cpu.__path__, str(tmp_path)])

    def write(name: str, text: str) -> None:
        (tmp_path / f"{name}.py").write_text(text)

    return write


def answer(module: str, entry: str, given: dict[str, str] | None = None, *arguments: float) -> float:
    """What a linked function returns, run by Python."""
    parts = Linker(given or {}, {}).link(f"mho.kernels.cpu.{module}", entry)
    text = "\n".join(line for part in parts for line in part.splitlines() if not line.startswith("@njit"))
    scope: dict = {"full_width": lambda: None}
    exec(text, scope)
    return scope[entry](*arguments)


def test_helpers_of_one_name_in_two_modules_stay_apart(templates):
    templates("toy_a", "def scale(x):\n    return 2 * x\ndef twice(x):\n    return scale(x)\n")
    templates("toy_b", "K = 5\ndef scale(x):\n    return K * x\ndef five(x):\n    return scale(x)\n")
    templates(
        "toy_c",
        "from mho.kernels.cpu.toy_a import twice\nfrom mho.kernels.cpu.toy_b import five\nK = 100\n"
        "def entry(x):\n    scale = 7\n    return K * scale + 10 * twice(x) + five(x)\n",
    )
    assert answer("toy_c", "entry", None, 1) == 700 + 20 + 5


def test_a_helper_of_the_name_of_the_kernel_or_of_a_function_of_the_law_stays_itself(templates):
    templates("toy_d", "def pulse(x):\n    return 2 * x\ndef entry(x):\n    return 100 * pulse(x)\n")
    templates(
        "toy_e",
        "from mho.compiler.law import pulse\nfrom mho.kernels.cpu.toy_d import entry as other\n"
        "def entry(x):\n    return other(x) + pulse(x)\n",
    )
    assert answer("toy_e", "entry", {"pulse": "def pulse(w):\n    return 3 * w"}, 1) == 203


def test_one_definition_that_two_modules_import_stands_once(templates):
    templates("toy_f", "def helper(x):\n    return x + 1\n")
    templates("toy_g", "from mho.kernels.cpu.toy_f import helper as h\ndef more(x):\n    return h(x)\n")
    templates(
        "toy_h",
        "from mho.kernels.cpu.toy_f import helper as h\nfrom mho.kernels.cpu.toy_g import more\n"
        "def entry(x):\n    return h(x) + more(x)\n",
    )
    parts = Linker({}, {}).link("mho.kernels.cpu.toy_h", "entry")
    assert [part.splitlines()[-1].split("(")[0].strip() for part in parts].count("h = helper") == 1
    assert answer("toy_h", "entry", None, 1) == 4


def test_a_name_that_is_not_there_and_a_constant_set_in_two_places_raise(templates):
    templates("toy_i", "from mho.kernels.cpu.toy_l import nothing\ndef entry(x):\n    return nothing(x)\n")
    templates("toy_l", "")
    with pytest.raises(mho.errors.MhoError, match=r"toy_l has no nothing.*define nothing there"):
        answer("toy_i", "entry", None, 1)
    templates("toy_j", "SIZE = 1\ndef helper(x):\n    return SIZE * x\n")
    templates(
        "toy_k", "from mho.kernels.cpu.toy_j import helper\nSIZE = 2\ndef entry(x):\n    return SIZE + helper(x)\n"
    )
    with pytest.raises(mho.errors.MhoError, match=r"SIZE is set by the compiler and stands in .*toy_k and in .*toy_j"):
        answer("toy_k", "entry", {"SIZE": "SIZE = 3"}, 1)
