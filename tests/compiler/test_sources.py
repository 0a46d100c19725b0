"""From sources to native code: what the compiler room promises to the rooms above."""

from __future__ import annotations

import ast
import gc
import os
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from numba.core import event
from numba.core.codegen import CPUCodeLibrary
from packaging.requirements import Requirement
from packaging.version import Version

import mho
import mho.kernels.cpu
from mho.compiler import cache
from mho.compiler.linker import Linker
from mho.compiler.numba_internals import ENTRY, INLINE
from tests.helpers.checkout import ROOT

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


def test_only_one_room_knows_numbas_private_parts():
    package = Path(mho.__file__).parent
    knowing = {
        file.relative_to(package).parent.as_posix()
        for file in package.rglob("*.py")
        if private_parts(ast.parse(file.read_text(encoding="utf-8")))
    }
    assert knowing == {"compiler/numba_internals"}


def test_numba_has_an_upper_bound_which_is_the_series_that_was_tested():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    numba = next(r for r in map(Requirement, project["dependencies"]) if r.name == "numba")
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = Version(next(line.removeprefix("numba==") for line in pins if line.startswith("numba==")))
    bound = next(part.version for part in numba.specifier if part.operator == "<")
    assert bound == f"{pinned.major}.{pinned.minor + 1}"
    assert metadata.version("numba") in numba.specifier


def test_every_pin_is_one_that_pip_takes():
    pins = [Requirement(line) for line in (ROOT / "constraints.txt").read_text().splitlines()]
    assert all(len(pin.specifier) == 1 for pin in pins)
    assert "mho" not in {pin.name for pin in pins}


@pytest.fixture
def templates(tmp_path, monkeypatch):
    """A function that writes a module of templates, to be linked as `mho.kernels.cpu.NAME`."""
    monkeypatch.setattr(mho.kernels.cpu, "__path__", [*mho.kernels.cpu.__path__, str(tmp_path)])

    def write(name: str, text: str) -> None:
        (tmp_path / f"{name}.py").write_text(text)

    return write


def answer(
    module: str,
    entry: str,
    given: dict[str, str] | None = None,
    *arguments: float,
    homes: dict[str, str] | None = None,
) -> float:
    """What a linked function returns, run by Python."""
    parts = Linker(given or {}, {}, homes=homes).link(f"mho.kernels.cpu.{module}", entry)
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


def test_a_record_is_imported_with_its_fields_in_the_text(templates):
    """The class is that of Python's callers, and a kernel with other fields is another text, hence compiled anew."""
    record = "from typing import Any, NamedTuple\nclass Pair(NamedTuple):\n    left: Any\n    right: Any\n"
    templates("toy_o", record)
    templates("toy_p", "from mho.kernels.cpu.toy_o import Pair\ndef entry(x):\n    return Pair(x, 3).right + x\n")
    parts = Linker({}, {}).link("mho.kernels.cpu.toy_p", "entry")
    assert "from mho.kernels.cpu.toy_o import Pair  # left, right" in parts
    assert answer("toy_p", "entry", None, 1) == 4


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


def test_a_constant_of_the_machine_is_set_in_its_own_module_only(templates):
    """CoNNTrA's kernels once had a GROUP and ROWS of their own, and got those of the products."""
    templates("toy_m", "WIDTH = 1\ndef helper(x):\n    return WIDTH * x\n")
    templates(
        "toy_n", "from mho.kernels.cpu.toy_m import helper\nWIDTH = 200\ndef entry(x):\n    return WIDTH + helper(x)\n"
    )
    homes = {"WIDTH": "mho.kernels.cpu.toy_m"}
    assert answer("toy_n", "entry", {"WIDTH": "WIDTH = 3"}, 1, homes=homes) == 203


TINY = """
from numba import njit

@njit(cache=True)
def tiny(x):
    return x + NUMBER
"""
USE = """
import sys, time
from mho.compiler import cache

cache.on_compile.append(print)
kernel = cache.load_kernel(sys.argv[1], "tiny", "tiny kernel")
print("ready", flush=True)
sys.stdin.readline()
print("answer", kernel(2))
"""


def tiny(number: int) -> str:
    return TINY.replace("NUMBER", str(number))


def test_processes_that_start_together_compile_once(tmp_path, monkeypatch):
    monkeypatch.setenv("MHO_CACHE_DIR", str(tmp_path))
    command = [sys.executable, "-c", USE, tiny(1)]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [process.communicate()[0] for process in processes]
    assert [output.splitlines()[-1] for output in outputs] == ["answer 3"] * 3
    assert sum(output.count("compiling the tiny kernel") for output in outputs) == 1
    assert len(list(tmp_path.rglob("*.nbc"))) == 1


def test_a_warm_cache_needs_no_lock_and_a_killed_holder_holds_none(tmp_path, monkeypatch):
    monkeypatch.setenv("MHO_CACHE_DIR", str(tmp_path))
    lines: list[str] = []
    monkeypatch.setattr(cache, "on_compile", [lines.append])
    assert cache.load_kernel(tiny(2), "tiny", "tiny kernel")(1) == 3
    lock = next(tmp_path.rglob("*.lock"))
    hold = "import sys, filelock\nfilelock.FileLock(sys.argv[1]).acquire()\nprint('held', flush=True)\nsys.stdin.read()"
    holder = subprocess.Popen(
        [sys.executable, "-c", hold, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "held\n"
    gc.collect()
    cache._loaded.clear()
    assert cache.load_kernel(tiny(2), "tiny", "tiny kernel")(1) == 3  # would wait for the holder
    assert lines == ["compiling the tiny kernel (once on this machine)"]
    holder.kill()
    holder.communicate()
    assert cache.load_kernel(tiny(2), "tiny", "tiny kernel")(1.5) == 3.5
    assert len(lines) == 2


def test_a_helper_is_compiled_once_whether_it_is_given_a_literal_or_a_number(tmp_path, monkeypatch):
    """Numba has a type of its own for each literal: the update of an array took a fifth longer to compile."""
    monkeypatch.setenv("MHO_CACHE_DIR", str(tmp_path))
    helper = f"{INLINE}\ndef next_of(x, up):\n    return x + 1 if up else x - 1\n"
    entry = f"{ENTRY}\ndef sum_of(x, up):\n    return next_of(0, True) + next_of(x, up)\n"
    kernel = cache.load_kernel(f"from numba import njit\n\n{helper}\n{entry}", "sum_of", "sum_of kernel")
    assert kernel(5, False) == 5
    assert [str(kind) for kind in kernel.py_func.__globals__["next_of"].signatures] == ["(int64, bool)"]


def test_a_helper_that_needs_a_literal_gets_it(tmp_path, monkeypatch):
    monkeypatch.setenv("MHO_CACHE_DIR", str(tmp_path))
    helper = f"{INLINE}\ndef nth_of(pair, k):\n    return pair[k]\n"
    entry = f"{ENTRY}\ndef sum_of(x):\n    return nth_of((x, x > 1), 0) + nth_of((2 * x, x > 1), 0)\n"
    kernel = cache.load_kernel(f"from numba import njit\n\n{helper}\n{entry}", "sum_of", "sum_of kernel")
    assert kernel(1.5) == 4.5


def test_a_folder_that_cannot_be_written_is_no_obstacle(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("MHO_CACHE_DIR", str(tmp_path / "file"))
    assert cache.load_kernel(tiny(3), "tiny", "tiny kernel")(1) == 4


def group(folder: Path, name: str, size: int, age: float) -> None:
    """A kernel on disk that was used `age` seconds ago."""
    (folder / "__pycache__").mkdir(parents=True, exist_ok=True)
    for file in (f"{name}.py", f"{name}.lock", f"__pycache__/{name}.tiny-1.py311.nbi"):
        (folder / file).write_bytes(b"x" * (size if file.endswith(".nbi") else 0))
        used = cache.time.time() - age
        os.utime(folder / file, (used, used))


def names(folder: Path) -> set[str]:
    return {file.name.split(".")[0] for file in folder.rglob("*.*")}


def test_the_cache_forgets_what_was_not_used_for_longest_and_nothing_recent(tmp_path, monkeypatch):
    for name, age in (("a" * 64, 9e4), ("b" * 64, 8e4), ("c" * 64, 7e4), ("d" * 64, 60)):
        group(tmp_path, name, 1000, age)
    (tmp_path / ("a" * 64 + ".lock")).touch()  # used just now, though written first
    monkeypatch.setenv("MHO_CACHE_SIZE", "4K")
    cache.limit_cache(tmp_path)
    assert names(tmp_path) == {letter * 64 for letter in "abcd"}
    monkeypatch.setenv("MHO_CACHE_SIZE", "3000")
    cache.limit_cache(tmp_path)
    assert names(tmp_path) == {letter * 64 for letter in "acd"}
    monkeypatch.setenv("MHO_CACHE_SIZE", "1")
    cache.limit_cache(tmp_path)
    assert names(tmp_path) == {letter * 64 for letter in "ad"}
    for wrong in ("much", "-1", "1T"):
        monkeypatch.setenv("MHO_CACHE_SIZE", wrong)
        with pytest.raises(mho.errors.InvalidValue, match=r"MHO_CACHE_SIZE is .*500M"):
            cache.cache_limit()
    monkeypatch.delenv("MHO_CACHE_SIZE")
    assert cache.cache_limit() == 2**30


def test_a_kernel_compiles_only_within_the_limit_and_is_used_when_loaded(tmp_path, monkeypatch):
    monkeypatch.setenv("MHO_CACHE_DIR", str(tmp_path))
    group(tmp_path / "kernels", "e" * 64, 5000, 9e4)
    monkeypatch.setenv("MHO_CACHE_SIZE", "1K")
    cache.load_kernel(tiny(4), "tiny", "tiny kernel")(1)
    assert "e" * 64 not in names(tmp_path)
    lock = next(tmp_path.rglob("*.lock"))
    os.utime(lock, (0, 0))
    gc.collect()
    cache._loaded.clear()
    cache.load_kernel(tiny(4), "tiny", "tiny kernel")
    assert lock.stat().st_mtime > 0


def test_kernels_that_nobody_uses_leave_the_process(tmp_path, monkeypatch):
    monkeypatch.setenv("MHO_CACHE_DIR", str(tmp_path))
    kernel = cache.load_kernel(tiny(5), "tiny", "tiny kernel")
    kernel(1)
    assert cache.load_kernel(tiny(5), "tiny", "tiny kernel") is kernel
    name = kernel.__module__
    assert name in cache._loaded
    assert name not in sys.modules
    del kernel
    gc.collect()
    assert name not in cache._loaded


TABLES = ("np.arange(6.0).reshape(2, 3)", "np.arange(6.0).reshape(3, 2)", "np.zeros(2, np.float32)", "np.zeros(1)")


def test_helpers_whose_tables_differ_in_shape_or_type_differ(tmp_path, monkeypatch):
    monkeypatch.setenv("MHO_CACHE_DIR", str(tmp_path))
    names = set()
    for number, table in enumerate(TABLES):
        helper = f"TABLE = {table}\n\n{INLINE}\ndef look(i):\n    return TABLE.flat[i]"
        entry = f"{ENTRY}\ndef entry_{number}(i):\n    return look(i)\n"
        text = "\n\n".join(["import numpy as np\nfrom numba import njit", helper, entry])
        kernel = cache.load_kernel(text, f"entry_{number}", "toy kernel")
        names.add(kernel.py_func.__globals__["look"].py_func.__qualname__)
    assert len(names) == len(TABLES)


def two_steps(factor: int, entry: str) -> str:
    """A module whose kernel multiplies by a helper's helper and adds 1."""
    parts = ("import numpy as np\nfrom numba import njit", f"FACTOR = np.float32({factor})")
    inner = f"{INLINE}\ndef inner(x):\n    return FACTOR * x"
    outer = f"{INLINE}\ndef outer(x):\n    return inner(x)"
    return "\n\n".join([*parts, inner, outer, f"{ENTRY}\ndef {entry}(x):\n    return outer(x) + 1\n"])


def test_a_helper_is_linked_behind_all_that_call_it(tmp_path, monkeypatch):
    """LLVM forgets a function that it links before the first call of it, as where an earlier call can never happen."""
    monkeypatch.setenv("MHO_CACHE_DIR", str(tmp_path))
    helpers = ("inner(x):\n    return 3 * x", "other(x):\n    return inner(x) + 1")
    outer = "outer(x):\n    n = 2\n    for _ in range(2):\n        n -= 1\n    if n > 1:\n        return inner(x)\n"
    parts = [f"{INLINE}\ndef {helper}" for helper in (*helpers, f"{outer}    return other(x)")]
    text = "\n\n".join(["from numba import njit", *parts, f"{ENTRY}\ndef entry(x):\n    return outer(x)\n"])
    assert cache.load_kernel(text, "entry", "toy kernel")(2) == 7


def test_kernels_share_helpers_that_mean_the_same_and_llvm_compiles_only_kernels(tmp_path, monkeypatch):
    monkeypatch.setenv("MHO_CACHE_DIR", str(tmp_path))
    optimised = []
    optimise = CPUCodeLibrary._optimize_final_module
    monkeypatch.setattr(
        CPUCodeLibrary, "_optimize_final_module", lambda self: (optimised.append(self.name), optimise(self))
    )
    kernels = []
    with event.install_recorder("numba:compile") as recorder:
        for factor, entry, answer in ((3, "first", 7), (3, "second", 7), (4, "third", 9)):
            kernels.append(cache.load_kernel(two_steps(factor, entry), entry, "toy kernel"))
            assert kernels[-1](2) == answer
    started = [e.data["dispatcher"].py_func.__name__ for _, e in recorder.buffer if e.is_start]
    # `third` has the text of the same helpers, with another constant behind the inner one
    assert started == ["first", "outer", "inner", "second", "third", "outer", "inner"]
    assert [name for name in optimised if name != "nrt"] == ["first", "second", "third"]  # nrt is Numba's own
