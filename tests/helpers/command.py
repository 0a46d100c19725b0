"""The command line in this process: as a user types it, without two seconds of imports."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess
from unittest import mock

from mho.cli import main
from mho.compiler import threads


def mho(*words: str, cwd: Path, **environment: str) -> CompletedProcess[str]:
    """Run `mho` with these words in a folder; exit status and what it printed, as of a process of its own."""
    out, err = io.StringIO(), io.StringIO()
    status: object = 0
    with (
        _as_process(cwd, {"COLUMNS": "120"} | environment),
        mock.patch.object(sys, "argv", ["mho", *words]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            status = end.code or 0
        if isinstance(status, str):  # what Python does with the text of an exit
            print(status, file=sys.stderr)
    return CompletedProcess(words, status if isinstance(status, int) else 1, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def _as_process(cwd: Path, environment: dict[str, str]) -> Iterator[None]:
    """Put back what ends with a process: folder, environment, import path, the user's modules, threads."""
    path, modules, count = list(sys.path), set(sys.modules), threads.threads()
    with contextlib.chdir(cwd), mock.patch.dict(os.environ, environment):
        try:
            yield
        finally:
            sys.path[:] = path
            threads.set_threads(count)
            for name in set(sys.modules) - modules:
                file = getattr(sys.modules[name], "__file__", None)
                if file is not None and Path(file).is_relative_to(cwd):
                    del sys.modules[name]
