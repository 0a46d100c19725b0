"""The options of verbs that write the figures of a page as files too."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, final

import typer

from mho.errors import InvalidValue

if TYPE_CHECKING:
    from mho.report.gallery import Gallery

FigureFolder = Annotated[
    Path | None,
    typer.Option("--figures", metavar="DIR", help="Also write each figure, and its numbers as CSV, into DIR."),
]
FigureFormat = Annotated[str, typer.Option("--format", help="Of the files of --figures: png, svg or pdf.")]
FigureStyle = Annotated[
    str,
    typer.Option(
        "--style", help="Of --figures: page, or paper (one column, small letters, no title, 600 dots per inch)."
    ),
]
FigureWidth = Annotated[float | None, typer.Option("--width", help="Of each figure of --figures, inches (paper: 3.4).")]


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Figures:
    """Options of figures: `--figures`, `--format`, `--style` and `--width`.

    Raises:
        InvalidValue: for an unknown format or style, a width that is not possible, or any of them without a folder.
    """

    folder: Path | None
    format: str
    style: str
    width: float | None

    def __post_init__(self) -> None:
        if self.folder is None:
            given = {
                "--format": self.format != "png",
                "--style": self.style != "page",
                "--width": self.width is not None,
            }
            alone = [name for name, is_given in given.items() if is_given]
            if alone:
                raise InvalidValue(
                    f"{' and '.join(alone)} without --figures: name the folder of the figures, --figures DIR"
                )
            return
        from mho.report import check_figures

        check_figures(self.folder, format=self.format, style=self.style, width=self.width)

    @contextlib.contextmanager
    def written(self, *, quiet: bool = False) -> Iterator[None]:
        """Write the figures of the pages that are made inside, and print where they are unless `quiet`."""
        if self.folder is None:
            yield
            return
        from mho.report import gallery

        with gallery() as pictures:
            yield
        self.save(pictures, quiet=quiet)

    def save(self, pictures: Gallery, *, quiet: bool = False) -> None:
        """Write figures into the folder, if any was given, and print where they are unless `quiet`."""
        if self.folder is None:
            return
        files = pictures.save(self.folder, format=self.format, style=self.style, width=self.width)
        if not quiet:
            print(f"figures {self.folder}: {', '.join(file.name for file in files)}; numbers of each in NAME.csv")
