"""Measured jump tables as devices."""

from __future__ import annotations

from mho.devices import JumpTable, table
from mho.measurements.jump_tables import JumpTables
from mho.measurements.units import conductance


def jump_table_device(tables: JumpTables, *, w_max: float = 0.6) -> tuple[JumpTable, float, float]:
    """Make the device that draws its steps from measured jump tables.

    Args:
        tables: tables of conductances.
        w_max: the range of the states, up and down together, becomes ±w_max.

    Returns:
        The device, the conductance of w = 0, and the conductance of one unit of weight.
    """
    low = min(tables.states_up[0], tables.states_down[0])
    high = max(tables.states_up[-1], tables.states_down[-1])
    zero, unit = float(low + high) / 2, float(high - low) / (2 * w_max)
    device = JumpTable(
        up=table(tables.jumps_up / unit),
        up_states=table((tables.states_up - zero) / unit),
        up_points=table(tables.points_up),
        down=table(tables.jumps_down / unit),
        down_states=table((tables.states_down - zero) / unit),
        down_points=table(tables.points_down),
        w_max=w_max,
        w_min=-w_max,
        conductance=conductance(zero, unit, tables.unit),
    )
    return device, zero, unit
