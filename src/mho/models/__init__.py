"""The papers' networks in plain torch, one a file, and a user's own by `module:Net`.

A file of this room registers its network by a constant NETWORK; its name is the file's.
"""

from typing import TYPE_CHECKING, NoReturn

from mho.errors import no_such_name
from mho.imports import inhabitants
from mho.models.alexnet import AlexNet
from mho.models.lenet import LeNet
from mho.models.mlp import MLP
from mho.models.network import Network
from mho.models.own import build_model, find_builder
from mho.models.resnet8 import ResNet8
from mho.models.resnet18 import ResNet18
from mho.models.vgg16 import VGG16

NETWORKS: dict[str, Network] = inhabitants(__name__, __path__, "NETWORK")

__all__ = [
    "MLP",
    "NETWORKS",
    "VGG16",
    "AlexNet",
    "LeNet",
    "Network",
    "ResNet8",
    "ResNet18",
    "build_model",
    "find_builder",
]


if not TYPE_CHECKING:  # mypy would take any name

    def __getattr__(name: str) -> NoReturn:
        raise no_such_name(__name__, name)
