"""check_device: the tests that every law of mho passes, for laws of your own."""

from __future__ import annotations

import dataclasses
import time
from typing import Any, final

import numpy as np
import torch

from mho.arrays import Crossbar
from mho.cells import Single
from mho.config import RPU
from mho.devices import Device
from mho.errors import InvalidValue, LawError
from mho.kernels.law import read_law
from mho.per_replica import lengths
from mho.periphery import Pulses

STATES = 41


@final
@dataclasses.dataclass(frozen=True)
class DeviceReport:
    """What `check_device` measured on a law that keeps the contract.

    Attributes:
        law: its class.
        states: pulses that take the nominal device, without noise, from w_min to w_max.
        symmetry_point: where an up and a down step of the nominal device cancel; None if nowhere.
        step_up: nominal up step at w = 0, or in the middle of the range if 0 is outside it.
        step_down: nominal down step there.
        closed_form: whether the law says in one step what n pulses do.
        pulses_per_second: speed of the compiled law on one core.
    """

    law: str
    states: int
    symmetry_point: float | None
    step_up: float
    step_down: float
    closed_form: bool
    pulses_per_second: float

    def __str__(self) -> str:
        point = "none" if self.symmetry_point is None else f"{self.symmetry_point:.4g}"
        return (
            f"{self.law}: keeps the contract. {self.states} states, symmetry point {point}, steps at the middle "
            f"{self.step_up:+.3g} up and {-self.step_down:+.3g} down, "
            f"{'closed form' if self.closed_form else 'pulse by pulse'}, {self.pulses_per_second:.2g} pulses/s"
        )


def check_device(device: Device, *, seed: int = 0) -> DeviceReport:
    """Check a device's law and measure it.

    Checks: the signatures; finite values over the whole range, bounds included, for |z| up to 6.5; up pulses
    do not lower and down pulses do not raise the nominal weight without noise (z = 0); arrays of it keep their
    bounds; compiled equals interpreted; a closed form for one pulse equals the pulse.

    Returns:
        What was measured; `print` it.

    Raises:
        LawError: with the first rule that is broken, and where.
        InvalidValue: for a device that takes no pulses, or has lists.
    """
    if not isinstance(device, Device):
        raise InvalidValue(f"check_device takes a device, for example MyDevice(), and got {device!r}")
    if not device.pulse_driven:
        raise InvalidValue(f"{type(device).__name__} takes no pulses; there is no law to check")
    lists = lengths(device)
    if lists:
        raise InvalidValue(
            f"check_device takes one device, and {', '.join(lists)} of this {type(device).__name__} are lists; check "
            "each replica's: mho.testing.check_device(mho.RPU(device=device).of_replica(0).device)"
        )
    law = read_law(type(device))
    cell = _nominal(device)
    _check_values(device, cell)
    _check_arrays(device, seed)
    low, high = float(cell.w_min), float(cell.w_max)
    middle = np.float32(0.0 if low < 0 < high else (low + high) / 2)
    return DeviceReport(
        law=law.name,
        states=_states(device, cell),
        symmetry_point=_symmetry_point(device, cell),
        step_up=float(_step(device, middle, True, cell)),
        step_down=-float(_step(device, middle, False, cell)),
        closed_form=law.closed_form,
        pulses_per_second=_speed(device, seed),
    )


def _nominal(device: Device) -> Any:
    fields = device.parameters()
    record = dataclasses.make_dataclass("Cell", list(fields), frozen=True)
    return record(**{name: np.float32(parameter.mean) for name, parameter in fields.items()})


def _grid(cell: Any) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.linspace(cell.w_min, cell.w_max, STATES, dtype=np.float32)


def _step(device: Device, w: np.float32, up: bool, cell: Any, z: float = 0.0) -> np.float32:
    return np.float32(device.pulse(w, up, cell, np.float32(z))) - w  # type: ignore[arg-type]


def _check_values(device: Device, cell: Any) -> None:
    name = type(device).__name__
    law: Any = device
    for w in _grid(cell):
        for up in (True, False):
            for z in (-6.5, -1.0, 0.0, 1.0, 6.5):
                try:
                    new = device.pulse(w, up, cell, np.float32(z))  # type: ignore[arg-type]
                    finite = bool(np.isfinite(new))
                except (TypeError, ValueError, ZeroDivisionError, OverflowError) as error:
                    raise LawError(
                        f"{name}.pulse({w:.4g}, up={up}, z={z:g}) fails: {error}. At {read_law(type(device)).place}"
                    ) from error
                if not finite:
                    raise LawError(
                        f"{name}.pulse({w:.4g}, up={up}, z={z:g}) gives {new}; a law must be finite over the whole "
                        f"range [{cell.w_min:g}, {cell.w_max:g}], its bounds included: guard the power, root or "
                        "division that fails there, for example with max(..., 0.0)"
                    )
                if hasattr(law, "pulses") and np.float32(law.pulses(w, np.float32(1), up, cell, np.float32(z))) != (
                    np.float32(new)
                ):
                    raise LawError(f"{name}.pulses with n = 1 differs from pulse at w = {w:.4g}, up={up}, z={z:g}")
            step = _step(device, w, up, cell)
            if (step < 0) if up else (step > 0):
                raise LawError(
                    f"{name}: {'an up' if up else 'a down'} pulse at w = {w:.4g} without noise moves the weight by "
                    f"{step:+.3g}, the wrong way"
                )


def _check_arrays(device: Device, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    rpu = RPU(device=device, cell=Single(), update=Pulses(length=10))
    arrays = [Crossbar(rpu, 5, 19, seed=seed, backend=backend) for backend in ("cpu", "reference")]
    for _ in range(2):
        p = torch.rand(12, 19, generator=generator) * 2 - 1
        q = torch.rand(12, 5, generator=generator) * 2 - 1
        for array in arrays:
            array.pulse(p, q)
    compiled, interpreted = (array.weight for array in arrays)
    size = float(compiled.abs().max())
    # a law's functions of math may differ in the last bit of each of the few hundred pulses
    if not torch.allclose(compiled, interpreted, rtol=1e-4, atol=1e-5 * max(size, 1e-3)):
        worst = float((compiled - interpreted).abs().max())
        raise LawError(
            f"{type(device).__name__}: compiled and interpreted weights differ by {worst:.3g}; does the law use "
            "something that NumPy and Numba compute differently, such as integer division?"
        )
    bounds = arrays[0].cell_parameters()
    if bool((compiled > bounds["w_max"][:, 0]).any() or (compiled < bounds["w_min"][:, 0]).any()):
        raise LawError(f"{type(device).__name__}: weights left their bounds")


def _states(device: Device, cell: Any, limit: int = 1_000_000) -> int:
    """Up pulses from w_min until within half a step of w_max, or until the steps vanish."""
    w, pulses = np.float32(cell.w_min), 0
    while pulses < limit:
        step = _step(device, w, True, cell)
        if step <= 0 or w + step / 2 >= cell.w_max or step < 1e-3 * device.mean_step():
            break
        w, pulses = np.float32(w + step), pulses + 1
    return pulses


def _symmetry_point(device: Device, cell: Any) -> float | None:
    """Zero of the sum of an up and a down step, by bisection; None where it has no sign change."""

    def drift(w: float) -> float:
        at = np.float32(w)
        return float(_step(device, at, True, cell) + _step(device, at, False, cell))

    low, high = float(cell.w_min), float(cell.w_max)
    noise = 1e-3 * abs(device.mean_step())
    if not (drift(low) > noise and drift(high) < -noise):
        return None
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if drift(middle) > 0 else (low, middle)
    return (low + high) / 2


def _speed(device: Device, seed: int) -> float:
    array = Crossbar(RPU(device=device, update=Pulses(length=10)), 64, 64, seed=seed)
    p, q = torch.full((8, 64), 0.5), torch.full((8, 64), 0.5) * torch.tensor([1.0, -1.0]).repeat(32)
    began = time.perf_counter()
    array.pulse(p, q)
    return int(array.counters()["coincidences"]) / (time.perf_counter() - began)
