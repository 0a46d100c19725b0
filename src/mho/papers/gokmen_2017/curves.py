"""The curves of Gokmen, Onen & Haensch 2017, Front. Neurosci. 11:538: Figures 3 to 6."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

from mho.cells import Replicated
from mho.config import RPU
from mho.devices import ConstantStep, PerCell
from mho.presets import floating_point, gokmen_2017
from mho.runs import Experiment
from mho.training import Training

TRAINING = Training(model="lenet", data="mnist", epochs=30, lr=0.01, batch_size=1)
"""Section "Results": MNIST, mini-batch 1, a constant learning rate."""
K1, K2, W3, W4 = "conv1", "conv2", "fc1", "fc2"


def lenet(rpu: RPU, **layers: RPU) -> Experiment:
    """Return the paper's network on arrays of `rpu`, with other arrays for some layers."""
    return Experiment(training=TRAINING, rpu=rpu, layers=layers)


def without_variation(rpu: RPU) -> RPU:
    """Return an RPU without variation: no spread from device to device, and none from cycle to cycle."""
    given = rpu.device.parameters()
    means: dict[str, Any] = {name: value.mean if isinstance(value, PerCell) else value for name, value in given.items()}
    return rpu.replace(device=ConstantStep(**{**means, "c2c": 0.0}))


def unmanaged(*, backward_noise: bool, w4_bound: bool) -> Experiment:
    """Return the baseline without noise in backward reads, or without the bound of W4's outputs, or without both."""
    rpu = gokmen_2017(managed=False)
    if not backward_noise:
        rpu = rpu.replace(backward=dataclasses.replace(rpu.backward, noise=0.0))
    if w4_bound:
        return lenet(rpu)
    return lenet(rpu, **{W4: rpu.replace(forward=dataclasses.replace(rpu.forward, bound=None))})


def one_management(*, noise: bool) -> Experiment:
    """Noise management without bound management, or the reverse."""
    rpu = gokmen_2017(managed=True)
    off, on = gokmen_2017(managed=False), rpu
    return lenet(rpu.replace(forward=(off if noise else on).forward, backward=(on if noise else off).backward))


def equal_devices(*layers: str) -> Experiment:
    """Both managements, and no device variation on these layers."""
    rpu = gokmen_2017()
    return lenet(rpu, **dict.fromkeys(layers, without_variation(rpu)))


def several_devices(rpu: Callable[[], RPU], devices: int) -> Experiment:
    """Several devices a weight on K2."""
    return lenet(rpu(), **{K2: rpu().replace(cell=Replicated(devices))})


def trains(length: int, *, update_management: bool) -> Experiment:
    """Both managements with pulse trains of another length."""
    return lenet(gokmen_2017(pulses=length, update_management=update_management))


CURVES: dict[str, Callable[[], Experiment]] = {
    "floating_point": lambda: lenet(floating_point()),
    "baseline": lambda: lenet(gokmen_2017(managed=False)),
    "no_backward_noise_no_w4_bound": partial(unmanaged, backward_noise=False, w4_bound=False),
    "no_backward_noise": partial(unmanaged, backward_noise=False, w4_bound=True),
    "no_w4_bound": partial(unmanaged, backward_noise=True, w4_bound=False),
    "nm": partial(one_management, noise=True),
    "bm": partial(one_management, noise=False),
    "nm_bm": lambda: lenet(gokmen_2017()),
    "no_variation": lambda: lenet(without_variation(gokmen_2017())),
    "no_variation_k1_k2": partial(equal_devices, K1, K2),
    "no_variation_k2": partial(equal_devices, K2),
    "no_variation_w3_w4": partial(equal_devices, W3, W4),
    "devices_4_k2": partial(several_devices, gokmen_2017, 4),
    "devices_13_k2": partial(several_devices, gokmen_2017, 13),
    "bl1": partial(trains, 1, update_management=False),
    "bl2": partial(trains, 2, update_management=False),
    "bl40": partial(trains, 40, update_management=False),
    "um_bl1": partial(trains, 1, update_management=True),
    "um_bl2": partial(trains, 2, update_management=True),
    "um_bl10": partial(trains, 10, update_management=True),
    "um_bl40": partial(trains, 40, update_management=True),
    "um_bl1_devices_13_k2": partial(several_devices, partial(gokmen_2017, pulses=1, update_management=True), 13),
}
"""Every curve once: what two figures show is trained once."""
