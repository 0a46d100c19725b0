"""check_device: the tests that every law of mho passes, for laws of your own."""

from __future__ import annotations

import dataclasses
import itertools
import math
import time
import traceback
import types
from typing import Any, final

import numpy as np
import torch

from mho.arrays import Crossbar
from mho.cells import Single
from mho.compiler.hooks import HOOKS, hook_record, read_hooks
from mho.compiler.law import read_law
from mho.config import RPU
from mho.devices import Device
from mho.devices.doubts import doubts
from mho.devices.measured_cells import in_turn
from mho.devices.symmetry import count_of_states, middle_steps, nominal_cell, quiet_step, symmetry_points
from mho.errors import InvalidValue, LawError, in_words
from mho.kernels import ops
from mho.kernels.reference.cell import ask
from mho.per_replica import lengths
from mho.periphery import Pulses
from mho.spoken import one_replica

PLACES = 41
"""States over the range at which a law is asked."""
DRAWN = 4
"""Cells with fields as drawn whose values are checked beside the nominal cell."""
POPULATION = 500
"""Cells whose symmetry points are looked at."""
TIMES = (1.0, 100.0)
"""Times without pulses at which effects are asked, in updates."""
ROUNDING = 1e-6
"""Part of a step: less is rounding."""


@final
@dataclasses.dataclass(frozen=True)
class DeviceReport:
    """Report of `check_device` on a law that passes every check.

    Attributes:
        law: its class.
        states: (w_max - w_min) of the nominal device over the mean of its up and down step in the middle.
        asymmetry: difference of the up and the down step in the middle, over their mean.
        symmetry_point: where an up and a down step of the nominal device cancel; None if they cancel in no state or in
            every state.
        symmetry_spread: standard deviation of the symmetry points of cells as drawn; None if some have none.
        always_symmetric: whether up and down steps cancel in every state.
        step_up: nominal up step at w = 0, or in the middle of the range if 0 is outside it.
        step_down: nominal down step there.
        closed_form: whether the law says in one step what n pulses do.
        pulses_per_second: speed of the compiled law on one core.
        remarks: on values that may have been meant otherwise, such as per cent given as a number.
    """

    law: str
    states: float
    asymmetry: float
    symmetry_point: float | None
    symmetry_spread: float | None
    always_symmetric: bool
    step_up: float
    step_down: float
    closed_form: bool
    pulses_per_second: float
    remarks: tuple[str, ...] = ()

    def __str__(self) -> str:
        measured = (
            f"{self.law} passes every check of a law. {self.states:.4g} states, symmetry point {self.symmetry}, "
            f"steps at the middle {self.step_up:+.3g} up and {-self.step_down:+.3g} down (asymmetry "
            f"{self.asymmetry:+.2g}), {'closed form' if self.closed_form else 'pulse by pulse'}, "
            f"{self.pulses_per_second:.2g} pulses/s"
        )
        return "\n".join([measured, *(f"note: {remark}" for remark in self.remarks)])

    @property
    def symmetry(self) -> str:
        """Return the symmetry point in units of weight as words, or that the device has none."""
        if self.symmetry_point is None:
            return "in every state" if self.always_symmetric else "none"
        # points of cells that do not differ are apart by rounding only
        same = self.symmetry_spread is None or self.symmetry_spread < ROUNDING
        spread = "" if same else f" ± {self.symmetry_spread:.2g} over cells"
        return f"{self.symmetry_point:.4g}{spread}"


@in_words
def check_device(device: Device, *, seed: int = 0) -> DeviceReport:
    """Check a device's law and measure it.

    Checks: the signatures; finite values over the whole range, bounds included, for |z| up to 6.5, of the nominal cell
    and of some as drawn; up pulses do not lower and down pulses do not raise the nominal weight without noise (z = 0);
    arrays of it keep their bounds; compiled equals interpreted; a closed form for one pulse equals the pulse, and a
    closed form for the symmetry point equals the zero of the law. Of its effects: what they make of a weight is finite,
    at pulses, reads and in time; devices that hold do not move; compiled equals interpreted.

    Returns:
        What was measured; `print` it.

    Raises:
        LawError: with the first rule that is broken, and where.
        InvalidValue: for a device that takes no pulses, has lists, or infinite bounds.
    """
    _check_kind(device)
    law = read_law(type(device))
    means = {name: np.float32(parameter.mean) for name, parameter in device.parameters().items()}
    array = Crossbar(RPU(device=in_turn(device, 1, POPULATION)), 1, POPULATION, seed=seed)
    drawn = {name: values.flatten(0, 3).numpy() for name, values in array.cell_parameters().items()}
    for number in range(-1, DRAWN):
        fields = means if number < 0 else {name: values[number] for name, values in drawn.items()}
        tables = {name: table.values for name, table in device.tables().items()}
        cell = types.SimpleNamespace(**(tables | fields))
        _check_values(device, cell, nominal=number < 0)
        _check_effects(device, cell)
    _check_symmetry(device, drawn)
    _check_arrays(device, seed)
    cell = nominal_cell(device)
    up, down = middle_steps(device)
    point, points = float(device.symmetry_point()), device.symmetry_point(drawn)
    mean = (up + down) / 2
    return DeviceReport(
        law=law.name,
        states=count_of_states(device),
        asymmetry=(up - down) / mean if mean > 0 else 0.0,
        symmetry_point=None if math.isnan(point) else point,
        symmetry_spread=None if np.isnan(points).any() else float(points.std()),
        always_symmetric=_always_symmetric(device, cell),
        step_up=up,
        step_down=down,
        closed_form=law.closed_form,
        pulses_per_second=_speed(device, seed),
        remarks=doubts(device),
    )


def _check_kind(device: object) -> None:
    if not isinstance(device, Device):
        raise InvalidValue(f"check_device takes a device, for example MyDevice(), and got {device!r}")
    if not device.pulse_driven:
        raise InvalidValue(f"{type(device).__name__} takes no pulses; there is no law to check")
    lists = lengths(device)
    if lists:
        raise InvalidValue(
            f"check_device takes one device, and {', '.join(lists)} of this {type(device).__name__} are lists; "
            f"{one_replica()}"
        )
    fields = device.parameters()
    unbounded = [name for name in ("w_max", "w_min") if math.isinf(fields[name].mean)]
    if unbounded:
        raise InvalidValue(
            f"check_device looks at a law between its bounds, and {' and '.join(unbounded)} of this "
            f"{type(device).__name__} is infinite; give finite bounds to check it, for example ±1000 steps"
        )


def _check_values(device: Device, cell: Any, *, nominal: bool) -> None:
    name = type(device).__name__
    for w in np.linspace(cell.w_min, cell.w_max, PLACES, dtype=np.float32):
        for up in (True, False):
            for z in (-6.5, -1.0, 0.0, 1.0, 6.5):
                new = _pulse(device, w, up, cell, z)
                if not np.isfinite(new):
                    raise LawError(
                        f"{name}.pulse({w:.4g}, up={up}, z={z:g}) gives {new}{_of(cell, nominal)}, at "
                        f"{read_law(type(device)).place}; a law must be finite over the whole range "
                        f"[{cell.w_min:.4g}, {cell.w_max:.4g}], its bounds included: guard the power, root or division "
                        "that fails there, for example with max(..., 0.0)"
                    )
                _check_closed_form(device, w, up, cell, z, new)
            step = _pulse(device, w, up, cell, 0.0) - w
            if nominal and ((step < 0) if up else (step > 0)):
                raise LawError(
                    f"{name}: {'an up' if up else 'a down'} pulse at w = {w:.4g} without noise moves the weight by "
                    f"{step:+.3g}, the wrong way, at {read_law(type(device)).place}; up pulses must not lower a weight "
                    "nor down pulses raise it: look at the signs, or hold the step at 0 with max(..., 0.0)"
                )


def _pulse(device: Device, w: np.float32, up: bool, cell: Any, z: float) -> np.float32:
    """Return one pulse as the reference computes it."""
    try:
        with np.errstate(all="ignore"):
            pair = np.float32(z) if device.draws == 1 else (np.float32(z), np.float32(-z))
            return np.float32(ask(device, w, (), up, cell, pair)[0])
    except (ArithmeticError, AttributeError, NameError, TypeError, ValueError) as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        cure = (
            "A law must have a value over the whole range, its bounds included: guard what fails there, for example "
            "with max(..., 0.0)"
            if isinstance(error, (ArithmeticError, ValueError))
            else "A law is scalar arithmetic on w, up, cell and z, with math functions, if and for; write this line so"
        )
        raise LawError(
            f"{type(device).__name__}.pulse({w:.4g}, up={up}, z={z:g}) fails at {frame.filename}:{frame.lineno}: "
            f"{error}. {cure}"
        ) from None


def _check_effects(device: Device, cell: Any) -> None:
    """Ask every effect that is on what it makes of weights over the range."""
    for effect in device.active_effects():
        record, source = hook_record(type(effect), cell), read_hooks(type(effect))
        for hook, function in source.functions.items():
            for w, z, up, dt in itertools.product(
                np.linspace(cell.w_min, cell.w_max, PLACES, dtype=np.float32), (-6.5, 0.0, 6.5), (True, False), TIMES
            ):
                given = {"w": w, "cell": record, "z": np.float32(z), "up": up, "dt": np.float32(dt)}
                try:
                    with np.errstate(all="ignore"):
                        answer = getattr(effect, hook)(*(given[name] for name in HOOKS[hook]))
                except (ArithmeticError, AttributeError, NameError, TypeError, ValueError) as error:
                    frame = traceback.extract_tb(error.__traceback__)[-1]
                    raise LawError(
                        f"{source.name}.{hook} fails at w = {w:.4g}, {frame.filename}:{frame.lineno}: {error}. An "
                        "effect is scalar arithmetic with a value over the whole range; guard what fails there"
                    ) from None
                if not np.isfinite(answer):
                    raise LawError(
                        f"{source.name}.{hook} gives {answer} at w = {w:.4g}, z = {z:g}, dt = {dt:g}, at "
                        f"{function.place}; an effect must be finite over the whole range, its bounds included"
                    )


def _of(cell: Any, nominal: bool) -> str:
    """Return which device it was, for messages; nothing for the nominal device."""
    return (
        ""
        if nominal
        else " in a cell with " + ", ".join(f"{name} = {v:.4g}" for name, v in vars(cell).items() if np.ndim(v) == 0)
    )


def _check_closed_form(device: Device, w: np.float32, up: bool, cell: Any, z: float, new: np.float32) -> None:
    law: Any = device
    if hasattr(law, "pulses") and np.float32(law.pulses(w, np.float32(1), up, cell, np.float32(z))) != new:
        raise LawError(f"{type(device).__name__}.pulses with n = 1 differs from pulse at w = {w:.4g}, up={up}, z={z:g}")


def _check_symmetry(device: Device, drawn: dict[str, Any]) -> None:
    """Compare a closed form of the symmetry point with the law, in a few cells."""
    if not hasattr(device, "symmetry"):
        return
    some = {name: values[: 4 * DRAWN] for name, values in drawn.items()}
    said, found = device.symmetry_point(some), symmetry_points(device, some, closed_form=False)
    limit = 1e-4 * (some["w_max"] - some["w_min"])
    wrong = np.isnan(said) != np.isnan(found)
    wrong |= np.abs(said - found) > limit
    if wrong.any():
        at = int(wrong.argmax())
        raise LawError(
            f"{type(device).__name__}.symmetry says that up and down steps cancel at {said[at]:.4g}, and by the law "
            f"they do at {found[at]:.4g} (nan: nowhere); correct it, or leave it out: the point is then searched for"
        )


def _check_arrays(device: Device, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    rpu = RPU(device=in_turn(device, 5, 19), cell=Single(), update=Pulses(length=10))
    arrays = [Crossbar(rpu, 5, 19, seed=seed, backend=backend) for backend in ("cpu", "reference")]
    started = arrays[0].weight.clone()
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
    _check_hooks(device, arrays)
    bounds = arrays[0].cell_parameters()
    held = ops.stuck_devices(device.model(), {name: values.numpy() for name, values in bounds.items()})
    if held is not None and not torch.equal(arrays[0].weight[held[:, 0]], started[held[:, 0]]):
        raise LawError(f"{type(device).__name__}: devices that hold their weight have moved")
    if bool((compiled > bounds["w_max"][:, 0]).any() or (compiled < bounds["w_min"][:, 0]).any()):
        raise LawError(f"{type(device).__name__}: weights left their bounds")


def _check_hooks(device: Device, arrays: list[Crossbar]) -> None:
    """Compare what reads see, what time leaves, and hidden states, compiled and interpreted."""
    for array in arrays:
        array.rest(2.0)
    name = type(device).__name__
    pairs = {"weights after a time": [array.weight for array in arrays], "reads": [array.read() for array in arrays]}
    pairs |= {f"states {name!r}": [array.hidden_states()[name] for array in arrays] for name in device.hidden_states()}
    for what, (compiled, interpreted) in pairs.items():
        if not torch.allclose(compiled, interpreted, rtol=1e-4, atol=1e-4 * max(float(interpreted.abs().max()), 1e-3)):
            worst = float((compiled - interpreted).abs().max())
            raise LawError(f"{name} with its effects: compiled and interpreted {what} differ by {worst:.3g}")


def _always_symmetric(device: Device, cell: Any) -> bool:
    """Return True if an up and a down step cancel at every state."""
    for w in np.linspace(cell.w_min, cell.w_max, PLACES):
        up, down = (quiet_step(device, float(w), way, cell) for way in (True, False))
        if abs(up + down) > ROUNDING * max(abs(up), abs(down)):
            return False
    return True


def _speed(device: Device, seed: int) -> float:
    array = Crossbar(RPU(device=in_turn(device, 64, 64), update=Pulses(length=10)), 64, 64, seed=seed)
    p, q = torch.full((8, 64), 0.5), torch.full((8, 64), 0.5) * torch.tensor([1.0, -1.0]).repeat(32)
    began = time.perf_counter()
    array.pulse(p, q)
    return int(array.counters()["coincidences"]) / (time.perf_counter() - began)
