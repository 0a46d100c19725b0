"""Texts that depend on nothing but mho's own files, kept in the user's cache: making a text may import everything."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path

import platformdirs

from mho.errors import MhoError
from mho.files import write_atomically

HOUSE = Path(__file__).parent


def kept_text(key: str, make: Callable[[], str]) -> str:
    """Return the text that `make` returned for a key before, with the same files of mho, or call it.

    Args:
        key: names the text: the function and its arguments.
        make: returns the text, which nothing but the key and the files of mho may decide.
    """
    file = Path(platformdirs.user_cache_dir("mho")) / "texts.json"
    try:
        sources = _sources()
    except OSError:  # mho's files change just now
        return make()
    texts: dict[str, str] = {}
    with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):  # none yet, or a damaged file
        content = json.loads(file.read_text(encoding="utf-8"))
        if content["sources"] == sources and all(isinstance(text, str) for text in content["texts"].values()):
            texts = content["texts"]
    if key not in texts:
        texts[key] = make()
        with contextlib.suppress(OSError, MhoError):  # a cache that cannot be written costs time only
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(file, json.dumps({"sources": sources, "texts": texts}).encode())
    return texts[key]


def _sources() -> str:
    """Return a hash of mho's files and of the version of Python.

    Of their contents, which takes 15 ms: a package may give all files one time, and a change may keep a file's size.
    Versions of dependencies do not stand in it: the texts hold names and defaults of mho's own classes.
    """
    digest = hashlib.sha256(sys.version.encode())
    for file in sorted(HOUSE.rglob("*.py")):
        content = file.read_bytes()
        digest.update(f"{file}:{len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()
