"""The papers' networks in plain torch, one a file."""

from mho.models.alexnet import AlexNet
from mho.models.lenet import LeNet
from mho.models.mlp import MLP
from mho.models.network import Network
from mho.models.resnet18 import ResNet18
from mho.models.vgg16 import VGG16

NETWORKS = {
    "lenet": Network(LeNet, (1, 28, 28)),
    "mlp": Network(MLP, (1, 28, 28)),
    "alexnet": Network(AlexNet, (3, 227, 227)),
    "vgg16": Network(VGG16, (3, 224, 224)),
    "resnet18": Network(ResNet18, (3, 224, 224)),
}

__all__ = ["MLP", "NETWORKS", "VGG16", "AlexNet", "LeNet", "Network", "ResNet18"]
