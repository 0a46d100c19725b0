"""A text as data: each character and the character that follows it."""

from __future__ import annotations

from pathlib import Path

from mho.data.dataset import Dataset
from mho.data.file_format import FileFormat
from mho.errors import Faults, InvalidValue

TEST_SHARE = 0.1
FEWEST = 100
"""Characters of the shortest text that is taken."""


def text(content: str, name: str = "text", *, test_share: float = TEST_SHARE) -> Dataset:
    """Make data of a text, for the task next_character.

    x is (n,) int64, each character as its place in the sorted set of the text's characters, `Dataset.symbols`; y is
    (n,), the character that follows each. The last share of the text is the test.

    Raises:
        InvalidValue: for a text of fewer than 100 characters, or of one character throughout, or for a share that is
            not between 0 and 1.
    """
    import torch

    faults = Faults(f"text {name!r}")
    if faults.number("test_share", test_share, above=0.0) and not test_share < 1:
        faults.add(f"test_share is {test_share!r}; give a number below 1")
    if len(content) < FEWEST:
        faults.add(f"{len(content)} characters are too few to train and test on; give at least {FEWEST}")
    symbols = tuple(sorted(set(content)))
    if len(symbols) == 1 and len(content) >= FEWEST:
        faults.add(f"the text is {symbols[0]!r} throughout, and there is nothing to predict; give different characters")
    faults.raise_any()
    places = {character: place for place, character in enumerate(symbols)}
    codes = torch.tensor([places[character] for character in content], dtype=torch.int64)
    cut = len(codes) - max(2, int(len(codes) * test_share))
    train, test = codes[:cut], codes[cut:]
    notes = (
        f"{len(codes):,} characters, {len(symbols)} different; the first {cut:,} are for training, the last "
        f"{len(test):,} for the test (validation holds out the end of those for training)",
    )
    return Dataset(name, train[:-1], train[1:], test[:-1], test[1:], symbols=symbols, notes=notes)


def read_text(file: Path) -> str:
    """Return the characters of a file in UTF-8 as they stand, carriage returns and a byte-order mark included.

    Raises:
        InvalidValue: for a file that is not UTF-8, naming the place and the cure, or that cannot be read.
    """
    try:
        content = file.read_bytes()
        return content.decode("utf-8")
    except OSError as error:
        raise InvalidValue(f"{file} cannot be read: {error.strerror}; give a text file") from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidValue(
            f"{file} is no UTF-8 text: line {line} has the byte {content[error.start]:#04x} (byte {error.start} of the "
            f"file); save it as UTF-8, or convert it, from Latin-1 for example:  iconv -f LATIN1 -t UTF-8 {file} > "
            f"{file.stem}-utf8{file.suffix}"
        ) from None


FILE_FORMAT = FileFormat(
    load=lambda file, column: text(read_text(file), file.stem),
    ending=".txt",
    axes=0,
    task=lambda file, column: "next_character",
)
