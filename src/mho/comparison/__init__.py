"""Curves of runs, sweeps, papers and tables over each other: `mho.compare` and `mho compare`."""

from mho.comparison.comparison import Comparison as Comparison
from mho.comparison.comparison import compare as compare
from mho.comparison.curve import Curve as Curve
