"""Runs: one experiment in its folder, and sweeps of many."""

from mho.runs.board import write_board
from mho.runs.comparison import Comparison
from mho.runs.config_files import ConfigFault, check_config
from mho.runs.experiment import Experiment, differences, merged
from mho.runs.improve import improve
from mho.runs.reference import config_json, config_reference, config_toml
from mho.runs.run import Run
from mho.runs.trained import TrainedRun, load

__all__ = [
    "Comparison",
    "ConfigFault",
    "Experiment",
    "Run",
    "TrainedRun",
    "check_config",
    "config_json",
    "config_reference",
    "config_toml",
    "differences",
    "improve",
    "load",
    "merged",
    "write_board",
]
