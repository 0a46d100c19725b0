"""mho.diagnose: is it the device or the learning rate?"""

from __future__ import annotations

import dataclasses
import math
import textwrap
from collections.abc import Callable, Mapping
from typing import Any, final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mho.arrays import check_lr
from mho.diagnosis.finding import LIMIT, Check, Finding, NetworkNumbers
from mho.diagnosis.numbers import factors_of, mean_move, numbers_of
from mho.diagnosis.probe import Floats, Loss, Pass, Probe
from mho.diagnosis.rate import LearningRate
from mho.diagnosis.reads import Clipping, ReadNoise
from mho.diagnosis.transfers import ChopperPeriod, References, SilentTransfers, TransferReads
from mho.diagnosis.updates import CoarseSteps, Imbalance, Saturation, StuckWeights, SymmetryPoints
from mho.errors import Faults, InvalidValue, WrongUse, in_words, nearest
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
    TransferReads(),
    References(),
    ChopperPeriod(),
    SilentTransfers(),
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


@in_words
def diagnose(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    loss: Loss | None = None,
    lr: float | Mapping[str, float] = 0.01,
    batch_size: int = 1,
) -> Diagnosis:
    """Tell what spoils the training of a converted network: read noise, bounds, pulses, devices, learning rate.

    Sends a few images through a copy of the model, forward and backward, with the arrays' own reads and with exact
    ones, and asks the device's law for its steps. Nothing of the model moves: no weight, counter or random stream,
    so training goes on as if this had not been called. The same model gives the same diagnosis.

    Each check measures a share that is lost, from 0 to 1, of what a training step should carry; one that loses
    more than half is a fault. What a check measures, and why half is its limit, is told by its class in
    `mho.diagnosis`: `ReadNoise`, `Clipping`, `Saturation`, `CoarseSteps`, `StuckWeights`, `Imbalance`,
    `SymmetryPoints`, `LearningRate`, and of cells with transfers `TransferReads`, `References`, `ChopperPeriod`,
    `SilentTransfers`. It costs about as much as some hundred training images.

    Of frozen layers, which training does not move, only what their reads do to the layers that it moves is looked at.

    Args:
        model: as `mho.convert` returned it, in any mode.
        x: examples (n, ...) float, shared by the replicas, as in training. The first ones are taken: 64; of classes as
            many as it takes on the mean until each of C classes has come up, C(1 + 1/2 + ... + 1/C), at most 64; at
            least one batch.
        y: targets (n, ...); without a loss (n,) classes, integers from 0.
        loss: (outputs, targets) of a batch to their mean loss, such as `torch.nn.functional.mse_loss`; None: cross
            entropy of classes.
        lr: learning rate η; or one for each array layer by path, as `AnalogSGD.rates()` gives them.
        batch_size: images of a training step, at least 1.

    Raises:
        WrongUse: for a model without arrays, or one whose arrays are all frozen.
        InvalidValue: for x and y that do not go together, a value out of range, or an unknown layer.
    """
    model = getattr(model, "_orig_mod", model)  # of torch.compile
    layers = list(array_layers(model))
    if not layers:
        raise WrongUse("the model has no array layers, so there is nothing to diagnose; convert it with mho.convert")
    rates = _rates(lr, layers)
    _check(x, y, loss, batch_size)
    round_ = MOST_IMAGES
    if loss is None:
        classes = int(y.max()) + 1
        round_ = math.ceil(classes * sum(1 / k for k in range(1, classes + 1)))
    count = max(min(round_, MOST_IMAGES), batch_size)
    probe = Probe(model, x[:count], y[:count], loss=loss or F.cross_entropy, batch=batch_size)
    exact = probe.exact()
    trained = probe.trained(exact)
    if not any(trained):
        raise WrongUse(
            "no array layer is trained: each is frozen, or no gradient reaches it, so there is nothing to diagnose; "
            "thaw one with model.requires_grad_(True)"
        )
    rates |= {path: 0.0 for (path, _), moves in zip(probe.arrays, trained, strict=True) if not moves}
    numbers = numbers_of(probe, exact, rates, round_)
    odds = "the log-odds of other examples" if loss is None else "the gradients of other examples, relative to them,"
    swings = _swings(probe, exact, rates, _log_odds if loss is None else probe.gradients)
    networks = [
        NetworkNumbers(r, [n for n in own if n.trained], own, swings[r], odds, max(rates.values()))
        for r in range(probe.replicas)
        for own in [[n for n in numbers if n.replica == r]]
    ]
    found = []
    for check in CHECKS:
        looked = [finding for network in networks if (finding := check.look(network)) is not None]
        found += [max(looked, key=lambda finding: finding.lost)] if looked else []
    return Diagnosis(tuple(sorted(found, key=lambda finding: -finding.lost)), probe.replicas)


def _swings(
    probe: Probe, exact: Pass, rates: Mapping[str, float], looked_at: Callable[[Floats], Floats]
) -> list[float]:
    """Return of each replica how far training steps change something of the images that are not in their batch.

    Args:
        probe: the network.
        exact: its exact pass.
        rates: learning rate of each layer.
        looked_at: outputs (R, K, ...) to the numbers that are compared; gradients are, relative to themselves.
    """
    images = len(probe.images)
    starts = list(range(0, images, min(probe.batch, images)))
    before, powers = looked_at(exact.outputs), []
    whole = 1.0 if looked_at is _log_odds else np.square(before).mean(axis=tuple(range(1, before.ndim)))
    for start in starts[:: -(-len(starts) // STEPS)]:
        chosen = slice(start, start + probe.batch)
        moves: list[Floats] = [
            np.stack(
                [
                    mean_move(
                        array.rpu.of_replica(r),
                        _vectors(x[r, chosen]),
                        _vectors(d[r, chosen]),
                        rates[path],
                        factors_of(array)[r],
                    )
                    for r in range(probe.replicas)
                ]
            )
            for (path, array), x, d in zip(probe.arrays, exact.x, exact.d, strict=True)
        ]
        change = looked_at(probe.outputs_after(moves)) - before
        others = np.ones(images, np.bool_)
        others[chosen] = images <= probe.batch
        power = np.square(change[:, others]).mean(axis=tuple(range(1, change.ndim)))
        powers.append(power / np.maximum(whole, 1e-30))
    return [float(power) for power in np.sqrt(np.mean(powers, axis=0))]


def _log_odds(logits: Floats) -> Floats:
    """Return logits (R, K, classes) without what all classes share, which changes no odds."""
    odds: Floats = logits - logits.mean(axis=2, keepdims=True)
    return odds


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


def _check(x: Tensor, y: Tensor, loss: Loss | None, batch_size: int) -> None:
    faults = Faults("diagnose")
    for name, given in (("x", x), ("y", y)):
        if not isinstance(given, Tensor) or not given.dim() or not given.numel():
            faults.add(f"{name} is {given!r}; give a tensor with at least one example")
    if loss is not None and not callable(loss):
        faults.add(f"loss is {loss!r}; give a function of outputs and targets, such as torch.nn.functional.mse_loss")
    faults.number("batch_size", batch_size, low=1, integer=True)
    faults.raise_any()
    if len(x) != len(y):
        faults.add(f"y has {len(y)} targets for {len(x)} examples; give as many")
    if loss is None and (y.dim() != 1 or y.is_floating_point() or y.dtype == torch.bool or int(y.min()) < 0):
        faults.add(
            f"y has shape {tuple(y.shape)} and is {y.dtype} from {y.min().item():g}; give classes (n,), integers from "
            "0, or the loss of your training, for example loss=torch.nn.functional.mse_loss"
        )
    faults.raise_any()
