"""Settings that change nothing with the data that they meet."""

from __future__ import annotations

from mho.data import Dataset
from mho.training.settings import Training


def idle_settings(settings: Training, data: Dataset, *, trained: int, words: str = "examples") -> list[str]:
    """Return in sentences which settings of a training have no effect, or less than they say.

    Args:
        settings: of the training.
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
