"""Runs: one experiment in its folder, and sweeps of many."""

from mho.runs.board import write_board
from mho.runs.comparison import Comparison
from mho.runs.experiment import Experiment, differences, merged
from mho.runs.improve import improve
from mho.runs.run import Run
from mho.runs.trained import TrainedRun, load

__all__ = ["Comparison", "Experiment", "Run", "TrainedRun", "differences", "improve", "load", "merged", "write_board"]
