"""Networks as tables of arrays: published counts and times, and whatever model comes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import mho
from mho.config import RPU
from mho.errors import InvalidValue
from mho.hardware import (
    GOKMEN_2017,
    array_table,
    network_time,
    planned_table,
    trace,
)
from mho.models import NETWORKS, Network
from mho.nn import kind_names
from mho.text import cycle_time
from tests.helpers.plans import by_name, plan

LARGE = GOKMEN_2017[:1]
NAMES = ["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"]

# Published counts


def test_alexnet_is_the_papers_table_to_the_printed_digit():
    """PHYSICS 2.8, which is the paper's Table 2."""
    rows = plan("alexnet")
    assert [(row.layer, row.out, row.inputs, row.vectors, round(row.macs / 1e6)) for row in rows] == [
        ("conv1", 96, 363, 3025, 105),
        ("conv2", 256, 2400, 729, 448),
        ("conv3", 384, 2304, 169, 150),
        ("conv4", 384, 3456, 169, 224),
        ("conv5", 256, 3456, 169, 150),
        ("fc6", 4096, 9216, 1, 38),
        ("fc7", 4096, 4096, 1, 17),
        ("fc8", 1000, 4096, 1, 4),
    ]
    assert f"{sum(row.macs for row in rows) / 1e9:.2f}" == "1.14"


def test_alexnet_with_its_biases_has_one_column_more():
    rows = planned_table(Network(lambda: mho.models.AlexNet(bias=True), (3, 227, 227)), RPU())
    assert [(row.layer, row.inputs) for row in rows] == [(row.layer, row.inputs + 1) for row in plan("alexnet")]


def test_alexnets_times_are_the_papers():
    """Its discussion: 242 µs, the bottleneck, with 9 % of the MACs; on a small array 30 µs, and K2 limits at 58 µs."""
    large = network_time(plan("alexnet"), LARGE)
    assert large.bottleneck.row.layer == "conv1"
    assert large.pipelined == 3025 * 80
    assert cycle_time(large.pipelined) == "242 µs"
    assert round(100 * large.share_of_macs(large.bottleneck)) == 9
    both = network_time(plan("alexnet"))
    assert by_name(both)["conv1"].size == GOKMEN_2017[1]
    assert round(by_name(both)["conv1"].forward / 1e3) == 30
    assert both.bottleneck.row.layer == "conv2"
    assert round(both.pipelined / 1e3) == 58
    assert both.sequential == 3025 * 10 + (729 + 3 * 169 + 3) * 80
    assert sum(map(both.share_of_time, both.layers)) == pytest.approx(1)
    assert sum(map(both.share_of_macs, both.layers)) == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "parameters", "digital", "macs"),
    [
        # torchvision's tables of its own weights print 138,357,544 and 11,689,512 parameters, 15.47 and 1.814 GMACs
        ("vgg16", 138_357_544, 0, 15_470_264_320),
        ("resnet18", 11_689_512, 9_600, 1_814_073_344),
        ("mlp", 784 * 256 + 256 + 256 * 128 + 128 + 1290, 0, 784 * 256 + 256 * 128 + 1280),
        ("lenet", 80_202, 0, 16 * 25 * 576 + 32 * 400 * 64 + 128 * 512 + 1280),
    ],
)
def test_networks_have_the_published_weights_and_macs(name, parameters, digital, macs):
    traced = trace(NETWORKS[name])
    assert sum(layer.parameters for layer in traced.digital) == digital
    assert sum(row.weights for row in plan(name)) + digital == parameters
    assert sum(row.macs for row in plan(name, bias_column=False)) == macs


def test_resnets_layers_come_in_the_order_of_the_image_and_its_norms_are_digital():
    traced = trace(NETWORKS["resnet18"])
    names = [layer.name for layer in traced.layers]
    assert len(names) == 21
    assert names[:2] == ["conv1", "layer1.0.conv1"]
    assert names[5:8] == ["layer2.0.conv1", "layer2.0.conv2", "layer2.0.downsample.0"]
    assert {layer.kind for layer in traced.digital} == {"BatchNorm2d"}
    assert len(traced.digital) == 20
    small = planned_table(Network(NETWORKS["resnet18"].build, (3, 32, 32)), RPU())
    assert small[0].vectors == 256


# Any model


class Folded(nn.Module):
    """Positions folded into the batch, one layer used twice, one never."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.head, self.spare = nn.Linear(8, 8), nn.Linear(8, 3), nn.Linear(2, 2)

    def forward(self, x):
        batch = len(x)
        x = self.fc(torch.relu(self.fc(x.flatten(0, 1)))).view(batch, -1, 8)
        return self.head(x).mean(dim=1)


class Branching(nn.Module):
    """Looks at values, which the meta device does not have."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(8, 2)

    def forward(self, x):
        return self.fc(x) if float(x.sum()) == 0 else x


class Raw(nn.Module):
    """A matrix of its own, in a child, through a view."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(8, 8)
        self.mix = nn.Module()
        self.mix.weight = nn.Parameter(torch.zeros(8, 8))

    def forward(self, x):
        return self.fc(x) @ self.mix.weight.t()


def up() -> nn.Module:
    return nn.Sequential(nn.Conv3d(3, 4, 3), nn.ConvTranspose3d(4, 4, 2))


def normed() -> nn.Module:
    return nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(8, 8)), nn.Linear(8, 2))


def attention() -> nn.Module:
    return nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)


def grouped() -> nn.Module:
    return nn.Sequential(nn.Conv2d(4, 8, 3, groups=4), nn.LayerNorm((8, 6, 6)), nn.Flatten(), nn.Linear(288, 5))


def test_every_use_and_position_of_a_layer_counts():
    network = Network(Folded, (5, 8))
    traced = trace(network)
    assert [(layer.name, layer.vectors, layer.uses) for layer in traced.layers] == [("fc", 10, 2), ("head", 5, 1)]
    assert traced.idle == ("spare",)
    rows = planned_table(network, RPU())
    assert rows[0].macs == 8 * 9 * 10
    model = mho.convert(Folded(), RPU(), quiet=True)
    assert array_table(model, torch.zeros(1, 5, 8)) == rows
    assert array_table(model, torch.zeros(3, 5, 8)) == rows


def test_groups_are_arrays_of_their_own():
    rows = planned_table(Network(grouped, (4, 8, 8)), RPU())
    assert [(row.out, row.inputs, row.groups, row.macs) for row in rows] == [
        (2, 10, 4, 4 * 2 * 10 * 36),
        (5, 289, 1, 5 * 289),
    ]


def test_a_model_that_looks_at_values_is_traced_with_values():
    state = torch.get_rng_state()
    assert trace(Network(Branching, (8,))).layers[0].name == "fc"
    assert torch.equal(torch.get_rng_state(), state)


def test_attention_may_be_left_digital_and_its_linear_layers_are_seen():
    traced = trace(Network(attention, (4, 8)), exclude=["self_attn"])
    assert [(layer.name, layer.vectors) for layer in traced.layers] == [("linear1", 4), ("linear2", 4)]
    assert traced.digital[0].kind == "MultiheadAttention"


def test_tracing_leaves_a_model_as_it_was():
    model = Folded()
    model.head.eval()
    trace(Network(lambda: model, (5, 8)))
    assert [module.training for module in (model, model.fc, model.head)] == [True, True, False]
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert model(torch.zeros(1, 5, 8)).shape == (1, 3)


UNTRACEABLE = {
    "transposed": (up, (3, 8, 8, 8), "1 (ConvTranspose3d) has a matrix (weight 4×4×2×2×2)", 'exclude=["1"]'),
    "recurrent": (lambda: nn.GRU(8, 4), (5, 7), "model (GRU) got an input of shape 5×7", "must be 8"),
    "raw": (Raw, (8,), "model (Raw) has a matrix, used by matmul", f"arrays hold {kind_names('and')}"),
    "parametrised": (normed, (8,), "0 (ParametrizedLinear)", 'exclude=["0"]'),
    "channels": (NETWORKS["lenet"].build, (3, 28, 28), "conv1 (Conv2d) got an input of shape 3×28×28", "1×height"),
    "size": (NETWORKS["lenet"].build, (1, 32, 32), "fc1 (Linear) got an input of shape 800", "must be 512"),
    "small": (NETWORKS["lenet"].build, (1, 4, 4), "conv1 (Conv2d) cannot be traced", "shape 1×4×4"),
    "flat": (NETWORKS["resnet18"].build, (3,), "conv1 (Conv2d) got an input of shape 3", "3×height×width"),
    "pooling": (lambda: nn.Sequential(nn.MaxPool2d(2), nn.Linear(4, 2)), (8,), "0 (MaxPool2d) cannot be traced", "8"),
    "arguments": (lambda: nn.Linear(), (8,), "the model cannot be built", "missing"),
    "no model": (lambda: 3, (8,), "int is no model", "torch.nn.Module"),
    "digital": (nn.ReLU, (8,), f"meets no {kind_names('or')}", "nothing to map"),
    "converted": (
        lambda: mho.convert(nn.Linear(8, 2), RPU(), quiet=True), (8,), "has array layers already", "the digital model",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", UNTRACEABLE)
def test_what_cannot_be_traced_names_its_module(case):
    build, image, *parts = UNTRACEABLE[case]
    with pytest.raises(InvalidValue) as caught:
        trace(Network(build, image))
    for part in parts:
        assert part in str(caught.value)


def test_patterns_that_match_nothing_are_named():
    with pytest.raises(InvalidValue, match="'conv9' matches no layer; did you mean 'conv"):
        trace(NETWORKS["lenet"], exclude=["conv9"])
    with pytest.raises(InvalidValue, match="'fc' matches no layer on arrays"):
        plan("lenet", layers={"fc": RPU()})
    with pytest.raises(InvalidValue, match="'conv3' matches no layer on arrays"):
        network_time(plan("lenet"), copies={"conv3": 2})
    excluded = plan("lenet", exclude=["conv*"])
    assert [row.layer for row in excluded] == ["fc1", "fc2"]
