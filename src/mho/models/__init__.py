"""The papers' networks in plain torch, one per file, and a user's own by `module:Net`.

A file of this room registers its network by a constant NETWORK; its name is the file's.
"""

from typing import TYPE_CHECKING, NoReturn

from mho.errors import no_such_name
from mho.imports import inhabitants
from mho.models.alexnet import AlexNet
from mho.models.gru import GRU
from mho.models.lenet import LeNet
from mho.models.lstm import LSTM
from mho.models.mlp import MLP
from mho.models.network import Network, Sizes
from mho.models.own import build_model, check_options, find_builder
from mho.models.resnet8 import ResNet8
from mho.models.resnet18 import ResNet18
from mho.models.resnet20 import ResNet20
from mho.models.stateful import Stateful, apart, forget, stateful_modules
from mho.models.transformer import Transformer
from mho.models.vgg8 import VGG8
from mho.models.vgg16 import VGG16

NETWORKS: dict[str, Network] = inhabitants(__name__, __path__, "NETWORK")

__all__ = [
    "GRU",
    "LSTM",
    "MLP",
    "NETWORKS",
    "VGG8",
    "VGG16",
    "AlexNet",
    "LeNet",
    "Network",
    "ResNet8",
    "ResNet18",
    "ResNet20",
    "Sizes",
    "Stateful",
    "Transformer",
    "apart",
    "build_model",
    "check_options",
    "find_builder",
    "forget",
    "stateful_modules",
]


if not TYPE_CHECKING:  # mypy would take any name

    def __getattr__(name: str) -> NoReturn:
        raise no_such_name(__name__, name)
