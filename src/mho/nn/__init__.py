"""Torch layers on arrays, and the conversion of a model to them."""

from mho.nn.array_layer import ArrayLayer
from mho.nn.conv import Conv2d
from mho.nn.convert import Converted, StaysDigital, conversion_rows, conversion_table, convert
from mho.nn.dropout import Dropout
from mho.nn.linear import Linear
from mho.nn.replicas import (
    ReplicaModel,
    array_layers,
    replica_loss,
    replica_losses,
    replica_outputs,
    replica_targets,
)

__all__ = [
    "ArrayLayer",
    "Conv2d",
    "Converted",
    "Dropout",
    "Linear",
    "ReplicaModel",
    "StaysDigital",
    "array_layers",
    "conversion_rows",
    "conversion_table",
    "convert",
    "replica_loss",
    "replica_losses",
    "replica_outputs",
    "replica_targets",
]
