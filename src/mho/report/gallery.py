"""The figures of pages as files of their own, each with its numbers."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import logging
import re
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any, final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mho.errors import InvalidValue, nearest
from mho.files import write_atomically
from mho.report.numbers import figure_csv
from mho.report.styles import Style, find_style

FORMATS = ("png", "svg", "pdf")
SIDES: tuple[Any, ...] = ("left", "center", "right")
Draw = Callable[[Axes], Any]


@final
@dataclasses.dataclass(frozen=True)
class Picture:
    """A figure of a page: what draws it, its size in inches, and its form for narrow columns, if any."""

    draw: Draw
    size: tuple[float, float]
    narrow: tuple[Draw, tuple[float, float]] | None = None

    def drawn(self, style: Style) -> Figure:
        """Draw it in a style; to be called, and saved, inside the style's settings."""
        draw, (width, height) = self.narrow if style.narrow and self.narrow is not None else (self.draw, self.size)
        scale = 1.0 if style.width is None else style.width / width
        figure = Figure(figsize=(scale * width, scale * height), layout="constrained")
        draw(figure.add_subplot())
        for ax in figure.axes if not style.titles else ():
            for side in SIDES:
                ax.set_title("", loc=side)
        return figure


@final
class Gallery:
    """The figures that pages have drawn, by name."""

    def __init__(self) -> None:
        self.pictures: dict[str, Picture] = {}

    def note(self, name: str, kind: str, draw: Draw, size: tuple[float, float]) -> None:
        """Keep a figure.

        Args:
            name: on its page; the kind at its end is left out.
            kind: "narrow" is the other form of a figure that was noted before.
            draw: draws on the axes that it is given.
            size: width and height in inches.
        """
        stem = re.sub(r"[^\w.+-]+", "_", name.removesuffix(kind).strip("-_ ") or "figure")
        before = self.pictures.get(stem)
        if kind == "narrow" and before is not None:
            self.pictures[stem] = dataclasses.replace(before, narrow=(draw, size))
        else:
            self.pictures[stem] = Picture(draw, size)

    def save(self, folder: Path, *, format: str = "png", style: str = "page", width: float | None = None) -> list[Path]:
        """Write every figure as NAME.FORMAT, and its numbers as NAME.csv.

        Args:
            folder: made if it does not exist; files of equal names are replaced, each at once or not at all.
            format: "png", "svg" or "pdf".
            style: "page" or "paper".
            width: of a figure in inches; None: that of the style.

        Returns:
            The files of the figures.

        Raises:
            InvalidValue: for another format, style or width, or if no figure was drawn.
        """
        look = check_figures(folder, format=format, style=style, width=width)
        if not self.pictures:
            raise InvalidValue("the page has no figures yet: nothing has come to an end")
        folder.mkdir(parents=True, exist_ok=True)
        return [self._save(name, picture, folder, format, look) for name, picture in self.pictures.items()]

    @staticmethod
    def _save(name: str, picture: Picture, folder: Path, format: str, look: Style) -> Path:
        file = folder / f"{name}.{format}"
        content, numbers = picture_bytes(picture, format, look)
        write_atomically(file, content)
        write_atomically(folder / f"{name}.csv", numbers.encode())
        return file


def picture_bytes(picture: Picture, format: str, look: Style) -> tuple[bytes, str]:
    """Return a figure as the content of a file, and its numbers as CSV; the same figure gives the same bytes.

    Args:
        picture: the figure.
        format: "png", "svg" or "pdf".
        look: its style.
    """
    buffer = io.BytesIO()
    with mpl.rc_context(), _quiet_fonts():
        mpl.rcdefaults()
        mpl.rcParams.update(look.settings)
        figure = picture.drawn(look)
        no_times = {"Date": None} if format == "svg" else {"CreationDate": None} if format == "pdf" else None
        figure.savefig(buffer, format=format, dpi=look.dpi, metadata=no_times)
        return buffer.getvalue(), figure_csv(figure.axes)


def check_figures(folder: Path, *, format: str, style: str, width: float | None) -> Style:
    """Return the style in which figures are to be written, before long work that ends with them.

    Args: as of `Gallery.save`.

    Raises:
        InvalidValue: naming every fault at once.
    """
    faults = []
    if format not in FORMATS:
        faults.append(f"no format {format!r} of figures{nearest(format, FORMATS)}")
    if folder.exists() and not folder.is_dir():
        faults.append(f"{folder} is a file; give the folder of the figures")
    try:
        look = find_style(style, width)
    except InvalidValue as error:
        faults += error.faults
    if faults:
        raise InvalidValue("; ".join(faults), faults)
    return look


@contextlib.contextmanager
def _quiet_fonts() -> Iterator[None]:
    """Leave out matplotlib's lines on fonts that are not installed: a style names several, in order."""
    log = logging.getLogger("matplotlib.font_manager")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


_open: ContextVar[Gallery | None] = ContextVar("gallery", default=None)


@contextlib.contextmanager
def gallery() -> Iterator[Gallery]:
    """Collect the figures of every page that is made inside.

    For example `with mho.report.gallery() as figures: mho.report.write_report(folder)`, then
    `figures.save(Path("figures"), format="pdf", style="paper")`.
    """
    token = _open.set(Gallery())
    try:
        found = _open.get()
        assert found is not None
        yield found
    finally:
        _open.reset(token)


def note(name: str, kind: str, draw: Draw, size: tuple[float, float]) -> None:
    """Show a figure of a page to the open gallery, if any."""
    found = _open.get()
    if found is not None:
        found.note(name, kind, draw, size)
