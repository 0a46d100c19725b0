"""Report of a recovery: standard errors, conditioning, and the conditions that it needs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import final

import numpy as np

from mho.errors import InvalidValue
from mho.learning.spectral.arrays import Floats
from mho.learning.spectral.moments import Moments
from mho.learning.spectral.recovery import Recovered, recover_linear, recover_quadratic, standardized
from mho.learning.spectral.stream import BLOCK, Setting, Stream
from mho.learning.spectral.tensors import matched
from mho.learning.spectral.weights import Weights

CLEAR = 2.0
"""Times the noise that a singular value, an eigenvalue or a distance must be to count as there."""
DECIDED = 0.1
"""Least share by which a unit's recurrent weights at t - 1 and t + 1 must differ."""
ENOUGH_GROUPS = 4
"""Groups of blocks that standard errors need."""


@final
@dataclasses.dataclass(frozen=True)
class SpectralReport:
    """Standard errors and conditioning of recovered weights.

    Attributes:
        samples: times that the moments are means over.
        input_error: standard error of A₁, by leaving out a 16th of the blocks at a time, of the shape of A₁; NaN
            where the sequence has fewer than four blocks of 2,048. Of a linear network: of A₂ᵀA₁, (d_y, d_x), as A₁
            alone is not determined.
        recurrent_error: standard error of U; of a linear network of A₂ᵀUA₁, (d_y, d_x).
        output_error: standard error of A₂; of a linear network empty.
        relative: norms of these errors over the norms of the matrices: "input", "recurrent" and "output", or
            "response_0" and "response_1".
        singular_values: singular values of the main moment in coordinates of equal noise, falling; those after the
            hidden units' are noise.
        noise: largest singular value of the noise in that moment, estimated from two halves of the blocks.
        condition: condition of the whitening: the ratio of its largest to its smallest eigenvalue.
        evidence: evidence of a bidirectional network, a number for each unit: 1 clearly forward, -1 clearly backward.
    """

    samples: int
    input_error: Floats
    recurrent_error: Floats
    output_error: Floats
    relative: dict[str, float]
    singular_values: Floats
    noise: float
    condition: float
    evidence: Floats

    def __str__(self) -> str:
        lines = [
            f"{self.samples:,} samples; condition of the whitening (largest over smallest variance of the inputs) "
            f"{self.condition:.3g}"
        ]
        values = ", ".join(f"{value:.3g}" for value in self.singular_values)
        lines.append(
            f"singular values of the moment, of which those near the noise {self.noise:.3g} say nothing: {values}"
        )
        lines.append(
            "estimated errors of the weights: "
            + ", ".join(f"{name.replace('_', ' ')} {100 * value:.2f} %" for name, value in self.relative.items())
        )
        if self.evidence.size:
            lines.append("direction of units " + ", ".join(f"{value:+.2f}" for value in self.evidence))
        return "\n".join(lines)


def solve(stream: Stream, seed: int) -> tuple[Weights, SpectralReport]:
    """Recover weights from a stream, with their report.

    Raises:
        InvalidValue: naming the condition that does not hold: too few samples, inputs of another density, a rank below
            the number of hidden units, units that the outputs do not tell apart.
    """
    setting = stream.setting
    _check_samples(stream)
    whole = stream.finished()
    moments = whole.moments
    if whole.statistics is not None:
        whole.statistics.check()
    _check_density(moments)
    difference = _half_difference(moments)
    noise = float(np.linalg.norm(_unfolded(difference), 2))

    def recover(without: int | None) -> Recovered:
        means = moments.means(without=without)
        if setting.quadratic:
            return recover_quadratic(means, setting.units, seed)
        return recover_linear(means, setting.units)

    _check_rank(np.linalg.svd(_unfolded(standardized(moments.means())))[1], noise, setting, stream.seen)
    found = recover(None)
    if setting.quadratic:
        _check_units(found, found.combined(difference), setting)
    errors = _standard_errors(found.weights, recover, moments.groups)
    return found.weights, SpectralReport(
        samples=moments.means().count,
        input_error=errors[0],
        recurrent_error=errors[1],
        output_error=errors[2],
        relative=_relative(errors, found.weights),
        singular_values=found.singular_values,
        noise=noise,
        condition=found.condition,
        evidence=found.evidence,
    )


def _unfolded(main: Floats) -> Floats:
    return np.concatenate(list(main), axis=1) if main.ndim == 3 else main


def _half_difference(moments: Moments) -> Floats:
    """Return half the difference of the standardized main moments of two halves: their noise without the signal."""
    whole = moments.means()
    halves = []
    for parity in (0, 1):
        kept = [group for group in moments.groups if group % 2 == parity]
        halves.append(moments.sums["main"][kept].sum(axis=0) / moments.sums["count"][kept].sum())
    return standardized(dataclasses.replace(whole, main=(halves[0] - halves[1]) / 2))


def _check_samples(stream: Stream) -> None:
    if stream.blocks < 2:
        setting = stream.setting
        least = 2 * BLOCK + setting.before + setting.after
        raise InvalidValue(
            f"{stream.seen} samples are too few: at least {least} are needed for an estimate of the noise, and errors "
            "of a few per cent take hundreds of thousands; give more of the sequence"
        )


def _check_density(moments: Moments) -> None:
    """Raise InvalidValue if E[(x - E[x]) S₁ᵀ] is not 1, as it is for the true density by Stein's identity."""
    sums, groups = moments.sums, moments.groups
    count = sums["count"].sum()
    found = sums["xs"].sum(axis=0) / count - np.outer(sums["x"].sum(axis=0), sums["s"].sum(axis=0)) / count**2
    each = np.stack([sums["xs"][g] / sums["count"][g] for g in groups])
    spread = float(np.linalg.norm(each.std(axis=0))) / np.sqrt(len(groups))
    wrong = float(np.linalg.norm(found - np.eye(len(found))))
    if wrong > 0.02 * len(found) ** 0.5 and wrong > 5 * spread:
        raise InvalidValue(
            f"density does not fit the inputs: E[x S₁ᵀ], which is the identity for their true density, differs from it "
            f"by {wrong:.3g} (noise {spread:.2g}); give the log density of these inputs, with its right mean and scale"
        )


def _check_rank(singular: Floats, noise: float, setting: Setting, seen: int) -> None:
    clear = int((singular > CLEAR * noise).sum())
    if clear < setting.units:
        value = singular[setting.units - 1] if len(singular) >= setting.units else 0.0
        needed = seen * (CLEAR * noise / max(value - noise / CLEAR, noise / 10)) ** 2  # noise falls with their root
        shown = ", ".join(f"{v:.3g}" for v in singular[: setting.units])
        raise InvalidValue(
            f"only {clear} of {setting.units} hidden units stand out of the noise (singular values {shown}; noise "
            f"{noise:.2g}): the input matrix or the output matrix has a rank below {setting.units}, or {seen:,} "
            f"samples are too few; give fewer hidden units, or more samples (about {needed:,.0f} if the rank is full)"
        )


def _check_units(found: Recovered, noise: float, setting: Setting) -> None:
    if found.smallest < CLEAR * noise:
        raise InvalidValue(
            "the combination of outputs that whitens is not clearly positive (smallest eigenvalue "
            f"{found.smallest:.2g}, noise {noise:.2g}): some hidden unit hardly acts on the outputs, or acts against "
            "the others, or two have nearly equal input weights; give more samples, more outputs, or fewer hidden units"
        )
    if found.gap < CLEAR * noise / found.smallest:
        raise InvalidValue(
            f"two hidden units act on the outputs in nearly the same proportion (distance {found.gap:.2g}, noise "
            f"{noise / found.smallest:.2g}) and cannot be told apart: the output matrix lacks rank; give more outputs, "
            "more samples, or fewer hidden units"
        )
    if found.evidence.size:
        half = setting.units // 2
        right = (found.evidence[:half] > DECIDED).all() and (found.evidence[half:] < -DECIDED).all()
        if not right:
            raise InvalidValue(
                "forward and backward units cannot be told apart (evidence "
                f"{', '.join(f'{value:+.2f}' for value in found.evidence)}; it should be near 1 for one half and near "
                "-1 for the other): recurrent weights are too small for so few samples, or the network runs in one "
                "direction; give more samples, or bidirectional=False"
            )


def _standard_errors(
    weights: Weights, recover: Callable[[int | None], Recovered], groups: list[int]
) -> tuple[Floats, Floats, Floats]:
    """Return standard errors of what is determined, by the jackknife over groups of blocks."""
    whole = _determined(weights, weights)
    if len(groups) < ENOUGH_GROUPS:
        return np.full_like(whole[0], np.nan), np.full_like(whole[1], np.nan), np.full_like(whole[2], np.nan)
    parts = [_determined(recover(group).weights, weights) for group in groups]
    factor = np.sqrt(len(groups) - 1)
    spread = [factor * np.std([part[place] for part in parts], axis=0) for place in range(3)]
    return spread[0], spread[1], spread[2]


def _determined(weights: Weights, like: Weights) -> tuple[Floats, Floats, Floats]:
    """Return the matrices in order and signs of `like`, or of a linear network A₂ᵀA₁ and A₂ᵀUA₁."""
    if not weights.quadratic:
        back = weights.output.T
        return back @ weights.input, back @ weights.recurrent @ weights.input, np.empty((0, 0))
    parts = [aligned(part, other) for part, other in zip(weights.parts(), like.parts(), strict=True)]
    if not weights.bidirectional:
        return parts[0].input, parts[0].recurrent, parts[0].output
    kinds = [np.stack([getattr(part, name) for part in parts]) for name in ("input", "recurrent", "output")]
    return kinds[0], kinds[1], kinds[2]


def aligned(weights: Weights, like: Weights) -> Weights:
    """Return an equal quadratic network whose units have the order and signs of those of `like`, rows of A₁ of norm 1.

    a_i → c_i a_i, U_ij → c_i U_ij / c_j², A₂ᵢ → A₂ᵢ / c_i² leave every output as it is.
    """
    length = np.linalg.norm(weights.input, axis=1)
    order, sign = matched(weights.input / length[:, None], like.input)
    c = (1 / length)[order] * sign
    return Weights(
        weights.input[order] * c[:, None],
        weights.recurrent[np.ix_(order, order)] * c[:, None] / c[None, :] ** 2,
        weights.output[order] / c[:, None] ** 2,
        quadratic=True,
    )


def _relative(errors: tuple[Floats, Floats, Floats], weights: Weights) -> dict[str, float]:
    names = ("input", "recurrent", "output") if weights.quadratic else ("response_0", "response_1")
    whole = _determined(weights, weights)
    return {
        name: float(np.linalg.norm(error) / np.linalg.norm(part))
        for name, error, part in zip(names, errors, whole, strict=False)
    }
