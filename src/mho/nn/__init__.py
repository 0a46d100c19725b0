"""Torch layers on arrays, and the conversion of a model to them."""

from typing import TYPE_CHECKING, NoReturn

from mho.errors import no_such_name
from mho.nn.array_layer import ArrayLayer
from mho.nn.attention import MultiheadAttention
from mho.nn.band_limited import (
    Band,
    BandLimit,
    BandLimitedConv1d,
    BandLimitedConv2d,
    Limited,
    NotBandLimited,
    band_limit,
    band_limit_rows,
    band_limit_table,
    limit_maps,
)
from mho.nn.composite import Composite
from mho.nn.conv import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d
from mho.nn.convert import Converted, StaysDigital, conversion_rows, conversion_table, convert
from mho.nn.digital import to_digital
from mho.nn.dropout import Dropout
from mho.nn.embedding import Embedding
from mho.nn.export import export
from mho.nn.kinds import LAYER_KINDS, LayerKind, Matrix, Part, kind_names, kind_of, kind_of_layer, passage_of, register
from mho.nn.linear import Linear
from mho.nn.on_arrays import OnArrays
from mho.nn.passage import Passage
from mho.nn.recurrent import GRU, LSTM, RNN, GRUCell, LSTMCell, ReplicasMayMix, RNNCell
from mho.nn.replicas import (
    ReplicaModel,
    array_layers,
    replica_loss,
    replica_losses,
    replica_outputs,
    replica_targets,
)
from mho.nn.tied import TiedEmbedding, Ties, find_ties

__all__ = [
    "GRU",
    "LAYER_KINDS",
    "LSTM",
    "RNN",
    "ArrayLayer",
    "Band",
    "BandLimit",
    "BandLimitedConv1d",
    "BandLimitedConv2d",
    "Composite",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "Converted",
    "Dropout",
    "Embedding",
    "GRUCell",
    "LSTMCell",
    "LayerKind",
    "Limited",
    "Linear",
    "Matrix",
    "MultiheadAttention",
    "NotBandLimited",
    "OnArrays",
    "Part",
    "Passage",
    "RNNCell",
    "ReplicaModel",
    "ReplicasMayMix",
    "StaysDigital",
    "TiedEmbedding",
    "Ties",
    "array_layers",
    "band_limit",
    "band_limit_rows",
    "band_limit_table",
    "conversion_rows",
    "conversion_table",
    "convert",
    "export",
    "find_ties",
    "kind_names",
    "kind_of",
    "kind_of_layer",
    "limit_maps",
    "passage_of",
    "register",
    "replica_loss",
    "replica_losses",
    "replica_outputs",
    "replica_targets",
    "to_digital",
]


if not TYPE_CHECKING:  # mypy would take any name

    def __getattr__(name: str) -> NoReturn:
        raise no_such_name(__name__, name)
