"""mho.improve: what to improve in an array, by short paired trainings with one property better at a time."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import final

from mho import presets
from mho.config import RPU
from mho.data import Dataset
from mho.data import load as load_data
from mho.devices import Device
from mho.diagnosis.cures import changes
from mho.diagnosis.improvements import IMPROVEMENTS, USUAL, Improvement, NotApplicable, Setup
from mho.diagnosis.improvements.base import lists_of
from mho.errors import Faults, InvalidValue, in_words, nearest, shown
from mho.runs.experiment import Experiment
from mho.runs.folder import CONFIG
from mho.runs.gains import Gains, Interval, Tried
from mho.runs.together import Outcome, check_trains, train_together
from mho.training import Training

EPOCHS, IMAGES, SEEDS, FACTORS = 2, 500, 4, (0.5, 1.0, 2.0)
"""Defaults: epochs, images and seeds of each training, and factors of the learning rate."""
LISTS = "its arrays have lists of one number per replica; give numbers, for one array at a time"
SLOW = "learning rules start slowly, and short trainings rank them too low; name their keys, and give more epochs"
FLOATING = 1
"""Place of floating point among the arrays; the improvements follow."""
Watch = Callable[[str, float, int], None]
"""Function that is called with the work in progress, the trainings that are done, with fractions, and their number."""


@in_words
def improve(
    of: object,
    *,
    only: Sequence[str | Improvement] | None = None,
    seeds: int = SEEDS,
    epochs: int | None = EPOCHS,
    images: int | None = IMAGES,
    factors: Sequence[float] = FACTORS,
    data: Dataset | None = None,
    watch: Watch | None = None,
) -> Gains:
    """Rank what could be better in an array by how much it lowers the test error of short trainings.

    One property is made better at a time: steps half as large, half the read noise, four times as many devices per
    weight, ... (`mho.diagnosis.improvements.IMPROVEMENTS`). Each array is trained at the given
    learning rate times each of `factors`, with a seed that is used for nothing else, and the rate with the least
    training loss is kept. Then it is trained at this rate with `seeds` seeds, which are the same for every array: so
    are initial weights, draws of devices, noise and the order of the examples. A gain is the test error of the array as
    given, at its own best rate, less that of the improved array, paired by the seed, with an interval at 95 % from
    Student's t, at least as wide as the scatter of all rows makes it (`Interval`). Trainings that differ only in
    numbers are replicas of one run; each has the bits of its own `mho train`.

    Args:
        of: a device, which is trained in LeNet on the digits with the circuits of `mho.presets.gokmen_2017`; an
            `mho.RPU`; a run folder; what `mho.load` returned, or another object whose `config` or `experiment` is an
            `Experiment`; or an `Experiment`.
        only: keys of improvements, or improvements of your own; None: all of mho's but learning rules, which start so
            slowly that short trainings rank them too low.
        seeds: seeds of each array, at least 2: from that of the experiment on.
        epochs: of each training, at least 1; None: those of the experiment.
        images: number of training examples of each, from the first on; 0: all; None: those of the experiment.
        factors: of the learning rate; (1,) keeps the given rate for every array, and then no rate is searched.
        data: the data set of the experiment; None: it is loaded.
        watch: called with the progress of the trainings.

    Returns:
        The gains: print their `sentence`. Only clear gains and clear losses are in an order.

    Raises:
        InvalidValue: for what cannot be trained, unknown keys, or numbers out of range.
    """
    faults = Faults("improve")
    faults.number("seeds", seeds, low=2, integer=True)
    faults.number("epochs", epochs, low=1, integer=True, optional=True)
    faults.number("images", images, low=0, integer=True, optional=True)
    for factor in factors:
        faults.number("factors", factor, above=0.0, high=1e6)
    if 1 not in factors:
        faults.add(f"factors are {tuple(factors)}; 1, the given learning rate, must be one of them")
    chosen = _chosen(only, faults)
    whole = _experiment(of, faults)
    if whole is None or faults.found:
        faults.raise_any()
        raise AssertionError
    start = _shortened(whole, epochs, images)
    if data is None:
        data = load_data(start.training.data)
    check_trains(start, data)
    return _Study(start, data, chosen, seeds, tuple(float(factor) for factor in factors), watch).gains()


@final
class _Study:
    """The trainings of `improve`.

    Args:
        start: the array as given, and how it is trained.
        data: its data set.
        improvements: what is tried.
        seeds: number of seeds.
        factors: of the learning rate.
        watch: as of `improve`.
    """

    def __init__(
        self,
        start: Experiment,
        data: Dataset,
        improvements: Sequence[Improvement],
        seeds: int,
        factors: tuple[float, ...],
        watch: Watch | None,
    ) -> None:
        self.start, self.data, self.factors = start, data, factors
        first = start.training.seeds[0]
        self.seeds = tuple(range(first, first + seeds))
        self.watch = watch
        floating = dataclasses.replace(start, rpu=presets.floating_point(), layers={}, zero_shifting=None)
        self.arrays: list[tuple[str, str, Experiment]] = [
            ("as-given", "the array as given", start),
            ("floating-point", "floating point", floating),
        ]
        self.refused: list[Tried] = []
        for one in improvements:
            made = improved(start, one)
            if isinstance(made, str):
                self.refused.append(Tried(key=one.key, name=one.name, refused=made))
            else:
                self.arrays.append((one.key, one.name, made))
        searched = len(self.arrays) * len(factors) if len(factors) > 1 else 0
        if improvements == list(USUAL):
            self.refused += [
                Tried(key=one.key, name=one.name, refused=SLOW) for one in IMPROVEMENTS if one not in USUAL
            ]
        self.trainings = searched + (len(self.arrays) + 1) * seeds

    def gains(self) -> Gains:
        """Train everything, and compare."""
        factors, searched = self._factors()
        plan = [(0, 1.0)] + [(place, factors[place]) for place in range(len(self.arrays))]
        once = list(dict.fromkeys(plan))  # the given rate may be the best rate
        runs = [_at(self.arrays[place][2], factor, seed) for place, factor in once for seed in self.seeds]
        self.trainings = searched + len(runs)
        found = self._train(runs, "training with every seed", searched)
        count = len(self.seeds)
        parts = {pair: found[i * count : (i + 1) * count] for i, pair in enumerate(once)}
        given, rate, floating, *others = [self._tried(*pair, parts[pair]) for pair in plan]
        if rate.refused:
            raise InvalidValue(f"the array as given cannot be trained: {rate.refused}")
        made = [one for one in others if not one.refused]
        rows, resolution = [_gains(rate, one) for one in made], 100 / self._tested()
        if not given.refused:
            own = _gains(given, rate)
            gain = Interval.of(own, [*rows, own], resolution=resolution) if any(own) else Interval(0.0, 0.0, 0.0)
            rate = dataclasses.replace(rate, gain=gain)  # without a gain where the given rate is the best rate
        done = [
            dataclasses.replace(one, gain=Interval.of(row, rows, resolution=resolution))
            for one, row in zip(made, rows, strict=True)
        ]
        settings, (task, examples) = self.start.training, self.start.task.prepare(self.data)
        level = task.chance(examples.first(settings.train_images, settings.test_images))
        return Gains(
            law=self.start.rpu.device.law_name(),
            given=given,
            rate=dataclasses.replace(rate, key="learning-rate", name="the best learning rate of those tried"),
            floating=floating,
            tried=tuple(sorted(done, key=_place)),
            refused=(*self.refused, *(one for one in others if one.refused)),
            chance=None if level is None else level.error,
            factors=self.factors,
            seeds=self.seeds,
            epochs=settings.epochs,
            images=min(settings.train_images or len(examples.x_train), len(examples.x_train)),
            model=settings.model,
            data=self.data.name,
            measure=task.measure,
        )

    def _tested(self) -> int:
        """Return the number of examples of the test."""
        settings = self.start.training
        _, examples = self.start.task.prepare(self.data)
        return len(examples.first(settings.train_images, settings.test_images).x_test)

    def _factors(self) -> tuple[list[float], int]:
        """Return the factor of the learning rate of each array, and the number of trainings that it took."""
        if len(self.factors) == 1:
            return [1.0] * len(self.arrays), 0
        seed = self.seeds[-1] + 1  # of none of those that are compared, so that the choice does not favour its own
        runs = [_at(experiment, factor, seed) for *_, experiment in self.arrays for factor in self.factors]
        found = self._train(runs, "choosing learning rates", 0)
        count, best = len(self.factors), []
        for place in range(len(self.arrays)):
            losses = [one.train_loss for one in found[place * count : (place + 1) * count]]
            best.append(min(zip(losses, self.factors, strict=True), key=lambda pair: (pair[0], abs(pair[1] - 1)))[1])
        return best, len(runs)

    def _train(self, runs: Sequence[Experiment], what: str, before: int) -> list[Outcome]:
        def watch(done: float) -> None:
            if self.watch is not None:
                self.watch(what, before + done, self.trainings)

        return train_together(runs, self.data, watch=watch)

    def _tried(self, place: int, factor: float, outcomes: Sequence[Outcome]) -> Tried:
        key, name, experiment = self.arrays[place]
        made = Tried(
            key=key,
            name=name,
            settings=settings_of(self.start, experiment) if place > FLOATING else (),
            rate=self.start.training.lr * factor,
            factor=factor,
        )
        failed = next((one.failed for one in outcomes if one.failed), "")
        if failed:
            return dataclasses.replace(made, refused=f"training it fails: {failed}")
        return dataclasses.replace(made, errors=tuple(one.test_error for one in outcomes))


def improved(experiment: Experiment, improvement: Improvement) -> Experiment | str:
    """Return an experiment with an improvement in all its arrays, or why it cannot be made.

    Arrays of single layers that it does not apply to stay as they are.
    """
    try:
        made = improvement.apply(Setup(experiment.rpu, experiment.zero_shifting))
        layers = {pattern: _improved_layer(rpu, improvement) for pattern, rpu in experiment.layers.items()}
        return dataclasses.replace(experiment, rpu=made.rpu, zero_shifting=made.zero_shifting, layers=layers)
    except NotApplicable as reason:
        return str(reason)
    except InvalidValue as error:
        return "; ".join(error.faults)


def _improved_layer(rpu: RPU, improvement: Improvement) -> RPU:
    try:
        return improvement.apply(Setup(rpu)).rpu
    except (NotApplicable, InvalidValue):
        return rpu


def settings_of(old: Experiment, new: Experiment) -> tuple[str, ...]:
    """Return what differs in the arrays of two experiments, as after `--set` of `mho train`."""
    tables, before = new.to_dict(), old.to_dict()
    for each in (tables, before):
        del each["training"]
    return changes(before, tables)


def _at(experiment: Experiment, factor: float, seed: int) -> Experiment:
    """Return an experiment with its learning rate times a factor, and with a seed."""
    training = experiment.training
    steps = {epoch: factor * rate for epoch, rate in training.lr_steps.items()}
    training = dataclasses.replace(training, lr=factor * training.lr, lr_steps=steps, seed=seed)
    return dataclasses.replace(experiment, training=training)


def _shortened(whole: Experiment, epochs: int | None, images: int | None) -> Experiment:
    """Return an experiment of one replica without validation, of so many epochs and images."""
    old = whole.training
    count = old.epochs if epochs is None else epochs
    training = dataclasses.replace(
        old,
        epochs=count,
        lr_steps={epoch: rate for epoch, rate in old.lr_steps.items() if int(epoch) <= count},
        seed=old.seeds[0],
        replicas=1,
        validation=0,
        patience=0,
        train_images=old.train_images if images is None else images,
    )
    return dataclasses.replace(whole, training=training)


def _experiment(of: object, faults: Faults) -> Experiment | None:
    """Return the experiment that is meant, or note why there is none."""
    if isinstance(of, Device):
        try:
            of = presets.gokmen_2017().replace(device=of)
        except InvalidValue as error:
            faults.found += error.faults
            return None
    if isinstance(of, RPU) and lists_of(of):
        faults.add(LISTS)
        return None
    if isinstance(of, RPU):
        of = Experiment(training=Training(), rpu=of)
    if isinstance(of, (str, os.PathLike)):
        file = Path(of).expanduser() / CONFIG
        if not file.is_file():
            faults.add(f"{of} is no run folder: there is no {CONFIG} in it")
            return None
        of = Experiment.from_toml(file.read_text(encoding="utf-8"))
    found = next((each for name in ("config", "experiment") if (each := getattr(of, name, None)) is not None), of)
    if not isinstance(found, Experiment):
        faults.add(
            f"of is {shown(of)}; give a device, an mho.RPU, a run folder, or what mho.load returned, for example "
            "mho.improve(mho.presets.ecram())"
        )
        return None
    if any(lists_of(rpu) for rpu in (found.rpu, *found.layers.values())):
        faults.add(LISTS)
    return found


def _chosen(only: Sequence[str | Improvement] | None, faults: Faults) -> list[Improvement]:
    known = {one.key: one for one in IMPROVEMENTS}
    found: list[Improvement] = []
    for one in USUAL if only is None else only:
        if isinstance(one, Improvement):
            found.append(one)
        elif one in known:
            found.append(known[one])
        else:
            faults.add(f"only has {shown(one)}{nearest(str(one), known)}")
    if only is not None and not found and not faults.found:
        faults.add("only is empty; name at least one improvement, or leave it out")
    return found


def _gains(base: Tried, other: Tried) -> list[float]:
    """Return the gain of an array over another with each seed."""
    return [a - b for a, b in zip(base.errors, other.errors, strict=True)]


def _place(one: Tried) -> tuple[int, float]:
    """Return the sorting key of `Gains.tried`: what cannot be told apart stays in the order in which it was tried."""
    assert one.gain is not None
    return {"gain": (0, -one.gain.mean), "unclear": (1, 0.0), "loss": (2, -one.gain.mean)}[one.gain.verdict]
