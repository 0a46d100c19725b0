"""Output of mho map for programs: JSON and CSV."""

from __future__ import annotations

import csv
import dataclasses
import io
from typing import Any

from mho.cli.map_result import Result
from mho.hardware import CYCLES, CycleEnergy, LayerArea, LayerCost, LayerEnergy, Placed, Workload


def record(result: Result, *, energy: bool, area: bool) -> dict[str, Any]:
    """Return one table: the arrays (one per group), totals, times of an example [ns], energies [J], areas [m²].

    Args:
        result: what there is to show.
        energy: whether each layer has its energy.
        area: whether each layer has its area.
    """
    time = result.time
    lines = _lines(result, energy=energy, area=area)
    table: dict[str, Any] = {
        "model": result.name,
        "arrays": [
            _array(result, layer, line, group)
            for layer, line in zip(time.layers, lines, strict=True)
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
        "totals": {"inference": _totals(result.inference), "training": _totals(result.training)},
        "conventional": {
            "operations_per_second": result.conventional.rate,
            "watts": result.conventional.power,
            "source": result.conventional.source,
            "seconds_per_inference": result.conventional.time(result.inference.operations),
            "joules_per_inference": result.conventional.energy(result.inference.operations),
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
    table["constants"] = {
        name: {"value": constant.value, "unit": constant.unit, "source": constant.source}
        for name, constant in result.constants.table.items()
    }
    return table


def to_csv(result: Result, *, energy: bool, area: bool) -> str:
    """Return one line per layer."""
    lines = _lines(result, energy=energy, area=area)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def _totals(work: Workload) -> dict[str, Any]:
    """Return the totals of inference or training, in SI units."""
    return {
        "operations_per_image": work.operations,
        "seconds_per_image": work.time,
        "joules_per_image": list(work.energy),
        "watts": list(work.power),
        "operations_per_second": work.throughput,
        "operations_per_joule": list(work.efficiency),
        "arrays": work.arrays,
        "utilisation": work.utilisation,
        "area_m2": work.area,
    }


def _lines(result: Result, *, energy: bool, area: bool) -> list[dict[str, Any]]:
    """Return a table for each layer."""
    lines = []
    for number, layer in enumerate(result.time.layers):
        line = _line(result, layer)
        if energy:
            line |= _energies(result.energy[number])
        if area:
            line |= _areas(result.area[number])
        if result.cost is not None:
            line |= _costs(result.cost.layers[number])
        lines.append(line)
    return lines


def _array(result: Result, layer: Placed, line: dict[str, Any], group: int) -> dict[str, Any]:
    """Return one group of a layer."""
    row = layer.row
    line = {name: value for name, value in line.items() if name not in ("layer", "groups")}
    name = row.layer if row.groups == 1 else f"{row.layer}.group{group}"
    each = {"macs": row.macs // row.groups, "cross_points": layer.cross_points // row.groups}
    shared = {"share_of_macs": result.time.share_of_macs(layer) / row.groups}
    banks = [dataclasses.asdict(bank) for bank in row.cell.banks]
    return {"name": name, "layer": row.layer, **line, **each, **shared, "banks": banks}


def _line(result: Result, layer: Placed) -> dict[str, Any]:
    row = layer.row
    return {
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
        "physical_arrays": layer.arrays,
        "utilisation": layer.utilisation,
        "forward_dac_bits": row.forward.dac_bits,
        "forward_adc_bits": row.forward.adc_bits,
        "backward_dac_bits": row.backward.dac_bits,
        "backward_adc_bits": row.backward.adc_bits,
        "cycle_ns": layer.forward,
        "backward_ns": layer.backward,
        "share_of_time": result.time.share_of_time(layer),
        "update_ns": layer.update,
        "column_reads_per_vector": layer.column_reads,
        "column_writes_per_vector": layer.column_writes,
        "digital_operations_per_vector": layer.operations,
        "digital_numbers": layer.memory,
    }


def _energies(layer: LayerEnergy) -> dict[str, float]:
    """Return the energies of an image in all groups of a layer."""
    cycles: tuple[tuple[str, CycleEnergy], ...] = (
        ("forward", layer.forward),
        ("backward", layer.backward),
        ("update_at_most", layer.update_bound),
        ("transfers_at_most", layer.transfers),
    )
    return {f"{name}_joules": cycle.total for name, cycle in cycles}


def _areas(area: LayerArea) -> dict[str, float]:
    """Return the area of all arrays of a layer [m²], and its parts."""
    parts = ("cells", "dacs", "integrators", "adcs", "trains", "digital")
    return {"area_m2": area.total} | {f"area_{name}_m2": getattr(area, name) for name in parts}


def _costs(layer: LayerCost) -> dict[str, float | str | None]:
    """Return the costs of a whole run, as means over its replicas."""
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
