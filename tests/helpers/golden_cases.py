"""Short trainings whose final bits are kept in golden.json: every pair of law, option, cell, driver, ... at least once.

`python -m tests.helpers.golden_cases NAME ...` trains the named cases (all without a name) and writes their hashes
anew. Do so only in a commit that changes the bits of a run, raises `mho.PHYSICS_VERSION`, and says why. With
`--choose` for the names it chooses the cases anew, where a law, a cell or a driver has come; this takes a minute.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import itertools
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import mho
from mho import cells, devices
from mho.errors import InvalidValue
from mho.nn import ArrayLayer
from tests.helpers.checkout import ROOT
from tests.helpers.laws import Fading, Lazy, TwoDraws

HASHES = ROOT / "tests" / "promises" / "golden.json"

LAWS: dict[str, Callable[..., mho.Device]] = {
    "constant": functools.partial(devices.ConstantStep, dw_min=mho.per_cell(0.005, spread=0.3)),
    "soft": functools.partial(devices.SoftBounds, dw_min=mho.per_cell(0.01, spread=0.3)),
    "linear": functools.partial(devices.LinearStep, dw_min=0.01),
    "exp": functools.partial(devices.ExpStep, dw_min=0.01),
    "pow": functools.partial(devices.PowStep, dw_min=0.01),
    "pieces": functools.partial(devices.PiecewiseStep, dw_min=0.01, up=devices.table([1.5, 0.2, 0.7], spread=0.4)),
    "jumps": devices.JumpTable,
    "hidden": Lazy,
    "draws": TwoDraws,
    "fading": Fading,
    "ideal": devices.Ideal,
}
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "write": {"write_noise": mho.per_cell(0.02, spread=0.3)},
    "read": {"read_variation": 0.03},
    "stuck": {"stuck": 0.2},
    "time": {"decay": 0.001, "decay_to": 0.1, "drift": 0.0002, "diffusion": 0.001},
    "every": {
        "write_noise": 0.02, "read_variation": 0.03, "stuck": 0.1,
        "decay": 0.001, "decay_to": 0.1, "drift": 0.0002, "diffusion": 0.001,
    },
}  # fmt: skip
CELLS: dict[str, cells.Cell] = {
    "single": cells.Single(),
    "three": cells.Replicated(3),
    "reference": cells.Referenced(),
    "pair": cells.OneSided(refresh_every=10**9),
    "refreshed": cells.OneSided(refresh_every=7, refresh_at=0.4, refresh_error=0.01),
}
READS: dict[str, tuple[mho.Read, mho.Read]] = {
    "managed": (mho.Read(bound=3.0, bound_management=True), mho.Read(noise_management=True)),
    "converted": (
        mho.Read(dac_bits=7, adc_bits=9, noise_management=True),
        mho.Read(bound=2.0, input_bound=0.5, adc_bits=8),
    ),
    "quiet": (mho.Read(noise=0.0, bound=None), mho.Read(noise=0.0, bound=None)),
}
PULSES: dict[str, mho.Pulses] = {
    "one slot": mho.Pulses(length=1, update_management=True),
    "ten slots": mho.Pulses(length=10),
    "forty slots": mho.Pulses(length=40, update_management=True),
}
DRIVERS = ("reference", "compiled", "autograd", "online")
"""Two back ends of an array on its own, and two drivers of a network on the compiled one."""


@dataclasses.dataclass(frozen=True)
class Case:
    """One training."""

    law: str
    option: str
    cell: str
    driver: str
    reads: str
    pulses: str
    replicas: int
    tiled: bool
    resumed: bool

    @property
    def name(self) -> str:
        """All that tells it from others."""
        more = ["R3"] * (self.replicas == 3) + ["tiled"] * self.tiled + ["resumed"] * self.resumed
        return ", ".join([self.law, self.option, self.cell, self.driver, self.reads, self.pulses, *more])

    @classmethod
    def named(cls, name: str) -> Case:
        """The case of a name."""
        first, more = name.split(", ")[:6], name.split(", ")[6:]
        return cls(*first, replicas=3 if "R3" in more else 1, tiled="tiled" in more, resumed="resumed" in more)

    def rpu(self) -> mho.RPU:
        """Its array; with replicas, one of their numbers differs between them."""
        forward, backward = READS[self.reads]
        if self.replicas == 3 and forward.noise:
            forward = dataclasses.replace(forward, noise=[0.0, 0.06, 0.1])
        return mho.RPU(
            device=LAWS[self.law](**OPTIONS[self.option]),
            cell=CELLS[self.cell],
            forward=forward,
            backward=backward,
            update=mho.periphery.Exact() if self.law == "ideal" else PULSES[self.pulses],
            tile=(9, 11) if self.tiled else None,
        )


FACTORS = {
    "law": list(LAWS),
    "option": list(OPTIONS),
    "cell": list(CELLS),
    "driver": list(DRIVERS),
    "reads": list(READS),
    "pulses": list(PULSES),
    "replicas": [1, 3],
    "tiled": [False, True],
    "resumed": [False, True],
}


def allowed(case: Case) -> bool:
    """Whether such a training exists, and compiles no kernel of its own for each pair of a law and an option."""
    if case.driver == "online" and case.tiled:
        return False
    if case.driver != "reference" and case.law not in ("constant", "soft") and case.option != "plain":
        return False
    if case.driver != "reference" and case.law != "constant" and case.cell in ("pair", "refreshed"):
        return False
    if case.law == "ideal" and (case.cell in ("pair", "refreshed") or case.pulses != "ten slots"):
        return False
    try:
        case.rpu()
    except InvalidValue:
        return False
    return True


def pairs(case: Case) -> set[tuple[tuple[str, Any], tuple[str, Any]]]:
    """All pairs of values in a case."""
    return set(itertools.combinations(dataclasses.asdict(case).items(), 2))


def covering() -> list[Case]:
    """Return few cases that hold every pair of values which any allowed case holds: the best of random ones, again and
    again."""
    generator = np.random.Generator(np.random.Philox(key=1))

    def draw() -> Case:
        while True:
            case = Case(**{name: values[generator.integers(len(values))] for name, values in FACTORS.items()})
            if allowed(case):
                return case

    pool = [draw() for _ in range(6000)]
    wanted = set().union(*map(pairs, pool))
    chosen: list[Case] = []
    while wanted:
        best = max(pool, key=lambda case: len(pairs(case) & wanted))
        chosen.append(best)
        wanted -= pairs(best)
    return chosen


def train(name: str) -> str:
    """Train the case of this name, and return the hash of its final bits."""
    if name == TANH:
        return _tanh_online()
    case = Case.named(name)
    return _alone(case) if case.driver in ("reference", "compiled") else _network(case)


def _alone(case: Case) -> str:
    """All that a script can do with one array, again and again."""

    interpreted = case.driver == "reference"
    steps, vectors, rows, columns = (10, 2, 4, 12) if interpreted else (200, 3, 10, 17)

    def build() -> mho.arrays.Array:
        backend = "reference" if interpreted else "cpu"
        return mho.arrays.build_array(
            case.rpu(), rows, columns, seed=3, replicas=case.replicas, name="golden", backend=backend
        )

    array, numbers, out = build(), _numbers(case.replicas), []
    for step in range(steps):
        if case.resumed and step == steps // 2:
            before, array = array, build()
            array.load_state_dict(before.state_dict())
        x, d = next(numbers)(vectors, columns), next(numbers)(vectors, rows)
        array.train(step % 8 != 7)
        out += [array.forward(x), array.backward(d)]
        array.update(x, d, 0.02)
        if step % 8 == 4:
            if case.law != "ideal":
                array.pulse(x.clamp(-1, 1), d.clamp(-1, 1))
            array.rest(2.5)
            if case.cell == "reference":
                array.write_reference(0.1 * next(numbers)(rows, columns), error=0.02)
        if step == steps - 6:
            array.write(0.3 * next(numbers)(rows, columns))
    out.append(array.read())
    return _hash([array], out)


class Small(nn.Module):
    """Convolution, rectifier, pooling and two fully connected layers, for images of 8×8."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc1, self.fc2 = nn.Conv2d(1, 3, 3), nn.Linear(27, 6), nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.max_pool2d(torch.relu(self.conv(x)), 2)
        return self.fc2(torch.relu(self.fc1(torch.flatten(x, 1))))


def half_squares(out: Tensor, target: Tensor) -> Tensor:
    """Half of the sum of squares: its gradient, out - target, is rounded once."""
    return 0.5 * (out - target).square().sum()


def _network(case: Case) -> str:
    """A small network of layers of every kind."""

    def build() -> tuple[nn.Module, Any]:
        net = Small()
        for name, parameter in net.named_parameters():  # torch's own initial weights may change between versions
            values = _numbers(1, key=len(name))
            parameter.data = 0.3 * next(values)(*parameter.shape)[0]
        model = mho.convert(net, case.rpu(), seed=7, replicas=case.replicas, quiet=True)
        optimizer = mho.AnalogSGD(model, lr=0.03)
        return model, mho.training.choose_driver(model, optimizer, half_squares, prefer=case.driver)

    (model, driver), numbers, out = build(), _numbers(1), []
    for step in range(200):
        if case.resumed and step == 100:
            before, (model, driver) = model, build()
            model.load_state_dict(before.state_dict())
        x, target = next(numbers)(2, 1, 8, 8)[0], next(numbers)(2, 4)[0]
        out.append(torch.from_numpy(driver.step(x, target).out))
    model.eval()
    with torch.no_grad():
        out.append(model(next(numbers)(5, 1, 8, 8)[0]))
    layers = [module for module in model.modules() if isinstance(module, ArrayLayer)]
    return _hash([array for layer in layers for array in layer.crossbars], out)


def _tanh_online() -> str:
    """The network of Gokmen 2017 on a few images, online: torch's tanh differs between machines, NumPy's does not."""
    torch.manual_seed(0)
    net = mho.models.LeNet()
    for name, parameter in net.named_parameters():
        parameter.data = 0.1 * next(_numbers(1, key=len(name)))(*parameter.shape)[0]
    model = mho.convert(net, mho.presets.gokmen_2017(update_management=True), seed=0, quiet=True)
    driver = mho.training.choose_driver(model, mho.AnalogSGD(model, lr=0.01), half_squares, prefer="online")
    numbers, out = _numbers(1), []
    for _ in range(40):
        out.append(torch.from_numpy(driver.step(next(numbers)(1, 1, 28, 28)[0], next(numbers)(1, 10)[0]).out))
    layers = [module for module in model.modules() if isinstance(module, ArrayLayer)]
    return _hash([array for layer in layers for array in layer.crossbars], out)


def _numbers(replicas: int, key: int = 0) -> Iterator[Callable[..., Tensor]]:
    """Sources of numbers in [-1, 1), the same on every machine; each gives (R, *sizes)."""
    generator = np.random.Generator(np.random.Philox(key=[7, key]))
    while True:
        yield lambda *sizes: torch.from_numpy(generator.random((replicas, *sizes), dtype=np.float32) * 2 - 1)


def _hash(arrays: list[mho.arrays.Array], out: list[Tensor]) -> str:
    """Of weights, fields and counters of the arrays, and of what they answered on the way."""
    whole = hashlib.sha256()
    for array in arrays:
        tensors = {"weight": array.weight} | array.cell_parameters() | array.counters()
        for name, values in sorted(tensors.items()):
            whole.update(name.encode() + values.contiguous().numpy().tobytes())
    for values in out:
        whole.update(values.contiguous().numpy().tobytes())
    return whole.hexdigest()[:32]


TANH = "tanh, LeNet, online"


def main(arguments: list[str]) -> None:
    """Write hashes: of the named cases, else of all; those of cases that are not chosen any more go."""
    kept: dict[str, str] = json.loads(HASHES.read_text()) if HASHES.exists() else {}
    if arguments == ["--choose"]:
        names = [*(case.name for case in covering()), TANH]
        kept = {name: kept.get(name, "") for name in names}
        arguments = [name for name, value in kept.items() if not value]
    for name in arguments or kept:
        kept[name] = train(name)
    HASHES.write_text(json.dumps(dict(sorted(kept.items())), indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
