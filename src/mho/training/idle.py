"""Settings that change nothing with the data that they meet."""

from __future__ import annotations

import dataclasses

from mho.data import Dataset
from mho.training.settings import Training
from mho.training.tasks import Task
from mho.training.validation import split


def idle_settings(settings: Training, data: Dataset, *, trained: int, words: str = "examples") -> list[str]:
    """Return in sentences which settings of a training have no effect, or less than they say.

    Args:
        settings: settings of the training.
        data: all examples, as the task prepared them.
        trained: examples of an epoch.
        words: what examples of these data are called, in the plural.
    """
    found = []
    for part, kind, there in (("train", "training", len(data.x_train)), ("test", "test", len(data.x_test))):
        asked = getattr(settings, f"{part}_images")
        if asked > there:
            found.append(
                f"training.{part}_images is {asked:,}, and the data have {there:,} {kind} {words}: all are taken"
            )
    if settings.batch_size > trained:
        found.append(
            f"training.batch_size is {settings.batch_size:,}, and an epoch has {trained:,} {words}: each step takes "
            "them all, and an epoch is one step"
        )
    late = [start for start in settings.lr_steps if int(start) > settings.epochs]
    if late:
        found.append(
            f"training.lr_steps names epoch {', '.join(map(str, late))}, and the training ends after epoch "
            f"{settings.epochs}: that learning rate is not used"
        )
    return found


def idle_of(settings: Training, task: Task, data: Dataset) -> list[str]:
    """Return `idle_settings` of a training before it begins.

    Args:
        settings: settings of the training.
        task: its task, not yet prepared.
        data: its data set, as `mho.data.load` gives it.
    """
    task, whole = task.prepare(data)
    kept, _ = split(whole.first(settings.train_images, settings.test_images), settings, task)
    order = task.order(0, len(kept.x_train), batch_size=settings.batch_size, seed=settings.data_seed)
    return idle_settings(settings, whole, trained=len(order), words=task.examples_of(whole))


def with_part_noted(data: Dataset, settings: Training, task: Task) -> Dataset:
    """Return only the examples that a training uses, and say so where notes tell of all examples.

    Args:
        data: as `task.prepare` returned them.
        settings: settings of the training.
        task: as `prepare` returned it.
    """
    part, words = data.first(settings.train_images, settings.test_images), task.examples_of(data)
    pairs = (("train", "training", data.x_train, part.x_train), ("test", "test", data.x_test, part.x_test))
    cut = [
        f"the first {len(kept):,} of {len(whole):,} {kind} {words} (training.{name}_images)"
        for name, kind, whole, kept in pairs
        if len(kept) < len(whole)
    ]
    if not data.notes or not cut:
        return part
    return dataclasses.replace(part, notes=(*data.notes, f"of these the run takes only {' and '.join(cut)}"))
