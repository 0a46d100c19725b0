"""Training converted models."""

from mho.training.loop import Loop, Progress
from mho.training.optimizer import AnalogSGD
from mho.training.settings import Training

__all__ = ["AnalogSGD", "Loop", "Progress", "Training"]
