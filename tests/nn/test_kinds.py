"""A layer kind of one file outside the package, as CONTRIBUTING has it, works wherever mho's own do."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import mho
from mho.errors import InvalidValue
from mho.hardware import array_table, planned_table
from mho.models import Network
from mho.nn import LAYER_KINDS, ArrayLayer, LayerKind, Matrix, array_layers, conversion_rows, register
from mho.training import Driver, choose_driver
from tests.helpers.checkout import ROOT

EXACT = mho.presets.floating_point()
NOISY = mho.presets.gokmen_2017(update_management=True)
CONTRIBUTING = ROOT / "CONTRIBUTING.md"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The module that CONTRIBUTING shows, written to a file and imported."""
    text = CONTRIBUTING.read_text(encoding="utf-8").split("## Adding a layer kind", 1)[1].split("```python\n", 1)[1]
    file = tmp_path_factory.mktemp("own") / "own_layer.py"
    file.write_text(text.split("```", 1)[0], encoding="utf-8")
    spec = importlib.util.spec_from_file_location("own_layer", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["own_layer"] = module
    spec.loader.exec_module(module)
    yield module
    LAYER_KINDS.pop(module.Scaled)
    del sys.modules["own_layer"]


def net_of(own: ModuleType) -> nn.Sequential:
    torch.manual_seed(3)
    return nn.Sequential(nn.Flatten(), own.Scaled(16, 8, 0.5), nn.Tanh(), own.Scaled(8, 3, 2.0))


def batch(seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(5, 1, 4, 4, generator=generator), torch.randint(0, 3, (5,), generator=generator)


def trained(own: ModuleType, rpu: mho.RPU, kind: str, steps: int, *, replicas: int = 1, seed: int = 0) -> Driver:
    model = mho.convert(net_of(own), rpu, replicas=replicas, seed=seed, quiet=True)
    driver = choose_driver(model, mho.AnalogSGD(model, lr=0.05), prefer=kind)
    for step in range(steps):
        driver.step(*batch(step))
    return driver


def test_exact_training_follows_torch(own):
    model, digital = mho.convert(net_of(own), EXACT, quiet=True), net_of(own)
    assert [(row.name, row.kind, row.became) for row in conversion_rows(model)] == [
        ("1", "Scaled", "array 8×17"),
        ("3", "Scaled", "array 3×9"),
    ]
    pairs = (model, mho.AnalogSGD(model, lr=0.05)), (digital, torch.optim.SGD(digital.parameters(), lr=0.05))
    for step in range(10):
        x, y = batch(step)
        for net, optimizer in pairs:
            F.cross_entropy(net(x), y).backward()
            optimizer.step()
            optimizer.zero_grad()
    torch.testing.assert_close(model(x), digital(x), rtol=1e-4, atol=1e-5)  # 10 steps of float32 sums


@pytest.mark.parametrize("replicas", [1, 3])
def test_both_drivers_train_it_to_the_same_weights(own, replicas):
    """Exact arrays; tanh and softmax of NumPy and torch differ by an ulp or two, as in test_online."""
    online, autograd = (trained(own, EXACT, kind, 4, replicas=replicas) for kind in ("online", "autograd"))
    assert online.name == "online"
    pairs = zip(array_layers(online.model).values(), array_layers(autograd.model).values(), strict=True)
    for ours, theirs in pairs:
        torch.testing.assert_close(ours.crossbars[0].weight, theirs.crossbars[0].weight, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", ["online", "autograd"])
def test_each_replica_is_the_run_of_its_seed(own, kind):
    together = trained(own, NOISY, kind, 4, replicas=3, seed=2)
    for r in range(3):
        alone = trained(own, NOISY, kind, 4, seed=2 + r)
        pairs = zip(array_layers(together.model).values(), array_layers(alone.model).values(), strict=True)
        for ours, theirs in pairs:
            assert torch.equal(ours.crossbars[0].weight[r], theirs.crossbars[0].weight[0])


@pytest.mark.parametrize("kind", ["online", "autograd"])
def test_a_state_dict_continues_it(own, kind):
    whole, half = trained(own, NOISY, kind, 6), trained(own, NOISY, kind, 3)
    rest = trained(own, NOISY, kind, 0, seed=9)
    rest.model.load_state_dict(half.model.state_dict())
    for step in range(3, 6):
        rest.step(*batch(step))
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, rest.model.state_dict()[name]), name


def test_its_digital_twin_has_its_weights(own):
    model = mho.convert(net_of(own), EXACT, quiet=True)
    twin = mho.to_digital(model)
    assert [type(module) for module in twin] == [type(module) for module in net_of(own)]
    for name, value in net_of(own).state_dict().items():
        assert torch.equal(twin.state_dict()[name], value), name
    assert twin[1].factor == 0.5


def test_tables_have_it(own):
    rows = planned_table(Network(lambda: net_of(own), (1, 4, 4)), EXACT)
    found = [(row.layer, row.out, row.inputs, row.vectors) for row in rows]
    assert found == [("1", 8, 17, 1), ("3", 3, 9, 1)]
    assert array_table(mho.convert(net_of(own), EXACT, quiet=True), torch.zeros(1, 1, 4, 4)) == rows


def test_a_subclass_of_a_kind_is_no_such_kind(own):
    class Other(own.Scaled):
        pass

    with pytest.raises(InvalidValue, match=r"Other.*no array form"):
        planned_table(Network(lambda: nn.Sequential(Other(4, 2, 1.0)), (4,)), EXACT)


def record_of(own: ModuleType, **changes: object) -> LayerKind:
    fields = {"replaces": own.Scaled, "layer": own.ScaledArray, "make": own.ScaledArray}
    rest = {"matrices": lambda module: [Matrix(module.weight)], "vectors": lambda given, answer: 1}
    return LayerKind(**(fields | rest | changes))


def test_records_that_cannot_work_are_refused(own):
    class Forward(own.ScaledArray):
        def forward(self, x: Tensor) -> Tensor:
            return x

    with pytest.raises(InvalidValue, match="forward of its own"):
        record_of(own, layer=Forward)
    with pytest.raises(InvalidValue, match=r"give a subclass of mho\.nn\.ArrayLayer"):
        record_of(own, layer=nn.Linear)
    with pytest.raises(InvalidValue, match="type of torch modules"):
        record_of(own, replaces=3)
    with pytest.raises(InvalidValue, match="Scaled is replaced by ScaledArray already"):
        register(record_of(own))


def test_a_layer_that_changes_its_input_is_left_to_autograd(own):
    class Doubling(own.ScaledArray):
        def prepare(self, x: Tensor) -> Tensor:
            return 2 * x

    model = nn.Sequential(Doubling(4, 2, 1.0, rpu=EXACT, seed=0, replicas=1, name="twice"))
    assert isinstance(model[0], ArrayLayer)
    driver = choose_driver(model, mho.AnalogSGD(model, lr=0.1), sample=torch.ones(1, 4))
    assert driver.name == "autograd"
    assert driver.reason == "layer twice changes its input before it sends it, and `prepares` does not say so"
