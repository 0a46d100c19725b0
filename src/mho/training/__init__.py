"""Training converted models."""

from typing import TYPE_CHECKING, NoReturn

from mho.errors import no_such_name
from mho.training.analog_optimizer import AnalogOptimizer
from mho.training.callbacks import Callback, TensorBoard
from mho.training.drivers import AutogradDriver, Driver, OnlineDriver, choose_driver
from mho.training.fit import fit
from mho.training.loop import Loop, Progress
from mho.training.optimizer import AnalogSGD
from mho.training.settings import Training
from mho.training.sizes import sizes_of
from mho.training.tasks import TASKS, Classification, NextCharacter, Regression, Task, find_task
from mho.training.validation import best_line

__all__ = [
    "TASKS",
    "AnalogOptimizer",
    "AnalogSGD",
    "AutogradDriver",
    "Callback",
    "Classification",
    "Driver",
    "Loop",
    "NextCharacter",
    "OnlineDriver",
    "Progress",
    "Regression",
    "Task",
    "TensorBoard",
    "Training",
    "best_line",
    "choose_driver",
    "find_task",
    "fit",
    "sizes_of",
]


if not TYPE_CHECKING:  # mypy would take any name

    def __getattr__(name: str) -> NoReturn:
        raise no_such_name(__name__, name)
