"""Is it the device or the learning rate? Checks of a trained model; what a device is worth, and its learning rule."""

from mho.diagnosis.advice import Advice, RuleTrial
from mho.diagnosis.advise import advise
from mho.diagnosis.converters import Converters
from mho.diagnosis.devices import Forgetting, StuckDevices
from mho.diagnosis.diagnose import CHECKS, diagnose
from mho.diagnosis.diagnosis import Diagnosis
from mho.diagnosis.finding import LIMIT, Check, Finding
from mho.diagnosis.network import DeadUnits, FrozenLayers
from mho.diagnosis.rate import LearningRate
from mho.diagnosis.reads import Clipping, ReadNoise
from mho.diagnosis.transfers import ChopperPeriod, References, SilentTransfers, TransferReads, silent_transfers
from mho.diagnosis.trial import Trained, Trial, trial
from mho.diagnosis.updates import CoarseSteps, Imbalance, Saturation, StuckWeights, SymmetryPoints
from mho.diagnosis.verdict import Verdict

__all__ = [
    "CHECKS",
    "LIMIT",
    "Advice",
    "Check",
    "ChopperPeriod",
    "Clipping",
    "CoarseSteps",
    "Converters",
    "DeadUnits",
    "Diagnosis",
    "Finding",
    "Forgetting",
    "FrozenLayers",
    "Imbalance",
    "LearningRate",
    "ReadNoise",
    "References",
    "RuleTrial",
    "Saturation",
    "SilentTransfers",
    "StuckDevices",
    "StuckWeights",
    "SymmetryPoints",
    "Trained",
    "TransferReads",
    "Trial",
    "Verdict",
    "advise",
    "diagnose",
    "silent_transfers",
    "trial",
]
