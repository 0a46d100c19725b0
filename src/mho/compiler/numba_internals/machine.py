"""Features of the processor, as LLVM and Numba see them."""

from __future__ import annotations

from llvmlite import binding
from numba.core import config


def has_avx512() -> bool:
    """Return True if the machine has AVX-512 and Numba is allowed to use it."""
    return _has("avx512f")


def has_avx2() -> bool:
    """Return True if the machine has AVX2 and Numba is allowed to use it."""
    return _has("avx2")


def _has(feature: str) -> bool:
    chosen = getattr(config, "CPU_FEATURES")  # noqa: B009  (set while Numba is imported)
    return f"+{feature}" in str(chosen).split(",") if chosen is not None else bool(cpu_features().get(feature))


def cpu_features() -> dict[str, bool]:
    """Return LLVM's features of the processor by name, whatever Numba is allowed to use."""
    return dict(binding.get_host_cpu_features())


def cpu_name() -> str:
    """Return LLVM's name of the processor."""
    return str(binding.get_host_cpu_name())
