"""Attention and torch's Transformer layers on arrays: exact arrays against torch, masks, and no way past the arrays."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import mho
from mho.hardware import array_table, planned_table
from mho.models import Network
from mho.nn import StaysDigital, array_layers, conversion_rows

EXACT = mho.presets.floating_point()
NOISY = mho.presets.gokmen_2017(managed=True).replace(device=mho.devices.ConstantStep(w_max=5.0, w_min=-5.0))
PARTS = ["q_proj", "k_proj", "v_proj", "out_proj"]
CLOSE = {"rtol": 1e-5, "atol": 1e-5}  # the same sums in another order: tens of roundings of float32 at values around 1


def converted(digital: nn.Module, rpu: mho.RPU = EXACT, **options: Any) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StaysDigital)
        return mho.convert(digital, rpu, quiet=True, **options)


def check_step(digital: nn.Module, run: Callable[..., Any], *inputs: Tensor, rpu: mho.RPU = EXACT) -> nn.Module:
    """Hold that exact arrays answer, send back and move as torch, and that the digital twin has their weights."""
    model = converted(digital, rpu)
    digital = copy.deepcopy(digital)
    optimizers = (mho.AnalogSGD(model, lr=0.1), torch.optim.SGD(digital.parameters(), lr=0.1))
    answers, slopes = [], []
    for net, optimizer in zip((model, digital), optimizers, strict=True):
        own = [x.clone().requires_grad_() for x in inputs]
        out = run(net, *own)
        answers.append([value for value in (out if isinstance(out, tuple) else (out,)) if value is not None])
        generator = torch.Generator().manual_seed(5)
        sum((value * torch.randn(value.shape, generator=generator)).sum() for value in answers[-1]).backward()
        optimizer.step()
        slopes.append([x.grad for x in own])
    for mine, theirs in zip(*answers, strict=True):
        torch.testing.assert_close(mine, theirs, **CLOSE)
    for mine, theirs in zip(*slopes, strict=True):
        torch.testing.assert_close(mine, theirs, **CLOSE)
    back = mho.to_digital(model)
    assert type(back) is type(digital)
    moved = dict(back.named_parameters())
    for name, value in digital.named_parameters():
        torch.testing.assert_close(moved[name], value, rtol=1e-5, atol=2e-5, msg=lambda text, name=name: name + text)
    return model


@st.composite
def cases(draw: Any) -> tuple[nn.Module, list[Tensor], dict[str, Any]]:
    """Draw a layer, its inputs of odd sizes, and what else its forward is given."""
    heads = draw(st.integers(1, 3))
    width = heads * draw(st.integers(1, 3))
    kdim, vdim = (draw(st.sampled_from([None, 5])) for _ in range(2))
    first = draw(st.booleans())
    net = nn.MultiheadAttention(
        width,
        heads,
        bias=draw(st.booleans()),
        add_zero_attn=draw(st.booleans()),
        kdim=kdim,
        vdim=vdim,
        batch_first=first,
    )
    samples, steps, keys = draw(st.sampled_from([None, 1, 3])), draw(st.integers(1, 5)), draw(st.integers(1, 5))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    for parameter in net.parameters():
        nn.init.normal_(parameter, 0.0, 0.5, generator=generator)

    def sized(count: int, numbers: int) -> Tensor:
        lead = (count,) if samples is None else (samples, count) if first else (count, samples)
        return torch.randn(*lead, numbers, generator=generator)

    inputs = [sized(steps, width), sized(keys, kdim or width), sized(keys, vdim or width)]
    masks: dict[str, Any] = {"need_weights": draw(st.booleans()), "average_attn_weights": draw(st.booleans())}
    count = 1 if samples is None else samples
    floats = draw(st.booleans())

    def mask(*shape: int) -> Tensor:
        if floats:
            return torch.randn(*shape, generator=generator)
        closed = torch.rand(*shape, generator=generator) < 0.4
        return closed.index_fill(-1, torch.tensor([0]), False)  # something is left for each query

    if draw(st.booleans()):
        masks["key_padding_mask"] = mask(keys) if samples is None else mask(samples, keys)
    if draw(st.booleans()):
        masks["attn_mask"] = mask(count * heads, steps, keys) if draw(st.booleans()) else mask(steps, keys)
    return net, inputs, masks


@settings(max_examples=80, deadline=None)
@given(case=cases())
def test_attention_answers_sends_back_and_moves_as_torch(case):
    net, inputs, masks = case
    check_step(net, lambda net, *x: net(*x, **masks), *inputs)


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_a_query_whose_keys_are_all_masked_gets_nothing(mode):
    """As torch gives without weights; with weights torch gives NaN, which arrays would refuse as input."""
    net = nn.MultiheadAttention(4, 2, batch_first=True)
    model = converted(net)
    x = torch.randn(2, 3, 4)
    closed = torch.zeros(3, 3, dtype=torch.bool)
    closed[1] = True
    expected, _ = getattr(net, mode)()(x, x + 0, x + 0, attn_mask=closed, need_weights=False)
    for asked in (True, False):
        out, weights = getattr(model, mode)()(x, x, x, attn_mask=closed, need_weights=asked)
        torch.testing.assert_close(out, expected, **CLOSE)
        assert weights is None or (weights[:, 1] == 0).all()
    model.train()(x, x, x, attn_mask=closed)[0].sum().backward()  # no NaN on the way back either


def test_a_causal_hint_is_that_of_torch():
    net = nn.MultiheadAttention(6, 3, batch_first=True)
    causal = nn.Transformer.generate_square_subsequent_mask(4)
    for weights in (True, False):
        check_step(
            net,
            lambda net, x, w=weights: net(x, x, x, attn_mask=causal, is_causal=True, need_weights=w),
            torch.randn(2, 4, 6),
        )


def layer(kind: type[nn.Module], **options: Any) -> nn.Module:
    torch.manual_seed(2)
    return kind(6, 2, 10, dropout=0.0, **options)


CAUSAL = nn.Transformer.generate_square_subsequent_mask(5)
PADDED = torch.tensor([[False] * 5, [False] * 3 + [True] * 2, [False] * 4 + [True]])


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("mode", ["train", "eval"])
def test_transformer_layers_train_as_torch(mode, first, norm_first):
    options = {"batch_first": first, "norm_first": norm_first, "activation": "gelu"}
    x, memory = (torch.randn(*((3, n) if first else (n, 3)), 6) for n in (5, 4))
    encoder = nn.TransformerEncoder(layer(nn.TransformerEncoderLayer, **options), 2, enable_nested_tensor=False)
    decoder = nn.TransformerDecoder(layer(nn.TransformerDecoderLayer, **options), 2)
    padding = PADDED.float().masked_fill(PADDED, -torch.inf)  # as the causal mask; torch warns of two types

    def encode(net: nn.Module, x: Tensor) -> Tensor:
        return getattr(net, mode)()(x, mask=CAUSAL, src_key_padding_mask=padding)

    def decode(net: nn.Module, x: Tensor, memory: Tensor) -> Tensor:
        return getattr(net, mode)()(x, memory, tgt_mask=CAUSAL, tgt_is_causal=True, tgt_key_padding_mask=padding)

    if mode == "train":
        model = check_step(encoder, encode, x)
        assert [*array_layers(model)] == [
            f"layers.{n}.{part}"
            for n in range(2)
            for part in [*(f"self_attn.{p}" for p in PARTS), "linear1", "linear2"]
        ]
        check_step(decoder, decode, x, memory)
    else:
        with torch.no_grad():
            torch.testing.assert_close(encode(converted(encoder), x), encode(encoder, x), **CLOSE)
            torch.testing.assert_close(decode(converted(decoder), x, memory), decode(decoder, x, memory), **CLOSE)


def test_a_whole_transformer():
    torch.manual_seed(1)
    net = nn.Transformer(6, 2, 1, 1, 8, dropout=0.0, batch_first=True)
    check_step(net, lambda net, x, y: net(x, y, tgt_mask=CAUSAL[:4, :4]), torch.randn(2, 5, 6), torch.randn(2, 4, 6))


# No way past the arrays -------------------------------------------------------------------------------


@pytest.mark.parametrize("exclude", [(), ("*self_attn",), ("*linear?",)], ids=["all", "linear layers", "attention"])
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("padded", [False, True], ids=["whole", "padded"])
def test_evaluation_reads_the_arrays(exclude, compiled, padded):
    """The fused paths of torch would compute with exact weights: two noisy reads are never equal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        encoder = nn.TransformerEncoder(layer(nn.TransformerEncoderLayer, batch_first=True), 2, mask_check=False)
        model = converted(encoder, NOISY, exclude=exclude).eval()
        net = torch.compile(model, backend="eager") if compiled else model
        x = torch.randn(3, 5, 6)
        with torch.no_grad():
            outs = [net(x, src_key_padding_mask=PADDED if padded else None) for _ in range(2)]
    assert outs[0].shape == x.shape
    assert not torch.equal(*outs)
    torch._dynamo.reset()


def test_a_digital_twin_has_its_fused_path_again():
    encoder = nn.TransformerEncoder(layer(nn.TransformerEncoderLayer, batch_first=True), 1)
    model = converted(encoder)
    back = mho.to_digital(model)
    assert (model.use_nested_tensor, model.layers[0].activation_relu_or_gelu) == (False, 0)
    assert (back.use_nested_tensor, back.layers[0].activation_relu_or_gelu) == (True, 1)
    assert sorted(vars(back)) == sorted(vars(encoder))
    x = torch.randn(3, 5, 6)
    with torch.no_grad():
        torch.testing.assert_close(back.eval()(x), encoder.eval()(x), **CLOSE)


# What a layer kind has --------------------------------------------------------------------------------


class Reader(nn.Module):
    """Attention over embeddings that no vector is padded with, with dropout, and a head on the mean."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.words = nn.Embedding(6, 6, padding_idx=0)
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True, **options)
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        words = self.words(x)
        out, _ = self.attention(words, words, words, key_padding_mask=x == 0, need_weights=False)
        return self.head(out.mean(1))


def made(build: Callable[..., nn.Module] = Reader, **options: Any) -> nn.Module:
    torch.manual_seed(3)
    return build(**options)


def sentences(seed: int) -> Tensor:
    words = torch.randint(1, 6, (3, 5), generator=torch.Generator().manual_seed(seed))
    words[0, 3:] = 0
    return words


def train(model: nn.Module, steps: int) -> None:
    optimizer = mho.AnalogSGD(model, lr=0.05)
    for step in range(steps):
        out = mho.nn.replica_outputs(model, sentences(step), per_replica=False)
        mho.replica_loss(F.cross_entropy, out, torch.tensor([0, 2, 1])).backward()
        optimizer.step()
        optimizer.zero_grad()


@pytest.mark.parametrize("tile", [None, (4, 5)], ids=["whole", "tiles"])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_each_replica_is_the_run_of_its_seed(dropout, tile):
    rpu = NOISY.replace(tile=tile)
    together = converted(made(dropout=dropout), rpu, seed=5, replicas=2)
    train(together, 2)
    for r in range(2):
        alone = converted(made(dropout=dropout), rpu, seed=5 + r)
        train(alone, 2)
        for mine, theirs in zip(array_layers(together).values(), array_layers(alone).values(), strict=True):
            assert torch.equal(mine.matrix()[r], theirs.matrix()[0])


def test_tiles_answer_and_move_as_torch():
    model = check_step(
        nn.MultiheadAttention(6, 2), lambda net, x: net(x, x, x), torch.randn(4, 3, 6), rpu=EXACT.replace(tile=(4, 3))
    )
    assert len(model.q_proj.crossbars[0].tile_shapes) == 6


@pytest.mark.parametrize("options", [{}, {"kdim": 6, "vdim": 6, "dropout": 0.3}], ids=["plain", "dropout"])
def test_a_state_dict_goes_on_with_the_same_bits_and_takes_that_of_torch(options):
    model = converted(made(**options), NOISY, seed=1)
    train(model, 2)
    twin = converted(made(**options), NOISY, seed=9)
    twin.load_state_dict(model.state_dict())
    train(model, 1)
    train(twin, 1)
    for name, value in model.state_dict().items():
        assert torch.equal(value, twin.state_dict()[name]), name
    torch.manual_seed(8)
    other, exact = Reader(**options), converted(made(**options))
    exact.load_state_dict(other.state_dict())
    back = mho.to_digital(exact)
    assert all(torch.equal(value, back.state_dict()[name]) for name, value in other.state_dict().items())
    short = {name: value for name, value in other.state_dict().items() if name != "attention.out_proj.bias"}
    with pytest.raises(RuntimeError, match=r"Missing key.*attention\.out_proj\.bias"):
        exact.load_state_dict(short)


def test_a_state_dict_of_torch_loads_where_dropout_has_streams():
    encoder = nn.TransformerEncoderLayer(6, 2, 8, dropout=0.2, batch_first=True)
    model = converted(encoder)
    model.load_state_dict(encoder.state_dict())
    assert torch.equal(mho.to_digital(model).linear1.weight, encoder.linear1.weight)


def test_weights_are_read_under_the_names_of_torch_and_initialisations_reach_them():
    net = nn.MultiheadAttention(6, 2)
    model = converted(net)
    assert torch.equal(model.in_proj_weight, net.in_proj_weight)
    assert torch.equal(model.in_proj_bias, net.in_proj_bias)
    assert torch.equal(model.out_proj.weight, net.out_proj.weight)
    assert converted(nn.MultiheadAttention(6, 2, kdim=4)).in_proj_weight is None
    pair = mho.convert(nn.MultiheadAttention(6, 2, batch_first=True), EXACT, replicas=2, quiet=True).model
    assert pair.in_proj_weight.shape == (2, 18, 6)
    with pytest.raises(mho.errors.WrongUse, match=r"a copy of an array's.*q_proj\.write"):
        model.in_proj_weight.zero_()

    def start(module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.constant_(module.weight, 0.25)
        if isinstance(module, nn.MultiheadAttention):
            nn.init.constant_(module.in_proj_weight, 0.5)

    model.apply(start)
    assert set(model.in_proj_weight.flatten().tolist()) == {0.5}
    assert set(model.out_proj.weight.flatten().tolist()) == {0.25}


def test_what_is_frozen_stays_and_the_rest_moves():
    net = nn.MultiheadAttention(6, 2)
    net.in_proj_weight.requires_grad_(False)
    net.in_proj_bias.requires_grad_(False)
    model = converted(net)
    assert [row.became for row in conversion_rows(model)] == [
        *["array 6×7, products and softmax digital, frozen"] * 3,
        "array 6×7, products and softmax digital",
    ]
    optimizer = mho.AnalogSGD(model, lr=0.1)
    x = torch.randn(4, 3, 6)
    model(x, x, x)[0].square().sum().backward()
    optimizer.step()
    assert torch.equal(model.in_proj_weight, net.in_proj_weight)
    assert not torch.equal(model.out_proj.weight, net.out_proj.weight)
    back = mho.to_digital(model)
    assert [name for name, p in back.named_parameters() if not p.requires_grad] == ["in_proj_weight", "in_proj_bias"]


def test_parts_have_rpus_of_their_own_and_a_layer_stays_digital_as_a_whole():
    rows = {
        row.name: row.became for row in converted(made(), layers={"attention.q*": EXACT.replace(scale=2.0)}).conversion
    }
    assert "scale" in rows["attention.q_proj"]
    assert "scale" not in rows["attention.k_proj"]
    assert isinstance(converted(made(), exclude=["attention"]).attention, nn.MultiheadAttention)
    with pytest.raises(mho.errors.InvalidValue, match=r"a part of layer attention, which stays digital as a whole"):
        converted(made(), exclude=["attention.out_proj"])


class Crossed(nn.Module):
    """Attention of one sequence to another one, which is longer and wider."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2, kdim=6, vdim=5, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        keys, values = x.new_ones(len(x), 7, 6), x.new_ones(len(x), 7, 5)
        return self.attention(value=values, key=keys, query=x)[0]


def test_tables_count_the_vectors_of_each_array():
    rows = planned_table(Network(Crossed, (3, 4)), NOISY)
    assert [(row.layer, row.out, row.inputs, row.vectors, row.uses) for row in rows] == [
        ("attention.q_proj", 4, 5, 3, 1),
        ("attention.k_proj", 4, 7, 7, 1),
        ("attention.v_proj", 4, 6, 7, 1),
        ("attention.out_proj", 4, 5, 3, 1),
    ]
    assert array_table(converted(Crossed(), NOISY), torch.zeros(2, 3, 4)) == rows
    encoder = Network(lambda: layer(nn.TransformerEncoderLayer, batch_first=True), (5, 6))
    traced = planned_table(encoder, NOISY)
    assert [row.layer for row in traced] == [*(f"self_attn.{part}" for part in PARTS), "linear1", "linear2"]
    assert {row.vectors for row in traced} == {5}
    assert mho.hardware.trace(encoder).idle == ()
    assert array_table(converted(encoder.build(), NOISY), torch.zeros(2, 5, 6)) == traced  # which looks at in_proj_bias


def test_attention_is_left_to_autograd_with_the_reason():
    model = converted(made())
    driver = mho.training.choose_driver(model, mho.AnalogSGD(model, lr=0.1), sample=sentences(0))
    assert driver.name == "autograd"
    assert "attention (MultiheadAttention) passes its arrays by a forward of its own" in driver.reason


def test_vectors_pulse_sample_after_sample():
    model = converted(nn.MultiheadAttention(2, 1, bias=False))
    mho.AnalogSGD(model, lr=0.1)
    x = torch.arange(24.0).reshape(4, 3, 2)  # (T, B, n)
    model(x, x, x)[0].sum().backward()
    for part in (model.q_proj, model.v_proj):
        (use,) = part.memory.pending
        assert torch.equal(torch.from_numpy(use.x[0][0]), x.transpose(0, 1).flatten(0, 1))


def attention(**options: Any) -> nn.Module:
    return mho.nn.MultiheadAttention(4, 2, rpu=EXACT, **({"batch_first": True} | options))


def attend(*shapes: tuple[int, ...], **options: Any) -> Callable[[], Any]:
    return lambda: attention()(*(torch.ones(shape) for shape in shapes), **options)


X = (2, 3, 4)
BAD: dict[str, tuple[Callable[[], Any], str]] = {
    "width": (attend((2, 3, 5), X, X), r"query of shape \(2, 3, 5\); give \(batch, time, 4\) or \(time, 4\)"),
    "kdim": (lambda: attention(kdim=6)(*[torch.ones(X)] * 3), r"key of shape \(2, 3, 4\); give \(batch, time, 6\)"),
    "axes": (attend((3,), X, X), r"query of shape \(3,\); give"),
    "batch": (attend(X, (1, 3, 4), (1, 3, 4)), r"query \(2, 3, 4\) and key \(1, 3, 4\) have different batches"),
    "values": (attend(X, X, (2, 5, 4)), r"key \(2, 3, 4\) and value \(2, 5, 4\); give a value for each key"),
    "padding": (
        attend(X, X, X, key_padding_mask=torch.ones(3, 2).bool()),
        r"key_padding_mask of shape \(3, 2\); give a tensor \(2, 3\): \(batch, keys\)",
    ),
    "mask": (
        attend(X, X, X, attn_mask=torch.ones(2, 3, 3)),
        r"attn_mask of shape \(2, 3, 3\); give a tensor \(3, 3\) or \(4, 3, 3\): \(queries, keys\) or",
    ),
    "no mask": (attend(X, X, X, attn_mask=[[0.0]]), r"attn_mask \[\[0\.0\]\]; give a tensor \(3, 3\) or"),
    "replaced": (lambda: setattr(attention(), "in_proj_weight", torch.ones(12, 4)), r"layer\.q_proj\.write"),
    "integers": (attend(X, X, X, attn_mask=torch.ones(3, 3).int()), "attn_mask is int32; give booleans"),
    "causal": (attend(X, X, X, is_causal=True), "there is none; give attn_mask="),
    "nested": (
        lambda: attention()(*[torch.nested.nested_tensor([torch.ones(2, 4), torch.ones(3, 4)])] * 3),
        "nested tensor.*enable_nested_tensor=False",
    ),
    "heads": (lambda: mho.nn.MultiheadAttention(5, 2, rpu=EXACT), "embed_dim is 5; give a multiple of num_heads=2"),
    "sizes": (lambda: mho.nn.MultiheadAttention(4, 0, rpu=EXACT, dropout=2.0), "num_heads is 0.*dropout is 2"),
    "part": (lambda: attention(layers={"in_proj": EXACT}), "'in_proj' matches no part"),
    "replicas": (lambda: attention(batch_first=False, replicas=2), "build the model with batch_first=True"),
    "bias_kv": (
        lambda: converted(nn.Sequential(nn.MultiheadAttention(4, 2, add_bias_kv=True))),
        r"0: add_bias_kv=True has a key and a value.*exclude=\[\"0\"\]",
    ),
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.int64])
@pytest.mark.parametrize("mask", [torch.bool, torch.float32, torch.float64])
def test_inputs_and_masks_of_other_types(dtype, mask):
    layer = attention(seed=1).eval()
    x, closed = torch.arange(24).reshape(X) % 5, torch.tensor([[False, True, False]] * 3)
    own = closed if mask == torch.bool else torch.zeros(3, 3, dtype=mask).masked_fill(closed, -torch.inf)
    answer = layer(*[x.to(dtype)] * 3, attn_mask=own)[0]
    assert torch.equal(answer, layer(*[x.float()] * 3, attn_mask=closed)[0])


def test_autocast_to_bfloat16_trains():
    model = converted(nn.TransformerEncoderLayer(4, 2, 6, 0.0, batch_first=True), exclude=["linear1"])
    before = model.self_attn.in_proj_weight.clone()
    optimizer = mho.AnalogSGD(model, lr=0.1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        answer = model(torch.randn(X))  # products of heads, and linear1, answer in bfloat16
    answer.float().square().sum().backward()
    optimizer.step()
    assert not torch.equal(model.self_attn.in_proj_weight, before)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    call, words = BAD[case]
    with pytest.raises(mho.errors.MhoError, match=words):
        call()
