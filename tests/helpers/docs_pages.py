"""Pages of docs/ and README: their blocks of code, and how each is tried.

A comment before a block says how it is tried where that is not as it stands:

    <!-- try: --epochs 1 -->              words added to each command of mho
    <!-- try: 60000 -> 30 | a -> b -->    what Python has in place of something else, or a command
    <!-- slow -->                         only with `pytest -m long`; else its options are looked up
    <!-- fails -->                        the command ends with an error, which is what the page shows
    <!-- before ... -->                   Python that runs before the block
    <!-- tried in tests/ROOM/test_X.py -->     there, and not here

A block whose first line is `# name.py` or `# name.toml` (in a notebook `%%writefile name`) is a file.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import final

from tests.helpers.checkout import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TRIED = ("python", "{code-cell} ipython3", "sh", "toml")
SHOWN = ("text", "csv", "{toctree}", "{eval-rst}", "{include} ../CONTRIBUTING.md", "{include} ../CHANGELOG.md")
"""What stands behind the three backticks of a block: those that are tried, and those that are read only."""
COMMENT_OR_FENCE = re.compile(
    r"^<!-- (?P<comment>.*?)-->|^(?P<mark>```+)(?P<info>.*?)\n(?P<body>.*?)^(?P=mark)$", re.M | re.S
)
FILE = re.compile(r"(?:# |%%writefile )(?P<name>[\w.-]+\.(?:py|toml|csv|txt))\b.*\n?")


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Block:
    """A block of code of a page, and what the comments before it say."""

    page: Path
    line: int
    info: str
    body: str
    before: str = ""
    replaced: tuple[tuple[str, str], ...] = ()
    added: tuple[str, ...] = ()
    slow: bool = False
    fails: bool = False
    elsewhere: str = ""

    @property
    def where(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def file(self) -> str | None:
        """Name of the file that this block is; None: it is none."""
        found = FILE.match(self.body)
        return found["name"] if found else None

    def text(self) -> str:
        """Return what is tried."""
        text = self.body
        for old, new in self.replaced:
            assert old in text, f"{self.where}: the comment before the block replaces {old!r}, which is not there"
            text = text.replace(old, new)
        return text


def blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of a page, in order."""
    text, said = page.read_text(encoding="utf-8"), {}
    for found in COMMENT_OR_FENCE.finditer(text):
        if found["info"] is None:
            said |= _said(found["comment"].strip())
            continue
        line = text[: found.start()].count("\n") + 1
        body = re.sub(r"\A:.*\n+", "", found["body"])
        yield Block(page=page, line=line, info=found["info"].strip(), body=body, **said)
        said = {}


def _said(comment: str) -> dict[str, object]:
    """Return the fields of the next block that a comment sets; none for a comment of another kind."""
    if comment in ("slow", "fails"):
        return {comment: True}
    if comment.startswith("tried in "):
        return {"elsewhere": comment.removeprefix("tried in ")}
    word, _, rest = comment.partition("\n")
    if word == "before":
        return {"before": rest}
    if not comment.startswith("try: "):
        return {}
    words = comment.removeprefix("try: ")
    if " -> " not in words:
        return {"added": tuple(words.split())}
    return {"replaced": tuple(tuple(pair.split(" -> ")) for pair in words.split(" | "))}
