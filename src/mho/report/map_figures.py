"""Figures of a mapping: time, energy and area of layers on arrays, as functions (data, ax) -> ax."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from mho.hardware import LayerArea, LayerEnergy, NetworkTime
from mho.report.drawing import save_panels
from mho.report.figures import TEST_COLOR, TRAIN_COLOR
from mho.report.gallery import Gallery, Picture
from mho.text import per_cent, prefix_of, shortened, si

HEIGHT = 0.38
"""Height of a bar; a layer has two bars in a space of 1."""
PARTS = ("#0a5fb4", "#d98a1f", "#2a7d4f", "#b4500a", "#7a5aa6", "#808080")
"""Colours of parts, told apart without colour vision by their order and brightness."""
CLOSE: Any = {"columnspacing": 1.2, "handlelength": 1.2}
LONGEST = 32
"""Letters of a layer's name."""


def share_bars(data: Sequence[Mapping[str, Any]], ax: Axes, *, narrow: bool = False) -> Axes:
    """Draw each layer's share [%] of the multiply-accumulates beside its share of the time on arrays, as bars.

    Args:
        data: one mapping per layer, from the first to the last: `layer`, `macs` and `time`, shares from 0 to 1.
        ax: where to draw; its legend stands above it.
        narrow: whether the legend is short enough for a column of a paper.
    """
    places = range(len(data))
    follows = "" if narrow else ", which conventional hardware's time follows"
    for name, label, color, side in (
        ("macs", f"multiply-accumulates{follows}", TRAIN_COLOR, -1),
        ("time", "time on arrays, T·t_meas", TEST_COLOR, 1),
    ):
        shares = [100 * row[name] for row in data]
        where = [place + side * HEIGHT / 2 for place in places]
        bars = ax.barh(where, shares, HEIGHT, color=color, label=label)
        ax.bar_label(bars, [per_cent(share / 100) for share in shares], padding=2, fontsize="small")
    ax.set_yticks(list(places), [row["layer"] for row in data])
    ax.set_ylim(len(data) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.set_ylabel("layer")
    most = max((100 * row[name] for row in data for name in ("macs", "time")), default=100.0)
    ax.set_xlim(0, most * 1.12)
    ax.xaxis.set_major_locator(MaxNLocator(6))
    ax.set_xlabel("share of all layers (%)")
    ax.grid(True, axis="x", lw=0.5, alpha=0.25)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), frameon=False, borderaxespad=0.3)
    return ax


def part_bars(
    data: Sequence[Mapping[str, Any]], ax: Axes, *, unit: str, quantity: str, columns: int | None = None
) -> Axes:
    """Draw what each layer takes as a bar of parts, with its sum beside it.

    Args:
        data: one mapping per layer, from the first to the last: `layer`, and `parts`, the values of its parts by name,
            of at least 0, in `unit`; all layers have the same parts.
        ax: where to draw; its legend stands above it.
        unit: of the values, without a prefix, such as "J".
        quantity: what the values are, for the axis.
        columns: of the legend; None: one per part.
    """
    names = list(data[0]["parts"])
    totals = [sum(row["parts"].values()) for row in data]
    prefix, power = prefix_of(max(totals), unit) if max(totals) > 0 else ("", 0)
    starts = [0.0] * len(data)
    for name, color in zip(names, PARTS, strict=False):
        widths = [row["parts"][name] / 10.0**power for row in data]
        bars = ax.barh(range(len(data)), widths, 0.72, left=starts, color=color, label=name)
        starts = [start + width for start, width in zip(starts, widths, strict=True)]
    ax.bar_label(bars, [f" {si(total, unit)}" for total in totals], padding=2, fontsize="small")
    ax.set_yticks(range(len(data)), [row["layer"] for row in data])
    ax.set_ylim(len(data) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.set_ylabel("layer")
    ax.set_xlim(0, (max(starts) or 1.0) * 1.16)
    ax.xaxis.set_major_locator(MaxNLocator(6))
    ax.set_xlabel(f"{quantity} ({prefix}{unit})")
    ax.grid(True, axis="x", lw=0.5, alpha=0.25)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(
        loc="lower left", bbox_to_anchor=(0, 1), frameon=False, borderaxespad=0.3, ncols=columns or len(names), **CLOSE
    )
    return ax


def save_map(
    name: str,
    example: str,
    kinds: Sequence[str],
    path: Path,
    *,
    time: NetworkTime,
    energy: Sequence[LayerEnergy],
    area: Sequence[LayerArea],
) -> None:
    """Draw a network on arrays into a file, a panel for each kind below another.

    Arguments are those of `map_gallery`, and `path`, whose ending names the kind of file.
    """
    pictures = map_gallery(name, example, kinds, time=time, energy=energy, area=area).pictures
    width, height = (sum(sides) for sides in zip(*(picture.size for picture in pictures.values()), strict=True))
    draws = {kind: picture.draw for kind, picture in pictures.items()}
    save_panels([[kind] for kind in draws], draws, path, size=(width / len(draws), height))


def map_gallery(
    name: str,
    example: str,
    kinds: Sequence[str],
    *,
    time: NetworkTime,
    energy: Sequence[LayerEnergy],
    area: Sequence[LayerArea],
) -> Gallery:
    """Return the figures of a network on arrays, to be saved as files of their own, each with its numbers.

    Args:
        name: of the network.
        example: word for what goes through it: "image".
        kinds: figures: "shares", of MACs and of time; "time", "energy" or "area" of each layer, by parts.
        time: the layers.
        energy: of an example, layer by layer.
        area: layer by layer.
    """
    labels = shortened([layer.row.layer for layer in time.layers], LONGEST)
    layers = list(zip(labels, time.layers, energy, area, strict=True))

    def shares(ax: Axes, narrow: bool = False) -> None:
        share_bars(
            [{"layer": n, "macs": time.share_of_macs(p), "time": time.share_of_time(p)} for n, p, _, _ in layers],
            ax,
            narrow=narrow,
        )
        ax.set_title(f"{name}: where the time goes", loc="left", pad=42)

    def times(ax: Axes, narrow: bool = False) -> None:
        parts = [
            {"forward": p.forward * 1e-9, "backward": p.backward * 1e-9, "update": p.update * 1e-9}
            for _, p, _, _ in layers
        ]
        bars(ax, parts, "s", f"time per training {example}", narrow)

    def energies(ax: Axes, narrow: bool = False) -> None:
        parts = [
            {
                "forward": e.forward.total,
                "backward": e.backward.total,
                "update, at most": e.update_bound.total,
                **({"transfers, at most": e.transfers.total} if any(e.transfers.total for e in energy) else {}),
            }
            for _, _, e, _ in layers
        ]
        bars(ax, parts, "J", f"energy per training {example}", narrow)

    def areas(ax: Axes, narrow: bool = False) -> None:
        parts = [
            {
                "cells": a.cells, "DACs": a.dacs, "integrators": a.integrators, "ADCs": a.adcs,
                "pulse trains": a.trains, "digital": a.digital,
            }
            for _, _, _, a in layers
        ]  # fmt: skip
        bars(ax, parts, "m²", "area", narrow)

    def bars(ax: Axes, parts: Sequence[Mapping[str, float]], unit: str, quantity: str, narrow: bool) -> None:
        data = [{"layer": label, "parts": part} for label, part in zip(labels, parts, strict=True)]
        part_bars(data, ax, unit=unit, quantity=quantity, columns=2 if narrow else None)
        ax.set_title(f"{name}: {quantity}", loc="left", pad=26)

    draws = {"shares": shares, "time": times, "energy": energies, "area": areas}
    height = 1.6 + 0.42 * len(layers)
    gallery = Gallery()
    for kind in kinds:
        in_column = functools.partial(draws[kind], narrow=True)
        gallery.pictures[kind] = Picture(draws[kind], (7.6, height), (in_column, (3.8, height)))
    return gallery
