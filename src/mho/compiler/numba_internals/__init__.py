"""Only room that knows Numba's private parts and LLVM's builder; read it when Numba is upgraded.

Numba promises nothing of `numba.core`, of code generation or of its calling convention, so `pyproject.toml` has an
upper bound for its version: the series that `constraints.txt` pins. `compiler/vectors/` builds intrinsics from what is
exported here. `tests/compiler/test_sources.py` holds that no module outside imports such parts.
"""

import llvmlite.ir as ir
from numba import types
from numba.core import cgutils
from numba.core.errors import NumbaError
from numba.extending import intrinsic
from numba.np.unsafe.ndarray import to_fixed_tuple

from mho.compiler.numba_internals.entries import entry_point, sequence_runner, words
from mho.compiler.numba_internals.machine import cpu_features, cpu_name, has_avx2, has_avx512
from mho.compiler.numba_internals.meetings import GONE, POSTED, meeting_point, server
from mho.compiler.numba_internals.parts import (
    APART,
    ENTRY,
    INLINE,
    compile_for,
    is_compiled,
    replace_compile,
    set_parts,
)

__all__ = [
    "APART",
    "ENTRY",
    "GONE",
    "INLINE",
    "POSTED",
    "NumbaError",
    "cgutils",
    "compile_for",
    "cpu_features",
    "cpu_name",
    "entry_point",
    "has_avx2",
    "has_avx512",
    "intrinsic",
    "ir",
    "is_compiled",
    "meeting_point",
    "replace_compile",
    "sequence_runner",
    "server",
    "set_parts",
    "to_fixed_tuple",
    "types",
    "words",
]
