"""What people do with models in torch: it works on arrays, or says that it cannot and what to do."""

from __future__ import annotations

import copy
import io
import pickle
import warnings

import pytest
import torch
from safetensors.torch import load, save
from torch import nn
from torch.nn.utils import prune

import mho
from mho.arrays import ClippedWeights, ReadOnly, build_array
from mho.errors import InvalidValue, WrongUse
from mho.nn import StaysDigital
from mho.training import choose_driver

EXACT = mho.presets.floating_point()
NOISY = mho.presets.gokmen_2017()


def small() -> nn.Sequential:
    return nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))


def steps(model: nn.Module, driver: str, count: int = 3) -> None:
    """Train a classifier of six numbers."""
    driven = choose_driver(model, mho.AnalogSGD(model, lr=0.1), prefer=driver)
    for number in range(count):
        generator = torch.Generator().manual_seed(number)
        driven.step(torch.randn(4, 6, generator=generator), torch.randint(0, 3, (4,), generator=generator))


# Values that only tell ------------------------------------------------------------------------------------


READS = {
    "sum": lambda t: t.sum(),
    "arithmetic": lambda t: 2 * t + 1,
    "a copy of a part": lambda t: t[0].clone(),
    "stacked": lambda t: torch.stack([t, t]),
    "deepcopy": copy.deepcopy,
    "pickle": lambda t: pickle.loads(pickle.dumps(t)),
}
WRITES = {
    "fill_": lambda t: t.fill_(1.0),
    "item": lambda t: t.__setitem__(0, 1.0),
    "a part": lambda t: t[0].zero_(),
    "a view": lambda t: t.view(-1)[:2].mul_(2),
    "unbound": lambda t: t.unbind(0)[0].add_(1),
    "+=": lambda t: t.__iadd__(1),
    "data": lambda t: t.data.copy_(t + 1),
    "out=": lambda t: torch.add(t, 1, out=t),
    "foreach": lambda t: torch._foreach_mul_([t], 2.0),
    "init": nn.init.xavier_uniform_,
    "init that names its argument": lambda t: nn.init.normal_(t.data, 0.0, 0.02),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_read_only_values_are_tensors_to_compute_with(read):
    plain = torch.arange(6.0).reshape(2, 3)
    told = read(ReadOnly.of(plain.clone(), "the cure"))
    assert isinstance(told, torch.Tensor)
    assert not isinstance(told, ReadOnly)
    assert torch.equal(told, read(plain))
    told.zero_()  # a result is one's own


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_writing_into_read_only_values_is_refused_with_the_cure(write):
    values = ReadOnly.of(torch.arange(6.0).reshape(2, 3), "the cure")
    with pytest.raises(WrongUse, match="the cure"):
        write(values)
    assert values.tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]


def test_values_that_tell_can_be_printed_and_a_product_that_would_train_nothing_is_refused():
    values = ReadOnly.of(torch.arange(6.0).reshape(2, 3), "the cure")
    assert f"{values[1, 2]:.2f} {values.max():.1f}" == "5.00 5.0"
    x = torch.randn(4, 3, requires_grad=True)
    with pytest.raises(WrongUse, match="trains nothing; call the layer"):
        nn.functional.linear(x, values)
    with torch.no_grad():
        assert nn.functional.linear(x, values).shape == (4, 2)
    with pytest.raises(WrongUse, match="the cure"):
        nn.functional.relu(values, inplace=True)


PENALTIES = {
    "L2": lambda loss, w: loss + 0.1 * w.square().sum(),
    "L2 first": lambda loss, w: 0.1 * (w**2).sum() + loss,
    "in place": lambda loss, w: loss.__iadd__(w.norm()),
    "sum": lambda loss, w: sum([w.abs().mean(), loss]),
    "stacked": lambda loss, w: torch.stack([loss, w.abs().mean()]).sum(),
    "a product": lambda loss, w: (loss * torch.ones(1, 6)) @ w.T,
}


@pytest.mark.parametrize("penalty", PENALTIES.values(), ids=PENALTIES)
def test_a_penalty_on_weights_of_arrays_is_refused_unless_it_is_a_constant(penalty):
    model = mho.convert(small(), NOISY, quiet=True)
    mho.AnalogSGD(model, lr=0.1)
    loss = model(torch.randn(4, 6)).square().mean()
    whole = penalty(loss * 1, model[0].weight).sum()
    with pytest.raises(WrongUse, match=r"penalty on them trains nothing.* of layer 0\..*\.detach\(\) constants"):
        whole.backward(retain_graph=True)
    for constant in (model[0].weight.clone(), model[0].weight.detach()):
        penalty(loss * 1, constant).sum().backward(retain_graph=True)


def test_numbers_computed_of_weights_can_be_compared_copied_and_start_a_parameter():
    model, digital = mho.convert(small(), EXACT, quiet=True), small()
    double = 2 * model[0].weight
    assert (double - 2 * digital[0].weight).abs().max() > 0
    assert f"{double.mean():.3f}" == f"{2 * float(model[0].weight.mean()):.3f}"
    for copied in (double.clone(), copy.deepcopy(double), pickle.loads(pickle.dumps(double))):
        assert type(copied) is torch.Tensor
    loss = model(torch.randn(4, 6)).square().mean()
    assert (loss + double.square().sum().detach()).requires_grad
    own = nn.Parameter(double)
    (loss + own.square().sum()).backward()
    torch.testing.assert_close(own.grad, 4 * model[0].weight.clone())


def test_what_numpy_sees_of_read_only_values_cannot_be_written_either():
    with pytest.raises(ValueError, match="read-only"):
        ReadOnly.of(torch.zeros(2, 3), "").numpy()[0] = 1


@pytest.mark.parametrize("rpu", [NOISY, NOISY.replace(tile=(4, 4))], ids=["crossbar", "tiles"])
def test_drawn_fields_of_devices_say_that_writing_changes_nothing(rpu):
    array = build_array(rpu, 6, 6, seed=0, name="a")
    with pytest.raises(WrongUse, match=r"drawn with.*another seed"):
        array.cell_parameters()["dw_min"][:] = 0.5
    assert array.cell_parameters()["dw_min"].numpy().std() > 0


# Weights --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tile", [None, (4, 4)])
@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Linear(6, 5), (6,)),
        (nn.Linear(6, 5, bias=False), (6,)),
        (nn.Conv2d(4, 6, 3, groups=2, padding=1), (4, 5, 5)),
        (nn.Conv2d(3, 2, (2, 3), bias=False), (3, 5, 5)),
    ],
    ids=["linear", "no bias", "groups", "convolution"],
)
def test_weight_and_bias_are_those_of_the_torch_layer_and_write_sets_them(layer, shape, tile):
    made = mho.convert(nn.Sequential(layer), EXACT.replace(tile=tile), quiet=True)[0]
    assert torch.equal(made.weight, layer.weight)
    assert (made.bias is None) is (layer.bias is None)
    assert layer.bias is None or torch.equal(made.bias, layer.bias)
    other = copy.deepcopy(layer)
    nn.init.uniform_(other.weight, -0.2, 0.2)
    if other.bias is not None:
        nn.init.uniform_(other.bias, -0.2, 0.2)
    assert made.write(other.weight, other.bias) == 0
    x = torch.randn(2, *shape)
    torch.testing.assert_close(made(x), other(x))
    made.write(layer.weight)  # the bias stays
    assert other.bias is None or torch.equal(made.bias, other.bias)


def test_weights_of_replicas_come_side_by_side():
    made = mho.convert(nn.Sequential(nn.Linear(6, 5)), EXACT, replicas=2, quiet=True).model[0]
    each = torch.rand(2, 5, 6) / 5
    made.write(each, torch.rand(2, 5) / 5)
    assert torch.equal(made.weight, each)
    made.write(each[0])
    assert torch.equal(made.weight, each[:1].expand(2, -1, -1))


def test_weights_that_cannot_be_set_say_how_they_can():
    made = mho.convert(nn.Sequential(nn.Linear(6, 5, bias=False)), EXACT, quiet=True)[0]
    for write in (lambda: setattr(made, "weight", nn.Parameter(torch.zeros(5, 6))), lambda: made.weight.zero_()):
        with pytest.raises(WrongUse, match=r"layer\.write\(weight, bias\)"):
            write()
    with pytest.raises(InvalidValue, match=r"weight has shape \(6, 5\); give \(5, 6\)"):
        made.write(torch.zeros(6, 5))
    with pytest.raises(InvalidValue, match="no bias"):
        made.write(torch.zeros(5, 6), torch.zeros(5))
    with pytest.raises(InvalidValue, match="NaN"):
        made.write(torch.full((5, 6), torch.nan))
    grouped = mho.convert(nn.Sequential(nn.Conv2d(2, 2, 1, groups=2, bias=False)), EXACT, quiet=True)[0]
    before, wrong = grouped.weight.clone(), torch.zeros(2, 1, 1, 1)
    wrong[1] = torch.nan
    with pytest.raises(InvalidValue, match="NaN"):
        grouped.write(wrong)
    assert torch.equal(grouped.weight, before)


@pytest.mark.parametrize("tile", [None, (4, 4)])
def test_write_tells_what_bounds_clip_and_by_what_to_scale(tile):
    device = mho.devices.ConstantStep(w_max=0.6, w_min=-0.6)
    array = build_array(NOISY.replace(device=device, tile=tile), 4, 5, seed=0, name="a")
    weight = torch.linspace(-0.5, 0.5, 20).reshape(4, 5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert array.write(weight) == 0
        weight[0, :2] = 1.8
        assert array.write(weight, quiet=True) == pytest.approx(2 / 20)
    wide = mho.devices.ConstantStep(w_max=60.0, w_min=-60.0)
    rounded = build_array(NOISY.replace(device=wide, cell=mho.cells.OneSided()), 4, 5, seed=0, name="b")
    assert rounded.write(weight) == 0  # a difference of two devices near 30 is rounded by more than 1e-6
    with pytest.warns(ClippedWeights, match=r"clipped 10\.0 % of the weights, which reach 1\.8; .* about scale=6"):
        array.write(weight)


@pytest.mark.parametrize("tile", [None, (12, 4)])
@pytest.mark.parametrize("cell", [mho.cells.Single(), mho.cells.Replicated(3), mho.cells.OneSided()], ids=str)
def test_stuck_devices_are_not_called_clipped(cell, tile):
    device = mho.devices.SoftBounds(w_max=0.6, w_min=-0.6, stuck=0.2)
    array = build_array(NOISY.replace(device=device, cell=cell, tile=tile), 8, 9, seed=0, name="a")
    weight = torch.linspace(-0.5, 0.5, 72).reshape(8, 9)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert array.write(weight) == 0
    weight[0] = 9.0
    stuck = array.cell_parameters()["stuck"].bool().any(dim=1)[0]
    assert stuck.any()
    assert array.write(weight, quiet=True) == pytest.approx(float((~stuck[0]).sum()) / 72)


# Models ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("driver", ["autograd", "auto"])
def test_layers_that_were_frozen_before_convert_stay_frozen(driver):
    digital = small()
    digital[0].requires_grad_(False)
    model = mho.convert(digital, NOISY, quiet=True)
    assert [row.became.endswith(", frozen") for row in model.conversion] == [True, False]
    before = [model[i].weight.clone() for i in (0, 2)]
    steps(model, driver)
    assert torch.equal(model[0].weight, before[0])
    assert not torch.equal(model[2].weight, before[1])


def test_a_layer_of_which_only_a_part_is_frozen_is_told():
    digital = small()
    digital[0].bias.requires_grad_(False)
    with pytest.warns(StaysDigital, match=r"0: bias is frozen .* trains as a whole"):
        model = mho.convert(digital, NOISY, quiet=True)
    assert model[0].anchor.requires_grad


@pytest.mark.parametrize(
    ("layer", "shape"), [(nn.Linear(6, 5), (6,)), (nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), (3, 5, 5))]
)
def test_one_sample_without_a_batch_passes_as_in_torch(layer, shape):
    made = mho.convert(nn.Sequential(layer), EXACT, quiet=True)[0]
    x = torch.randn(shape, requires_grad=True)
    twin = x.detach().clone().requires_grad_()
    made(x).square().sum().backward()
    layer(twin).square().sum().backward()
    assert made(x).shape == layer(twin).shape
    torch.testing.assert_close(x.grad, twin.grad)
    assert len(made.memory.pending) == 1


def test_a_transformer_is_evaluated_by_its_arrays():
    """Torch's fast path would take the exact weights, past the arrays: two noisy reads are never equal."""
    encoder = nn.TransformerEncoder(
        nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0.0), 1, enable_nested_tensor=False
    )
    with pytest.warns(StaysDigital):
        model = mho.convert(encoder, NOISY, quiet=True).eval()
    x = torch.randn(2, 3, 8)
    with torch.no_grad():
        first, second = model(x), model(x)
    assert first.shape == (2, 3, 8)
    assert not torch.equal(first, second)


def test_a_second_derivative_is_refused_in_words_and_a_first_one_is_not():
    model = mho.convert(small(), EXACT, quiet=True)
    x = torch.randn(4, 6, requires_grad=True)
    (slope,) = torch.autograd.grad(model(x).sum(), x, create_graph=True)
    digital = small()
    digital.load_state_dict({f"{i}.{n}": getattr(model[i], n).clone() for i in (0, 2) for n in ("weight", "bias")})
    twin = x.detach().clone().requires_grad_()
    torch.testing.assert_close(slope, torch.autograd.grad(digital(twin).sum(), twin)[0])
    with pytest.raises(WrongUse, match="no second derivative"):
        slope.square().mean().backward()
    (flat,) = torch.autograd.grad(model[0](x).sum(), x, create_graph=True)  # of a linear layer it is constant, in torch
    with pytest.raises(WrongUse, match="no second derivative"):
        flat.square().mean().backward()


def test_a_module_in_several_places_is_one_array_and_weights_of_other_layers_are_refused():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.last = nn.Linear(6, 7), nn.Linear(6, 7, bias=False)
            self.last.weight = self.embedding.weight

    blocks = mho.convert(nn.Sequential(*[nn.Linear(4, 4)] * 3), EXACT, quiet=True)
    assert len({id(block) for block in blocks}) == 1
    assert isinstance(blocks[2], mho.nn.Linear)
    with pytest.raises(InvalidValue, match=r"embedding\.weight and last\.weight are one parameter \(tied\)"):
        mho.convert(Tied(), EXACT, quiet=True)
    with pytest.raises(InvalidValue, match="no layer was converted"):
        mho.convert(Tied(), EXACT, exclude=["embedding", "last"], quiet=True)


@pytest.mark.parametrize("change", [prune.l1_unstructured, None], ids=["pruning", "weight norm"])
def test_weights_that_are_made_of_other_parameters_are_refused(change):
    digital = small()
    if change:
        change(digital[0], "weight", amount=0.3)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch would rather have its parametrizations
            nn.utils.weight_norm(digital[0])
    with pytest.raises(InvalidValue, match=r"0: its weight is made of weight_(orig|g) .* exclude="):
        mho.convert(digital, EXACT, quiet=True)
    if change:
        prune.remove(digital[0], "weight")
        assert (mho.convert(digital, EXACT, quiet=True)[0].weight == 0).sum() == 9


def test_a_parametrized_layer_is_refused_until_its_weight_is_permanent():
    digital = small()
    nn.utils.parametrizations.weight_norm(digital[0])
    with pytest.raises(
        InvalidValue, match=r"^layer 0: its weight is computed by a parametrization .* exclude=\[\"0\"\]$"
    ):
        mho.convert(digital, EXACT, quiet=True)
    assert not isinstance(mho.convert(digital, EXACT, exclude=["0"], quiet=True)[0], mho.nn.Linear)
    nn.utils.parametrize.remove_parametrizations(digital[0], "weight")
    assert isinstance(mho.convert(digital, EXACT, quiet=True)[0], mho.nn.Linear)


def test_a_parametrization_inside_a_layer_is_refused_too():
    digital = nn.Sequential(nn.MultiheadAttention(8, 2))
    nn.utils.parametrizations.weight_norm(digital[0].out_proj)
    with pytest.raises(InvalidValue, match=r"^layer 0\.out_proj: its weight is computed by a parametrization"):
        mho.convert(digital, EXACT, quiet=True)


@pytest.mark.parametrize("driver", ["autograd", "auto"])
def test_hooks_of_layers_are_kept(driver):
    digital, seen = small(), []
    digital[0].register_forward_hook(lambda module, x, out: seen.append(tuple(out.shape)))
    digital[2].register_full_backward_hook(lambda module, down, up: seen.append(tuple(up[0].shape)))
    model = mho.convert(digital, NOISY, quiet=True)
    steps(model, driver, count=1)
    assert seen == [(4, 5), (4, 3)]


# Files ----------------------------------------------------------------------------------------------------


def test_a_state_dict_goes_through_safetensors_to_the_bit():
    rpu = NOISY.replace(device=mho.devices.SoftBounds(dw_min=mho.per_cell(0.001, spread=0.3)))
    model, other = (mho.convert(small(), rpu, seed=seed, quiet=True) for seed in (0, 9))
    other.load_state_dict(load(save(model.state_dict())))
    for made in (model, other):
        steps(made, "autograd")
    for key, value in model.state_dict().items():
        assert torch.equal(other.state_dict()[key], value), key


@pytest.mark.parametrize("strict", [True, False])
def test_a_digital_state_dict_programs_the_arrays(strict):
    digital = small()
    model = mho.convert(small(), EXACT, quiet=True)
    buffer = io.BytesIO()
    torch.save(digital.state_dict(), buffer)
    buffer.seek(0)
    model.load_state_dict(torch.load(buffer), strict=strict)
    x = torch.randn(4, 6)
    torch.testing.assert_close(model(x), digital(x))


@pytest.mark.parametrize("digital", [False, True])
def test_a_state_dict_may_be_assigned_and_the_model_trains_on(digital):
    model, other = (mho.convert(small(), NOISY, seed=seed, quiet=True) for seed in (0, 9))
    source = small() if digital else other
    model.load_state_dict(source.state_dict(), assign=True)
    assert float(((model[0].weight - source[0].weight).abs() < 1e-6).float().mean()) > 0.9  # bounds clip a few
    before = twin_state(model)
    steps(model, "autograd")
    assert not torch.equal(model[0].weight, before["0.weight"])


def test_what_a_digital_state_dict_lacks_is_told():
    model, state = mho.convert(small(), EXACT, quiet=True), small().state_dict()
    del state["0.bias"]
    with pytest.raises(RuntimeError, match=r"Missing key\(s\) in state_dict: \"0\.bias\""):
        model.load_state_dict(state)


def test_a_digital_state_dict_of_another_network_is_told_and_clipping_too():
    model = mho.convert(small(), NOISY, quiet=True)
    with pytest.raises(RuntimeError, match=r"0: weight has shape \(7, 6\); give \(5, 6\)"):
        model.load_state_dict(nn.Sequential(nn.Linear(6, 7), nn.Tanh(), nn.Linear(7, 3)).state_dict())
    state = {key: 5 * value for key, value in small().state_dict().items()}
    with pytest.warns(ClippedWeights):
        model.load_state_dict(state)


# Optimizers -----------------------------------------------------------------------------------------------


def test_momentum_that_acts_on_digital_parameters_alone_is_told():
    digital = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Linear(5, 3))
    model = mho.convert(digital, NOISY, exclude=["1"], quiet=True)
    with pytest.warns(UserWarning, match=r"momentum=0\.9 and weight_decay=0\.0005 act on the 2 digital parameters"):
        mho.AnalogSGD(model, lr=0.01, momentum=0.9, weight_decay=5e-4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mho.AnalogSGD(model, lr=0.01)


# Loops of one's own ---------------------------------------------------------------------------------------


def gradients(model: nn.Module, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """Gradients of the digital twin of an exact model, for the loss of `backward`."""
    digital = small()
    digital.load_state_dict({f"{i}.{n}": getattr(model[i], n).clone() for i in (0, 2) for n in ("weight", "bias")})
    digital(x).square().sum().backward()
    return {name: p.grad for name, p in digital.named_parameters()}


@pytest.mark.parametrize("order", [2.0, 1.0, float("inf")])
def test_clipping_by_norm_acts_on_what_waits(order):
    model, x = mho.convert(small(), EXACT, quiet=True), torch.randn(4, 6)
    optimizer = mho.AnalogSGD(model, lr=0.1)
    wanted = gradients(model, x)
    # 2.0: torch's own norm of layer norms; a layer's array holds weight and bias as one matrix, which changes nothing
    norm = torch.linalg.vector_norm(torch.cat([g.flatten() for g in wanted.values()]), order)
    before = {name: value.clone() for name, value in twin_state(model).items()}
    model(x).square().sum().backward()
    found = nn.utils.clip_grad_norm_(model.parameters(), 0.5 * float(norm), norm_type=order)
    torch.testing.assert_close(found, norm)
    optimizer.step()
    for name, value in twin_state(model).items():
        torch.testing.assert_close(before[name] - value, 0.1 * 0.5 * wanted[name], atol=1e-6, rtol=1e-4)


CLIPS_BY_VALUE = {
    "function": lambda m: nn.utils.clip_grad_value_(m.parameters(), 0.25),
    "each": lambda m: nn.utils.clip_grad_value_(m.parameters(), 0.25, foreach=False),
    "clamp_": lambda m: [p.grad.data.clamp_(-0.25, 0.25) for p in m.parameters()],
    "clamp_ by name": lambda m: [p.grad.clamp_(max=0.25, min=-0.25) for p in m.parameters()],
    "option": lambda m: None,
}


@pytest.mark.filterwarnings("ignore:clipping by value")
@pytest.mark.parametrize("way", CLIPS_BY_VALUE)
def test_clipping_by_value_scales_what_waits_so_that_no_entry_exceeds_it(way):
    model, x = mho.convert(small(), EXACT, quiet=True), torch.randn(4, 6)
    optimizer = mho.AnalogSGD(model, lr=0.1, clip_value=0.25 if way == "option" else None)
    wanted, before = gradients(model, x), twin_state(model)
    model(x).square().sum().backward()
    CLIPS_BY_VALUE[way](model)
    optimizer.step()
    for layer in ("0", "2"):
        own = [name for name in wanted if name.startswith(layer)]
        largest = max(float(wanted[name].abs().max()) for name in own)
        assert largest > 0.25
        for name in own:
            moved = before[name] - twin_state(model)[name]
            torch.testing.assert_close(moved, 0.1 * 0.25 / largest * wanted[name], atol=1e-6, rtol=1e-4)


def test_clipping_by_value_says_that_arrays_scale_it():
    model = mho.convert(small(), EXACT, quiet=True)
    (50 * model(torch.randn(4, 6)).square().sum()).backward()
    with pytest.warns(UserWarning, match="scaled down as a whole"):
        nn.utils.clip_grad_value_(model.parameters(), 0.25)


def test_clipping_by_norm_is_an_option_and_keeps_small_gradients():
    for limit in (0.3, 1e6):
        model, x = mho.convert(small(), EXACT, quiet=True), torch.randn(4, 6)
        optimizer = mho.AnalogSGD(model, lr=0.1, clip_norm=limit)
        assert "clips" in choose_driver(model, optimizer).reason
        wanted, before = gradients(model, x), twin_state(model)
        norm = float(torch.cat([g.flatten() for g in wanted.values()]).norm())
        model(x).square().sum().backward()
        copy.deepcopy(optimizer)
        optimizer.step()
        for name, value in twin_state(model).items():
            share = min(1.0, limit / norm)
            torch.testing.assert_close(before[name] - value, 0.1 * share * wanted[name], atol=1e-6, rtol=1e-4)
    with pytest.raises(InvalidValue, match=r"clip_norm is -1; give a number greater than 0, or None"):
        mho.AnalogSGD(model, lr=0.1, clip_norm=-1)


def test_clipping_replicas_together_is_refused_and_nan_is_seen():
    model = mho.convert(small(), EXACT, replicas=2, quiet=True)
    model(torch.randn(4, 6)).square().sum().backward()
    with pytest.raises(WrongUse, match="couple"):
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    waiting = next(model.parameters()).grad
    assert torch.isfinite(waiting).all()
    model.model[0].memory.pending[0].d[0][0, 0, 0] = float("nan")
    assert torch.isnan(waiting).any()
    assert not torch.isfinite(waiting).all()


def twin_state(model: nn.Module) -> dict[str, torch.Tensor]:
    return {f"{i}.{name}": getattr(model[i], name).clone() for i in (0, 2) for name in ("weight", "bias")}


def test_the_norm_is_that_of_all_backwards_and_uses_that_wait():
    model, x = mho.convert(small(), EXACT, quiet=True), torch.randn(4, 6)
    mho.AnalogSGD(model, lr=0.1)
    for _ in range(2):
        model(x).square().sum().backward()
    wanted = gradients(model, x)
    total = nn.utils.clip_grad_norm_(model.parameters(), 1e9)
    torch.testing.assert_close(total, 2 * torch.cat([g.flatten() for g in wanted.values()]).norm())
    torch.testing.assert_close(
        model[0].anchor.grad.norm(), 2 * torch.hypot(*(wanted[n].norm() for n in list(wanted)[:2]))
    )


@pytest.mark.parametrize("overflows", [False, True])
def test_grad_scaler_unscales_what_waits_and_skips_a_step_that_overflows(overflows):
    model, x = mho.convert(small(), EXACT, quiet=True), torch.randn(4, 6)
    optimizer = mho.AnalogSGD(model, lr=0.1)
    wanted, before = gradients(model, x), twin_state(model)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    scaler.scale(model(x).square().sum()).backward()
    if overflows:
        model[0].memory.pending[0].d[0][0, 0, 0] = float("inf")
    scaler.step(optimizer)
    scaler.update()
    assert scaler.get_scale() == (512.0 if overflows else 1024.0)
    for name, value in twin_state(model).items():
        torch.testing.assert_close(before[name] - value, (not overflows) * 0.1 * wanted[name], atol=1e-6, rtol=1e-4)


def test_a_parameter_counts_the_weights_that_it_stands_for():
    digital = small()
    model = mho.convert(digital, NOISY, quiet=True)
    for own in (model, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert sum(p.numel() for p in own.parameters()) == sum(p.numel() for p in digital.parameters())
    assert sum(p.nelement() for p in mho.convert(digital, NOISY, replicas=3, quiet=True).parameters()) == 3 * 53


def by_class(module: nn.Module) -> None:
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        nn.init.kaiming_normal_(module.weight)
        nn.init.constant_(module.bias, 0.1)


def by_type(module: nn.Module) -> None:
    with torch.no_grad():
        if type(module) is nn.Linear or type(module) is nn.Conv2d:
            module.weight.fill_(0.25)


def by_name(module: nn.Module) -> None:
    if type(module).__name__.find("Conv") != -1 or type(module).__name__.find("Linear") != -1:
        nn.init.normal_(module.weight.data, 0.0, 0.02)
        module.bias.data.fill_(0.1)


def by_assignment(module: nn.Module) -> None:
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        module.weight = nn.Parameter(torch.randn_like(module.weight))


@pytest.mark.parametrize("init", [by_class, by_type, by_name, by_assignment])
@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.parametrize("scale", [None, "max"])
def test_initialising_by_apply_programs_arrays_as_it_sets_torch_layers(init, replicas, scale):
    digital = nn.Sequential(nn.Conv2d(2, 4, 3, groups=2), nn.Flatten(), nn.Linear(16, 3))
    wide = mho.RPU(device=mho.devices.ConstantStep(w_max=9.0, w_min=-9.0), scale=scale)
    model = mho.convert(digital, wide, replicas=replicas, quiet=True)
    for net in (digital, model):
        torch.manual_seed(5)
        net.apply(init)
        hooks: list[str] = []
        net.apply(lambda m: m.register_forward_hook(lambda module, *_: hooks.append(type(module).__name__)))  # noqa: B023
        net(torch.randn(1, 2, 4, 4))
        assert hooks.count("Linear") == hooks.count("Conv2d") == 1
    for path in ("0", "2"):
        layer = mho.nn.array_layers(model)[path]
        wanted = digital.get_submodule(path)
        for own, other in ((layer.weight, wanted.weight), (layer.bias, wanted.bias)):
            for each in own if replicas > 1 else [own]:
                torch.testing.assert_close(each.clone(), other.detach())


def test_applying_freezes_switches_and_initialises_biases_alone():
    model = mho.convert(small(), EXACT, replicas=2, quiet=True)
    layer = mho.nn.array_layers(model)["0"]
    layer.write(torch.rand(2, 5, 6))
    before = layer.weight.clone()
    model.apply(lambda m: nn.init.constant_(m.bias, 0.5) if isinstance(m, nn.Linear) else None)
    assert torch.equal(layer.weight, before)
    assert (layer.bias == 0.5).all()
    model.apply(lambda m: m.requires_grad_(False) if isinstance(m, nn.Linear) else None)
    assert not any(p.requires_grad for p in model.parameters())
    model.apply(lambda m: m.eval() if isinstance(m, nn.Linear) else None)
    assert not layer.training
    assert model.training


def test_uneven_limits_of_gradients_are_refused():
    model = mho.convert(small(), EXACT, quiet=True)
    model(torch.randn(4, 6)).square().sum().backward()
    waiting = next(model.parameters()).grad
    for act in (lambda: waiting.clamp_(min=0), lambda: waiting.clamp_(-0.1, 0.5), lambda: waiting.clamp_(max=1.0)):
        with pytest.raises(WrongUse, match=r"limited to ± one number"):
            act()


REFUSED = {
    "pruning": lambda m: prune.l1_unstructured(m[0], "weight", 0.5),
    "pruning of all": lambda m: prune.global_unstructured(
        [(m[0], "weight"), (m[2], "weight")], pruning_method=prune.L1Unstructured, amount=0.5
    ),
    "parameter of its own": lambda m: m[0].register_parameter("extra", nn.Parameter(torch.ones(2))),
    "gradient hooks": lambda m: [p.register_hook(lambda g: g.clamp(-1, 1)) for p in m.parameters()],
    "vmap": lambda m: torch.vmap(m)(torch.randn(2, 4, 6)),
    "jacobian": lambda m: torch.func.jacrev(m)(torch.randn(4, 6)),
    "gradient of its weights": lambda m: torch.autograd.grad(m(torch.randn(4, 6)).sum(), m.parameters()),
    "gradient of one of them": lambda m: torch.autograd.grad(outputs=m(torch.randn(4, 6)).sum(), inputs=m[0].anchor),
    "tracing by torch.fx": torch.fx.symbolic_trace,
    "gradient of a function": lambda m: torch.func.grad(lambda x: m(x).sum())(torch.randn(4, 6)),
}


@pytest.mark.parametrize("act", REFUSED.values(), ids=REFUSED)
def test_what_arrays_cannot_follow_says_what_to_do_instead(act):
    with pytest.raises(WrongUse, match=r"(exclude=|clip_norm|mho\.to_digital)"):
        act(mho.convert(small(), NOISY, quiet=True))


def test_a_step_after_a_backward_in_evaluation_mode_says_that_arrays_stay():
    model, x = mho.convert(small(), EXACT, quiet=True), torch.randn(4, 6)
    optimizer, before = mho.AnalogSGD(model, lr=0.1), twin_state(model)
    model[0].eval()
    model(x).sum().backward()
    with pytest.warns(UserWarning, match=r"^layer 0: in evaluation mode, .* call model\.train"):
        optimizer.step()
    assert torch.equal(twin_state(model)["0.weight"], before["0.weight"])
    assert not torch.equal(twin_state(model)["2.weight"], before["2.weight"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model[0].requires_grad_(False)
        model(x).sum().backward()
        optimizer.step()
        model.train().requires_grad_(True)
        optimizer.zero_grad()
        model(x).sum().backward()
        optimizer.step()
    assert not torch.equal(twin_state(model)["0.weight"], before["0.weight"])


ARITHMETIC = {
    "soft update": lambda m: [
        a.data.copy_(0.5 * b.data + 0.5 * a.data) for a, b in zip(m.parameters(), m.parameters(), strict=True)
    ],
    "penalty": lambda m: sum(p.abs().sum() for p in m.parameters()),
    "init": lambda m: [nn.init.normal_(p) for p in m.parameters()],
    "average": lambda m: torch.optim.swa_utils.get_ema_multi_avg_fn(0.9)(list(m.parameters()), list(m.parameters()), 0),
    "plain optimizer": lambda m: torch.optim.Adam(m.parameters()).step(),
    "fused optimizer": lambda m: torch.optim.SGD(m.parameters(), lr=0.1, fused=True).step(),
    "hard update": lambda m: [a.data.copy_(b.data) for a, b in zip(m.parameters(), m.parameters(), strict=True)],
    "averaged model": lambda m: [a.update_parameters(m) for a in [torch.optim.swa_utils.AveragedModel(m)] * 2],
    "vector": lambda m: nn.utils.parameters_to_vector(m.parameters()),
    "constant": lambda m: [nn.init.constant_(p, 0.1) for p in m.parameters()],
}


@pytest.mark.parametrize("act", ARITHMETIC.values(), ids=ARITHMETIC)
def test_arithmetic_over_parameters_is_refused_with_the_way_that_works(act):
    model = mho.convert(small(), NOISY, quiet=True)
    model(torch.randn(4, 6)).sum().backward()
    with pytest.raises(WrongUse, match=r"(layer\.write|clip_grad_norm_)"):
        act(model)


def test_a_target_network_follows_by_state_dicts():
    """What the refusal of a soft update names: states are averaged, and drawn devices stay the target's own."""
    policy = mho.convert(small(), NOISY, quiet=True)
    target = copy.deepcopy(policy)
    steps(policy, "autograd")
    for own, other in ((target[i], policy[i]) for i in (0, 2)):
        own.write(0.5 * own.weight + 0.5 * other.weight, 0.5 * own.bias + 0.5 * other.bias)
    before = {name: value.clone() for name, value in twin_state(target).items()}
    target.load_state_dict(policy.state_dict())
    for name, value in twin_state(target).items():
        assert torch.equal(value, twin_state(policy)[name])
        assert not torch.equal(value, before[name])


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
def test_a_model_and_its_optimizer_are_copied_together(copied):
    digital = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Linear(5, 3))
    model = mho.convert(digital, NOISY, exclude=["1"], quiet=True)
    pair = (model, mho.AnalogSGD(model, lr=0.1))
    x, y = torch.randn(4, 6), torch.tensor([0, 1, 2, 0])
    for made, optimizer in (copied(pair), pair):
        nn.functional.cross_entropy(made(x), y).backward()
        optimizer.step()
    again = copied(pair)[0]
    other = copied(pair)
    for made, optimizer in (pair, other):
        optimizer.zero_grad()
        nn.functional.cross_entropy(made(x), y).backward()
        optimizer.step()
    assert torch.equal(model[0].weight, other[0][0].weight)
    assert torch.equal(model[1].weight, other[0][1].weight)
    assert not torch.equal(again[0].weight, model[0].weight)


def test_parameters_from_elsewhere_are_refused_in_words():
    model = mho.convert(small(), NOISY, quiet=True)
    with pytest.raises(WrongUse, match="make a new AnalogSGD"):
        mho.AnalogSGD(model, lr=0.1).add_param_group({"params": [nn.Parameter(torch.zeros(2))]})
