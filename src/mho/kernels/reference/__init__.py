"""Reference arithmetic, the truth: plain NumPy, slow and obvious, one vector at a time."""

from mho.kernels.reference.read import read
from mho.kernels.reference.relaxation import rest, visible
from mho.kernels.reference.trains import trains
from mho.kernels.reference.update import outer, update

__all__ = ["outer", "read", "rest", "trains", "update", "visible"]
