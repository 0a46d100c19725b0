"""Generated modules on disk and in the process: written once, compiled once, forgotten when long unused.

A module is `<cache>/kernels/<name>.py`, its name a hash of its text; Numba's files lie in `__pycache__` there. A file
`<name>.lock` is held by the process that compiles, and its time says when a process last used the module.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import hashlib
import importlib.util
import os
import re
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numba
import numpy as np
import platformdirs
from filelock import FileLock, Timeout

from mho.compiler.clock import preparing
from mho.compiler.listeners import on_compile
from mho.compiler.numba_internals import is_compiled, replace_compile, set_parts
from mho.errors import InvalidValue
from mho.files import write_atomically

LIMIT = "1G"
"""Size of the cache on disk, where `$MHO_CACHE_SIZE` does not say."""
RECENT = 3600.0
"""Seconds for which a module that was used stays, whatever the size: another process may be about to load it."""
PATIENCE = 600.0
"""Seconds after which a process no longer waits for another that compiles."""
UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}

_importing = threading.RLock()
_loaded: weakref.WeakValueDictionary[str, Any] = weakref.WeakValueDictionary()
"""Kernels in use, by name: what was forgotten and is still in use somewhere is not loaded again."""


def cache_folder() -> Path:
    """Return where generated modules lie: `$MHO_CACHE_DIR`, else the user's cache folder."""
    return Path(os.environ.get("MHO_CACHE_DIR") or platformdirs.user_cache_dir("mho")) / "kernels"


def cache_limit() -> int:
    """Return the size in bytes that the cache on disk may have: `$MHO_CACHE_SIZE`, else 1 GiB.

    Raises:
        InvalidValue: if the variable is no size.
    """
    given = os.environ.get("MHO_CACHE_SIZE") or LIMIT
    size = re.fullmatch(r"(\d+)\s*([KMG]?)(?:i?B)?", given.strip(), re.IGNORECASE)
    if size is None:
        raise InvalidValue(f"MHO_CACHE_SIZE is {given!r}; give bytes, or a number with K, M or G, for example 500M")
    return int(size[1]) * UNITS[size[2].upper()]


def load_kernel(text: str, entry: str, what: str) -> Any:
    """Return a function of a module with this text, to be compiled by Numba when first called.

    Args:
        text: the module's source.
        entry: the function, decorated with Numba's `njit(cache=True)`.
        what: the kernel in words, for the line that says that it is being compiled.
    """
    versions = f"{numba.__version__} {np.__version__} {sys.version}"
    name = hashlib.sha256(f"{versions}\n{text}".encode()).hexdigest()
    with _importing:
        kernel = _loaded.get(name)
        if kernel is None:
            file = _write(cache_folder(), name, text)
            spec = importlib.util.spec_from_file_location(name, file)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            with _findable(module):
                spec.loader.exec_module(module)
            # Numba holds the globals of compiled code until its dispatcher is gone: they must not hold the dispatcher
            kernel = module.__dict__.pop(entry)
            set_parts(module)
            replace_compile(kernel, functools.partial(_compile_once, module, file, what))
            _loaded[name] = kernel
        return kernel


def _compile_once(
    module: ModuleType, file: Path, what: str, kernel: Any, own: Callable[[Any], Any], signature: tuple[Any, ...]
) -> Any:
    """Compile a kernel by Numba's own function; of processes that need it together, the others wait for the first."""
    with preparing, _findable(module):
        if is_compiled(kernel, signature):
            return own(signature)
        with _alone(file.with_suffix(".lock"), what):
            if not is_compiled(kernel, signature):
                _tell(f"compiling the {what} (once on this machine)")
            with _uncollected():
                answer = own(signature)
    limit_cache(file.parent)
    return answer


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Let the garbage collector rest while a kernel is compiled.

    Nearly all that a compilation makes lives until its end, and collections look at it for a tenth of the time.
    """
    was_on = gc.isenabled()
    try:
        gc.disable()
        yield
    finally:
        if was_on:
            gc.enable()


@contextlib.contextmanager
def _findable(module: ModuleType) -> Iterator[None]:
    """Have a module in `sys.modules`, where Numba's cache looks for it by name while it packs and unpacks code."""
    before = sys.modules.get(module.__name__)
    sys.modules[module.__name__] = module
    try:
        yield
    finally:
        if before is None:
            del sys.modules[module.__name__]


@contextlib.contextmanager
def _alone(file: Path, what: str) -> Iterator[None]:
    """Hold a lock, which the system takes from a process that ends; where there can be none, or not soon, go on."""
    lock = FileLock(file)
    with contextlib.suppress(OSError, NotImplementedError, Timeout):  # a folder that is read only, or has no locks
        try:
            lock.acquire(blocking=False)
        except Timeout:
            _tell(f"waiting for another process that compiles the {what}")
            lock.acquire(timeout=PATIENCE)
    try:
        yield
    finally:
        lock.release()


def _tell(line: str) -> None:
    for tell in on_compile:
        tell(line)


def _write(folder: Path, name: str, text: str) -> Path:
    """Write a module so that no other process can see half of it; fall back to a folder of our own."""
    file = folder / f"{name}.py"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(PermissionError):
            file.with_suffix(".lock").touch()  # first, so that no other process removes what is in use
        if not file.exists():
            write_atomically(file, text.encode())
    except OSError:
        private = Path(tempfile.mkdtemp(prefix="mho-kernels-"))
        file = private / f"{name}.py"
        file.write_text(text, encoding="utf-8")
    return file


def limit_cache(folder: Path) -> None:
    """Remove the modules used least recently, with their compiled code, until a cache folder keeps its limit.

    What was used or written within the last hour stays: another process may be about to load it.
    """
    limit = cache_limit()
    groups: dict[str, list[Path]] = {}
    for file in (*folder.glob("*.*"), *folder.glob("__pycache__/*.*")):
        groups.setdefault(file.name.split(".")[0], []).append(file)
    ages = []
    total = 0
    for name, files in groups.items():
        sizes, times = _measure(files)
        total += sizes
        ages.append((times, sizes, name))
    for last, size, name in sorted(ages):
        if total <= limit or last > time.time() - RECENT:
            break
        if _measure(groups[name])[1] > last:  # used since
            continue
        for file in sorted(groups[name], key=lambda file: file.suffix, reverse=True):
            with contextlib.suppress(OSError):
                file.unlink()
        total -= size


def _measure(files: list[Path]) -> tuple[int, float]:
    """Return the total size of files in bytes, and the time of the last write to any; files may vanish meanwhile."""
    size, last = 0, 0.0
    for file in files:
        with contextlib.suppress(OSError):
            status = file.stat()
            size, last = size + status.st_size, max(last, status.st_mtime)
    return size, last
