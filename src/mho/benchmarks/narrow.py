"""Update cycles in a process of its own, whose kernels are compiled without AVX-512."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

import torch

from mho.benchmarks.loads import Call, Case, array_of, update_call
from mho.benchmarks.machine import has_avx512
from mho.benchmarks.timing import Block, repeat
from mho.compiler.threads import set_threads
from mho.config import RPU

SETTINGS = {
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "+avx2,+fma,+bmi,+bmi2,+popcnt,+f16c,+lzcnt",
}
"""The name alone does not switch AVX-512 off."""

_calls: dict[Case, Call] = {}
"""The other process's own arrays."""


def left_out() -> str | None:
    """Return why there is nothing to compare on this machine, or None."""
    if not has_avx512():
        return "This CPU has no AVX-512: every time here is without it."
    chosen = [name for name in SETTINGS if name in os.environ]
    if chosen:
        return f"{' and '.join(chosen)} is set: every time here is of the chosen CPU, and none of another is added."
    return None


@contextmanager
def narrow_blocks(rpu: RPU, cases: tuple[Case, ...], *, threads: int, seconds: float) -> Iterator[dict[Case, Block]]:
    """Yield a block per case that runs in the other process, so that both processes can alternate."""
    before = {name: os.environ.get(name) for name in SETTINGS}
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
        # Numba reads these when it is imported, which a fresh process does after it was started.
        os.environ.update(SETTINGS)
        try:
            pool.submit(_prepare, rpu, cases, threads).result()
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
        yield {case: lambda case=case: pool.submit(_turn, case, seconds).result() for case in cases}  # type: ignore[misc]


def _prepare(rpu: RPU, cases: tuple[Case, ...], threads: int) -> None:
    set_threads(threads)
    torch.set_num_threads(threads)
    for case in cases:
        _calls[case] = update_call(array_of(rpu, case), case.vectors)


def _turn(case: Case, seconds: float) -> float:
    return repeat(_calls[case], seconds=seconds)
