"""Is it the device or the learning rate? Checks of a trained model; what a device is worth, and its learning rule."""

from mho.diagnosis.advise import Advice, RuleTrial, advise
from mho.diagnosis.diagnose import CHECKS, Diagnosis, diagnose
from mho.diagnosis.finding import LIMIT, Check, Finding
from mho.diagnosis.rate import LearningRate
from mho.diagnosis.reads import Clipping, ReadNoise
from mho.diagnosis.trial import Trained, Trial, trial
from mho.diagnosis.updates import CoarseSteps, Imbalance, Saturation, StuckWeights, SymmetryPoints

__all__ = [
    "CHECKS",
    "LIMIT",
    "Advice",
    "Check",
    "Clipping",
    "CoarseSteps",
    "Diagnosis",
    "Finding",
    "Imbalance",
    "LearningRate",
    "ReadNoise",
    "RuleTrial",
    "Saturation",
    "StuckWeights",
    "SymmetryPoints",
    "Trained",
    "Trial",
    "advise",
    "diagnose",
    "trial",
]
