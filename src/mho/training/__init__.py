"""Training converted models."""

from mho.training.drivers import AutogradDriver, Driver, OnlineDriver, choose_driver
from mho.training.loop import Loop, Progress
from mho.training.optimizer import AnalogSGD
from mho.training.settings import Training

__all__ = [
    "AnalogSGD",
    "AutogradDriver",
    "Driver",
    "Loop",
    "OnlineDriver",
    "Progress",
    "Training",
    "choose_driver",
]
