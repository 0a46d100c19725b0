"""Pictures of visible units as figures: functions (data, ax) -> ax."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

GAP = 1
"""Pixels between two pictures."""


def image_grid(
    images: npt.NDArray[Any], ax: Axes, *, columns: int | None = None, limit: float | None = None, title: str = ""
) -> Axes:
    """Draw pictures side by side.

    Args:
        images: (n, height, width).
        ax: where to draw.
        columns: pictures per row; None: about as many as rows.
        limit: values from -limit (blue) to limit (red), as for weights; None: from 0 (black) to 1 (white).
        title: above them.
    """
    count, height, width = images.shape
    across = columns or math.ceil(math.sqrt(count))
    down = math.ceil(count / across)
    sheet = np.full((down * (height + GAP) - GAP, across * (width + GAP) - GAP), np.nan)
    for place, image in enumerate(images):
        top, left = place // across * (height + GAP), place % across * (width + GAP)
        sheet[top : top + height, left : left + width] = image
    low, high = (0.0, 1.0) if limit is None else (-limit, limit)
    ax.imshow(sheet, cmap="gray" if limit is None else "RdBu_r", vmin=low, vmax=high, interpolation="nearest")
    ax.set_axis_off()
    if title:
        ax.set_title(title, loc="left", fontsize="medium")
    return ax


def labelled_rows(rows: dict[str, npt.NDArray[Any]], ax: Axes) -> Axes:
    """Draw rows of pictures in [0, 1] under each other, each with its label on the left.

    Args:
        rows: label to (n, height, width), all of one shape.
        ax: where to draw.
    """
    first = next(iter(rows.values()))
    image_grid(np.concatenate(list(rows.values())), ax, columns=len(first))
    ax.set_axis_on()
    for side in ax.spines.values():
        side.set_visible(False)
    height = first.shape[1]
    ax.set_xticks([])
    ax.set_yticks([(height - 1) / 2 + i * (height + GAP) for i in range(len(rows))], list(rows))
    ax.tick_params(length=0)
    return ax
