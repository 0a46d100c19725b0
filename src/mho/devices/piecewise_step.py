"""A step given by its values at some states."""

from __future__ import annotations

from typing import Any, final

from mho.devices.rules import check_range, check_steps
from mho.devices.step_device import StepDevice
from mho.devices.table import Table, table
from mho.errors import Faults


@final
class PiecewiseStep(StepDevice):
    """A step that is linear between nodes, evenly spaced from `w_min` to `w_max`.

    Up:   w + Δ·up(w)·(1 + c2c·z);
    down: w - Δ·down(w)·(1 + c2c·z);
    Δ = `dw_min`, and up(w), down(w) the values of `up` and `down` at their nodes, between them linear. With a spread,
    `mho.table([...], spread=0.1)`, every cell draws its own. Units are normalised weights.

    Attributes:
        up: size of up steps in units of Δ at K ≥ 2 nodes from w_min to w_max, each at least 0.
        down: size of down steps in units of Δ at K ≥ 2 nodes from w_min to w_max, each at least 0.

    Source: the same idea stands in the simulator of the authors of Gokmen 2017. The default nodes, a step that
    shrinks to 0.2 of its largest, are ours; the other defaults are `ConstantStep`'s.
    """

    up: Table = table([1.8, 1.5, 1.2, 1.0, 0.8, 0.5, 0.2])
    down: Table = table([0.2, 0.5, 0.8, 1.0, 1.2, 1.5, 1.8])

    def _more_faults(self, faults: Faults) -> None:
        check_steps(self, faults, up_down=False)
        check_range(self, faults)
        for name, nodes in self.tables().items():
            if nodes.values.ndim != 1 or len(nodes.values) < 2:
                faults.add(f"{name} has shape {nodes.values.shape}; give a row of at least 2 nodes")
            elif nodes.values.min() < 0:
                faults.add(f"{name} holds {nodes.values.min():g}; give steps of at least 0")

    @staticmethod
    def pulse(w: float, up: bool, cell: Any, z: float) -> float:
        nodes = cell.up if up else cell.down
        last = int(len(nodes) - 1)
        place = (w - cell.w_min) / (cell.w_max - cell.w_min) * last
        node = min(int(place), int(last - 1))
        part = place - node
        step = cell.dw_min * (nodes[node] * (1 - part) + nodes[node + 1] * part) * (1 + cell.c2c * z)
        return w + step if up else w - step
