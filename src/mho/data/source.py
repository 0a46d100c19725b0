"""Source of a registered data set."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import final

from mho.data.dataset import Dataset


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """Source of a data set: where it comes from, and under which licence.

    Attributes:
        load: makes the data set; the argument is the folder with its files, or None.
        example: shape of one input, for example (channels, height, width).
        folder: whether it is read from files, so that `--data-dir` may name their folder.
        whole: makes the data set from its own files, where `load` may take a part of it in their place.
        here: returns whether it can be loaded without a download; the argument is as of `load`.
        missing: returns what of it is not here where `here` is true, in words; "" if all of it is. As `here`.
    """

    load: Callable[[Path | None], Dataset]
    example: tuple[int, ...]
    folder: bool = False
    whole: Callable[[Path | None], Dataset] | None = None
    here: Callable[[Path | None], bool] = lambda folder: True
    missing: Callable[[Path | None], str] = lambda folder: ""
