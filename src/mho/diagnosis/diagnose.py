"""mho.diagnose: is it the device or the learning rate?"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mho.arrays import Array, check_lr
from mho.diagnosis.converters import Converters
from mho.diagnosis.devices import Forgetting, StuckDevices
from mho.diagnosis.diagnosis import Diagnosis
from mho.diagnosis.finding import Check, Finding, NetworkNumbers
from mho.diagnosis.lines import factors_of, mean_move
from mho.diagnosis.network import DeadUnits, FrozenLayers
from mho.diagnosis.numbers import ArrayNumbers, numbers_of
from mho.diagnosis.probe import Floats, Loss, Pass, Probe
from mho.diagnosis.rate import LearningRate
from mho.diagnosis.reads import Clipping, ReadNoise
from mho.diagnosis.replicas import names_and_groups
from mho.diagnosis.transfers import ChopperPeriod, References, SilentTransfers, TransferReads
from mho.diagnosis.updates import CoarseSteps, Imbalance, Saturation, StuckWeights, SymmetryPoints
from mho.diagnosis.verdict import Judged, Situation, fall_of
from mho.errors import Faults, InvalidValue, WrongUse, in_words, nearest
from mho.nn import ArrayLayer, array_layers
from mho.training.callbacks import REPLICAS

CHECKS: tuple[Check, ...] = (
    ReadNoise(),
    Clipping(),
    Converters(),
    Saturation(),
    CoarseSteps(),
    StuckWeights(),
    StuckDevices(),
    Forgetting(),
    Imbalance(),
    SymmetryPoints(),
    LearningRate(),
    DeadUnits(),
    FrozenLayers(),
    TransferReads(),
    References(),
    ChopperPeriod(),
    SilentTransfers(),
)
MOST_IMAGES = 64
STEPS = 6
"""Training steps whose effect on other images is looked at."""


@in_words
def diagnose(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    loss: Loss | None = None,
    lr: float | Mapping[str, float] = 0.01,
    batch_size: int | None = None,
    history: Sequence[Mapping[str, Any]] = (),
    reference_error: float | None = None,
    chance: float | None = None,
) -> Diagnosis:
    """Say what spoils the training of a converted network: read noise, bounds, pulses, devices, learning rate.

    The verdict comes first: as good as floating point, not the arrays, near chance, too short, or what is at fault. It
    needs to know how far the training has come: `history` has the test error and whether the loss still fell, without
    it the error of the examples of the probe is taken; `reference_error` is what floating point reaches.

    Sends a few images through a copy of the model, forward and backward, with the arrays' own reads and with exact
    ones, and asks the device's law for its steps. Nothing of the model moves: no weight, counter or random stream,
    so training goes on as if this had not been called. The same model gives the same diagnosis.

    Each check measures a share that is lost, from 0 to 1, of what a training step should carry; more than half is a
    fault. The class of a check in `mho.diagnosis` describes what it measures, and why half is its limit: `ReadNoise`,
    `Clipping`, `Converters`, `Saturation`, `CoarseSteps`, `StuckWeights`, `StuckDevices`, `Forgetting`, `Imbalance`,
    `SymmetryPoints`, `LearningRate`, `DeadUnits`, `FrozenLayers`, and of cells with transfers `TransferReads`,
    `References`, `ChopperPeriod`, `SilentTransfers`. It costs about as much as some hundred training images.

    Replicas whose arrays differ in a value are judged each by itself (`Diagnosis.parts`), at the errors of their own
    that `history` has; those of equal values together, at their mean.

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
        batch_size: examples per training step, at least 1. None: 1; and a network with batch normalisation, which no
            step of one example can train, is then not judged by its learning rate.
        history: lines of the training, as `mho.training.fit` returns them: `test_error`, `train_loss`, ...
        reference_error: test error of the same network in floating point, in per cent; None: not known.
        chance: error of guessing on the test, in per cent. None: of classes, that of answering the commonest one of
            `y`, and the verdict says so; of another loss it is not known, and "near chance" is then not judged.

    Raises:
        WrongUse: for a model without arrays, or with frozen arrays only.
        InvalidValue: for x and y that do not go together, a value out of range, or an unknown layer.
    """
    model = getattr(model, "_orig_mod", model)  # of torch.compile
    layers = list(array_layers(model))
    if not layers:
        raise WrongUse("the model has no array layers, so there is nothing to diagnose; convert it with mho.convert")
    rates = _rates(lr, layers)
    _check(x, y, loss, 1 if batch_size is None else batch_size, {"reference_error": reference_error, "chance": chance})
    normalised = any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules())
    known = None if batch_size is None and normalised else batch_size or 1
    batch_size = batch_size or 1
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
    frozen = _frozen(numbers)
    layered = any(n.rpu != numbers[0].rpu for n in numbers if n.replica == numbers[0].replica)
    networks = [
        NetworkNumbers(
            r,
            [n for n in own if n.trained],
            own,
            swings[r],
            odds,
            max(rates.values()),
            batch=known,
            frozen=frozen,
            layered=layered,
        )
        for r in range(probe.replicas)
        for own in [[n for n in numbers if n.replica == r]]
    ]
    looked = [[found for check in CHECKS if (found := check.look(network)) is not None] for network in networks]
    names, groups = names_and_groups(model)
    counted = chance is None and loss is None
    situation = Situation(
        chance=_chance(y) if counted else chance,
        guess=f"guessing the commonest class of the {len(y):,} targets" if counted else "guessing",
        epochs=len(history),
        reference=reference_error,
        lr=max(rates.values()),
        digital=_digital(model),
    )
    parts = []
    for name, replicas in groups.items():
        error, examples = _error(exact, probe, loss, history, replicas)
        own = dataclasses.replace(
            situation,
            error=error,
            examples=examples,
            fall=fall_of([{"train_loss": _mean_of(line, "train_loss", replicas, probe.replicas)} for line in history]),
            swing=max(swings[r] for r in replicas),
        )
        parts.append(Judged.of(name, replicas, _worst(looked[r] for r in replicas), own))
    return Diagnosis.of(_worst(looked), parts, names)


def _worst(looked: Iterable[Sequence[Finding]]) -> list[Finding]:
    """Return what each check found in some replicas where it is worst, the worst check first."""
    worst: dict[str, Finding] = {}
    for finding in (finding for own in looked for finding in own):
        if finding.check not in worst or finding.lost > worst[finding.check].lost:
            worst[finding.check] = finding
    in_order = [worst[check.name] for check in CHECKS if check.name in worst]
    return sorted(in_order, key=lambda finding: -finding.lost)


def _mean_of(line: Mapping[str, Any], name: str, replicas: Sequence[int], count: int) -> float:
    """Return the mean over some of `count` replicas of a number of a line of the training; NaN where it is not there.

    A line of another number of replicas says nothing of single ones: its mean is taken.
    """
    each = line.get(f"{name}{REPLICAS}")
    if each and len(each) == count:
        return float(np.mean([each[r] for r in replicas]))
    return float(line.get(name, math.nan))


def _error(
    exact: Pass, probe: Probe, loss: Loss | None, history: Sequence[Mapping[str, Any]], replicas: Sequence[int]
) -> tuple[float | None, str]:
    """Return the last test error of a history, else that of the probe's classes, in per cent; and of what it is."""
    if history and "test_error" in history[-1]:
        return _mean_of(history[-1], "test_error", replicas, probe.replicas), ""
    if loss is not None:
        return None, ""
    wrong = exact.outputs[list(replicas)].argmax(axis=-1) != probe.targets.numpy()
    return float(100 * wrong.mean()), f"the {len(probe.targets)} examples looked at"


def _chance(y: Tensor) -> float:
    """Return the error of guessing the commonest class of the targets, in per cent."""
    return 100 * (1 - float(y.bincount().max()) / len(y))


def _frozen(numbers: Sequence[ArrayNumbers]) -> float:
    """Return the share of the weights on arrays that training does not move."""
    sizes = [(n.weights.size, n.trained) for n in numbers]
    return sum(size for size, trained in sizes if not trained) / sum(size for size, _ in sizes)


def _digital(model: nn.Module) -> tuple[tuple[str, ...], float]:
    """Return the layers with a matrix of weights that is not on an array, and their share of all such weights."""
    sizes = {
        name: sum(weight.numel() for weight in module.parameters(recurse=False) if weight.dim() > 1)
        for name, module in model.named_modules()
        if not isinstance(module, ArrayLayer)
    }
    sizes = {name: size for name, size in sizes.items() if size}
    arrays = cast(list[Array], [array for layer in array_layers(model).values() for array in layer.arrays])
    on_arrays = sum(array.out_features * array.in_features for array in arrays)
    return tuple(sizes), sum(sizes.values()) / max(sum(sizes.values()) + on_arrays, 1)


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


def _check(x: Tensor, y: Tensor, loss: Loss | None, batch_size: int, errors: Mapping[str, float | None]) -> None:
    faults = Faults("diagnose")
    for name, given in (("x", x), ("y", y)):
        if not isinstance(given, Tensor) or not given.dim() or not given.numel():
            faults.add(f"{name} is {given!r}; give a tensor with at least one example")
    if loss is not None and not callable(loss):
        faults.add(f"loss is {loss!r}; give a function of outputs and targets, such as torch.nn.functional.mse_loss")
    faults.number("batch_size", batch_size, low=1, integer=True)
    for name, error in errors.items():
        faults.number(name, error, low=0.0, optional=True)
    faults.raise_any()
    if len(x) != len(y):
        faults.add(f"y has {len(y)} targets for {len(x)} examples; give as many")
    if loss is None and (y.dim() != 1 or y.is_floating_point() or y.dtype == torch.bool or int(y.min()) < 0):
        faults.add(
            f"y has shape {tuple(y.shape)} and is {y.dtype} from {y.min().item():g}; give classes (n,), integers from "
            "0, or the loss of your training, for example loss=torch.nn.functional.mse_loss"
        )
    faults.raise_any()
