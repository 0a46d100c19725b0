"""What arrays cannot do is refused in our own words, and what they can do is not."""

from __future__ import annotations

import copy
import io
import pickle

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import mho
from mho.errors import InvalidValue, WrongUse

EXACT = mho.presets.floating_point()
X = torch.linspace(-1, 1, 24).reshape(4, 6)


def model(replicas: int = 1) -> nn.Module:
    torch.manual_seed(2)
    return mho.convert(nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3)), EXACT, replicas=replicas, quiet=True)


def jacrev(net: nn.Module) -> torch.Tensor:
    return torch.func.jacrev(net)(X)


def hessian(net: nn.Module) -> torch.Tensor:
    return torch.autograd.functional.hessian(lambda x: net(x).sum(), X)


REFUSED = {
    "jit.trace": (lambda net: torch.jit.trace(net, X), r"jit\.trace would record .* mho\.to_digital\(model\)"),
    "jit.script": (torch.jit.script, r"jit\.script would record .* mho\.to_digital\(model\)"),
    "export": (lambda net: torch.export.export(net, (X,), strict=False), r"export would record .* mho\.to_digital"),
    "vmap": (lambda net: torch.func.vmap(net)(X), r"cannot be vectorised .* mho\.to_digital"),
    "jacrev": (jacrev, r"torch\.func .* use torch\.autograd"),
    "hessian": (hessian, "no second derivative"),
    "half": (lambda net: net.half(), r"arrays live on the CPU in float32.*cpu as torch\.float16"),
    "double": (lambda net: net.double(), r"arrays live on the CPU in float32.*cpu as torch\.float64"),
    "meta": (lambda net: net.to("meta"), "arrays live on the CPU in float32.*move to meta"),
    "cuda": (lambda net: net.to("cuda"), "arrays live on the CPU"),
}


@pytest.mark.parametrize(("act", "message"), REFUSED.values(), ids=REFUSED)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
def test_what_arrays_cannot_do_is_refused_and_leaves_them_as_they_are(act, message):
    net = model()
    before = net(X)
    with pytest.raises(WrongUse, match=message):
        act(net)
    assert torch.equal(net(X), before)


def test_the_derivatives_that_there_are_agree_with_those_of_the_digital_twin():
    net = model()
    twin = mho.to_digital(net)
    jacobians = [torch.autograd.functional.jacobian(each, X) for each in (net, twin)]
    torch.testing.assert_close(*jacobians)
    after = [nn.Sequential(nn.Tanh(), each[0]) for each in (net, twin)]  # curved before the array, where torch can tell
    torch.testing.assert_close(*(hessian(each) for each in after))


def test_weights_can_be_read_inside_compiled_functions():
    net = model()
    compiled = torch.compile(lambda x: x + net[0].weight.sum() + net[0].bias.sum(), backend="eager")
    torch.testing.assert_close(compiled(X), X + net[0].weight.sum().clone() + net[0].bias.sum().clone())


# Vectors --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cycle", ["forward", "backward"])
@pytest.mark.parametrize(
    "form",
    [np.asarray, lambda v: v.numpy().astype(np.float64), lambda v: v.tolist(), lambda v: v.to(torch.bfloat16)],
    ids=["array", "float64", "list", "bfloat16"],
)
def test_a_cycle_takes_what_torch_can_make_a_tensor_of(cycle, form):
    array = mho.Crossbar(EXACT, 6, 6)
    vectors = torch.arange(24.0).reshape(4, 6)  # small integers, which every type holds exactly
    wanted = getattr(array, cycle)(vectors)
    assert torch.equal(getattr(array, cycle)(form(vectors)), wanted)
    assert torch.equal(getattr(array, cycle)(form(vectors[None]))[0], wanted)


@pytest.mark.parametrize("wrong", ["abc", None, [[1.0, 2.0], [3.0]], {}], ids=str)
def test_what_is_no_tensor_is_named(wrong):
    array = mho.Crossbar(EXACT, 3, 2)
    with pytest.raises(InvalidValue) as caught:
        array.forward(wrong)
    assert str(caught.value) == f"array crossbar: x is {wrong!r}; give a tensor or an array"


# Losses over replicas -------------------------------------------------------------------------------------

CLASSES, VALUES = torch.tensor([0, 1, 2, 0]), torch.zeros(4, 3)
LOSSES = {
    "cross_entropy": lambda out: F.cross_entropy(out, CLASSES),
    "a module": lambda out: nn.CrossEntropyLoss()(out, CLASSES),
    "mse_loss": lambda out: F.mse_loss(out, VALUES),
    "by name": lambda out: F.l1_loss(input=out, target=VALUES),
    "binary_cross_entropy_with_logits": lambda out: F.binary_cross_entropy_with_logits(out, VALUES),
    "a mean over replicas": lambda out: F.mse_loss(out, VALUES.expand(2, 4, 3)),
}


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_a_loss_over_all_replicas_at_once_names_replica_loss(loss):
    out = model(replicas=2)(X)
    with pytest.raises(WrongUse, match=r"outputs \(2, 4, 3\) and targets .*mho\.replica_loss\(torch\.nn\.functional\."):
        loss(out)


def test_outputs_of_replicas_are_tensors_in_all_else():
    net = model(replicas=2)
    out = net(X)
    alone = torch.stack([mho.to_digital(net, replica=r)(X) for r in range(2)])
    torch.testing.assert_close(out + 0, alone)
    torch.testing.assert_close(mho.replica_loss(F.mse_loss, out, VALUES), sum(F.mse_loss(each, VALUES) for each in out))
    torch.testing.assert_close(F.mse_loss(out, torch.zeros(2, 4, 3), reduction="sum"), out.square().sum())
    assert type(out[0]) is type(out.softmax(-1)) is torch.Tensor
    with torch.no_grad():
        out = net(X)
    file = io.BytesIO()
    torch.save(out, file)
    file.seek(0)
    for other in (torch.load(file), copy.deepcopy(out), pickle.loads(pickle.dumps(out))):
        assert type(other) is torch.Tensor
        assert torch.equal(other, out)
