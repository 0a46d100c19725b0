"""Arrays of cross-points: one crossbar, or several that share a matrix."""

from mho.arrays.arguments import check_lr, seed_list
from mho.arrays.base import Array
from mho.arrays.crossbar import Crossbar
from mho.arrays.cycles import Cycles
from mho.arrays.faults import any_flag
from mho.arrays.read_only import ReadOnly
from mho.arrays.row import ArrayRow
from mho.arrays.tiled import TiledArray, build_array
from mho.arrays.weights import WARNED_SHARE, ClippedWeights

__all__ = [
    "WARNED_SHARE",
    "Array",
    "ArrayRow",
    "ClippedWeights",
    "Crossbar",
    "Cycles",
    "ReadOnly",
    "TiledArray",
    "any_flag",
    "build_array",
    "check_lr",
    "seed_list",
]
