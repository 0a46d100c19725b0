"""When does zero-shifting help? A small network on digits of 8×8 pixels, on soft bounds, three seeds side by side.

python examples/shifted_zero.py            # the six devices of docs/symmetry.md: 3 minutes on an idle core
python examples/shifted_zero.py 0.002 1.5  # one of them: step, and steps up over steps down
"""

import sys
import warnings

import torch
from torch import nn

import mho
from mho.data import digits_8x8

EPOCHS, SEEDS, RATE = (3, 12), 3, 0.02
DEVICES = [(0.002, 1.0), (0.002, 1.2), (0.002, 1.5), (0.01, 1.0), (0.01, 1.2), (0.01, 1.5)]
"""Mean step, and steps up over steps down; with 1.0 these differ from device to device by a fifth."""


def errors(device: mho.Device, *, shifted: bool) -> list[float]:
    """Return the mean test errors after `EPOCHS`, in per cent."""
    rpu = mho.presets.gokmen_2017(pulses=1, update_management=True).replace(device=device)
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10))
    if shifted:
        rpu = rpu.replace(cell=mho.cells.Referenced())
    model = mho.convert(network, rpu, seed=0, replicas=SEEDS, quiet=True)
    if shifted:
        mho.learning.zero_shift(model, pulses=2000)
    lines = mho.training.fit(model, mho.AnalogSGD(model, lr=RATE), digits_8x8(), epochs=EPOCHS[-1])
    return [lines[epoch - 1]["test_error"] for epoch in EPOCHS]


def main() -> None:
    warnings.simplefilter("ignore")  # that bounds cut some initial weights is part of the comparison
    given = [(float(sys.argv[1]), float(sys.argv[2]))] if len(sys.argv) > 2 else DEVICES
    for step, up_down in given:
        device = mho.devices.SoftBounds(
            dw_min=mho.per_cell(step, spread=0.3),
            up_down=mho.per_cell(up_down, spread=0.2 if up_down == 1.0 else 0.0),
            c2c=0.3,
            w_max=mho.per_cell(0.6, spread=0.3),
            w_min=mho.per_cell(-0.6, spread=0.3),
        )
        pairs = zip(EPOCHS, errors(device, shifted=False), errors(device, shifted=True), strict=True)
        words = [f"after {epoch} epochs {plain:.1f} %, zero-shifted {zero:.1f} %" for epoch, plain, zero in pairs]
        print(f"step {step:g}, up/down {up_down:g}: {'; '.join(words)}", flush=True)


if __name__ == "__main__":
    main()
