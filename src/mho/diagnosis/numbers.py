"""What the checks look at: numbers of one replica of an array, from a probe."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import final

import numpy as np
import numpy.typing as npt

from mho.arrays import Array
from mho.config import RPU
from mho.diagnosis.probe import Pass, Probe, product
from mho.diagnosis.steps import Steps
from mho.periphery import Pulses

Floats = npt.NDArray[np.float32]


@final
@dataclasses.dataclass(frozen=True)
class Gradients:
    """Squares of the gradients δ xᵀ of images, summed over images and weights.

    Attributes:
        signal: through exact reads.
        noise: variance that the array reads of all layers add.
        distortion: what they change on the mean.
    """

    signal: float
    noise: float
    distortion: float

    def share(self, part: float) -> float:
        """Share of a part in the sum of the three."""
        whole = self.signal + self.noise + self.distortion
        return part / whole if whole > 0 else 0.0


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


@final
@dataclasses.dataclass(frozen=True)
class ArrayNumbers:
    """One replica of an array.

    Attributes:
        name: of the array.
        replica: number.
        rpu: what this replica is made of.
        images: K, those of the probe.
        round: images until each class has come up.
        gradients: of the images.
        clipped: outputs that stayed clipped, forward and backward, each as a share of those read.
        trained: whether training moves it.
        alone: where any did, gradients of every array that training moves when the reads of this one are real and
            those of others exact.
        weights: (out, in), those of the layer.
        factors: digital factor of each output between devices and weights, (out,); 1 where there is none.
        states: weight of every device, (devices, out, in).
        bounds: lowest and highest weight of every device, alike; None without bounds.
        lines: None where updates are exact, or the layer's learning rate is 0.
        steps: None where updates are exact.
    """

    name: str
    replica: int
    rpu: RPU
    images: int
    round: int
    gradients: Gradients
    clipped: tuple[float, float]
    trained: bool
    alone: list[Gradients]
    weights: Floats
    factors: Floats
    states: Floats
    bounds: tuple[Floats, Floats] | None
    lines: Lines | None
    steps: Steps | None

    @property
    def coincidences(self) -> float:
        """Mean coincidences a device an image, over the vectors of an image and the devices."""
        if self.lines is None:
            return 0.0
        found = self.lines.coincidences(np.ones_like(self.lines.columns), np.ones_like(self.lines.rows))
        return float(found.sum(dtype=np.float64) / self.weights.size / self.images)


def numbers_of(probe: Probe, exact: Pass, rates: Mapping[str, float], round_: int) -> list[ArrayNumbers]:
    """Numbers of every array and replica, from two passes with real reads beside an exact one.

    Args:
        probe: where to send images through.
        exact: its exact pass.
        rates: learning rate of each layer.
        round_: images until each class has come up.
    """
    real = [probe.real(), probe.real()]
    trained = probe.trained(exact)
    found = []
    for place, (path, array) in enumerate(probe.arrays):
        fields = array.cell_parameters()
        clipped = _clipped(array, real, place)
        alone = [probe.real(only=place), probe.real(only=place)] if clipped.any() else []
        for replica in range(probe.replicas):
            rpu = array.rpu.of_replica(replica)
            x, d = exact.x[place][replica], exact.d[place][replica]
            bounds = tuple(fields[name][replica].numpy() for name in ("w_min", "w_max") if name in fields)
            found.append(
                ArrayNumbers(
                    name=array.name,
                    replica=replica,
                    rpu=rpu,
                    images=len(x),
                    round=round_,
                    gradients=_gradients(exact, real, place, replica),
                    clipped=(float(clipped[0, replica]), float(clipped[1, replica])),
                    trained=trained[place],
                    alone=[
                        _gradients(exact, alone, other, replica) for other, own in enumerate(trained) if own and alone
                    ],
                    weights=array.scaled_weight[replica].numpy(),
                    factors=factors_of(array)[replica],
                    states=array.device_weights[replica].numpy(),
                    bounds=(bounds[0], bounds[1]) if len(bounds) == 2 else None,
                    lines=lines_of(rpu, x, d, rates[path], factors_of(array)[replica]),
                    steps=Steps(array, replica, type(rpu.device)) if rpu.device.pulse_driven else None,
                )
            )
    return found


def factors_of(array: Array) -> Floats:
    """Return the digital factor of each output between devices and weights, (R, out); 1 where there is none."""
    scale = array.scale
    ones = np.ones((array.replicas, array.out_features), np.float32)
    return ones if scale is None else ones * scale.numpy()


def lines_of(rpu: RPU, x: Floats, d: Floats, lr: float, factors: Floats) -> Lines | None:
    """How strongly an update with x (..., in) and δ (..., out) drives the lines; None if it takes no pulses.

    Args:
        rpu: of a replica.
        x: inputs.
        d: errors of the layer.
        lr: learning rate of the layer.
        factors: digital factor of each output, (out,): devices take δ and η divided by it.

    Update and length management are those of the whole vector; tiles, which see a part of it, have their own.
    """
    if not isinstance(rpu.update, Pulses) or lr == 0:
        return None
    largest = float(factors.max())
    x_gain, d_gain = rpu.update.gains(lr / largest, rpu.device.mean_step())
    d = d * (largest / factors)
    columns, rows = (np.abs(side).reshape(-1, side.shape[-1]) for side in (x, d))
    if rpu.update.length_management:
        return _length_managed(columns, rows, np.float32(x_gain * d_gain), rpu.update)
    if rpu.update.update_management:
        highest = [side.max(axis=1, keepdims=True) for side in (columns, rows)]
        pulsing = (highest[0] > 0) & (highest[1] > 0)
        balance = np.sqrt(np.divide(highest[1], highest[0], out=np.ones_like(highest[0]), where=pulsing))
        columns, rows = columns * balance * pulsing, rows / balance * pulsing
    slots = np.full((len(columns), 1), rpu.update.length, np.float32)
    return Lines(columns * np.float32(x_gain), rows * np.float32(d_gain), slots, _is_deterministic(rpu.update))


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


def mean_move(rpu: RPU, x: Floats, d: Floats, lr: float, factors: Floats) -> Floats:
    """What an update with x (T, in) and δ (T, out) moves the weights of a layer on the mean, (out, in)."""
    lines = lines_of(rpu, x, d, lr, factors)
    if lines is None:
        return np.float32(lr) * product(d.T, x)
    return factors[:, None] * (np.float32(rpu.device.mean_step()) * lines.coincidences(x, d))


def _clipped(array: Array, real: list[Pass], place: int) -> npt.NDArray[np.float64]:
    """Shares of clipped outputs, forward and backward (2, R)."""
    counted = sum(one.clipped[place].astype(np.float64) for one in real)
    vectors = max(1, sum(one.x[place].shape[1] * one.x[place].shape[2] for one in real))
    tiles = array.tile_shapes.values()
    outputs = [array.devices * sum(out for out, _ in tiles), sum(inputs for _, inputs in tiles)]
    shares: npt.NDArray[np.float64] = counted / (vectors * np.array(outputs)[:, None])
    return shares


def _gradients(exact_pass: Pass, real: list[Pass], place: int, replica: int) -> Gradients:
    """Of one array, from an exact pass and two real ones.

    Two real passes have independent noise: the product of their deviations has the square of what they have in
    common as its mean, and half the square of their difference is the variance.
    """
    signal = noise = distortion = 0.0
    vectors = [(one.x[place][replica], one.d[place][replica]) for one in (exact_pass, *real)]
    for image in range(exact_pass.x[place].shape[1]):
        exact, first, second = (product(d[image].T, x[image]) for x, d in vectors)
        signal += _dot(exact, exact)
        noise += _dot(first - second, first - second) / 2
        distortion += _dot(first - exact, second - exact)
    return Gradients(signal, noise, max(distortion, 0.0))


def _dot(a: Floats, b: Floats) -> float:
    return float(np.vdot(a, b))
