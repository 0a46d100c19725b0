"""The record of a layer on arrays, which tables, maps, run folders and papers share."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, final

from mho.arrays.layout import places
from mho.cells import BankCost, CellCost, Converters, EventCost
from mho.config import RPU
from mho.errors import InvalidValue
from mho.tables import fields_from_table

SIZES = {"out": "out", "inputs": "in", "vectors": "vectors"}
"""Fields of a row that every table has, to their names in a table."""
LATER = {"groups": 1, "replicas": 1, "tiles": 1, "uses": 1}
"""Fields that tables of earlier versions may lack, and what they were then."""


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class ArrayRow:
    """A layer on arrays, as one line of a table of arrays; sizes are those of one replica.

    Attributes:
        layer: qualified name.
        out: rows of the weight matrix of one group.
        inputs: its columns, that of the bias included.
        vectors: vectors that an example sends through each matrix (the weight sharing factor T), in all its uses.
        groups: matrices of this size that the layer has.
        replicas: networks side by side.
        tiles: number of crossbars that a matrix is spread over.
        tile_out: rows of weights of the largest of them.
        tile_inputs: columns of the largest of them.
        uses: how often an example goes through the layer.
        scale: the digital factors between weights and arrays, in words; empty where there are none.
        cell: what the cell of a weight asks of hardware.
        forward: converters of the forward cycle.
        backward: converters of the backward cycle.
    """

    layer: str
    out: int
    inputs: int
    vectors: int
    groups: int = 1
    replicas: int = 1
    tiles: int = 1
    tile_out: int
    tile_inputs: int
    uses: int = 1
    scale: str = ""
    cell: CellCost
    forward: Converters = dataclasses.field(default_factory=Converters)
    backward: Converters = dataclasses.field(default_factory=Converters)

    @classmethod
    def planned(
        cls,
        layer: str,
        size: tuple[int, int],
        rpu: RPU,
        *,
        vectors: int,
        groups: int = 1,
        replicas: int = 1,
        uses: int = 1,
        scale: str = "",
    ) -> ArrayRow:
        """Return the row of a layer whose matrices, of `size` (rows, columns), are made of an RPU."""
        tiles = places(rpu, *size)
        return cls(
            layer=layer, out=size[0], inputs=size[1], vectors=vectors, groups=groups, replicas=replicas,
            tiles=len(tiles), tile_out=tiles[0].shape[0], tile_inputs=tiles[0].shape[1], uses=uses, scale=scale,
            cell=rpu.cell.cost(rpu.banks), forward=Converters.of(rpu.forward), backward=Converters.of(rpu.backward),
        )  # fmt: skip

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> ArrayRow:
        """Read what `to_dict` wrote, or an earlier version of mho.

        Raises:
            InvalidValue: naming the value that is out of range, or of another type.
            KeyError: naming what is missing.
        """
        layer, scale = table["layer"], table.get("scale", "")
        for name, text in (("layer", layer), ("scale", scale)):
            if not isinstance(text, str):
                raise InvalidValue(f"{name} is {text!r}, not text")
        sizes = {name: table[key] for name, key in SIZES.items()}
        sizes |= {name: table.get(name, default) for name, default in LATER.items()}
        sizes |= {"tile_out": table.get("tile_out", sizes["out"]), "tile_inputs": table.get("tile_in", sizes["inputs"])}
        devices, references = table["devices"], table.get("references", 0)
        for name, size in {**sizes, "devices": devices}.items():
            if not _whole(size) or size < 1:
                raise InvalidValue(f"array {layer!r} has {name} {size!r}, not a whole number of at least 1")
        if not _whole(references) or not 0 <= references < devices:
            raise InvalidValue(
                f"array {layer!r} has references {references!r}, not a whole number from 0 to its devices less 1"
            )
        return cls(
            layer=layer, scale=scale, cell=_cell(table.get("cell"), devices, references), **sizes,
            forward=fields_from_table(Converters, table.get("forward", {})),
            backward=fields_from_table(Converters, table.get("backward", {})),
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Return the row as a table of plain values, as summary.json has it."""
        return {
            "layer": self.layer,
            "out": self.out,
            "in": self.inputs,
            "vectors": self.vectors,
            "groups": self.groups,
            "uses": self.uses,
            "devices": self.devices,
            "replicas": self.replicas,
            "tiles": self.tiles,
            "tile_out": self.tile_out,
            "tile_in": self.tile_inputs,
            "references": self.references,
            "scale": self.scale,
            "forward": dataclasses.asdict(self.forward),
            "backward": dataclasses.asdict(self.backward),
            "cell": dataclasses.asdict(self.cell),
        }

    @property
    def devices(self) -> int:
        """Cross-points of a weight."""
        return sum(bank.devices for bank in self.cell.banks)

    @property
    def references(self) -> int:
        """Cross-points of a weight that no pulse moves."""
        return sum(bank.references for bank in self.cell.banks)

    @property
    def macs(self) -> int:
        """Multiply-accumulates that an example takes in one forward cycle, in all groups of the layer."""
        return self.weights * self.vectors

    @property
    def weights(self) -> int:
        """Weights of all groups of the layer."""
        return self.out * self.inputs * self.groups

    @property
    def cross_points(self) -> int:
        """Devices of all groups of the layer."""
        return self.weights * self.devices

    @property
    def read_devices(self) -> int:
        """Cross-points of a weight that forward and backward reads see."""
        return sum(bank.devices for bank in self.cell.read)


def _cell(table: Mapping[str, Any] | None, devices: int, references: int) -> CellCost:
    """Read what the cell of an array asks of hardware; without a table, one bank of these devices without events."""
    if table is None:
        lines = devices - references
        bank = BankCost(devices=devices, references=references, answers=lines)
        return CellCost(banks=(bank,), answers=lines)
    banks = tuple(fields_from_table(BankCost, bank) for bank in table["banks"])
    events = tuple(fields_from_table(EventCost, event) for event in table["events"])
    return fields_from_table(CellCost, {**table, "banks": banks, "events": events})


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
