"""Weights that stand in several places: one array where it can serve all of them, else words."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import prune

import mho
from mho.errors import InvalidValue, WrongUse
from mho.hardware import array_table, planned_table
from mho.models import Network
from mho.nn import array_layers, conversion_rows

EXACT = mho.presets.floating_point()
NOISY = mho.presets.gokmen_2017(managed=True).replace(device=mho.devices.ConstantStep(w_max=5.0, w_min=-5.0))
WORDS, WIDTH = 7, 5


class Model(nn.Module):
    """A language model: the vector of a word, a hidden layer, and a score for each word by the same matrix."""

    def __init__(self, bias: bool = True, padding: int | None = None, tied: bool = True, scale: float = 1.0) -> None:
        super().__init__()
        self.words, self.hidden = nn.Embedding(WORDS, WIDTH, padding), nn.Linear(WIDTH, WIDTH)
        self.last = nn.Linear(WIDTH, WORDS, bias=bias)
        nn.init.normal_(self.words.weight, 0.0, scale)
        if tied:
            self.last.weight = self.words.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.tanh(self.hidden(self.words(x))))


def made(build: Callable[..., nn.Module] = Model, **options: Any) -> nn.Module:
    torch.manual_seed(3)
    return build(**options)


def converted(digital: nn.Module, rpu: mho.RPU = EXACT, **options: Any) -> nn.Module:
    return mho.convert(digital, rpu, quiet=True, **options)


def sentences(seed: int) -> Tensor:
    return torch.randint(0, WORDS, (3, 4), generator=torch.Generator().manual_seed(seed))


def loss(out: Tensor, x: Tensor) -> Tensor:
    return F.cross_entropy(out.flatten(0, 1), x.roll(-1, 1).flatten())


def train(model: nn.Module, steps: int) -> None:
    optimizer = mho.AnalogSGD(model, lr=0.05)
    for step in range(steps):
        x = sentences(step)
        mho.replica_loss(loss, mho.nn.replica_outputs(model, x, per_replica=False), x).backward()
        optimizer.step()
        optimizer.zero_grad()


@pytest.mark.parametrize("tile", [None, (3, 2)], ids=["whole", "tiles"])
@pytest.mark.parametrize("padding", [None, 2])
@pytest.mark.parametrize("bias", [True, False])
def test_a_language_model_answers_and_moves_as_torch(bias, padding, tile):
    digital = made(bias=bias, padding=padding)
    model = converted(digital, EXACT.replace(tile=tile))
    assert [*array_layers(model)] == ["hidden", "last"]
    for net, optimizer in (
        (model, mho.AnalogSGD(model, lr=0.1)),
        (digital, torch.optim.SGD(digital.parameters(), lr=0.1)),
    ):
        for step in range(3):
            x = sentences(step)
            optimizer.zero_grad()
            loss(net(x), x).backward()
            optimizer.step()
    # three steps of float32 sums in another order
    torch.testing.assert_close(model(x), digital(x), rtol=1e-5, atol=1e-5)
    back = mho.to_digital(model)
    assert back.words.weight is back.last.weight
    assert back.words.padding_idx == padding
    for name, value in digital.named_parameters():
        torch.testing.assert_close(dict(back.named_parameters())[name], value, rtol=1e-5, atol=1e-5)
    assert torch.equal(mho.to_digital(converted(back)).words.weight, back.words.weight)


def test_both_uses_are_one_update_in_the_order_of_the_forwards():
    model = converted(made())
    mho.AnalogSGD(model, lr=0.1)
    x = sentences(0)
    vectors = model.words(x)
    model.last(torch.tanh(model.hidden(vectors))).sum().backward()
    first, second = model.last.memory.in_order()
    assert first.x[0].shape == second.x[0].shape == (1, 12, WIDTH + 1)
    assert torch.equal(torch.from_numpy(first.d[0][0]), F.one_hot(x.flatten(), WORDS).float())
    assert (first.x[0][..., -1] == 0).all()  # the bias is the Linear's alone
    assert (second.x[0][..., -1] == 1).all()
    calls = []
    model.last.crossbars[0].update_vectors = lambda x, d, lr: calls.append(x.shape)
    model.last.pulse(0.1)
    assert calls == [(1, 24, WIDTH + 1)]


def test_one_row_is_read_with_the_noise_of_the_backward_read_and_pulsed():
    model = converted(made(), NOISY)
    optimizer = mho.AnalogSGD(model, lr=0.5)
    before = model.last.weight.clone()
    x = torch.tensor([[1, 4, 1]])
    out = model.words(x)
    assert not torch.equal(out[0, 0], out[0, 2])
    quiet = converted(made(), NOISY.replace(backward=mho.Read(noise=0.0, bound=None)))
    assert torch.equal(quiet.words(x)[0, 0], quiet.last.weight[1])
    out.sum().backward()
    optimizer.step()
    assert (model.last.weight != before).any(dim=1).nonzero().flatten().tolist() == [1, 4]


@pytest.mark.parametrize("per", ["layer", "output"])
def test_a_scale_is_applied_and_learned_from_both_uses(per):
    model = converted(made(bias=False), EXACT.replace(scale=mho.Scale(2.0, per=per, learned=True)))
    digital = made(bias=False)
    factor = model.last.crossbars[0].log_factor
    scale = torch.zeros_like(factor.detach()).reshape(-1, 1).requires_grad_()  # W = exp(scale)·W at 0, in both places
    x = sentences(0)
    loss(model(x), x).backward()
    weight = digital.words.weight.detach() * scale.exp()
    loss(F.linear(torch.tanh(digital.hidden(F.embedding(x, weight))), weight), x).backward()
    torch.testing.assert_close(factor.grad.reshape(-1, 1), scale.grad, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("tile", [None, (3, 4)], ids=["whole", "tiles"])
def test_each_replica_is_the_run_of_its_seed(tile):
    rpu = NOISY.replace(tile=tile)
    together = converted(made(padding=1), rpu, seed=5, replicas=2)
    train(together, 2)
    for r in range(2):
        alone = converted(made(padding=1), rpu, seed=5 + r)
        train(alone, 2)
        for mine, theirs in zip(array_layers(together).values(), array_layers(alone).values(), strict=True):
            assert torch.equal(mine.matrix()[r], theirs.matrix()[0])


def test_a_state_dict_goes_on_with_the_same_bits_and_takes_that_of_torch():
    model = converted(made(), NOISY, seed=1)
    train(model, 2)
    twin, copied = converted(made(), NOISY, seed=9), copy.deepcopy(model)
    assert not any(name.startswith("words") for name in model.state_dict())
    twin.load_state_dict(model.state_dict())
    for net in (model, twin, copied):
        train(net, 1)
    for name, value in model.state_dict().items():
        assert torch.equal(value, twin.state_dict()[name]), name
        assert torch.equal(value, copied.state_dict()[name]), name
    assert copied.words.owner is copied.last
    other, exact = Model(), converted(made())
    exact.load_state_dict(other.state_dict())
    assert torch.equal(exact.words.weight, other.words.weight)
    only = {"words.weight": torch.ones(WORDS, WIDTH)}
    exact.load_state_dict(only, strict=False)
    assert exact.last.weight.min() == 1
    with pytest.raises(RuntimeError, match=r"last: weight has shape \(2, 5\)"):
        exact.load_state_dict({"words.weight": torch.ones(2, WIDTH)}, strict=False)


def test_initialisations_modes_and_freezing():
    def start(module: nn.Module) -> None:
        if isinstance(module, nn.Embedding):
            nn.init.constant_(module.weight, 0.5)

    model = converted(made())
    bias = model.last.bias.clone()
    model.apply(start)
    assert set(model.last.weight.flatten().tolist()) == {0.5}
    assert torch.equal(model.last.bias, bias)
    frozen = made()
    frozen.last.requires_grad_(False)
    model = converted(frozen)
    train(model, 1)
    assert torch.equal(model.words.weight, frozen.words.weight)
    assert not model.words.trains
    assert not torch.equal(model.hidden.weight, frozen.hidden.weight)
    assert not mho.to_digital(model).words.weight.requires_grad
    noisy = converted(made(), NOISY).eval()
    reads = [noisy.words(torch.tensor(3)) for _ in range(2)]
    assert reads[0].shape == (WIDTH,)
    assert not torch.equal(*reads)


@pytest.mark.parametrize("freeze", ["method", "parameters"])
def test_to_freeze_the_embedding_freezes_the_array_as_in_torch(freeze):
    model = converted(made())
    before = model.words.weight
    if freeze == "method":
        model.words.requires_grad_(False)
    else:
        for parameter in model.words.parameters():
            parameter.requires_grad = False
    train(model, 1)
    assert not model.last.trains
    assert torch.equal(model.words.weight, before)
    assert sum(p.numel() for p in model.parameters()) == sum(p.numel() for p in made().parameters())


def test_weights_of_the_embedding_are_programmed_and_nothing_replaces_them():
    model = converted(made())
    bias = model.last.bias
    model.words.write(torch.full((WORDS, WIDTH), 0.25))
    assert set(model.last.weight.flatten().tolist()) == {0.25}
    assert torch.equal(model.last.bias, bias)
    with pytest.raises(WrongUse, match=r"words: the weight is the state of arrays.*layer\.write"):
        model.words.weight = model.last.weight
    with pytest.raises(WrongUse, match=r"words: the weight is the state"):
        model.words.weight = nn.Parameter(torch.ones(WORDS, WIDTH))
    with pytest.raises(WrongUse, match=r"words: weight_orig would be a parameter"):
        prune.random_unstructured(model.words, "weight", 0.5)


def test_any_optimizer_and_compiled_models_train():
    digital = made()
    model = converted(digital)
    optimizer = mho.AnalogOptimizer(model, torch.optim.Adam, lr=0.01)
    reference = torch.optim.Adam(digital.parameters(), lr=0.01)
    x = sentences(0)
    for net, rule in ((model, optimizer), (digital, reference)):
        loss(net(x), x).backward()
        rule.step()
    torch.testing.assert_close(model.last.weight.clone(), digital.last.weight.detach(), rtol=1e-4, atol=1e-5)
    compiled = torch.compile(model, backend="eager")
    torch.testing.assert_close(compiled(x), model(x))
    torch._dynamo.reset()


def test_tables_have_one_row_for_both_uses():
    model = converted(made(), NOISY)
    assert [(row.name, row.kind, row.became) for row in conversion_rows(model)] == [
        ("last", "Linear", "array 7×6"),
        ("words", "Embedding", "rows, read backward, of the array of last (tied)"),
        ("hidden", "Linear", "array 5×6"),
    ]
    assert "on the array of last" in repr(model.words)

    class Counted(Model):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x.long())

    network = Network(lambda: made(Counted), (4,))
    rows = planned_table(network, NOISY)
    assert [(row.layer, row.out, row.inputs, row.vectors, row.uses) for row in rows] == [
        ("last", 7, 6, 8, 2),
        ("hidden", 5, 6, 4, 1),
    ]
    assert array_table(converted(made(Counted), NOISY), torch.zeros(2, 4)) == rows
    assert mho.hardware.trace(network).digital == ()
    special = planned_table(network, NOISY, layers={"words": NOISY.replace(cell=mho.cells.Replicated(3))})
    assert [row.devices for row in special] == [3, 1]


def test_a_pattern_of_either_name_chooses_the_array():
    scaled = EXACT.replace(scale=2.0)
    for name in ("words", "last"):
        rows = {row.name: row.became for row in conversion_rows(converted(made(), layers={name: scaled}))}
        assert "scale" in rows["last"]
        assert "scale" not in rows["hidden"]


def test_the_online_driver_leaves_it_to_autograd_with_the_reason():
    model = converted(made())
    driver = mho.training.choose_driver(model, mho.AnalogSGD(model, lr=0.1), loss=loss, sample=sentences(0))
    assert driver.name == "autograd"
    assert driver.reason.startswith("words (TiedEmbedding) passes its arrays by a forward of its own")


# Layers that are alike --------------------------------------------------------------------------------


class Twice(nn.Module):
    """Two modules, or one in two places, with the parameters of one."""

    def __init__(self, kind: Callable[..., nn.Module], tie: bool = True, **other: Any) -> None:
        super().__init__()
        self.first = kind()
        self.second = kind(**other) if tie else self.first
        if tie:
            for name, parameter in self.first.named_parameters():
                self.second.get_submodule(name.rpartition(".")[0]).register_parameter(
                    name.rpartition(".")[2], parameter
                )

    def forward(self, x: Tensor) -> Tensor:
        answers = x
        for layer in (self.first, self.second):
            out = layer(answers, answers, answers) if "Attention" in type(layer).__name__ else layer(answers)
            answers = torch.tanh(out[0] if isinstance(out, tuple) else out)
        return answers


ALIKE: dict[str, tuple[Callable[..., nn.Module], tuple[int, ...]]] = {
    "linear": (lambda **other: nn.Linear(4, 4), (3, 4)),
    "conv": (lambda **other: nn.Conv1d(4, 4, 3, **({"padding": 1} | other)), (2, 4, 6)),
    "transposed": (lambda **other: nn.ConvTranspose1d(4, 4, 3, padding=1), (2, 4, 6)),
    "gru": (lambda **other: nn.GRU(4, 4), (3, 2, 4)),
    "attention": (lambda **other: nn.MultiheadAttention(4, 2), (3, 2, 4)),
}


@pytest.mark.parametrize("tie", [True, False], ids=["tied", "one module"])
@pytest.mark.parametrize("kind", ALIKE)
def test_layers_that_are_alike_are_one_array_and_move_as_torch(kind, tie):
    build, shape = ALIKE[kind]
    digital = made(lambda: Twice(build, tie))
    model = converted(digital)
    assert model.first is model.second
    assert all(name.startswith("first") for name in array_layers(model))
    x = torch.randn(shape)
    slopes = []
    for net, rule in ((model, mho.AnalogSGD(model, lr=0.1)), (digital, torch.optim.SGD(digital.parameters(), lr=0.1))):
        own = x.clone().requires_grad_()
        net(own).square().sum().backward()
        rule.step()
        slopes.append(own.grad)
    torch.testing.assert_close(*slopes, rtol=1e-5, atol=1e-5)
    back = mho.to_digital(model).state_dict()
    for name, value in digital.state_dict().items():
        torch.testing.assert_close(back[name], value, rtol=1e-5, atol=2e-5)  # a weight of 0 with sums of tens of terms
    model.load_state_dict(digital.state_dict())


def test_vectors_of_two_places_are_counted_in_one_row():
    build, shape = ALIKE["conv"]
    rows = planned_table(Network(lambda: Twice(build), shape[1:]), EXACT)
    assert [(row.layer, row.vectors, row.uses) for row in rows] == [("first", 12, 2)]
    assert array_table(converted(Twice(build)), torch.zeros(1, *shape[1:])) == rows


def biases() -> nn.Module:
    net = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    net[1].weight = net[0].weight
    return net


def hooked() -> nn.Module:
    net = biases()
    net[1].bias = net[0].bias
    net[1].register_forward_hook(lambda *args: None)
    return net


def within() -> nn.Module:
    net = nn.Sequential(nn.RNN(4, 4))
    net[0].weight_hh_l0 = net[0].weight_ih_l0
    return net


BAD: dict[str, tuple[Callable[[], Any], str]] = {
    "biases": (
        lambda: converted(biases()),
        r"0\.weight and 1\.weight are one parameter \(tied\), and one array serves layers that are alike.* untie them, "
        r"1\.weight = nn\.Parameter\(1\.weight\.detach\(\)\.clone\(\)\), use one module.*exclude=\[\"0\", \"1\"\]",
    ),
    "options": (
        lambda: converted(Twice(ALIKE["conv"][0], padding=2)),
        r"first\.weight and second\.weight are one parameter.*first\.bias and second\.bias",
    ),
    "hooks": (lambda: converted(hooked()), r"0\.weight and 1\.weight are one parameter"),
    "one layer": (lambda: converted(within()), r"0\.weight_ih_l0 and 0\.weight_hh_l0 are one parameter"),
    "one stays digital": (lambda: converted(made(), exclude=["words"]), r"words\.weight and last\.weight are one"),
    "two RPUs": (
        lambda: mho.convert(made(), EXACT, layers={"words": NOISY, "last": EXACT}, quiet=True),
        "last and words are one array .* two RPUs; let one pattern match both",
    ),
    "list": (lambda: converted(made()).words([1]), r"words: input \[1\]; give a tensor"),
    "index": (lambda: converted(made()).words(torch.tensor([WORDS])), "words: index 7 is out of range.*from 0 to 6"),
    "numbers": (lambda: converted(made()).words(torch.ones(2)), "words: indices are float32; give integers"),
    "norm": (lambda: converted(normed()), r"words: max_norm=1\.0 rescales rows.*exclude="),
}


def normed() -> nn.Module:
    model = made()
    model.words.max_norm = 1.0
    return model


@pytest.mark.parametrize("case", BAD)
def test_what_no_one_array_can_serve_is_named(case):
    call, words = BAD[case]
    with pytest.raises(InvalidValue, match=words):
        call()


def test_digital_ties_stay_and_two_embeddings_share_the_array_of_a_linear():
    model = converted(made(), exclude=["words", "last"])
    assert model.words.weight is model.last.weight

    class Translator(Model):
        def __init__(self) -> None:
            super().__init__()
            self.others = nn.Embedding(WORDS, WIDTH)
            self.others.weight = self.words.weight

        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) + self.others(x).sum(-1, keepdim=True)

    digital = made(Translator)
    model = converted(digital)
    assert model.others.owner is model.words.owner is model.last
    for net, rule in ((model, mho.AnalogSGD(model, lr=0.1)), (digital, torch.optim.SGD(digital.parameters(), lr=0.1))):
        loss(net(sentences(1)), sentences(1)).backward()
        rule.step()
    torch.testing.assert_close(model.last.weight.clone(), digital.last.weight.detach(), rtol=1e-5, atol=1e-5)
    with pytest.raises(WrongUse, match="the weights of layer last"):
        model.words.weight.zero_()
