"""Does the ranking of mho.improve hold in longer trainings? Three devices, digits, seeds that the ranking has not seen.

python examples/improve_confirmed.py                   # all three devices: 5 minutes on an idle core
python examples/improve_confirmed.py reram_es          # one of them
"""

import dataclasses
import sys

import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

import mho
from mho.data import load
from mho.diagnosis.improvements import IMPROVEMENTS
from mho.runs import Experiment
from mho.runs.improve import improved
from mho.runs.together import train_together
from mho.training import Training

SHORT, LONG = {"epochs": 2, "images": 500, "seeds": 4}, 6
"""Trainings of `mho.improve`; epochs of those that confirm it, on all 1,437 images."""
SEEDS = (100, 101, 102)
KEYS = (
    "smaller-steps",
    "equal-steps",
    "quieter-steps",
    "wider-bounds",
    "quieter-reads",
    "more-devices",
    "zero-shifting",
    "tiki_taka_v2",
)
DEVICES = {
    "reram_es": mho.presets.reram_es(),
    "soft_bounds": mho.devices.SoftBounds(dw_min=mho.per_cell(0.03, spread=0.3)),
    "ecram": mho.presets.ecram(),
}


class Net(nn.Module):
    """784-24-10 with rectifiers: small, so that many trainings are quick."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(784, 24), nn.Linear(24, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, 1, 28, 28) to logits (B, 10)."""
        return self.fc2(torch.relu(self.fc1(x.flatten(1))))


def main() -> None:
    """Print a table for each device: gain of the short trainings, gain of the long ones."""
    torch.set_num_threads(1)
    data, changes = load("digits"), {one.key: one for one in IMPROVEMENTS}
    for name in sys.argv[1:] or DEVICES:
        rpu = mho.presets.gokmen_2017(pulses=1, update_management=True).replace(device=DEVICES[name])
        start = Experiment(training=Training(model="improve_confirmed:Net", epochs=LONG), rpu=rpu)
        gains = mho.improve(start, only=KEYS, **SHORT)
        rows = [gains.rate, *gains.tried]
        made = [start, *(improved(start, changes[row.key]) for row in gains.tried)]
        runs = [
            dataclasses.replace(experiment, training=dataclasses.replace(experiment.training, lr=row.rate, seed=seed))
            for row, experiment in zip(rows, made, strict=True)
            for seed in SEEDS
        ]
        errors = [outcome.test_error for outcome in train_together(runs, data)]
        full = [sum(errors[i : i + len(SEEDS)]) / len(SEEDS) for i in range(0, len(errors), len(SEEDS))]
        print(f"\n{name}: {gains.sentence}", flush=True)
        print(f"as given {gains.given.error:.1f} %, at the best rate {gains.rate.error:.1f} %, long {full[0]:.1f} %")
        for row, error in zip(gains.tried, full[1:], strict=True):
            print(f"{row.name:<40} rate ×{row.factor:g}  {row.gain!s:>24}  long {full[0] - error:+.1f}", flush=True)
        for row in gains.refused:
            print(f"{row.name:<40} {row.refused}")
        rank = spearmanr([row.gain.mean for row in gains.tried], [full[0] - error for error in full[1:]])
        print(f"rank correlation {rank.statistic:.2f} of {len(gains.tried)} changes", flush=True)


if __name__ == "__main__":
    main()
