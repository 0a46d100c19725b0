"""What the checks look at: numbers of one replica of an array, from a probe."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import final

import numpy as np
import numpy.typing as npt
from torch import Tensor

from mho.arrays import Array
from mho.banks import BankSpec
from mho.cells import TransferRule
from mho.config import RPU
from mho.diagnosis.probe import Pass, Probe, product
from mho.diagnosis.steps import BankPlace, Steps
from mho.periphery import Pulses
from mho.random import Operation

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
class BankNumbers:
    """One bank of a replica of an array.

    Attributes:
        spec: what it is made of.
        gain: its factor in the weight that reads see; 0 where they do not see it.
        matrix: (out, in), less its references.
        states: weight of every device, (devices, out, in).
        bounds: lowest and highest weight of every device, alike; None without bounds.
        steps: None where updates are exact.
        coincidences: mean coincidences a device an image.
        pulses: that it has had since the start.
    """

    spec: BankSpec
    gain: float
    matrix: Floats
    states: Floats
    bounds: tuple[Floats, Floats] | None
    steps: Steps | None
    coincidences: float
    pulses: int


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
        lines: None where vectors send no pulses, or the layer's learning rate is 0.
        banks: by name; first the bank that vectors pulse.
        holder: name of the bank that holds the weight: the one that programming sets.
        rules: how transfers work.
        columns: of the widest tile.
        seen: vectors of updates since the start.
        vectors: that an image sends.
        evenness: how evenly inputs and errors are spread over vectors, Σ_j (E|x_j|)²/E x_j² times the mean of
            (E|δ_i|)²/E δ_i²; lines that are always 0 are left out.
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
    lines: Lines | None
    banks: Mapping[str, BankNumbers]
    holder: str
    rules: tuple[TransferRule, ...]
    columns: int
    seen: int
    vectors: float
    evenness: float

    @property
    def held(self) -> BankNumbers:
        """The bank that holds the weight."""
        return self.banks[self.holder]

    @property
    def is_direct(self) -> bool:
        """Whether vectors' pulse trains, or exact updates, move the bank that holds the weight."""
        return self.holder == next(iter(self.banks)) and not any(rule.target == self.holder for rule in self.rules)


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
            factors = factors_of(array)[replica]
            lines = lines_of(rpu, x, d, rates[path], factors)
            seen, vectors = int(array.vectors[Operation.UPDATE]), x.shape[1]
            direct = _coincidences(lines) / max(len(x), 1)
            columns = max(inputs for _, inputs in array.tile_shapes.values())
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
                    factors=factors,
                    lines=lines,
                    banks=_banks(array, rpu, replica, fields, direct, seen, vectors),
                    holder=next((name for name, gain in gains_of(rpu).items() if gain), rpu.banks[0].name),
                    rules=rpu.cell.rules(rates[path] / float(factors.max()), nominal_steps(rpu), columns),
                    columns=columns,
                    seen=seen,
                    vectors=vectors,
                    evenness=_evenness(x.reshape(-1, x.shape[-1]), d.reshape(-1, d.shape[-1])),
                )
            )
    return found


def _banks(
    array: Array,
    rpu: RPU,
    replica: int,
    fields: Mapping[str, Tensor],
    direct: float,
    seen: int,
    vectors: int,
) -> dict[str, BankNumbers]:
    """Return the numbers of each bank.

    Args:
        array: of these banks.
        rpu: of the replica.
        replica: its number.
        fields: of the devices of all banks.
        direct: coincidences a device an image of the bank that vectors pulse.
        seen: vectors of updates since the start.
        vectors: that an image sends.
    """
    gains, counters, found = gains_of(rpu), array.counters(), {}
    for spec in rpu.banks:
        place = BankPlace.of(array, spec.name)
        own = place.fields(fields)
        bounds = [own[name][replica].numpy() for name in ("w_min", "w_max") if name in own]
        prefix = f"{spec.name}." if len(rpu.banks) > 1 else ""
        met = int(counters[f"{prefix}coincidences"][replica]) / (array.out_features * array.in_features * spec.lines)
        found[spec.name] = BankNumbers(
            spec=spec,
            gain=gains.get(spec.name, 0.0),
            matrix=array.matrix_of(spec.name)[replica].numpy(),
            states=place.devices(array.device_weights[replica]).numpy(),
            bounds=(bounds[0], bounds[1]) if len(bounds) == 2 else None,
            steps=Steps(array, replica, spec.name) if spec.device.pulse_driven else None,
            coincidences=direct if spec.name == rpu.banks[0].name and direct else met * vectors / max(seen, 1),
            pulses=int(counters[f"{prefix}pulses"][replica]),
        )
    return found


def gains_of(rpu: RPU) -> dict[str, float]:
    """Return the factors with which banks enter the weight that reads see, in the order of the cell's sums."""
    return {term.bank: term.gain for terms in rpu.cell.reads() for term in terms} or {rpu.banks[0].name: 1.0}


def nominal_steps(rpu: RPU) -> dict[str, float]:
    """Return the nominal step of each bank that takes pulses."""
    return {bank.name: bank.device.mean_step() for bank in rpu.banks if bank.device.pulse_driven}


def _coincidences(lines: Lines | None) -> float:
    """Return the coincidences of all vectors for each device, the mean over the devices."""
    if lines is None:
        return 0.0
    found = lines.coincidences(np.ones_like(lines.columns), np.ones_like(lines.rows))
    return float(found.mean(dtype=np.float64))


def _evenness(x: Floats, d: Floats) -> float:
    """Return Σ_j (E|x_j|)²/E x_j² times the mean of (E|δ_i|)²/E δ_i² over vectors x (V, in) and δ (V, out)."""
    columns, rows = _squares(x), _squares(d)
    return float(columns.sum() * rows.mean()) if columns.size and rows.size else 0.0


def _squares(values: Floats) -> npt.NDArray[np.float64]:
    """Return (E|v|)²/E v² of each line of vectors (V, lines) that is not always 0: 1 where all are of one size."""
    driven = np.abs(values[:, values.any(axis=0)]).astype(np.float64)
    count = max(len(driven), 1)
    squares: npt.NDArray[np.float64] = np.square(driven.sum(axis=0)) / (count * np.square(driven).sum(axis=0))
    return squares


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
