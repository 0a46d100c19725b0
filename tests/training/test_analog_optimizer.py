"""Steps of torch optimizers on arrays: what they come to, their bits, and what is refused."""

from __future__ import annotations

import copy
import pickle
import re

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import lr_scheduler as schedulers

import mho
from mho.errors import InvalidValue, WrongCall, WrongUse
from mho.training import choose_driver

EXACT = mho.presets.floating_point()
STEP = 0.01
PLAIN = mho.RPU(  # every pulse is the nominal step, and reads are exact
    device=mho.devices.ConstantStep(dw_min=STEP, up_down=1.0, c2c=0.0, w_max=10.0, w_min=-10.0),
    forward=mho.Read.exact(),
    backward=mho.Read.exact(),
)
NOISY = mho.presets.gokmen_2017()
ADAM, SGD = torch.optim.Adam, torch.optim.SGD


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 4, 3, groups=2), nn.Tanh(), nn.Flatten(), nn.Linear(16, 3), nn.PReLU())


def converted(rpu: mho.RPU, **options: object) -> nn.Module:
    return mho.convert(network(), rpu, exclude=["4"], quiet=True, **options)


X, Y = torch.randn(6, 2, 4, 4, generator=torch.Generator().manual_seed(1)), torch.tensor([0, 1, 2, 0, 1, 2])


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int, *, clip=lambda parameters: None) -> None:
    for _ in range(steps):
        loss = F.cross_entropy(model(X), Y)
        loss.backward()
        clip(list(model.parameters()))
        optimizer.step()
        optimizer.zero_grad()


def weights(model: nn.Module) -> list[Tensor]:
    return [torch.as_tensor(value.detach()).clone() for m in (model[0], model[3]) for value in (m.weight, m.bias)]


def assert_alike(first: nn.Module, second: nn.Module) -> None:
    """Weights below 1 after a few steps, whose sums of products are rounded in other orders: a few 2⁻²⁴."""
    for one, other in zip([*weights(first), first[4].weight], [*weights(second), second[4].weight], strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)


KINDS = {
    "Adam": (ADAM, {"lr": 0.01}),
    "amsgrad": (ADAM, {"lr": 0.01, "amsgrad": True, "foreach": True}),
    "maximize": (ADAM, {"lr": 0.01, "maximize": True, "fused": True}),
    "momentum": (SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    "AdamW": (torch.optim.AdamW, {"lr": 0.01, "weight_decay": 0.5}),
    "RMSprop": (torch.optim.RMSprop, {"lr": 0.001, "momentum": 0.5, "centered": True}),
    "Adagrad": (torch.optim.Adagrad, {"lr": 0.01}),
    "NAdam": (torch.optim.NAdam, {}),
}


@pytest.mark.parametrize("name", KINDS)
def test_exact_arrays_step_as_torch_does(name):
    kind, options = KINDS[name]
    digital, model = network(), converted(EXACT)
    train(digital, kind(digital.parameters(), **options), 4)
    train(model, mho.AnalogOptimizer(model, kind, **options), 4)
    assert_alike(model, digital)


CLIPS = {
    "norm": lambda parameters: nn.utils.clip_grad_norm_(parameters, 0.1),
    "value": lambda parameters: nn.utils.clip_grad_value_(parameters, 0.01),
}


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("by_option", [False, True], ids=["by torch", "by option"])
def test_gradients_are_clipped_as_torch_does(name, by_option):
    digital, model = network(), converted(EXACT)
    train(digital, SGD(digital.parameters(), lr=0.5), 3, clip=CLIPS[name])
    limit = {f"clip_{name}": {"norm": 0.1, "value": 0.01}[name]} if by_option else {}
    optimizer = mho.AnalogOptimizer(model, SGD, lr=0.5, **limit)
    train(model, optimizer, 3, **({} if by_option else {"clip": CLIPS[name]}))
    assert_alike(model, digital)


def test_steps_are_right_in_the_mean_and_as_wide_as_rounding_is():
    """4.5 standard errors: of 32 numbers one exceeds them in 5000 runs; the seed is fixed."""
    replicas, layer = 300, nn.Linear(4, 4)
    model = mho.convert(layer, PLAIN, replicas=replicas, quiet=True)
    before = model.model.weight.clone()
    optimizer = mho.AnalogOptimizer(model, SGD, lr=1.0)
    slope = torch.linspace(-0.019, 0.019, 4)
    model(torch.tensor([[1.0, 0.5, -0.3, 0.02]])).mul(slope).sum().backward()
    optimizer.step()
    moved = (model.model.weight - before).double()
    wanted = -torch.outer(slope, torch.tensor([1.0, 0.5, -0.3, 0.02])).double()
    share = (wanted.abs() / STEP) % 1
    spread = STEP * (share * (1 - share)).sqrt()
    assert ((moved.mean(0) - wanted).abs() < 4.5 * spread / replicas**0.5 + 1e-7).all()
    # of a Bernoulli variance p(1-p), the standard error is at most √(p(1-p)/R) = spread/Δ/√R
    assert ((moved.var(0) - spread**2).abs() < 4.5 * STEP * spread / replicas**0.5 + 1e-9).all()


@pytest.mark.parametrize("scale", [None, 0.5])
def test_what_was_sent_and_what_waits_add_up_to_the_steps_asked_for(scale):
    layer = nn.Linear(3, 2)
    model = mho.convert(layer, PLAIN.replace(scale=scale), quiet=True)
    optimizer = mho.AnalogOptimizer(model, SGD, lr=1.0, momentum=0.5, rounding="buffer")
    start, velocity, asked = model.weight.clone(), torch.zeros(2, 3), torch.zeros(2, 3)
    x, slope = torch.tensor([[0.7, -0.3, 0.011]]), torch.tensor([0.01, -0.053])
    for step in range(12):
        model(x).mul(slope).sum().backward()
        optimizer.step()
        velocity = 0.5 * velocity + torch.outer(slope, x[0])
        asked -= velocity
        remainder = optimizer.state_dict()["state"][0]["0.remainder"][:, :3]
        assert (remainder.abs() < STEP).all()
        assert step < 3 or remainder.abs().max() > 0.001
        # sums of 12 float32 numbers below 2
        torch.testing.assert_close(model.weight - start + (scale or 1) * remainder, asked, rtol=0, atol=1e-6)


@pytest.mark.parametrize("rounding", ["stochastic", "buffer"])
def test_runs_go_on_to_the_bit_after_a_file_and_after_a_copy(rounding):
    def made() -> tuple[nn.Module, mho.AnalogOptimizer]:
        model = converted(NOISY.replace(tile=(8, 20), scale=mho.Scale("max", learned=True)))
        return model, mho.AnalogOptimizer(model, ADAM, lr=0.01, rounding=rounding)

    whole, half, fresh = made(), made(), made()
    train(*whole, 4)
    train(*half, 2)
    stored = pickle.loads(pickle.dumps([part.state_dict() for part in half]))
    for part, state in zip(fresh, stored, strict=True):
        part.load_state_dict(state)
    copied = copy.deepcopy(half)
    for other in (fresh, copied):
        train(*other, 2)
        pairs = zip(whole[0].state_dict().values(), other[0].state_dict().values(), strict=True)
        assert all(torch.equal(*pair) for pair in pairs)


@pytest.mark.parametrize("rounding", ["stochastic", "buffer"])
def test_a_replica_has_the_bits_of_its_own_run(rounding):
    def run(**options: object) -> nn.Module:
        model = mho.convert(network()[:4], NOISY, quiet=True, **options)
        optimizer = mho.AnalogOptimizer(model, ADAM, lr=0.01, rounding=rounding)
        for _ in range(3):
            out = model(X) if options["replicas"] > 1 else model(X)[None]
            mho.replica_loss(F.cross_entropy, out, Y).backward()
            optimizer.step()
            optimizer.zero_grad()
        return model.model if options["replicas"] > 1 else model

    both, alone = run(seed=[3, 8], replicas=2), run(seed=8, replicas=1)
    assert torch.equal(both[0].weight[1], alone[0].weight)
    assert torch.equal(both[3].weight[1], alone[3].weight)


def test_a_step_of_several_backwards_is_that_of_one():
    def run(parts: int) -> nn.Module:
        model = converted(NOISY)
        optimizer = mho.AnalogOptimizer(model, ADAM, lr=0.01)
        for x, y in zip(X.chunk(parts), Y.chunk(parts), strict=True):
            F.cross_entropy(model(x), y, reduction="sum").backward()
        optimizer.step()
        return model

    assert torch.equal(run(1)[3].weight, run(3)[3].weight)
    assert torch.equal(run(1)[0].weight, run(3)[0].weight)


def test_gradients_are_forgotten_by_a_step_and_by_zeroing():
    model = converted(PLAIN)
    optimizer = mho.AnalogOptimizer(model, SGD, lr=1.0)
    before = weights(model)
    F.cross_entropy(model(X), Y).backward()
    model.zero_grad(set_to_none=False)
    optimizer.step()
    assert all(map(torch.equal, before, weights(model)))
    train(model, optimizer, 1)
    moved = weights(model)
    optimizer.step()
    assert not torch.equal(before[0], moved[0])
    assert all(map(torch.equal, moved, weights(model)))


def test_weight_decay_decays_weights_of_arrays():
    model = converted(PLAIN)
    before = model[3].weight.clone()
    optimizer = mho.AnalogOptimizer(model, torch.optim.AdamW, lr=0.1, weight_decay=5.0, rounding="buffer")
    (0 * model(X).sum()).backward()
    optimizer.step()
    assert ((model[3].weight - 0.5 * before).abs() <= STEP + 1e-6).all()  # what is left of a step waits


def test_schedulers_layers_and_frozen_layers():
    model = converted(PLAIN)
    model[0].requires_grad_(False)
    optimizer = mho.AnalogOptimizer(model, ADAM, lr=0.1, layers={"3": 0.2})
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.2, 0.1]
    scheduler = schedulers.OneCycleLR(optimizer, max_lr=0.3, total_steps=10)
    first = optimizer.param_groups[1]["betas"]
    held, free = weights(model)[:2], weights(model)[2:]
    train(model, optimizer, 1)
    scheduler.step()
    assert optimizer.param_groups[1]["betas"] != first
    assert all(map(torch.equal, held, weights(model)[:2]))
    assert not torch.equal(free[0], weights(model)[2])
    optimizer.param_groups[1]["lr"] = 0.0
    free = weights(model)[2:]
    train(model, optimizer, 1)
    assert all(map(torch.equal, free, weights(model)[2:]))
    assert optimizer._inner.param_groups[1]["betas"] == optimizer.param_groups[1]["betas"]


def test_evaluation_mode_is_told():
    model = converted(PLAIN)
    optimizer = mho.AnalogOptimizer(model, ADAM, lr=0.1)
    F.cross_entropy(model.eval()(X), Y).backward()
    with pytest.warns(match=r"0, 3: in evaluation mode"):
        optimizer.step()


def test_a_closure_gives_the_loss():
    model = converted(EXACT)
    optimizer = mho.AnalogOptimizer(model, SGD, lr=0.1)
    before = model[3].weight.clone()

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(X), Y)
        loss.backward()
        return loss

    first, second = optimizer.step(closure), optimizer.step(closure)
    assert second < first
    assert not torch.equal(before, model[3].weight)


def test_drivers_leave_it_to_autograd():
    model = mho.convert(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), NOISY, quiet=True)
    optimizer = mho.AnalogOptimizer(model, ADAM, lr=0.01)
    assert choose_driver(model, optimizer).reason == (
        "its optimizer is an AnalogOptimizer, which forms gradients digitally"
    )
    with pytest.raises(WrongUse, match="cannot be driven online: its optimizer is an AnalogOptimizer"):
        choose_driver(model, optimizer, prefer="online")


def test_lenet_learns_the_digits_with_adam():
    """Chance is 90 %; this run ends at 10 %, and 20 % leaves room for another order of sums."""
    model = mho.convert(mho.models.LeNet(), NOISY, seed=0, quiet=True)
    optimizer = mho.AnalogOptimizer(model, ADAM, lr=0.005)
    history = mho.training.fit(model, optimizer, mho.data.load("digits"), epochs=1, batch_size=16)
    assert history[-1]["test_error"] < 20


def test_the_last_optimizer_of_a_model_has_it():
    model = converted(PLAIN)
    first, second = mho.AnalogSGD(model, lr=0.1), mho.AnalogOptimizer(model, ADAM)
    with pytest.raises(WrongUse, match="another optimizer was made of this model after this AnalogSGD"):
        first.step()
    train(model, second, 1)
    third = mho.AnalogSGD(model, lr=0.1)
    with pytest.raises(WrongUse, match="after this AnalogOptimizer"):
        second.step()
    train(model, third, 1)


def test_states_of_another_kind_are_refused():
    model = converted(PLAIN)
    state = mho.AnalogOptimizer(model, SGD, lr=0.1).state_dict()
    with pytest.raises(
        InvalidValue, match="does not belong to an AnalogOptimizer with Adam for a model of 2 array layers"
    ):
        mho.AnalogOptimizer(model, ADAM).load_state_dict(state)


class Diverging(torch.optim.Optimizer):
    """Steps by any number."""

    def __init__(self, params, lr=0.1, by=float("nan")):
        super().__init__(params, {"lr": lr, "by": by})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.add_(group["by"])


@pytest.mark.parametrize(
    ("by", "words"),
    [
        (float("nan"), "3: the step holds NaN or infinite values; try a smaller lr"),
        (1e3, "3: the step asks for 100000 pulses of a device, whose nominal step is 0.01; at most 32768 are sent"),
    ],
)
def test_steps_out_of_reach_raise_before_an_array_moves(by, words):
    model = mho.convert(network()[3:4], PLAIN, quiet=True)
    optimizer, before = mho.AnalogOptimizer(model, Diverging, by=by), model[0].weight.clone()
    model(torch.ones(1, 16)).sum().backward()
    with pytest.raises(InvalidValue, match=re.escape(words)):
        optimizer.step()
    assert torch.equal(model[0].weight, before)


def test_gradients_that_are_no_numbers_raise_before_anything_moves():
    model = converted(PLAIN)
    optimizer, before = mho.AnalogOptimizer(model, ADAM, lr=0.1), [*weights(model), model[4].weight.clone()]
    model[1].register_full_backward_hook(lambda module, above, below: (above[0] * 1e38 * 1e38,))
    F.cross_entropy(model(X), Y).backward()
    with pytest.raises(InvalidValue, match=r"0\.group0: the gradient holds NaN or infinite values"):
        optimizer.step()
    assert all(map(torch.equal, before, [*weights(model), model[4].weight]))


WRONG = {
    "no kind": (lambda m: mho.AnalogOptimizer(m), InvalidValue, "kind is None; give the class of a torch optimizer"),
    "a name": (lambda m: mho.AnalogOptimizer(m, "adam"), InvalidValue, "kind is 'adam'; give the class"),
    "made": (lambda m: mho.AnalogOptimizer(m, SGD(nn.Linear(1, 1).parameters())), InvalidValue, "not an optimizer of"),
    "ours": (lambda m: mho.AnalogOptimizer(m, mho.AnalogSGD), InvalidValue, "kind is the class AnalogSGD"),
    "parameters": (lambda m: mho.AnalogOptimizer(m.parameters(), ADAM), WrongUse, "takes the converted model itself"),
    "digital": (lambda m: mho.AnalogOptimizer(nn.Linear(2, 2), ADAM), WrongUse, "or use the torch optimizer itself"),
    "misspelt": (lambda m: mho.AnalogOptimizer(m, SGD, momentun=0.9), WrongCall, "did you mean 'momentum'?"),
    "of another": (lambda m: mho.AnalogOptimizer(m, ADAM, momentum=0.9), WrongCall, "Adam has no option 'momentum'"),
    "rounding": (lambda m: mho.AnalogOptimizer(m, ADAM, rounding="bufer"), InvalidValue, "did you mean 'buffer'?"),
    "lr": (lambda m: mho.AnalogOptimizer(m, ADAM, lr=-1), InvalidValue, "lr is -1; give a number greater than 0"),
    "betas": (lambda m: mho.AnalogOptimizer(m, ADAM, betas=(2, 0)), InvalidValue, "Adam does not take these options"),
    "pattern": (lambda m: mho.AnalogOptimizer(m, ADAM, layers={"fc": 1.0}), InvalidValue, "'fc' matches no array"),
    "clip": (lambda m: mho.AnalogOptimizer(m, ADAM, clip_norm=0), InvalidValue, "clip_norm is 0; give a number"),
    "LBFGS": (lambda m: mho.AnalogOptimizer(m, torch.optim.LBFGS), InvalidValue, "LBFGS evaluates the loss several"),
    "sparse": (lambda m: mho.AnalogOptimizer(m, torch.optim.SparseAdam), InvalidValue, "takes sparse gradients"),
    "graph": (lambda m: mho.AnalogOptimizer(m, ADAM, capturable=True), InvalidValue, "it is for CUDA graphs"),
    "slope": (lambda m: mho.AnalogOptimizer(m, ADAM, differentiable=True), InvalidValue, "has no derivative"),
    "group": (lambda m: mho.AnalogOptimizer(m, ADAM).add_param_group({"params": []}), WrongUse, "has a group for each"),
    "exact": (
        lambda m: mho.AnalogOptimizer(converted(EXACT), ADAM, rounding="buffer"), InvalidValue, "would have no effect"
    ),
    "replicas": (
        lambda m: mho.AnalogOptimizer(mho.convert(network()[:4], PLAIN, replicas=2, quiet=True), ADAM, clip_norm=1.0),
        InvalidValue, "would couple replicas",
    ),
    "TikiTaka": (
        lambda m: mho.AnalogOptimizer(
            converted(mho.RPU(device=mho.devices.SoftBounds(), cell=mho.cells.TikiTaka())), ADAM
        ),
        WrongUse, "0: TikiTaka cells gather gradients in one bank",
    ),
    "MixedPrecision": (
        lambda m: mho.AnalogOptimizer(converted(mho.RPU(cell=mho.cells.MixedPrecision())), ADAM),
        WrongUse, "MixedPrecision cells gather a digital gradient themselves",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_answered_with_what_to_do(name):
    make, kind, words = WRONG[name]
    with pytest.raises(kind, match=re.escape(words)):
        make(converted(PLAIN))


def test_a_rounding_set_in_a_group_is_checked():
    model = converted(PLAIN)
    optimizer = mho.AnalogOptimizer(model, ADAM)
    optimizer.param_groups[0]["rounding"] = "stochastik"
    with pytest.raises(InvalidValue, match="did you mean 'stochastic'"):
        train(model, optimizer, 1)


# What carries the steps: Array.step and Array.add --------------------------------------------------

CELLS = {
    "Single": mho.cells.Single(),
    "fixed": mho.cells.Single(reference_mean=0.1),
    "Replicated": mho.cells.Replicated(3),
    "Referenced": mho.cells.Referenced(),
    "OneSided": mho.cells.OneSided(),
}


def pulses(*shape: int) -> Tensor:
    return torch.randint(-3, 4, shape, generator=torch.Generator().manual_seed(2)).float()


@pytest.mark.parametrize("tile", [None, (9, 4)], ids=["whole", "tiles"])
@pytest.mark.parametrize("name", CELLS)
def test_each_weight_moves_by_its_own_pulses(name, tile):
    array = mho.arrays.build_array(PLAIN.replace(cell=CELLS[name], tile=tile), 5, 7, replicas=2, seed=0)
    assert array.nominal_step.tolist() == [STEP, STEP]
    given = pulses(2, 5, 7)
    given[0, 1, 2], given[1, 4, 6] = 70, -40  # several trains
    before, counted = array.weight.clone(), array.counters()["coincidences"]
    array.step(given)
    torch.testing.assert_close(array.weight - before, given * STEP, rtol=0, atol=1e-5)  # 70 sums of float32 near 1
    devices = 3 if name == "Replicated" else 1
    assert (array.counters()["coincidences"] - counted).tolist() == (devices * given.abs().sum((1, 2))).int().tolist()
    assert array.counters()["saturated_probabilities"].sum() == 0


def test_both_back_ends_send_the_same_steps():
    made = [mho.Crossbar(NOISY, 5, 7, replicas=2, seed=0, backend=name) for name in ("cpu", "reference")]
    given = pulses(2, 5, 7)
    given[0, 0, 0] = 50
    for array in made:
        array.step(given)
        array.step(-given)
    assert torch.equal(made[0].weight, made[1].weight)
    assert all(
        torch.equal(*pair) for pair in zip(made[0].counters().values(), made[1].counters().values(), strict=True)
    )


def test_trains_of_a_step_and_steps_have_noise_of_their_own():
    """Variances of 2500 sums are known to 0.028 of themselves; trains with equal noise would give 3 times as much."""
    noisy = mho.devices.ConstantStep(dw_min=1e-4, up_down=1.0, c2c=0.5, w_max=10.0, w_min=-10.0)
    array = mho.Crossbar(PLAIN.replace(device=noisy), 50, 50, seed=0)
    moved = []
    for _ in range(2):
        before = array.weight.clone()
        array.step(torch.full((50, 50), 96.0))
        moved.append((array.weight - before).flatten().double() / 1e-4)
    for each in moved:
        assert abs(each.mean() - 96) < 4.5 * 0.5 * (96 / 2500) ** 0.5 + 0.01  # 0.01: weights in float32
        assert abs(each.var() / (96 * 0.25) - 1) < 4.5 * 0.028
    assert torch.corrcoef(torch.stack(moved))[0, 1].abs() < 4.5 * 0.02


def test_a_step_is_a_vector_to_the_events_of_cells():
    rpu = PLAIN.replace(cell=mho.cells.OneSided(refresh_every=2, refresh_at=0.5))
    array = mho.Crossbar(rpu, 2, 2, seed=0)
    array.write(torch.zeros(2, 2))
    array.step(torch.full((2, 2), 1200.0))
    assert array.counters()["refreshes"].tolist() == [0]
    array.step(torch.zeros(2, 2))
    assert array.counters()["refreshes"].tolist() == [4]


def test_rounding_draws_are_named_by_seed_array_and_step():
    first, twin, other = (mho.Crossbar(PLAIN, 50, 50, seed=s, name=n) for s, n in ((0, "a"), (0, "a"), (0, "b")))
    tiled = mho.arrays.build_array(PLAIN.replace(tile=(9, 9)), 50, 50, seed=[7, 0], replicas=2, name="a")
    drawn = torch.from_numpy(first.rounding_uniforms())
    assert torch.equal(drawn, torch.from_numpy(twin.rounding_uniforms()))
    assert torch.equal(drawn[0], torch.from_numpy(tiled.rounding_uniforms())[1])
    first.step(torch.zeros(50, 50))
    for others in (other.rounding_uniforms(), first.rounding_uniforms(), tiled.rounding_uniforms()[:1]):
        # independent uniforms: a correlation of 2500 pairs has the standard error 0.02
        pairs = torch.stack([drawn.flatten(), torch.from_numpy(others).flatten()])
        assert torch.corrcoef(pairs)[0, 1].abs() < 0.09
    assert abs(drawn.mean() - 0.5) < 4.5 * 12**-0.5 / 50


def test_exact_arrays_add_changes():
    array = mho.Crossbar(EXACT.replace(cell=mho.cells.Replicated(2)), 2, 3, seed=0)
    before, change = array.weight.clone(), torch.tensor([[0.1, -0.2, 1e-6], [3.0, 0.0, 1.0]])
    array.add(change)
    torch.testing.assert_close(array.weight[0] - before[0], change, rtol=0, atol=3e-7)  # rounded at 3
    assert array.nominal_step is None


WRONG_STEPS = {
    "shape": (lambda a, e: a.step(torch.ones(3)), InvalidValue, "pulses of shape (3,); give (1, 2, 2) or (2, 2)"),
    "parts": (lambda a, e: a.step(torch.full((2, 2), 0.5)), InvalidValue, "reach from 0.5 to 0.5; give whole numbers"),
    "many": (lambda a, e: a.step(torch.full((2, 2), 1e5)), InvalidValue, "from -32768 to 32768"),
    "NaN": (lambda a, e: a.step(torch.full((2, 2), torch.nan)), InvalidValue, "hold NaN or infinite values"),
    "time": (lambda a, e: a.step(torch.ones(2, 2), dt=-1), InvalidValue, "dt is -1"),
    "exact": (lambda a, e: e.step(torch.ones(2, 2)), WrongUse, "an array with Exact updates takes no pulses"),
    "pulsed": (lambda a, e: a.add(torch.ones(2, 2)), WrongUse, "its devices move by pulses alone"),
}


@pytest.mark.parametrize("name", WRONG_STEPS)
def test_wrong_steps_are_answered_with_what_to_do(name):
    call, kind, words = WRONG_STEPS[name]
    with pytest.raises(kind, match=re.escape(words)):
        call(mho.Crossbar(PLAIN, 2, 2), mho.Crossbar(EXACT, 2, 2))


def test_cells_of_several_banks_refuse_steps():
    for cell in (mho.cells.AGAD(), mho.cells.ERider(), mho.cells.Residual(), mho.cells.PeriodicCarry()):
        array = mho.Crossbar(mho.RPU(device=mho.devices.SoftBounds(), cell=cell), 2, 2)
        with pytest.raises(WrongUse, match=f"{type(cell).__name__} cells gather gradients"):
            array.step(torch.ones(2, 2))
