"""mho map: a network as a table of arrays."""

from __future__ import annotations

import json
import re
from typing import Annotated, Literal

import typer

from mho.errors import InvalidValue, nearest


def map_(
    model: Annotated[str, typer.Argument(help="lenet.")],
    tile: Annotated[
        str | None,
        typer.Option(metavar="ROWSxCOLUMNS", help="Largest array, for example 64x256; larger layers are spread."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")] = False,
) -> None:
    """Show the arrays of a network: their sizes, tiles, vectors and multiply-accumulates an image.

    The bias of a layer is a column of its array. Tiles of a layer differ in size by at most one row and one column;
    the largest is shown.
    """
    from mho.config import RPU
    from mho.hardware import planned_table
    from mho.models import NETWORKS

    if model not in NETWORKS:
        raise InvalidValue(f"no model {model!r}{nearest(model, NETWORKS)}")
    rows = planned_table(NETWORKS[model], RPU(tile=parse_tile(tile)))
    total = sum(row.macs for row in rows)
    if as_json:
        arrays = [
            {
                "name": row.layer if row.arrays == 1 else f"{row.layer}.group{group}",
                "out": row.out,
                "in": row.inputs,
                "vectors": row.vectors,
                "macs": row.macs // row.arrays,
                "tiles": row.tiles,
                "tile_out": row.tile_out,
                "tile_in": row.tile_inputs,
            }
            for row in rows
            for group in range(row.arrays)
        ]
        print(json.dumps({"arrays": arrays, "macs": total}))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{model} on arrays; vectors and MACs an image", title_justify="left", show_footer=True)
    weights = sum(row.out * row.inputs * row.arrays for row in rows)
    footers = {"layer": "all", "out × in": f"{weights:,} weights", "MACs": f"{total:,}"}
    for heading in ("layer", "arrays", "out × in", "tiles", "vectors", "MACs"):
        side: Literal["left", "right"] = "left" if heading == "layer" else "right"
        table.add_column(heading, footer=footers.get(heading, ""), justify=side, no_wrap=True)
    for row in rows:
        tiles = f"{row.tiles} of {row.tile_out} × {row.tile_inputs}" if row.tiles > 1 else "1"
        size = f"{row.out} × {row.inputs}"
        table.add_row(row.layer, str(row.arrays), size, tiles, f"{row.vectors:,}", f"{row.macs:,}")
    Console().print(table)


def parse_tile(text: str | None) -> tuple[int, int] | None:
    """`ROWSxCOLUMNS` as two numbers."""
    if text is None:
        return None
    found = re.fullmatch(r"\s*(\d+)\s*[x×]\s*(\d+)\s*", text)
    if found is None:
        raise InvalidValue(f"--tile {text!r}: write ROWSxCOLUMNS, for example --tile 64x256")
    return int(found[1]), int(found[2])
