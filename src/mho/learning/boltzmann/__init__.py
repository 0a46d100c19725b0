"""Boltzmann machines that learn by variational probability flow, in floating point and on arrays."""

from mho.learning.boltzmann.annealing import LogLikelihood, LogPartition
from mho.learning.boltzmann.machine import BoltzmannMachine
from mho.learning.boltzmann.parzen import Parzen, parzen

__all__ = ["BoltzmannMachine", "LogLikelihood", "LogPartition", "Parzen", "parzen"]
