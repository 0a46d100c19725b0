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
from mho.diagnosis.lines import Lines, factors_of, gains_of, lines_of, mean_coincidences
from mho.diagnosis.probe import Pass, Probe, product
from mho.diagnosis.steps import BankPlace, Steps
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
        rate: learning rate of the layer.
        images: K, those of the probe.
        round: images until each class has come up.
        gradients: of the images.
        clipped: outputs that stayed clipped, forward and backward, each as a share of those read.
        trained: whether training moves it.
        alone: where any did, gradients of every array that training moves when the reads of this one are real and
            those of others exact.
        weights: (out, in), those of the layer.
        inputs: exact ones of all vectors of the probe, (V, in).
        errors: likewise δ, (V, out).
        factors: digital factor of each output between devices and weights, (out,); 1 where there is none.
        lines: None where vectors send no pulses, or the layer's learning rate is 0.
        banks: by name; first the bank that vectors pulse.
        holder: name of the bank that holds the weight, which programming sets.
        rules: how transfers work.
        columns: of the widest tile.
        seen: vectors of updates since the start.
        vectors: that an image sends.
        dead: share of outputs whose error is 0 in every image, (0 to 1).
        stuck: share of the devices that vectors pulse which are stuck.
        forgetting: rate at which the devices that hold the weight decay or drift, per step of the optimizer.
        evenness: how evenly inputs and errors are spread over vectors, Σ_j (E|x_j|)²/E x_j² times the mean of
            (E|δ_i|)²/E δ_i²; lines that are always 0 are left out.
    """

    name: str
    replica: int
    rpu: RPU
    rate: float
    images: int
    round: int
    gradients: Gradients
    clipped: tuple[float, float]
    trained: bool
    alone: list[Gradients]
    weights: Floats
    inputs: Floats
    errors: Floats
    factors: Floats
    lines: Lines | None
    banks: Mapping[str, BankNumbers]
    holder: str
    rules: tuple[TransferRule, ...]
    columns: int
    seen: int
    vectors: float
    dead: float
    stuck: float
    forgetting: float
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
            direct = mean_coincidences(lines) / max(len(x), 1)
            columns = max(inputs for _, inputs in array.tile_shapes.values())
            found.append(
                ArrayNumbers(
                    name=array.name,
                    replica=replica,
                    rpu=rpu,
                    rate=rates[path],
                    images=len(x),
                    round=round_,
                    gradients=_gradients(exact, real, place, replica),
                    clipped=(float(clipped[0, replica]), float(clipped[1, replica])),
                    trained=trained[place],
                    alone=[
                        _gradients(exact, alone, other, replica) for other, own in enumerate(trained) if own and alone
                    ],
                    weights=array.scaled_weight[replica].numpy(),
                    inputs=x.reshape(-1, x.shape[-1]),
                    errors=d.reshape(-1, d.shape[-1]),
                    factors=factors,
                    lines=lines,
                    banks=_banks(array, rpu, replica, fields, direct, seen, vectors),
                    holder=next((name for name, gain in gains_of(rpu).items() if gain), rpu.banks[0].name),
                    rules=rpu.cell.rules(rates[path] / float(factors.max()), nominal_steps(rpu), columns),
                    columns=columns,
                    seen=seen,
                    vectors=vectors,
                    dead=_dead(d.reshape(-1, d.shape[-1])),
                    stuck=_mean(fields, "stuck", replica),
                    forgetting=_mean(fields, "decay", replica),
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
        direct: coincidences per device and image of the bank that vectors pulse.
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


def nominal_steps(rpu: RPU) -> dict[str, float]:
    """Return the nominal step of each bank that takes pulses."""
    return {bank.name: bank.device.mean_step() for bank in rpu.banks if bank.device.pulse_driven}


def _dead(d: Floats) -> float:
    """Return the share of outputs whose δ is 0 in all vectors (V, out); 0 without vectors."""
    return float((~d.any(axis=0)).mean()) if len(d) else 0.0


def _mean(fields: Mapping[str, Tensor], name: str, replica: int) -> float:
    """Return the mean of a field over the devices of a replica; 0 where they have no such field."""
    return float(fields[name][replica].float().mean()) if name in fields else 0.0


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
