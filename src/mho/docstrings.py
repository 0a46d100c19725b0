"""Reading of docstrings, for messages and references."""

from __future__ import annotations

import inspect
import re


def documented(kind: type, heading: str = "Attributes") -> dict[str, str]:
    """Return what docstrings say of the fields of a class; a class goes before its bases.

    Args:
        kind: the class.
        heading: "Attributes", or "Args" for what its constructor is given.
    """
    words: dict[str, str] = {}
    for base in kind.__mro__:
        text = inspect.cleandoc(vars(base).get("__doc__") or "")
        found = re.search(rf"^{heading}:\n(.*?)(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)
        for entry in re.finditer(
            r"^    (\w+): (.*?)(?=^    \w|\Z)", found[1] if found else "", re.MULTILINE | re.DOTALL
        ):
            words.setdefault(entry[1], " ".join(entry[2].split()))
    return words


def first_paragraph(thing: object) -> str:
    """Return the first paragraph of a docstring, which is one sentence, on one line."""
    return (inspect.getdoc(thing) or "").partition("\n\n")[0].replace("\n", " ")
