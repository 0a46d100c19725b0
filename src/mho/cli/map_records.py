"""What mho map says, for programs: JSON and CSV."""

from __future__ import annotations

import csv
import dataclasses
import io
from typing import Any

from mho.cli.map_result import Result
from mho.hardware import CYCLES, CycleEnergy, LayerCost, LayerEnergy, Placed


def record(result: Result) -> dict[str, Any]:
    """One table: the arrays (one a group), the totals and the times of an image [ns], energies [J]."""
    time = result.time
    table: dict[str, Any] = {
        "model": result.name,
        "arrays": [
            _array(result, number, layer, group)
            for number, layer in enumerate(time.layers)
            for group in range(layer.row.groups)
        ],
        "macs": time.macs,
        "weights": sum(layer.row.weights for layer in time.layers),
        "cross_points": sum(layer.cross_points for layer in time.layers),
        "time": {
            "unit": "ns",
            "cycles": list(CYCLES),
            "bottleneck": time.bottleneck.row.layer,
            "inference": {"sequential": time.sequential, "pipelined": time.pipelined},
            "training_image": {"sequential": time.training, "pipelined": time.training_bottleneck.training},
            "training_bottleneck": time.training_bottleneck.row.layer,
        },
        "digital": [{"name": d.name, "kind": d.kind, "parameters": d.parameters} for d in result.digital],
        "idle": list(result.idle),
    }
    if result.cost is not None:
        cost = result.cost
        table["training"] = {
            "images": cost.images,
            "update_joules": list(cost.update),
            "train_joules": cost.trains,
            "read_joules": cost.reads,
            "writes_per_device_most": cost.most_written.writes,
            "layer_most_written": cost.most_written.placed.row.layer,
            "bank_most_written": cost.most_written.most_written.bank,
            "endurance_writes": cost.endurance,
            "lifetime_trainings": cost.lifetime,
        }
    if result.constants is not None:
        table["constants"] = {
            name: {"value": constant.value, "unit": constant.unit, "source": constant.source}
            for name, constant in result.constants.table.items()
        }
    return table


def to_csv(result: Result) -> str:
    """One line a layer."""
    lines = [_line(result, number, layer) for number, layer in enumerate(result.time.layers)]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def _array(result: Result, number: int, layer: Placed, group: int) -> dict[str, Any]:
    """One group of a layer."""
    row = layer.row
    line = {name: value for name, value in _line(result, number, layer).items() if name not in ("layer", "groups")}
    name = row.layer if row.groups == 1 else f"{row.layer}.group{group}"
    each = {"macs": row.macs // row.groups, "cross_points": layer.cross_points // row.groups}
    shared = {"share_of_macs": result.time.share_of_macs(layer) / row.groups}
    banks = [dataclasses.asdict(bank) for bank in row.cell.banks]
    return {"name": name, "layer": row.layer, **line, **each, **shared, "banks": banks}


def _line(result: Result, number: int, layer: Placed) -> dict[str, Any]:
    row = layer.row
    line: dict[str, Any] = {
        "layer": row.layer,
        "groups": row.groups,
        "out": row.out,
        "in": row.inputs,
        "vectors": row.vectors,
        "uses": row.uses,
        "macs": row.macs,
        "share_of_macs": result.time.share_of_macs(layer),
        "devices": row.devices,
        "cross_points": layer.cross_points,
        "array": f"{layer.size.rows}x{layer.size.columns}",
        "t_meas_ns": layer.size.t_meas,
        "fits": layer.fits,
        "tiles": layer.tiles,
        "tile_out": layer.tile_out,
        "tile_in": layer.tile_inputs,
        "copies": layer.copies,
        "scale": row.scale,
        "cycle_ns": layer.cycle,
        "share_of_time": result.time.share_of_time(layer),
        "update_ns": layer.update,
        "column_reads_per_vector": layer.column_reads,
        "column_writes_per_vector": layer.column_writes,
        "digital_operations_per_vector": layer.operations,
        "digital_numbers": layer.memory,
    }
    if result.energy is not None:
        line |= _energies(result.energy[number])
    if result.cost is not None:
        line |= _costs(result.cost.layers[number])
    return line


def _energies(layer: LayerEnergy) -> dict[str, float]:
    """Of an image in all groups of a layer."""
    cycles: tuple[tuple[str, CycleEnergy], ...] = (
        ("forward", layer.forward),
        ("backward", layer.backward),
        ("update_at_most", layer.update_bound),
        ("transfers_at_most", layer.transfers),
    )
    return {f"{name}_joules": cycle.total for name, cycle in cycles}


def _costs(layer: LayerCost) -> dict[str, float | str | None]:
    """Of a whole run, the mean over its replicas."""
    return {
        "pulses": layer.pulses,
        "coincidences": layer.coincidences,
        "writes_per_device": layer.writes,
        "update_least_joules": layer.update[0],
        "update_most_joules": layer.update[1],
        "train_joules": layer.trains,
        "run_forward_joules": layer.forward,
        "run_backward_joules": layer.backward,
        "run_transfer_joules": layer.transfers,
        "bank_most_written": layer.most_written.bank,
    }
