"""Recurrent layers and cells on arrays: input and recurrent matrices are arrays, gates are digital."""

from mho.nn.recurrent.base import ReplicasMayMix
from mho.nn.recurrent.gru import GRU, GRUCell
from mho.nn.recurrent.lstm import LSTM, LSTMCell
from mho.nn.recurrent.rnn import RNN, RNNCell

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNCell", "ReplicasMayMix"]
