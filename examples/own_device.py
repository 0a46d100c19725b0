"""A device of your own in ten lines, checked, then in an array. Run it: python examples/own_device.py"""

import torch

import mho


class Ferro(mho.Device):
    """Power-law step of a ferroelectric junction."""

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


def main() -> torch.Tensor:
    """Drive every cross-point of an array with 500 up pulses and show where it ends."""
    print(mho.testing.check_device(Ferro()))
    array = mho.Crossbar(mho.RPU(device=Ferro()), 4, 6, seed=0)
    array.pulse(torch.ones(50, 6), torch.ones(50, 4))
    print(array.weight[0])
    return array.weight


if __name__ == "__main__":
    main()
