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
    # by hand: 432 + 6·2304 + 4608 + 5·9216 + 18432 + 5·36864 of convolutions, 2·(7·16 + 6·32 + 6·64) of normalisations,
    # 650 of fc; the paper's Table 6 has 0.27 million
    "resnet20": 269_722,
    # by hand: (27 + 432)·48 + (432 + 864)·96 + (864 + 1296)·144 + 2304·384 + 3840 weights, a bias an output (970), and
    # 2·288 of normalisations
    "vgg8": 1_347_610,
    # arrays of char-rnn: 256×83 and three of 256×65 with a column of biases each, 82×65
    "lstm": 76_498,
    "gru": 58_706,
    # 2·(4·128² + 2·128·512 + 13·128) of two layers, (82 + 64)·128 of embeddings, 2·128, 82·129
    "transformer": 426_066,
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


@pytest.mark.parametrize("name", ["lenet", "mlp", "resnet8", "resnet18", "resnet20", "vgg8"])
def test_networks_answer_with_logits(name):
    size = (3, 32, 32) if name == "resnet18" else NETWORKS[name].image
    assert NETWORKS[name].build().eval()(torch.rand(2, *size)).shape == (2, 1000 if name == "resnet18" else 10)


@pytest.mark.parametrize("name", ["alexnet", "vgg16"])
def test_large_networks_answer_with_logits_on_the_meta_device(name):
    with torch.device("meta"):
        assert NETWORKS[name].build()(torch.rand(2, *NETWORKS[name].image)).shape == (2, 1000)
