"""Device laws of the tests, in a module of their own so that files and other processes can name them."""

from __future__ import annotations

import math

import mho


class Ferro(mho.Device):
    """Power-law step of a ferroelectric junction: no closed form."""

    dw_min: float = mho.per_cell(1e-3, spread=0.30)
    gamma: float = mho.per_cell(1.5, spread=0.10)
    c2c: float = 0.20
    w_max: float = mho.per_cell(0.6, spread=0.30)
    w_min: float = mho.per_cell(-0.6, spread=0.30)

    @staticmethod
    def pulse(w, up, cell, z):
        room = (cell.w_max - w if up else w - cell.w_min) / (cell.w_max - cell.w_min)
        step = cell.dw_min * room**cell.gamma * (1 + cell.c2c * z)
        return w + step if up else w - step


class StepByStep(mho.Device):
    """`ConstantStep` without its closed form: what merging several pulses must not differ from."""

    dw_min: float = mho.per_cell(0.001, spread=0.30)
    up_down: float = mho.per_cell(1.0, spread=0.02)
    c2c: float = 0.30
    w_max: float = mho.per_cell(0.6, spread=0.30)
    w_min: float = mho.per_cell(-0.6, spread=0.30)

    @staticmethod
    def pulse(w, up, cell, z):
        down_step = cell.dw_min * 2 / (1 + cell.up_down)
        step = (down_step * cell.up_down if up else down_step) * (1 + cell.c2c * z)
        return w + step if up else w - step


class Soft(mho.Device):
    """Soft bounds (PHYSICS of Kim 2019): steps that shrink linearly towards each bound."""

    dw_min: float = mho.per_cell(0.001, spread=0.30)
    up_down: float = mho.per_cell(1.0, spread=0.02)
    c2c: float = 0.30
    w_max: float = mho.per_cell(0.6, spread=0.30)
    w_min: float = mho.per_cell(-0.6, spread=0.30)

    @staticmethod
    def pulse(w, up, cell, z):
        down = cell.dw_min * 2 / (1 + cell.up_down)
        step = down * cell.up_down * (1 - w / cell.w_max) if up else down * (1 - w / cell.w_min)
        step = step * (1 + cell.c2c * z)
        return w + step if up else w - step


class SoftKnown(Soft):
    """`Soft` with its symmetry point in closed form."""

    @staticmethod
    def symmetry(cell):
        return (cell.up_down - 1) / (cell.up_down / cell.w_max - 1 / cell.w_min)


class Root(mho.Device):
    """NaN above w = 0: a law used outside the range of its formula."""

    dw_min: float = 0.01
    w_max: float = 0.6
    w_min: float = -0.6

    @staticmethod
    def pulse(w, up, cell, z):
        step = cell.dw_min * (1 + (0 - w) ** 0.5)
        return w + step if up else w - step


class RootMerged(mho.Device):
    """`Root` with a closed form."""

    dw_min: float = 0.01
    w_max: float = 0.6
    w_min: float = -0.6

    @staticmethod
    def pulse(w, up, cell, z):
        step = cell.dw_min * (1 + (0 - w) ** 0.5)
        return w + step if up else w - step

    @staticmethod
    def reach(n, up, cell):
        return 2 * n * cell.dw_min

    @staticmethod
    def pulses(w, n, up, cell, z):
        step = n * cell.dw_min * (1 + (0 - w) ** 0.5)
        return w + step if up else w - step


class MistypedField(mho.Device):
    """`gama` is no field."""

    dw_min: float = 0.001
    gamma: float = 1.5
    w_max: float = 0.6
    w_min: float = -0.6

    @staticmethod
    def pulse(w, up, cell, z):
        return w + cell.dw_min * cell.gama if up else w - cell.dw_min


class NotScalar(mho.Device):
    """Cannot be compiled: a number plus a text."""

    dw_min: float = 0.001
    w_max: float = 0.6
    w_min: float = -0.6

    @staticmethod
    def pulse(w, up, cell, z):
        return w + math.sqrt(cell.dw_min) + "a"


class SoftUneven(mho.Device):
    """Soft bounds (Kim 2019): steps shrink linearly towards the bounds; up and down differ from device to device."""

    dw_min: float = mho.per_cell(1e-3, spread=0.30)
    up_down: float = mho.per_cell(1.0, spread=0.30)
    c2c: float = 0.30
    w_max: float = mho.per_cell(0.6, spread=0.30)
    w_min: float = mho.per_cell(-0.6, spread=0.30)

    @staticmethod
    def pulse(w, up, cell, z):
        noise = 1 + cell.c2c * z
        if up:
            return w + cell.dw_min * cell.up_down * (1 - w / cell.w_max) * noise
        return w - cell.dw_min * (1 - w / cell.w_min) * noise


class Lazy(mho.Device):
    """Moves at the second pulse of one direction in a row: h remembers the last."""

    dw_min: float = 0.05
    w_max: float = mho.per_cell(0.6, spread=0.1)
    w_min: float = mho.per_cell(-0.6, spread=0.1)
    states = ("last",)

    @staticmethod
    def pulse(w, h, up, cell, z):
        way = 1.0 if up else -1.0
        return (w + cell.dw_min * way, way) if h * way > 0 else (w, way)


class TwoDraws(mho.Device):
    """A step with two noises."""

    dw_min: float = 0.02
    first: float = 0.3
    second: float = 0.5
    w_max: float = mho.per_cell(0.6, spread=0.1)
    w_min: float = mho.per_cell(-0.6, spread=0.1)
    draws = 2

    @staticmethod
    def pulse(w, up, cell, z):
        step = cell.dw_min * (1 + cell.first * z[0] + cell.second * z[1])
        return w + step if up else w - step


class Fading(mho.Device):
    """Is read as a square and falls in time."""

    dw_min: float = 0.02
    w_max: float = 0.6
    w_min: float = -0.6

    @staticmethod
    def pulse(w, up, cell, z):
        return w + cell.dw_min if up else w - cell.dw_min

    @staticmethod
    def read(w, cell, z):
        return w * abs(w) / cell.w_max

    @staticmethod
    def rest(w, cell, dt, z):
        return w - 0.01 * dt


class Doomed(mho.Device):
    """Takes h without saying so."""

    w_max: float = 0.6
    w_min: float = -0.6

    @staticmethod
    def pulse(w, h, up, cell, z):
        return w, h


class Nodes(mho.Device):
    """A step from a table, in which the place is computed within int()."""

    nodes: mho.Table = mho.table([0.001 * k for k in range(1, 15)])
    dw_min: float = 0.01
    w_max: float = 0.7
    w_min: float = -0.7

    @staticmethod
    def pulse(w, up, cell, z):
        step = cell.nodes[int((w - cell.w_min) / 0.1)]
        return w + step if up else w - step


class Unreadable(mho.Device):
    """Has no value to read below 0."""

    dw_min: float = 0.01
    w_max: float = 0.6
    w_min: float = -0.6

    @staticmethod
    def pulse(w, up, cell, z):
        return w + cell.dw_min if up else w - cell.dw_min

    @staticmethod
    def read(w, cell, z):
        return w if w > 0 else (w - w) / (w - w)
