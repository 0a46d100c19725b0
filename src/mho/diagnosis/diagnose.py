"""mho.diagnose: is it the device or the learning rate?"""

from __future__ import annotations

import dataclasses
import math
import textwrap
from collections.abc import Mapping
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from mho.arrays import check_lr
from mho.diagnosis.finding import LIMIT, Check, Finding, NetworkNumbers
from mho.diagnosis.numbers import mean_move, numbers_of
from mho.diagnosis.probe import Floats, Pass, Probe
from mho.diagnosis.rate import LearningRate
from mho.diagnosis.reads import Clipping, ReadNoise
from mho.diagnosis.updates import CoarseSteps, Imbalance, Saturation, StuckWeights, SymmetryPoints
from mho.errors import Faults, InvalidValue, WrongUse, nearest
from mho.nn import array_layers

CHECKS: tuple[Check, ...] = (
    ReadNoise(),
    Clipping(),
    Saturation(),
    CoarseSteps(),
    StuckWeights(),
    Imbalance(),
    SymmetryPoints(),
    LearningRate(),
)
MOST_IMAGES = 64
STEPS = 6
"""Training steps whose effect on other images is looked at."""
WIDTH = 79


@final
@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """What each check found, the worst first; `print` it.

    Attributes:
        findings: one a check that had something to look at, where it is worst: the array, and the replica.
        replicas: of the model.
    """

    findings: tuple[Finding, ...]
    replicas: int = 1

    @property
    def faults(self) -> tuple[Finding, ...]:
        """Findings that cost more than they leave, the worst first."""
        return tuple(finding for finding in self.findings if finding.fault)

    @property
    def healthy(self) -> bool:
        """Whether there is no fault."""
        return not self.faults

    def to_dict(self) -> dict[str, Any]:
        """As summary.json has it."""
        return {"replicas": self.replicas, "findings": [finding.to_dict() for finding in self.findings]}

    def __str__(self) -> str:
        if self.healthy:
            most = self.findings[0]
            return f"diagnosis: no fault; most is lost to {most.check}, {most.lost:.0%} (fault: over {LIMIT:.0%})"
        count = len(self.faults)
        head = f"diagnosis: {count} fault{'s' if count > 1 else ''} found" + (", the worst first" if count > 1 else "")
        return "\n".join([head, *(self._paragraph(fault) for fault in self.faults)])

    def _paragraph(self, fault: Finding) -> str:
        place = f" in {fault.array}" if fault.array else ""
        place += f", replica {fault.replica}" if self.replicas > 1 else ""
        lines = (f"{fault.check}{place}: {fault.number}", f"so {fault.meaning}", f"try {fault.cure}")
        wrapped = [
            textwrap.fill(
                line,
                WIDTH,
                initial_indent="  " if i == 0 else "    ",
                subsequent_indent="    " if i == 0 else "      ",
                break_on_hyphens=False,
                break_long_words=False,
            )
            for i, line in enumerate(lines)
        ]
        return "\n".join(wrapped)


def diagnose(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    lr: float | Mapping[str, float] = 0.01,
    batch_size: int = 1,
) -> Diagnosis:
    """Tell what spoils the training of a converted classifier: read noise, bounds, pulses, devices, learning rate.

    Sends a few images through a copy of the model, forward and backward, with the arrays' own reads and with exact
    ones, and asks the device's law for its steps. Nothing of the model moves: no weight, counter or random stream,
    so training goes on as if this had not been called. The same model gives the same diagnosis.

    Each check measures a share that is lost, from 0 to 1, of what a training step should carry; one that loses
    more than half is a fault. What a check measures, and why half is its limit, is told by its class in
    `mho.diagnosis`: `ReadNoise`, `Clipping`, `Saturation`, `CoarseSteps`, `StuckWeights`, `Imbalance`,
    `SymmetryPoints`, `LearningRate`. It costs about as much as some hundred training images.

    Args:
        model: as `mho.convert` returned it, in any mode.
        images: (n, ...) float, shared by the replicas, as in training. The first ones are taken: as many as it takes
            on the mean until each of C classes has come up, C(1 + 1/2 + ... + 1/C), at most 64, or one batch.
        labels: (n,) their classes, integers from 0.
        lr: learning rate η; or one for each array layer by path, as `AnalogSGD.rates()` gives them.
        batch_size: images of a training step, at least 1.

    Raises:
        WrongUse: for a model without arrays.
        InvalidValue: for images and labels that do not go together, a value out of range, or an unknown layer.
    """
    model = getattr(model, "_orig_mod", model)  # of torch.compile
    layers = list(array_layers(model))
    if not layers:
        raise WrongUse("the model has no array layers, so there is nothing to diagnose; convert it with mho.convert")
    rates = _rates(lr, layers)
    _check(images, labels, batch_size)
    classes = int(labels.max()) + 1
    round_ = math.ceil(classes * sum(1 / k for k in range(1, classes + 1)))
    count = max(min(round_, MOST_IMAGES), batch_size)
    probe = Probe(model, images[:count], labels[:count], batch=batch_size)
    exact = probe.exact()
    numbers = numbers_of(probe, exact, rates, round_)
    swings = _swings(probe, exact, rates)
    networks = [
        NetworkNumbers(r, [n for n in numbers if n.replica == r], swings[r], max(rates.values()))
        for r in range(probe.replicas)
    ]
    found = []
    for check in CHECKS:
        looked = [finding for network in networks if (finding := check.look(network)) is not None]
        found += [max(looked, key=lambda finding: finding.lost)] if looked else []
    return Diagnosis(tuple(sorted(found, key=lambda finding: -finding.lost)), probe.replicas)


def _swings(probe: Probe, exact: Pass, rates: Mapping[str, float]) -> list[float]:
    """Of each replica, how far training steps change the log-odds of images that are not in their batch."""
    images = len(probe.images)
    starts = list(range(0, images, min(probe.batch, images)))
    powers = []
    for start in starts[:: -(-len(starts) // STEPS)]:
        chosen = slice(start, start + probe.batch)
        moves: list[Floats] = [
            np.stack(
                [
                    mean_move(array.rpu.of_replica(r), _vectors(x[r, chosen]), _vectors(d[r, chosen]), rates[path])
                    for r in range(probe.replicas)
                ]
            )
            for (path, array), x, d in zip(probe.arrays, exact.x, exact.d, strict=True)
        ]
        change = probe.logits_after(moves) - exact.logits
        change -= change.mean(axis=2, keepdims=True)  # what all classes share changes no odds
        others = np.ones(images, np.bool_)
        others[chosen] = images <= probe.batch
        powers.append(np.square(change[:, others]).mean(axis=(1, 2)))
    return [float(power) for power in np.sqrt(np.mean(powers, axis=0))]


def _vectors(of_images: Floats) -> Floats:
    return of_images.reshape(-1, of_images.shape[-1])


def _rates(lr: float | Mapping[str, float], layers: list[str]) -> dict[str, float]:
    """The learning rate of each layer."""
    if not isinstance(lr, Mapping):
        check_lr(lr)
        return dict.fromkeys(layers, float(lr))
    for name, rate in lr.items():
        if name not in layers:
            raise InvalidValue(f"lr has a rate for {name!r}, which is no array layer{nearest(name, layers)}")
        if rate != 0:
            check_lr(rate)
    missing = [name for name in layers if name not in lr]
    if missing:
        raise InvalidValue(f"lr has no rate for {', '.join(missing)}; give each layer's, or one number for all")
    return {name: float(rate) for name, rate in lr.items()}


def _check(images: Tensor, labels: Tensor, batch_size: int) -> None:
    faults = Faults("diagnose")
    for name, given in (("images", images), ("labels", labels)):
        if not isinstance(given, Tensor) or not given.numel():
            faults.add(f"{name} is {given!r}; give a tensor with at least one image's")
    faults.number("batch_size", batch_size, low=1, integer=True)
    faults.raise_any()
    if labels.shape != images.shape[:1]:
        faults.add(f"labels have shape {tuple(labels.shape)} for {len(images)} images; give one class an image")
    if labels.is_floating_point() or labels.dtype == torch.bool or int(labels.min()) < 0:
        faults.add(f"labels are {labels.dtype} from {labels.min().item():g}; give classes, integers from 0")
    faults.raise_any()
