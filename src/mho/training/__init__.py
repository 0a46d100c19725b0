"""Training converted models."""

from mho.training.drivers import AutogradDriver, Driver, OnlineDriver, choose_driver
from mho.training.loop import Loop, Progress
from mho.training.optimizer import AnalogSGD
from mho.training.settings import Training
from mho.training.tasks import TASKS, Classification, NextCharacter, Regression, Task, find_task
from mho.training.validation import best_line

__all__ = [
    "TASKS",
    "AnalogSGD",
    "AutogradDriver",
    "Classification",
    "Driver",
    "Loop",
    "NextCharacter",
    "OnlineDriver",
    "Progress",
    "Regression",
    "Task",
    "Training",
    "best_line",
    "choose_driver",
    "find_task",
]
