"""A network as arrays: their table, their time, their energy."""

from mho.hardware.constants import Constant, Constants, read_constants
from mho.hardware.cost import BankWear, LayerCost, TrainingCost, training_cost
from mho.hardware.energy import CycleEnergy, LayerEnergy, layer_energy
from mho.hardware.sizes import GOKMEN_2017, ArraySize, parse_size, read_sizes
from mho.hardware.table import array_table, planned_table, rows_of, scale_in_words
from mho.hardware.time import CYCLES, NetworkTime, Placed, network_time
from mho.hardware.trace import Digital, Layer, Trace, trace

__all__ = [
    "CYCLES",
    "GOKMEN_2017",
    "ArraySize",
    "BankWear",
    "Constant",
    "Constants",
    "CycleEnergy",
    "Digital",
    "Layer",
    "LayerCost",
    "LayerEnergy",
    "NetworkTime",
    "Placed",
    "Trace",
    "TrainingCost",
    "array_table",
    "layer_energy",
    "network_time",
    "parse_size",
    "planned_table",
    "read_constants",
    "read_sizes",
    "rows_of",
    "scale_in_words",
    "trace",
    "training_cost",
]
