"""The papers' networks: their shapes and sizes."""

from __future__ import annotations

import pytest
import torch

from mho.models import NETWORKS, AlexNet

# torchvision's tables of its own weights print 138,357,544 and 11,689,512; AlexNet's are the sum of the paper's Table 2
PARAMETERS = {
    "vgg16": 138_357_544,
    "resnet18": 11_689_512,
    "alexnet": 62_367_776,
    "mlp": 235_146,
    "lenet": 80_202,
    # by hand: 432 + 2·2304 + 4608 + 9216 + 18432 + 36864 of convolutions, 2·240 of normalisations, 650 of fc
    "resnet8": 75_290,
}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_have_their_published_size(name):
    with torch.device("meta"):
        model = NETWORKS[name].build()
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS[name]


def test_alexnet_can_have_biases():
    with torch.device("meta"):
        biases = [p for name, p in AlexNet(bias=True).named_parameters() if name.endswith("bias")]
    assert sum(p.numel() for p in biases) == 96 + 256 + 384 + 384 + 256 + 4096 + 4096 + 1000


@pytest.mark.parametrize("name", ["lenet", "mlp", "resnet8", "resnet18"])
def test_networks_answer_with_logits(name):
    size = (3, 32, 32) if name == "resnet18" else NETWORKS[name].image
    assert NETWORKS[name].build().eval()(torch.rand(2, *size)).shape == (2, 1000 if name == "resnet18" else 10)


@pytest.mark.parametrize("name", ["alexnet", "vgg16"])
def test_large_networks_answer_with_logits_on_the_meta_device(name):
    with torch.device("meta"):
        assert NETWORKS[name].build()(torch.rand(2, *NETWORKS[name].image)).shape == (2, 1000)
