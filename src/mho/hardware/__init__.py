"""A network as arrays: their table, time, energy and area."""

from mho.hardware.area import LayerArea, layer_area
from mho.hardware.constants import Constant, Constants, read_constants
from mho.hardware.cost import BankWear, LayerCost, TrainingCost, training_cost
from mho.hardware.energy import CycleEnergy, LayerEnergy, layer_energy
from mho.hardware.sizes import GOKMEN_2017, ArraySize, parse_size, read_sizes
from mho.hardware.table import array_table, planned_table, rows_of, scale_in_words
from mho.hardware.time import CYCLES, NetworkTime, Placed, network_time
from mho.hardware.totals import (
    Conventional,
    Workload,
    conventional,
    costs_per_example,
    inference_totals,
    parse_conventional,
    training_totals,
)
from mho.hardware.trace import Digital, Layer, Trace, trace

__all__ = [
    "CYCLES",
    "GOKMEN_2017",
    "ArraySize",
    "BankWear",
    "Constant",
    "Constants",
    "Conventional",
    "CycleEnergy",
    "Digital",
    "Layer",
    "LayerArea",
    "LayerCost",
    "LayerEnergy",
    "NetworkTime",
    "Placed",
    "Trace",
    "TrainingCost",
    "Workload",
    "array_table",
    "conventional",
    "costs_per_example",
    "inference_totals",
    "layer_area",
    "layer_energy",
    "network_time",
    "parse_conventional",
    "parse_size",
    "planned_table",
    "read_constants",
    "read_sizes",
    "rows_of",
    "scale_in_words",
    "trace",
    "training_cost",
    "training_totals",
]
