"""Recurrent networks learnt from moments of their inputs and outputs, by score functions and tensor decomposition."""

from mho.learning.spectral.module import SpectralModule
from mho.learning.spectral.report import SpectralReport, aligned
from mho.learning.spectral.rnn import SpectralRNN
from mho.learning.spectral.scores import DensityScores, GaussianScores, MarkovScores, Scores
from mho.learning.spectral.weights import Weights

__all__ = [
    "DensityScores",
    "GaussianScores",
    "MarkovScores",
    "Scores",
    "SpectralModule",
    "SpectralRNN",
    "SpectralReport",
    "Weights",
    "aligned",
]
