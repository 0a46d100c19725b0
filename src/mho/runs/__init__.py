"""Runs: one experiment in its folder, and sweeps of many."""

from mho.runs.experiment import Experiment, differences, merged
from mho.runs.run import Run

__all__ = ["Experiment", "Run", "differences", "merged"]
