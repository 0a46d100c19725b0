"""Experiments trained in memory, side by side as replicas of one run where they differ in numbers only."""

from __future__ import annotations

import dataclasses
import itertools
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, final

from mho.arrays import ClippedWeights
from mho.data import Dataset
from mho.errors import InvalidValue, MhoError
from mho.learning import zero_shift
from mho.models import build_model
from mho.runs.build import build
from mho.runs.experiment import Experiment
from mho.training import AnalogSGD, Loop, Progress, sizes_of
from mho.training.fit_check import check_fit

Path = tuple[str, ...]
SIDE_BY_SIDE = 8
"""Experiments that are replicas of one run, at most: more need more memory and are hardly faster."""


@final
@dataclasses.dataclass(frozen=True)
class Outcome:
    """Outcome of a training.

    Attributes:
        test_error: after the last epoch, in per cent; NaN where it failed.
        train_loss: mean over the last epoch; infinite where it failed or is no number.
        failed: why it could not be trained to its end; "" if it was.
    """

    test_error: float = math.nan
    train_loss: float = math.inf
    failed: str = ""


@final
@dataclasses.dataclass(frozen=True)
class Group:
    """Experiments that are the replicas of one run.

    Attributes:
        places: numbers of the experiments among the given experiments; replica r is places[r].
        experiment: the run.
    """

    places: tuple[int, ...]
    experiment: Experiment


def train_together(
    experiments: Sequence[Experiment],
    data: Dataset,
    *,
    side_by_side: int = SIDE_BY_SIDE,
    watch: Callable[[float], None] = lambda done: None,
) -> list[Outcome]:
    """Train experiments of one replica each, without folders, and return how each of them ended.

    Experiments that differ only in seeds, and in numbers that may be lists of one number per replica, are trained as
    replicas of one run; each has the bits of its own `mho train`.

    Args:
        experiments: of one replica and one seed each.
        data: their data set, as `mho.data.load` gives it.
        side_by_side: largest number of replicas of a run; no result depends on it.
        watch: called with the number of trainings that are done, with fractions.
    """
    found: dict[int, Outcome] = {}
    for group in groups(experiments, side_by_side):
        found |= _trained(group, experiments, data, partial(_add, watch, len(found)))
    watch(len(found))
    return [found[place] for place in range(len(experiments))]


def _add(watch: Callable[[float], None], done: int, part: float) -> None:
    watch(done + part)


def groups(experiments: Sequence[Experiment], side_by_side: int = SIDE_BY_SIDE) -> list[Group]:
    """Return the runs that train experiments of one replica each, in the order of their first experiments."""
    leaves = [dict(_leaves(each.to_dict())) for each in experiments]
    gathered: list[list[int]] = []
    for place, own in enumerate(leaves):
        for members in gathered:
            first = leaves[members[0]]
            if len(members) < side_by_side and first.keys() == own.keys() and _may_join(experiments, members, place):
                members.append(place)
                break
        else:
            gathered.append([place])
    return [Group(tuple(members), _joined([experiments[place] for place in members])) for members in gathered]


def _may_join(experiments: Sequence[Experiment], members: Sequence[int], place: int) -> bool:
    """Return whether an experiment can be a further replica: the description of the run itself is asked."""
    training = experiments[place].training
    if training.exclude or training.patience:  # digital layers have one set of parameters, and replicas stop together
        return False
    try:
        _joined([experiments[member] for member in (*members, place)])
    except InvalidValue:
        return False
    return True


def _joined(experiments: Sequence[Experiment]) -> Experiment:
    """Return the run whose replicas the experiments are.

    Raises:
        InvalidValue: where they differ in more than numbers that replicas may differ in.
    """
    if len(experiments) == 1:
        return experiments[0]
    leaves = [dict(_leaves(each.to_dict())) for each in experiments]
    tables: dict[str, Any] = {}
    for path, value in leaves[0].items():
        values = [own[path] for own in leaves]
        if path == ("training", "seed"):
            _put(tables, path, values)
        elif all(other == value for other in values):
            _put(tables, path, value)
        elif all(isinstance(other, (int, float)) and not isinstance(other, bool) for other in values):
            _put(tables, path, values)
        else:
            raise InvalidValue(f"{'.'.join(path)} differs and is no number")
    tables["training"]["replicas"] = len(experiments)
    return Experiment.from_dict(tables)


def _trained(
    group: Group, experiments: Sequence[Experiment], data: Dataset, watch: Callable[[float], None]
) -> dict[int, Outcome]:
    try:
        lines = _train(group.experiment, data, lambda part: watch(part * len(group.places)))
    except MhoError as error:
        if len(group.places) == 1:
            return {group.places[0]: Outcome(failed=str(error))}
        alone = [Group((place,), experiments[place]) for place in group.places]  # the others may come to their end
        return dict(itertools.chain.from_iterable(_trained(one, experiments, data, watch).items() for one in alone))
    last = lines[-1]
    errors, losses = (
        last.get(f"{name}_replicas", [last[name]] * len(group.places)) for name in ("test_error", "train_loss")
    )
    return {
        place: Outcome(error, loss if math.isfinite(loss) else math.inf)
        for place, error, loss in zip(group.places, errors, losses, strict=True)
    }


def _train(experiment: Experiment, data: Dataset, watch: Callable[[float], None]) -> list[dict[str, Any]]:
    """Train an experiment as `mho train` does, and return its lines of metrics.

    Args:
        experiment: what to train.
        data: its data set.
        watch: called with the share that is done.
    """
    settings = experiment.training
    task, examples = experiment.task.prepare(data)
    sizes = sizes_of(examples)
    examples = examples.first(settings.train_images, settings.test_images)
    with warnings.catch_warnings():  # that bounds clip initial weights is part of what the training shows
        warnings.simplefilter("ignore", ClippedWeights)
        model = build(experiment, sizes)
        if experiment.zero_shifting is not None:
            zero_shift(model, **dataclasses.asdict(experiment.zero_shifting))
    loop = Loop(model, AnalogSGD(model, lr=settings.lr), examples, settings, task)
    whole = settings.epochs * loop.examples

    def on_step(progress: Progress) -> None:
        watch((progress.epoch * loop.examples + progress.position) / whole)

    loop.run(on_step=on_step)
    return loop.progress.metrics


def check_trains(experiment: Experiment, data: Dataset) -> None:
    """Raise InvalidValue where network, data and task of an experiment do not go together."""
    task, examples = experiment.task.prepare(data)
    settings = experiment.training
    network = build_model(settings.model, sizes_of(examples), experiment.model)
    check_fit(network, settings.model, task, examples.first(settings.train_images, settings.test_images))


def _leaves(tables: Mapping[str, Any], prefix: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield the values of nested tables with their paths; an empty table is a value."""
    for name, value in tables.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*prefix, name))
        else:
            yield (*prefix, name), value


def _put(tables: dict[str, Any], path: Path, value: Any) -> None:
    for name in path[:-1]:
        tables = tables.setdefault(name, {})
    tables[path[-1]] = value
