"""Banks: populations of devices of one law on one grid of lines, with plans of what may happen to them."""

from mho.banks.bank import Bank
from mho.banks.part import BankPart, Rate, Stream, UpdatePlan
from mho.banks.spec import BankSpec, FixedReference
from mho.banks.visible import VisibleWeights

__all__ = ["Bank", "BankPart", "BankSpec", "FixedReference", "Rate", "Stream", "UpdatePlan", "VisibleWeights"]
