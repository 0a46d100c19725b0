"""How vectors drive the lines of an array, and how far that moves the weights on the mean."""

from __future__ import annotations

import dataclasses
from typing import final

import numpy as np
import numpy.typing as npt

from mho.arrays import Array
from mho.config import RPU
from mho.diagnosis.probe import product
from mho.periphery import Pulses

Floats = npt.NDArray[np.float32]


@final
@dataclasses.dataclass(frozen=True)
class Lines:
    """Pulse probabilities of the lines at exact vectors, before they are cut at 1.

    Attributes:
        columns: C_x|x|, (V, in), C_x being that of each vector.
        rows: C_δ|δ|, (V, out).
        slots: BL, (V, 1).
        deterministic: whether lines pulse a rounded number of times instead of by chance.
    """

    columns: Floats
    rows: Floats
    slots: Floats
    deterministic: bool = False

    def coincidences(self, x: Floats, d: Floats) -> Floats:
        """Mean coincidences of each cross-point in all vectors, (out, in), signed as x (V, in) and δ (V, out) are."""
        columns, rows = (np.minimum(side, 1) for side in (self.columns, self.rows))
        if not self.deterministic:
            return product((rows * np.sign(d) * self.slots).T, columns * np.sign(x))
        total = np.zeros((rows.shape[1], columns.shape[1]), np.float32)
        columns, rows = np.rint(self.slots * columns), np.rint(self.slots * rows)
        for n, m, slots, x_sign, d_sign in zip(columns, rows, self.slots, np.sign(x), np.sign(d), strict=True):
            driven = m > 0
            total[driven] += np.floor(np.outer(m[driven], n) / slots + 0.5) * np.outer(d_sign[driven], x_sign)
        return total


def factors_of(array: Array) -> Floats:
    """Return the digital factor of each output between devices and weights, (R, out); 1 where there is none."""
    scale = array.scale
    ones = np.ones((array.replicas, array.out_features), np.float32)
    return ones if scale is None else ones * scale.numpy()


def lines_of(rpu: RPU, x: Floats, d: Floats, lr: float, factors: Floats) -> Lines | None:
    """How strongly an update with x (..., in) and δ (..., out) drives the lines; None if it takes no pulses.

    Args:
        rpu: of a replica; its cell says how learning rate and errors drive the first bank.
        x: inputs.
        d: errors of the layer.
        lr: learning rate of the layer.
        factors: digital factor of each output, (out,): devices take δ and η divided by it.

    Update and length management are those of the whole vector; tiles, which see a part of it, have their own.
    """
    first = rpu.banks[0]
    if not isinstance(first.update, Pulses) or lr == 0 or rpu.cell.digital_gradient:
        return None
    largest = float(factors.max())
    columns, rows = (np.abs(side).reshape(-1, side.shape[-1]) for side in (x, d * (largest / factors)))
    step = first.device.mean_step()
    rate, sizes = rpu.cell.drive(lr / largest, first.update, step, (_largest(columns), _largest(rows)))
    x_gain, d_gain = first.update.gains(rate, step)
    columns, rows = columns * np.float32(sizes[0]), rows * np.float32(sizes[1])
    if first.update.length_management:
        return _length_managed(columns, rows, np.float32(x_gain * d_gain), first.update)
    if first.update.update_management:
        highest = [side.max(axis=1, keepdims=True) for side in (columns, rows)]
        pulsing = (highest[0] > 0) & (highest[1] > 0)
        balance = np.sqrt(np.divide(highest[1], highest[0], out=np.ones_like(highest[0]), where=pulsing))
        columns, rows = columns * balance * pulsing, rows / balance * pulsing
    slots = np.full((len(columns), 1), first.update.length, np.float32)
    return Lines(columns * np.float32(x_gain), rows * np.float32(d_gain), slots, _is_deterministic(first.update))


def _is_deterministic(pulses: Pulses) -> bool:
    return pulses.trains == "deterministic"


def _length_managed(columns: Floats, rows: Floats, rate: np.float32, pulses: Pulses) -> Lines:
    """Lines driven by |x| and |δ|, each vector in as many slots as it needs; `rate` is η/Δw_min."""
    x_max, d_max = (side.max(axis=1, keepdims=True) for side in (columns, rows))
    wanted = rate * x_max * d_max
    slots = np.clip(np.ceil(wanted), 1, pulses.length)
    peak = np.minimum(1, np.sqrt(wanted / slots))
    pulsing = wanted > 0
    columns = columns * np.divide(peak, x_max, out=np.zeros_like(peak), where=pulsing)
    rows = rows * np.divide(rate * x_max / slots, peak, out=np.zeros_like(peak), where=pulsing)
    return Lines(columns, rows, slots, _is_deterministic(pulses))


def _largest(values: Floats) -> float:
    """Return the mean of the largest of each vector (V, lines) that is not 0; 0 where all are."""
    highest = values.max(axis=1)
    return float(highest[highest > 0].mean()) if (highest > 0).any() else 0.0


def mean_move(rpu: RPU, x: Floats, d: Floats, lr: float, factors: Floats) -> Floats:
    """Return the mean move (out, in) of a layer's weights by an update with x (T, in) and δ (T, out), as reads see it.

    What transfers move later is not in it.
    """
    lines = lines_of(rpu, x, d, lr, factors)
    if lines is None:
        return np.float32(lr) * product(d.T, x)
    first = rpu.banks[0]
    step = first.device.mean_step() * gains_of(rpu).get(first.name, 0.0)
    return factors[:, None] * (np.float32(step) * lines.coincidences(x, d))


def gains_of(rpu: RPU) -> dict[str, float]:
    """Return the factors with which banks enter the weight that reads see, in the order of the cell's sums."""
    return {term.bank: term.gain for terms in rpu.cell.reads() for term in terms} or {rpu.banks[0].name: 1.0}


def mean_coincidences(lines: Lines | None) -> float:
    """Return the coincidences of all vectors for each device, the mean over the devices."""
    if lines is None:
        return 0.0
    found = lines.coincidences(np.ones_like(lines.columns), np.ones_like(lines.rows))
    return float(found.mean(dtype=np.float64))
