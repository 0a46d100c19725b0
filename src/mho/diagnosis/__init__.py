"""Is it the device or the learning rate? Checks of a trained model, from counters and a few images."""

from mho.diagnosis.diagnose import CHECKS, Diagnosis, diagnose
from mho.diagnosis.finding import LIMIT, Check, Finding
from mho.diagnosis.rate import LearningRate
from mho.diagnosis.reads import Clipping, ReadNoise
from mho.diagnosis.transfers import ChopperPeriod, References, SilentTransfers, TransferReads, silent_transfers
from mho.diagnosis.trial import Trained, Trial, trial
from mho.diagnosis.updates import CoarseSteps, Imbalance, Saturation, StuckWeights, SymmetryPoints

__all__ = [
    "CHECKS",
    "LIMIT",
    "Check",
    "ChopperPeriod",
    "Clipping",
    "CoarseSteps",
    "Diagnosis",
    "Finding",
    "Imbalance",
    "LearningRate",
    "ReadNoise",
    "References",
    "Saturation",
    "SilentTransfers",
    "StuckWeights",
    "SymmetryPoints",
    "Trained",
    "TransferReads",
    "Trial",
    "diagnose",
    "silent_transfers",
    "trial",
]
