"""Recurrent layers and cells on arrays: exact arrays against torch, order of vectors, and all that a layer kind has."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import prune
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import mho
from mho.errors import InvalidValue, WrongUse
from mho.hardware import array_table, planned_table
from mho.models import Network
from mho.nn import ReplicasMayMix, array_layers, conversion_rows
from tests.helpers.recurrent import EXACT, HIDDEN, INPUTS, LAYERS, NOISY, tensors

LENGTHS = torch.tensor([2, 6, 1, 4])

CELLS: dict[str, Callable[..., nn.Module]] = {
    "rnn": nn.RNNCell,
    "relu": lambda *sizes, **options: nn.RNNCell(*sizes, nonlinearity="relu", **options),
    "lstm": nn.LSTMCell,
    "gru": nn.GRUCell,
}
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "batch first": {"batch_first": True},
    "both directions": {"bidirectional": True},
    "two layers": {"num_layers": 2, "bidirectional": True, "batch_first": True},
    "no bias": {"bias": False, "num_layers": 2},
}


def weights(digital: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in digital.named_parameters()}


def check_step(digital: nn.Module, run: Callable[[nn.Module, Tensor], Any], x: Tensor) -> nn.Module:
    """Hold that an exact array answers, sends back and moves as torch, and return it."""
    digital.zero_grad()
    model = mho.convert(digital, EXACT, quiet=True)
    optimizers = (mho.AnalogSGD(model, lr=0.1), torch.optim.SGD(digital.parameters(), lr=0.1))
    answers, slopes = [], []
    for net, optimizer in zip((model, digital), optimizers, strict=True):
        own = x.clone().requires_grad_()
        answers.append(tensors(run(net, own)))
        floats = [value for value in answers[-1] if value.is_floating_point()]
        generator = torch.Generator().manual_seed(5)
        sum((value * torch.randn(value.shape, generator=generator)).sum() for value in floats).backward()
        optimizer.step()
        slopes.append(own.grad)
    # the same sums in another order: 10 roundings of float32 at values around 1
    for mine, theirs in zip(*answers, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(*slopes, rtol=1e-5, atol=1e-5)
    back = mho.to_digital(model)
    assert type(back) is type(digital)
    moved = weights(digital)
    for name, value in weights(back).items():
        torch.testing.assert_close(
            value, moved[name], rtol=1e-5, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}"
        )
    return model


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("kind", LAYERS)
def test_a_layer_answers_sends_back_and_moves_as_torch(kind, options):
    digital = LAYERS[kind](INPUTS, HIDDEN, **OPTIONS[options])
    check_step(digital, lambda net, x: net(x), torch.randn(4, 3, INPUTS))


@pytest.mark.parametrize("kind", LAYERS)
def test_states_that_are_given_are_taken_and_get_gradients(kind):
    digital = LAYERS[kind](INPUTS, HIDDEN, 2, bidirectional=True)
    size = getattr(digital, "proj_size", 0) or HIDDEN
    starts = torch.randn(4, 3, size), torch.randn(4, 3, HIDDEN)

    def run(net: nn.Module, x: Tensor) -> Any:
        given = tuple(start + x.mean() for start in starts)
        return net(x, given if isinstance(digital, nn.LSTM) else given[0])

    check_step(digital, run, torch.randn(4, 3, INPUTS))


@pytest.mark.parametrize("enforce_sorted", [True, False])
@pytest.mark.parametrize("kind", LAYERS)
def test_packed_sequences(kind, enforce_sorted):
    lengths = LENGTHS.sort(descending=True).values if enforce_sorted else LENGTHS
    digital = LAYERS[kind](INPUTS, HIDDEN, 2, bidirectional=True)
    outputs = []

    def run(net: nn.Module, x: Tensor) -> Any:
        packed = pack_padded_sequence(x, lengths, enforce_sorted=enforce_sorted)
        output, last = net(packed)
        outputs.append(output)
        return output, last, pad_packed_sequence(output)[0]

    check_step(digital, run, torch.randn(6, 4, INPUTS))
    for mine, theirs in zip(outputs[0][2:], outputs[1][2:], strict=True):
        assert (mine is None and theirs is None) or torch.equal(mine, theirs)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("kind", LAYERS)
def test_sequences_and_states_of_other_types_are_answered_in_float32(kind, dtype):
    model = mho.convert(LAYERS[kind](INPUTS, HIDDEN), EXACT, quiet=True).eval()
    x = torch.randn(6, 4, INPUTS).to(dtype)
    for given in (x, pack_padded_sequence(x, LENGTHS, enforce_sorted=False)):
        answers = tensors(model(given))
        same = tensors(model(given.float() if isinstance(given, Tensor) else given.to(torch.float32)))
        assert all(torch.equal(*pair) for pair in zip(answers, same, strict=True))
        states = [state.to(dtype) for state in answers[-model.gates.states :]]
        again = tensors(model(x, states[0] if len(states) == 1 else tuple(states)))
        assert all(answer.dtype == torch.float32 for answer in again)


def test_packed_sequences_of_one_length_and_with_given_states():
    digital = nn.GRU(INPUTS, HIDDEN)
    start = torch.randn(1, 4, HIDDEN)
    for lengths in (torch.full((4,), 6), LENGTHS):
        run = lambda net, x, n=lengths: net(pack_padded_sequence(x, n, enforce_sorted=False), start)  # noqa: E731
        check_step(copy.deepcopy(digital), run, torch.randn(6, 4, INPUTS))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", CELLS)
def test_a_cell_called_at_every_step_moves_once_as_torch(kind, bias):
    digital = CELLS[kind](INPUTS, HIDDEN, bias=bias)

    def run(net: nn.Module, x: Tensor) -> Any:
        state = None
        for step in x:
            state = net(step, state)
        return state

    check_step(digital, run, torch.randn(4, 3, INPUTS))
    check_step(digital, run, torch.randn(4, INPUTS))  # without a batch


def test_a_sequence_without_a_batch():
    digital = nn.LSTM(INPUTS, HIDDEN, 2, batch_first=True)
    state = (torch.randn(2, HIDDEN), torch.randn(2, HIDDEN))
    check_step(digital, lambda net, x: net(x, state), torch.randn(4, INPUTS))


# Order of the vectors ---------------------------------------------------------------------------------


def pulsed(model: nn.Module) -> dict[str, Tensor]:
    """Note the inputs that the next step pulses, by array, each (V, in); arrays take them in one update."""
    seen: dict[str, Tensor] = {}
    for path, layer in array_layers(model).items():
        array = layer.crossbars[0]

        def note(x: Any, d: Any, lr: float, path: str = path) -> None:
            assert path not in seen
            seen[path] = torch.from_numpy(x[0].copy())

        array.update_vectors = note
    return seen


@pytest.mark.parametrize("batch_first", [False, True])
def test_vectors_pulse_in_the_order_of_time_in_one_update(batch_first):
    model = mho.convert(nn.RNN(2, 3, batch_first=batch_first, bidirectional=True, bias=False), EXACT, quiet=True)
    optimizer = mho.AnalogSGD(model, lr=0.1)
    seen = pulsed(model)
    x = torch.arange(24.0).reshape(4, 3, 2)  # (T, B, n)
    out, _ = model(x.transpose(0, 1) if batch_first else x)
    out.square().sum().backward()
    optimizer.step()
    outputs = (out.transpose(0, 1) if batch_first else out).detach()
    assert torch.equal(seen["ih_l0"], x.flatten(0, 1))
    assert torch.equal(seen["ih_l0_reverse"], x.flip(0).flatten(0, 1))
    before = torch.cat([torch.zeros(1, 3, 3), outputs[:-1, :, :3]])
    assert torch.equal(seen["hh_l0"], before.flatten(0, 1))
    assert torch.equal(
        seen["hh_l0_reverse"], torch.cat([torch.zeros(1, 3, 3), outputs.flip(0)[:-1, :, 3:]]).flatten(0, 1)
    )


def test_nothing_behind_the_end_of_a_packed_sequence_is_read_or_pulsed():
    model = mho.convert(nn.RNN(1, 3, bias=False), EXACT, quiet=True)
    optimizer = mho.AnalogSGD(model, lr=0.1)
    seen = pulsed(model)
    x = torch.arange(24.0).reshape(6, 4, 1)
    model(pack_padded_sequence(x, LENGTHS, enforce_sorted=False))[0].data.sum().backward()
    optimizer.step()
    expected = [x[t, b] for t in range(6) for b in range(4) if t < LENGTHS[b]]
    assert torch.equal(seen["ih_l0"], torch.stack(expected))
    assert len(seen["hh_l0"]) == LENGTHS.sum()


def state(model: nn.Module) -> list[Tensor]:
    return [array.state for layer in array_layers(model).values() for array in layer.crossbars]


def test_a_sequence_in_pieces_has_the_bits_of_the_whole():
    """Forward, and the update of a truncated backward: one array's vectors, however calls split them."""
    whole, pieces = (mho.convert(nn.GRU(INPUTS, HIDDEN), NOISY, seed=3, quiet=True) for _ in range(2))
    pieces.load_state_dict(whole.state_dict())
    x = torch.randn(6, 2, INPUTS)
    out, last = whole(x)
    parts, carried = [], None
    for part in x.split([1, 3, 2]):
        answer, carried = pieces(part, carried)
        parts.append(answer)
    assert torch.equal(out, torch.cat(parts))
    assert torch.equal(last, carried)
    for net, loss in ((whole, out.square().sum()), (pieces, torch.cat(parts).square().sum())):
        optimizer = mho.AnalogSGD(net, lr=0.1)
        loss.backward()
        hh = net.hh_l0.memory.in_order()
        assert sum(use.x[0].shape[1] for use in hh) == 12  # 6 steps of 2 sequences
        optimizer.step()
    # the backward of the recurrent matrix meets the same vectors in the same order
    assert torch.equal(whole.hh_l0.crossbars[0].state, pieces.hh_l0.crossbars[0].state)


# Replicas, files, tables ------------------------------------------------------------------------------


class Tagger(nn.Module):
    """A word for each word: embedding, recurrent layers of two directions with dropout between, and a head."""

    def __init__(self, kind: Callable[..., nn.Module] = nn.LSTM) -> None:
        super().__init__()
        self.words = nn.Embedding(6, 4, padding_idx=0)
        self.rnn = kind(4, 5, 2, batch_first=True, bidirectional=True, dropout=0.3)
        self.head = nn.Linear(10, 3)

    def forward(self, x: Tensor) -> Tensor:
        self.rnn.flatten_parameters()
        return self.head(self.rnn(self.words(x.long()))[0])


class Lengths(Tagger):
    """The same on packed sequences, whose padding is 0."""

    def forward(self, x: Tensor) -> Tensor:
        lengths = (x != 0).sum(1)
        packed = pack_padded_sequence(self.words(x.long()), lengths, batch_first=True, enforce_sorted=False)
        return self.head(pad_packed_sequence(self.rnn(packed)[0], batch_first=True)[0])


def sentences(seed: int = 0) -> Tensor:
    words = torch.randint(1, 6, (3, 5), generator=torch.Generator().manual_seed(seed))
    words[0, 3:], words[1, 1:] = 0, 0
    return words


def made(build: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(3)
    return build()


def train(model: nn.Module, steps: int) -> None:
    optimizer = mho.AnalogSGD(model, lr=0.05)
    for step in range(steps):
        mho.replica_loss(lambda out, _: out.square().mean(), out_of(model, sentences(step)), torch.zeros(3)).backward()
        optimizer.step()
        optimizer.zero_grad()


def out_of(model: nn.Module, x: Tensor) -> Tensor:
    return mho.nn.replica_outputs(model, x, per_replica=False)


@pytest.mark.parametrize("build", [Tagger, Lengths, lambda: Tagger(nn.GRU)], ids=["padded", "packed", "gru"])
def test_each_replica_equals_the_run_of_its_seed(build):
    together = mho.convert(made(build), NOISY, seed=5, replicas=2, quiet=True)
    train(together, 2)
    for r in range(2):
        alone = mho.convert(made(build), NOISY, seed=5 + r, quiet=True)
        train(alone, 2)
        for mine, theirs in zip(state(together), state(alone), strict=True):
            assert torch.equal(mine[r], theirs[0])


def test_time_that_may_have_been_taken_for_replicas_is_told():
    """Replicas of a model lie along the first axis of its input, which is time where a layer has batch_first=False."""
    layer = mho.nn.GRU(4, 3, rpu=NOISY, replicas=2)
    with pytest.warns(ReplicasMayMix, match="steps of time have been taken for replicas"):
        layer(torch.ones(6, 2, 4))
    first = mho.nn.GRU(4, 3, rpu=NOISY, replicas=2, batch_first=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first(torch.ones(6, 2, 4))
        layer(torch.ones(5, 2, 4))  # no number of steps of two replicas


def test_replicas_need_packed_sequences_of_equal_lengths_and_a_batch():
    model = mho.convert(made(Lengths), NOISY, replicas=2, quiet=True)
    own = torch.stack([sentences(), sentences()])
    own[1, 2, 4] = 0
    with pytest.raises(InvalidValue, match="rnn: a packed sequence whose lengths differ between 2 replicas"):
        model(own, per_replica=True)
    bare = mho.convert(nn.Sequential(nn.RNN(4, 3, batch_first=True)), NOISY, replicas=2, quiet=True)
    with pytest.raises(InvalidValue, match=r"0: input of shape .* is one sequence without a batch"):
        bare.model(torch.ones(4, 4))
    with pytest.raises(InvalidValue, match="a batch of 3 cannot be shared by 2 replicas"):
        bare.model(torch.ones(3, 4, 4))


def test_a_state_dict_goes_on_with_the_same_bits_and_takes_that_of_torch():
    model = mho.convert(made(Tagger), NOISY, seed=1, quiet=True)
    train(model, 2)
    twin = mho.convert(made(Tagger), NOISY, seed=9, quiet=True)
    twin.load_state_dict(model.state_dict())
    train(model, 1)
    train(twin, 1)
    for name, value in model.state_dict().items():
        assert torch.equal(value, twin.state_dict()[name]), name
    torch.manual_seed(8)
    other, exact = Tagger(), mho.convert(made(Tagger), EXACT, quiet=True)
    exact.load_state_dict(other.state_dict())
    back = mho.to_digital(exact)
    assert all(torch.equal(value, back.state_dict()[name]) for name, value in other.state_dict().items())
    short = {name: value for name, value in other.state_dict().items() if name != "rnn.bias_hh_l1"}
    with pytest.raises(RuntimeError, match=r"Missing key.*rnn\.bias_hh_l1"):
        exact.load_state_dict(short)
    with pytest.raises(RuntimeError, match="size mismatch for weight_hh_l0"):
        exact.load_state_dict({**other.state_dict(), "rnn.weight_hh_l0": torch.zeros(3, 3)})


def test_weights_are_read_under_the_names_of_torch_and_set_by_write():
    digital = nn.LSTM(3, 4)
    model = mho.convert(digital, EXACT, quiet=True)
    assert torch.equal(model.weight_hh_l0, digital.weight_hh_l0)
    assert torch.equal(model.bias_ih_l0, digital.bias_ih_l0)
    with pytest.raises(WrongUse, match=r"layer\.hh_l0\.write"):
        model.weight_hh_l0 = nn.Parameter(torch.zeros(16, 4))
    with pytest.raises(AttributeError, match="weight_hh_l9"):
        model.weight_hh_l9  # noqa: B018
    model.hh_l0.write(torch.zeros(16, 4))
    assert mho.to_digital(model).weight_hh_l0.abs().max() == 0
    assert next(model.parameters()).new_zeros(2, 3).shape == (2, 3)  # as many scripts make their first states


def test_an_initialisation_reaches_the_arrays():
    def start(module: nn.Module) -> None:
        if isinstance(module, nn.LSTM):
            nn.init.orthogonal_(module.weight_hh_l0)
            module.bias_ih_l0.data.fill_(0.5)

    model = mho.convert(nn.Sequential(nn.LSTM(3, 4)), EXACT, quiet=True)
    before = model[0].weight_ih_l0.clone()
    model.apply(start)
    torch.testing.assert_close(model[0].weight_hh_l0.T @ model[0].weight_hh_l0, torch.eye(4))
    assert torch.equal(model[0].bias_ih_l0, torch.full((16,), 0.5))
    assert torch.equal(model[0].weight_ih_l0, before)


def test_what_is_frozen_stays_and_the_rest_moves():
    digital = nn.GRU(3, 4)
    digital.weight_ih_l0.requires_grad_(False)
    digital.bias_ih_l0.requires_grad_(False)
    model = mho.convert(digital, EXACT, quiet=True)
    assert {row.name: row.became for row in conversion_rows(model)} == {
        "ih_l0": "array 12×4, gates digital, frozen",
        "hh_l0": "array 12×5, gates digital",
    }
    optimizer = mho.AnalogSGD(model, lr=0.1)
    model(torch.randn(2, 3, 3))[0].sum().backward()
    optimizer.step()
    assert torch.equal(model.weight_ih_l0, digital.weight_ih_l0)
    assert not torch.equal(model.weight_hh_l0, digital.weight_hh_l0)
    back = mho.to_digital(model)
    assert [name for name, p in back.named_parameters() if not p.requires_grad] == ["weight_ih_l0", "bias_ih_l0"]


def test_single_arrays_have_rpus_rates_and_tiles_of_their_own():
    tiled, scaled = EXACT.replace(tile=(8, 8)), EXACT.replace(scale=2.0)
    model = mho.convert(made(Tagger), EXACT, layers={"rnn": tiled, "rnn.hh*": scaled}, exclude=["head"], quiet=True)
    rows = {row.name: row.became for row in conversion_rows(model)}
    assert rows["rnn.ih_l0"] == "array 20×5, 3 tiles 7×5, gates digital"
    assert "scale" in rows["rnn.hh_l1_reverse"]
    assert rows["head"] == "digital (excluded)"
    assert "rnn.hh_l0" in {
        group["layer"] for group in mho.AnalogSGD(model, lr=0.1, layers={"rnn.hh*": 0.0}).param_groups
    }
    with pytest.raises(InvalidValue, match=r"'rnn\.hh_l7' matches no layer; did you mean 'rnn\.hh_l"):
        mho.convert(made(Tagger), EXACT, layers={"rnn.hh_l7": tiled}, quiet=True)
    with pytest.raises(InvalidValue, match=r"'rnn\.hh_l0' matches .*, a part of layer rnn"):
        mho.convert(made(Tagger), EXACT, exclude=["rnn.hh_l0"], quiet=True)
    assert isinstance(mho.convert(made(Tagger), EXACT, exclude=["rnn"], quiet=True).rnn, nn.LSTM)


def test_the_table_of_arrays_counts_steps():
    def network() -> nn.Module:
        return made(Tagger)

    rows = planned_table(Network(network, (5,)), NOISY)
    assert [(row.layer, row.out, row.inputs, row.vectors, row.uses) for row in rows[:4]] == [
        ("words", 4, 6, 5, 1),
        ("rnn.ih_l0", 20, 5, 5, 1),
        ("rnn.hh_l0", 20, 6, 5, 5),
        ("rnn.ih_l0_reverse", 20, 5, 5, 1),
    ]
    model = mho.convert(network(), NOISY, quiet=True)
    assert array_table(model, torch.zeros(1, 5)) == rows
    special = planned_table(Network(network, (5,)), NOISY, layers={"rnn": NOISY.replace(cell=mho.cells.Replicated(3))})
    assert [row.devices for row in special[:3]] == [1, 3, 3]
    cells = planned_table(Network(lambda: nn.LSTMCell(3, 4), (3,)), NOISY)
    assert [(row.layer, row.vectors, row.uses) for row in cells] == [("ih", 1, 1), ("hh", 1, 1)]


def test_dropout_between_layers_and_drivers():
    model = mho.convert(made(Tagger), NOISY, quiet=True)
    optimizer = mho.AnalogSGD(model, lr=0.1)
    driver = mho.training.choose_driver(model, optimizer, loss=lambda out, y: out.square().mean())
    assert (driver.name, driver.reason) == (
        "autograd",
        "rnn (LSTM) passes its arrays by a forward of its own, such as steps of time or attention, which only autograd "
        "follows",
    )
    driver.step(sentences(), torch.zeros(3))
    assert int(model.rnn.between.samples) == 3
    one = copy.deepcopy(model)
    assert not torch.equal(model(sentences()), one.eval()(sentences()))


def test_the_diagnosis_takes_the_steps_of_each_sequence_together():
    model = mho.convert(nn.Sequential(nn.RNN(2, 3, batch_first=True)), EXACT, quiet=True)[0]
    x = torch.arange(24.0).reshape(3, 4, 2)
    out, _ = model(x)
    out.sum().backward()
    (use,) = model.ih_l0.memory.pending
    assert torch.equal(torch.from_numpy(model.ih_l0.by_sample(use.x[0], 3)[0, :, :, :2].copy()), x)


# Layers made by hand, and bad input -------------------------------------------------------------------


@pytest.mark.parametrize("kind", [mho.nn.RNN, mho.nn.LSTM, mho.nn.GRU])
def test_a_layer_made_by_hand(kind):
    layer = kind(3, 4, 2, rpu=NOISY, bidirectional=True, dropout=0.2, layers={"hh*": EXACT}, name="mine")
    out, _ = layer(torch.randn(5, 2, 3))
    assert out.shape == (5, 2, 8)
    out.sum().backward()
    mho.AnalogSGD(layer, lr=0.1).step()
    assert layer.hh_l1_reverse.crossbars[0].rpu == EXACT
    assert layer.hh_l1_reverse.crossbars[0].name == "mine.hh_l1_reverse"
    assert isinstance(mho.to_digital(layer), getattr(nn, kind.__name__))


BAD: dict[str, tuple[Callable[[], Any], str]] = {
    "width": (lambda: mho.nn.GRU(3, 4, rpu=EXACT)(torch.ones(2, 2, 5)), r"5 numbers per step; give \(time, batch, 3\)"),
    "axes": (lambda: mho.nn.GRU(3, 4, rpu=EXACT)(torch.ones(3)), r"input of shape \(3,\); give"),
    "empty": (lambda: mho.nn.GRU(3, 4, rpu=EXACT)(torch.ones(0, 2, 3)), "no step or no sequence"),
    "packed": (
        lambda: mho.nn.GRU(3, 4, rpu=EXACT)(pack_padded_sequence(torch.ones(2, 2, 5), [2, 1])),
        "pack sequences of 3 numbers",
    ),
    "state": (
        lambda: mho.nn.GRU(3, 4, rpu=EXACT)(torch.ones(2, 2, 3), torch.ones(1, 3, 4)),
        r"initial state is \[\(1, 3, 4\)\]; give h of \(1, 2, 4\), or none for zeros",
    ),
    "states": (
        lambda: mho.nn.LSTM(3, 4, rpu=EXACT)(torch.ones(2, 2, 3), torch.ones(1, 2, 4)),
        r"give h of \(1, 2, 4\) and c of \(1, 2, 4\)",
    ),
    "cell": (lambda: mho.nn.LSTMCell(3, 4, rpu=EXACT)(torch.ones(2, 5)), r"give \(batch, 3\), or \(3,\)"),
    "packed cell": (
        lambda: mho.nn.GRUCell(3, 4, rpu=EXACT)(pack_padded_sequence(torch.ones(2, 2, 3), [2, 1])),
        r"a cell takes one step, and this is .*PackedSequence.*; give its steps one by one, or use GRU",
    ),
    "dropout": (lambda: mho.nn.RNN(3, 4, rpu=EXACT, dropout=0.5), "lies between layers and would have no effect"),
    "share": (lambda: mho.nn.RNN(3, 4, 2, rpu=EXACT, dropout=1.5), "dropout is 1.5; give a number from 0 to 1"),
    "sizes": (lambda: mho.nn.RNN(0, 4.5, rpu=EXACT), "input_size is 0.*hidden_size is 4.5"),
    "projection": (lambda: mho.nn.LSTM(3, 4, rpu=EXACT, proj_size=4), "proj_size is 4; give less than hidden_size=4"),
    "nonlinearity": (lambda: mho.nn.RNN(3, 4, rpu=EXACT, nonlinearity="tan"), "did you mean 'tanh'"),
    "part": (lambda: mho.nn.RNN(3, 4, rpu=EXACT, layers={"hh_l1": EXACT}), "'hh_l1' matches no part; did you mean"),
    "typo": (lambda: mho.nn.LSTM(3, 4, rpu=EXACT, bidirectionl=True), "no option 'bidirectionl'; did you mean"),
    "prune": (
        lambda: prune.l1_unstructured(mho.nn.LSTM(3, 4, rpu=EXACT), "weight_hh_l0", 0.5),
        "would be a parameter of a layer on arrays",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    call, words = BAD[case]
    with pytest.raises(mho.errors.MhoError, match=words):
        call()
