"""The loop of `mho train` for a script: a model, its optimizer and data, and callbacks after each epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from mho.data import as_dataset
from mho.errors import InvalidValue, in_words, shown
from mho.nn import ReplicaModel
from mho.training.array_optimizer import ArrayOptimizer
from mho.training.callbacks import Callback
from mho.training.loop import Loop, Progress
from mho.training.settings import Training
from mho.training.tasks import Classification, Task, find_task


@in_words
def fit(
    model: nn.Module,
    optimizer: ArrayOptimizer,
    data: Any,
    *,
    epochs: int,
    task: Task | str | None = None,
    batch_size: int = 1,
    data_seed: int = 0,
    validation: float = 0,
    patience: int = 0,
    driver: str = "auto",
    callbacks: Sequence[Callback] = (),
) -> list[dict[str, Any]]:
    """Train a converted model as `mho train` does, without a folder, and return its history.

    The model is trained in place and left with the weights of the last epoch, in training mode. Learning rates are the
    optimizer's; a scheduler of torch is stepped by a callback, `lambda line: scheduler.step()`.

    Args:
        model: as `mho.convert` returned it.
        optimizer: optimizer of this model.
        data: a `mho.data.Dataset`, ((x_train, y_train), (x_test, y_test)), or a mapping with these four names.
        epochs: passes over the training examples, at least 1.
        task: what is trained for: a task, such as `mho.training.Regression()`, or its name as in a config,
            "regression"; None: classification.
        batch_size: examples per step.
        data_seed: seed of the order of the examples, and of those that are held out.
        validation: training examples that are held out: a share between 0 and 1, or a number; 0: none.
        patience: epochs without a lower validation error after which the training stops; 0: it does not stop early.
        driver: "online", "autograd", or "auto": online where the model allows it.
        callbacks: each is called after each epoch with its line, in turn: `print`, `history.append`, a
            `mho.training.TensorBoard`, a function of yours.

    Returns:
        One line per epoch, with the keys of metrics.jsonl: `epoch`, `train_error`, `test_error`, `train_loss`, ...
        `mho.report` makes a page of them.

    Raises:
        InvalidValue: for settings out of range, or data that do not go with the task.
        WrongUse: if the optimizer belongs to another model, as when `model` was not converted.
    """
    if not isinstance(callbacks, Sequence):
        raise InvalidValue(f"callbacks is {shown(callbacks)}; give a list of functions, for example callbacks=[print]")
    for callback in callbacks:
        if not callable(callback):
            raise InvalidValue(f"a callback is {callback!r}; give functions of one argument, the line of an epoch")
    task = _task(task)
    if data_seed and not task.shuffled:
        raise InvalidValue(
            f"data_seed is {data_seed}: it would have no effect, because the task takes the examples in a fixed order; "
            "leave it at 0"
        )
    settings = Training(
        epochs=epochs,
        batch_size=batch_size,
        data_seed=data_seed,
        replicas=model.replicas if isinstance(model, ReplicaModel) else 1,
        driver=driver,
        validation=validation,
        patience=patience,
    )
    prepared, examples = task.prepare(as_dataset(data, "data"))

    def on_epoch(progress: Progress) -> None:
        for callback in callbacks:
            callback(progress.metrics[-1])

    loop = Loop(model, optimizer, examples, settings, prepared)
    loop.run(on_epoch=on_epoch)
    return loop.progress.metrics


def _task(given: Task | str | None) -> Task:
    if given is None:
        return Classification()
    if isinstance(given, str):
        return find_task(given)()
    if not isinstance(given, Task):
        raise InvalidValue(
            f'task is {shown(given)}; give a task, for example mho.training.Regression(), or its name, "regression"'
        )
    return given
