"""The machine: what it is, and how fast it moves and multiplies numbers right now."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from mho.benchmarks.timing import Block, repeat
from mho.compiler import numba_internals

PACKAGES = ("mho", "numpy", "numba", "llvmlite", "torch")
PRODUCT = 768
"""Size of the square product that measures arithmetic: long enough to hide its start, small enough for the cache."""


def describe() -> dict[str, Any]:
    """CPU, cores, versions and load, as plain values."""
    features = numba_internals.cpu_features()
    return {
        "cpu": _cpu_model(),
        "llvm_cpu": numba_internals.cpu_name(),
        "avx2": bool(features.get("avx2", False)),
        "avx512": has_avx512(),
        "cores": os.cpu_count(),
        "usable_cores": usable_cores(),
        "system": platform.platform(),
        "python": sys.version.split()[0],
        **{name: metadata.version(name) for name in PACKAGES},
        "load_average": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
        "numba_cpu_name": os.environ.get("NUMBA_CPU_NAME"),
    }


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def has_avx512() -> bool:
    """Return True if the CPU has the 512-bit vectors that the kernels use where they find them."""
    return bool(numba_internals.cpu_features().get("avx512f", False))


def triad(size: int, seconds: float) -> tuple[Block, int]:
    """a = b + s·c over three float32 arrays that take `size` bytes together: a block, and bytes moved a run.

    Two arrays are read and one is written; what the cache fetches before it writes is not counted.
    """
    count = max(size // 12, 1024)
    a, b, c = (torch.ones(count) for _ in range(3))
    return lambda: repeat(lambda: torch.add(b, c, alpha=0.5, out=a), seconds=seconds), 12 * count


def product(seconds: float) -> tuple[Block, float]:
    """Return a block that runs a square float32 matrix product, and its operations per run (multiply-adds)."""
    a, b = torch.ones(PRODUCT, PRODUCT), torch.ones(PRODUCT, PRODUCT)
    out = torch.empty(PRODUCT, PRODUCT)
    return lambda: repeat(lambda: torch.mm(a, b, out=out), seconds=seconds), float(PRODUCT**3)


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
