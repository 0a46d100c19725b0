"""Boltzmann machines: the flow against its definition, sums against enumeration, chains against their distribution."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.stats import chi2
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import Tensor

import mho
from mho.data import digits_8x8
from mho.errors import CheckpointError, InvalidValue, WrongUse
from mho.learning import BoltzmannMachine
from mho.learning.boltzmann import parzen
from mho.learning.boltzmann.annealing import variational_sums
from mho.learning.boltzmann.draws import Draws, Purpose
from mho.learning.boltzmann.sampling import gibbs, infer, random_states
from mho.training.checkpoint import load_checkpoint

CHAIN = np.zeros((8, 8), bool)
CHAIN[0, 1] = CHAIN[1, 4] = CHAIN[2, 4] = CHAIN[2, 7] = CHAIN[3, 5] = CHAIN[0, 6] = CHAIN[6, 7] = CHAIN[4, 5] = True
CHAIN |= CHAIN.T
"""Links inside layers, between neighbours, and from layer 0 to layer 2 of [3, 3, 2]."""

SHAPES = {
    "two layers": {"layers": [4, 3]},
    "three layers": {"layers": [3, 3, 2]},
    "links inside": {"layers": [3, 3, 2], "intra_layer": True},
    "some links inside": {"layers": [4, 4], "intra_layer": {1: np.eye(4)[[1, 0, 3, 2]]}},
    "no hidden units": {"layers": [6], "intra_layer": [0]},
    "a mask of one block": {"layers": [4, 3], "mask": {(0, 1): np.arange(12).reshape(4, 3) % 3 > 0}},
    "a mask of all units": {"layers": [3, 3, 2], "mask": CHAIN},
}


def machine(shape: str = "two layers", **options: object) -> BoltzmannMachine:
    """A machine in float64 with couplings and biases of the order of 1."""
    made = BoltzmannMachine(**{"dtype": "float64", "weight_std": 1.0, "seed": 5} | SHAPES[shape] | options)
    generator = torch.Generator().manual_seed(1)
    made.set_weights(made.weights_, torch.randn(len(made.biases_), generator=generator, dtype=made.biases_.dtype) / 2)
    return made


def all_states(units: int) -> Tensor:
    return torch.tensor(list(itertools.product((0.0, 1.0), repeat=units)), dtype=torch.float64)


def log_weights(made: BoltzmannMachine) -> tuple[Tensor, Tensor]:
    """All states and -E, by the definition."""
    states, W, b = all_states(len(made.biases_)), made.weights_, made.biases_
    return states, 0.5 * torch.einsum("ni,ij,nj->n", states, W, states) + states @ b


def bits(states: Tensor) -> Tensor:
    """The number of each state (n, units) in `all_states`."""
    return (states.long() * 2 ** torch.arange(states.shape[1]).flip(0)).sum(dim=1)


# The flow ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_the_objective_is_the_flow_into_all_states_that_differ_in_one_unit(shape):
    made = machine(shape)
    states, log_p = log_weights(made)
    energy = -log_p
    torch.testing.assert_close(made.energy(states), energy, rtol=1e-12, atol=1e-12)
    some = states[1::3]  # of all states together, the flow out is the flow in
    total = 0.0
    for i in range(states.shape[1]):
        flipped = some.clone()
        flipped[:, i] = 1 - flipped[:, i]
        total += torch.exp((energy[bits(some)] - energy[bits(flipped)]) / 2).mean()
    assert made.objective(some) == pytest.approx(float(total), rel=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_gradient_is_that_of_finite_differences(shape):
    """Central differences of step 1e-5 in float64: 1e-10 from the third derivative, 1e-10 from rounding."""
    made = machine(shape)
    W, b = made.weights_, made.biases_
    states = all_states(len(b))[::3]
    by_W, by_b = made.gradient(states)
    linked = 0
    for i, j in itertools.combinations(range(len(b)), 2):
        if W[i, j] == 0:
            assert by_W[i, j] == by_W[j, i] == 0
            continue
        linked += 1
        step = torch.zeros_like(W)
        step[i, j] = step[j, i] = 1e-5
        assert by_W[i, j] == by_W[j, i] == pytest.approx(slope(made, states, W, b, step, 0 * b), abs=1e-6)
    assert linked == int((W != 0).sum()) // 2 > 3
    for i in range(len(b)):
        step = torch.zeros_like(b)
        step[i] = 1e-5
        assert by_b[i] == pytest.approx(slope(made, states, W, b, 0 * W, step), abs=1e-6)


def slope(
    made: BoltzmannMachine, states: Tensor, weights: Tensor, biases: Tensor, step: Tensor, bias_step: Tensor
) -> float:
    values = []
    for sign in (1, -1):
        made.set_weights(weights + sign * step, biases + sign * bias_step)
        values.append(made.objective(states))
    return (values[0] - values[1]) / 2e-5


def with_weights(made: BoltzmannMachine, weights: Tensor) -> BoltzmannMachine:
    made.set_weights(weights)
    return made


@pytest.mark.parametrize("shape", SHAPES)
def test_no_flow_changes_a_machine_that_is_the_distribution_of_the_data(shape):
    """By detailed balance: what flows out of p into a neighbour, √(p p'), flows back."""
    made = machine(shape)
    states, log_p = log_weights(made)
    p, W = torch.softmax(log_p, 0), made.weights_
    by_b = torch.zeros_like(made.biases_)
    by_W = torch.zeros_like(W)
    for state, weight in zip(states, p, strict=True):
        own_W, own_b = made.gradient(state[None])
        by_W += weight * own_W
        by_b += weight * own_b
    assert float(by_W.abs().max()) < 1e-12  # sums of 2⁸ numbers of float64
    assert float(by_b.abs().max()) < 1e-12


@pytest.mark.parametrize("shape", SHAPES)
def test_a_step_of_vpf_descends_the_flow_of_the_states_it_infers(shape):
    made = machine(shape)
    v = all_states(made.layers[0])[:6]
    before, b = made.weights_, made.biases_
    made.set_params(lr=0.01, batch_size=6)
    plan = made.plan()
    step = plan.rule.step(made.network_, v, Draws(5, Purpose.TRAINING, 0))
    # the states that the step inferred: the same draws again
    inferred = infer(made.network_, v, Draws(5, Purpose.TRAINING, 0), sweeps=plan.rule.sweeps, temperature=1.0)
    by_W, by_b = made.gradient(torch.cat(inferred.states, dim=1))
    made.network_.couplings.update(step.moves, 0.01)
    torch.testing.assert_close(made.weights_, before - 0.01 * by_W, rtol=0, atol=1e-14)
    torch.testing.assert_close(torch.cat(step.biases), -by_b, rtol=0, atol=1e-14)
    assert made.biases_.equal(b)
    assert step.loss / 6 == pytest.approx(with_weights(made, before).objective(torch.cat(inferred.states, dim=1)))


# Sums ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_sums_over_states_are_those_of_enumeration(shape):
    made = machine(shape)
    _, log_p = log_weights(made)
    log_z = torch.logsumexp(log_p, 0)
    assert made.log_partition(method="exact").value == pytest.approx(float(log_z), abs=1e-10)
    visible = made.layers[0]
    v = all_states(visible)
    sums = torch.logsumexp(log_p.view(len(v), -1), dim=1)  # visible units are the higher bits
    torch.testing.assert_close(made.free_energy(v), -sums, rtol=0, atol=1e-10)
    found = made.log_likelihood(v)
    torch.testing.assert_close(found.values, sums - log_z, rtol=0, atol=1e-10)
    assert float(found.values.exp().sum()) == pytest.approx(1.0, abs=1e-10)
    assert made.score(v) == pytest.approx(float(found.values.mean()))


@pytest.mark.parametrize("shape", ["two layers", "no hidden units"])
def test_a_step_of_maximum_likelihood_is_the_gradient_of_the_likelihood(shape):
    made = machine(shape, method="ml")
    W, b = made.weights_, made.biases_
    v = all_states(made.layers[0])[[1, 4, 9]]
    step = made.plan().rule.step(made.network_, v, Draws(0, Purpose.TRAINING))
    made.network_.couplings.update(step.moves, 1.0)
    found = made.weights_ - W
    for i, j in itertools.combinations(range(len(b)), 2):
        if W[i, j] == 0:
            continue
        d = torch.zeros_like(W)
        d[i, j] = d[j, i] = 1e-5
        values = [with_weights(made, W + sign * d).score(v) for sign in (1, -1)]
        assert found[i, j] == pytest.approx((values[0] - values[1]) / 2e-5, abs=1e-8)
    assert step.loss == pytest.approx(-3 * with_weights(made, W).score(v))


@pytest.mark.parametrize("shape", SHAPES)
def test_annealing_finds_the_partition_function(shape):
    """200 chains of weights that spread by less than half: an error of 0.035 in log Z, three of them below 0.11."""
    made = machine(shape)
    exact = made.log_partition(method="exact").value
    found = made.log_partition(method="ais", chains=200, temperatures=100)
    assert found.kind == "AIS"
    assert found.low <= found.value <= found.high
    assert found.high - found.low < 0.22
    assert abs(found.value - exact) < 0.11
    visible = made.layers[0]
    other = made.log_partition(method="ais", chains=200, temperatures=100, base=torch.full((visible,), -1.0))
    assert abs(other.value - exact) < 0.11


def test_mean_field_bounds_the_likelihood_from_below_and_is_exact_for_independent_units():
    for shape in SHAPES:
        made = machine(shape)
        v = all_states(made.layers[0])
        gap = -made.free_energy(v) - variational_sums(made.network_, v)
        assert float(gap.min()) > -1e-10
        if made.plan().structure.bottom_up_is_exact:
            assert float(gap.abs().max()) < 1e-10


def test_a_parzen_estimate_of_one_sample_is_a_gaussian():
    samples = torch.zeros(3, 4)
    examples = torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    found = parzen(samples, examples, examples, sigmas=[0.5, 100.0])
    assert found.sigma == 0.5
    norm = 2 * math.log(2 * math.pi * 0.25)
    assert found.mean == pytest.approx((-1 / (2 * 0.25) - 2 * norm) / 2)
    with pytest.raises(InvalidValue, match="widths above 0"):
        parzen(samples, examples, examples, sigmas=[0.0])
    with pytest.raises(InvalidValue, match="equal units"):
        parzen(samples, examples[:, :2], examples)


# Chains --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["three layers", "links inside", "some links inside", "a mask of all units"])
def test_gibbs_sampling_has_the_distribution_of_the_machine(shape):
    """Chi-square of 40,000 independent chains after 60 sweeps, at 1 in 10⁴ of chance; a fixed seed."""
    made = machine(shape)
    _, log_p = log_weights(made)
    p = torch.softmax(log_p, 0)
    draws = Draws(3, Purpose.SAMPLING)
    states = gibbs(made.network_, random_states(made.network_, 40_000, draws), draws, sweeps=60, temperature=1.0)
    assert statistic(bits(torch.cat(states, dim=1)), p) < chi2.ppf(1 - 1e-4, len(p) - 1)


@pytest.mark.parametrize("temperature", [1.0, 2.5])
@pytest.mark.parametrize("shape", ["two layers", "links inside", "a mask of all units"])
def test_inferred_units_have_the_posterior_at_their_temperature(shape, temperature):
    made = machine(shape, sweeps=0 if shape == "two layers" else 40, temperature=temperature)
    v = all_states(made.layers[0])[5:6].expand(20_000, -1)
    states = made.infer(v)
    assert torch.equal(states[:, : v.shape[1]], v)
    _, log_p = log_weights(made)
    # at T all units but the clamped ones have energies divided by T; the energy of v is a constant
    posterior = torch.softmax(log_p.view(2 ** v.shape[1], -1)[5] / temperature, 0)
    assert statistic(bits(states[:, v.shape[1] :]), posterior) < chi2.ppf(1 - 1e-4, len(posterior) - 1)


def statistic(numbers: Tensor, p: Tensor) -> float:
    expected = len(numbers) * p
    found = torch.bincount(numbers, minlength=len(p)).double()
    return float(((found - expected) ** 2 / expected).sum())


def test_linked_units_are_never_drawn_together_and_every_unit_is_drawn():
    structure = machine("a mask of all units").plan().structure
    for layer, part in enumerate(structure.slices):
        links, groups = CHAIN[part, part], structure.groups[layer]
        assert sorted(torch.cat(groups).tolist()) == list(range(structure.sizes[layer]))
        assert not any(links[np.ix_(group, group)].any() for group in groups)
    assert [len(g) for g in machine("links inside").plan().structure.groups] == [3, 3, 2]
    assert [len(g) for g in machine("some links inside").plan().structure.groups] == [1, 2]


def test_draws_are_named_and_uniform():
    first = Draws(1, Purpose.TRAINING, 7)
    a, b = first.uniform((5, 1000), torch.float32), first.uniform((5, 1000), torch.float32)
    assert torch.equal(Draws(1, Purpose.TRAINING, 7).uniform((5000,), torch.float32), a.flatten())
    others = [Draws(2, Purpose.TRAINING, 7), Draws(1, Purpose.SAMPLING, 7), Draws(1, Purpose.TRAINING, 8)]
    for values in (b, *(other.uniform((5, 1000), torch.float32) for other in others)):
        # 5/√5000: five standard errors of a correlation
        assert abs(np.corrcoef(values.flatten(), a.flatten())[0, 1]) < 0.071
        assert 0 < float(values.min()) < float(values.max()) < 1
        assert float(values.mean()) == pytest.approx(0.5, abs=5 / math.sqrt(12 * 5000))
    assert sorted(first.order(100).tolist()) == list(range(100))


# Learning ------------------------------------------------------------------------------------------------


def teacher_data(count: int = 600) -> tuple[Tensor, Tensor, Tensor]:
    """Examples of a machine of 8 + 4 units, its 256 states and their log-probabilities."""
    made = BoltzmannMachine([8, 4], dtype="float64", weight_std=2.0, seed=4)
    made.set_weights(made.weights_, -made.weights_.sum(dim=1) / 2)
    v = all_states(8)
    log_p = made.log_likelihood(v).values
    chosen = torch.multinomial(log_p.exp(), count, replacement=True, generator=torch.Generator().manual_seed(2))
    return v[chosen], v, log_p


@pytest.mark.parametrize(
    "options",
    [
        {"lr": 0.1},
        {"lr": 0.1, "layers": [8, 4, 2]},
        {"lr": 0.1, "layers": [8], "intra_layer": [0]},
        {"lr": 0.1, "intra_layer": True, "sweeps": 1},
        {"method": "cd", "k": 2, "lr": 0.1},
        {"method": "cd", "layers": [8, 4, 2], "lr": 0.1},
        {"method": "ml", "lr": 0.3},
    ],
    ids=str,
)
def test_learning_brings_the_model_nearer_to_the_distribution_of_the_data(options):
    """At least half of the divergence from p, 1.0 to 2.5 nats at the start, goes in 30 epochs."""
    x, v, log_p = teacher_data()
    made = BoltzmannMachine(**{"layers": [8, 4], "epochs": 30, "batch_size": 20, "weight_std": 0.1} | options)

    def divergence() -> float:
        return float((log_p.exp() * (log_p - made.log_likelihood(v).values)).sum())

    start = divergence()
    made.fit(x)
    assert len(made.progress_.history) == 30
    assert divergence() < start / 2


def test_links_inside_the_visible_layer_carry_what_hidden_units_would():
    """Two units that are always equal: without hidden units, a link between them must learn it."""
    x = torch.tensor([[0.0, 0.0], [1.0, 1.0]]).repeat(50, 1)
    made = BoltzmannMachine([2], intra_layer=[0], epochs=200, lr=0.2, batch_size=10).fit(x)
    same, other = made.log_likelihood(torch.tensor([[1.0, 1.0], [1.0, 0.0]])).values.exp().tolist()
    # the flow out of the data falls as exp(-W/4), so W grows with the logarithm of time: 0.45 and 0.05 are ours
    assert same > 0.45
    assert other < 0.05
    samples = made.sample(2000, sweeps=20)
    assert (samples[:, 0] == samples[:, 1]).mean() > 0.9


def test_partial_fit_learns_as_fit_does_step_by_step():
    x, _, _ = teacher_data(60)
    made = BoltzmannMachine([8, 4], batch_size=20, seed=3)
    for _ in range(2):
        made.partial_fit(x)
    other = BoltzmannMachine([8, 4], batch_size=20, seed=3)
    for batch in (*x.split(20), *x.split(20)):
        other.partial_fit(batch)
    assert made.progress_.steps == other.progress_.steps == 6
    assert torch.equal(made.weights_, other.weights_)


def test_the_learning_rate_falls_linearly_and_visible_biases_begin_at_the_log_odds():
    x = (torch.rand(30, 6, generator=torch.Generator().manual_seed(0)) < 0.3).float()
    chosen = {"layers": [6, 4], "seed": 3, "batch_size": 15, "visible_bias": "data"}
    made = BoltzmannMachine(**chosen, lr=0.4, lr_end=0.08, epochs=2).fit(x)
    other = BoltzmannMachine(**chosen)
    for epoch, rates in enumerate(((0.4, 0.32), (0.24, 0.16))):
        order = Draws(3, Purpose.ORDER, epoch).order(30)
        for half, rate in enumerate(rates):
            if epoch == half == 0:
                begun = BoltzmannMachine(**chosen, lr=1e-30).partial_fit(x[order]).biases_
                odds = x.mean(dim=0).clamp(0.02, 0.98).logit()
                assert torch.allclose(begun, torch.cat([odds, torch.zeros(4)]), atol=1e-20, rtol=0)  # one step of 1e-30
                other.set_weights(other.weights_, begun)
            other.set_params(lr=rate).partial_fit(x[order[15 * half : 15 * half + 15]])
    assert torch.allclose(made.weights_, other.weights_, atol=1e-6, rtol=0)  # rates in float64 differ by rounding
    assert torch.allclose(made.biases_, other.biases_, atol=1e-6, rtol=0)
    assert not torch.allclose(made.weights_, BoltzmannMachine(**chosen, lr=0.4, epochs=2).fit(x).weights_, atol=1e-3)
    with pytest.raises(WrongUse, match="no last epoch"):
        BoltzmannMachine([6, 4], lr_end=0.0).partial_fit(x)


def test_reconstruction_fills_in_what_is_not_known():
    x = torch.tensor([[0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]]).repeat(50, 1)
    made = BoltzmannMachine([4, 2], method="ml", epochs=150, lr=0.2, batch_size=10, weight_std=0.1).fit(x)
    half = torch.tensor([[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]])
    known = torch.tensor([True, True, False, False])
    found = made.reconstruct(half, known=known, sweeps=40)
    assert torch.equal(found[:, :2], half[:, :2])
    assert float(found[0, 2:].min()) > 0.8
    assert float(found[1, 2:].max()) < 0.2
    once = made.reconstruct(x[:4])
    assert float((once - x[:4]).abs().max()) < 0.2
    with pytest.raises(InvalidValue, match=r"known is torch\.float32"):
        made.reconstruct(half, known=half)
    with pytest.raises(WrongUse, match="without hidden units"):
        BoltzmannMachine([4], intra_layer=[0]).reconstruct(half)


# Arrays --------------------------------------------------------------------------------------------------

EXACT = mho.presets.floating_point()
NOISY = mho.presets.gokmen_2017(update_management=True)


@pytest.mark.parametrize("options", [{"layers": [6, 5]}, {"layers": [6, 5, 4], "sweeps": 2}, {"method": "cd", "k": 2}])
def test_exact_arrays_learn_as_floating_point_does(options):
    """float32 sums in another order: 1e-6 a step, and no unit falls on the other side within five steps."""
    x = (torch.rand(50, 6, generator=torch.Generator().manual_seed(0)) < 0.4).float()
    chosen = {"layers": [6, 5], "batch_size": 10, "epochs": 1, "lr": 0.2, "weight_std": 0.3} | options
    plain, on_arrays = (BoltzmannMachine(rpu=rpu, **chosen).fit(x) for rpu in (None, EXACT))
    assert (plain.weights_ - BoltzmannMachine(**chosen).weights_).abs().max() > 0.02
    torch.testing.assert_close(on_arrays.weights_, plain.weights_, rtol=0, atol=1e-5)
    torch.testing.assert_close(on_arrays.biases_, plain.biases_, rtol=0, atol=1e-5)


def test_one_array_read_both_ways_is_symmetric_by_construction():
    """Units of both layers see the same cross-points, whatever their devices made of the pulses."""
    quiet = NOISY.replace(forward=mho.Read.exact(), backward=mho.Read.exact())
    x = (torch.rand(200, 6, generator=torch.Generator().manual_seed(0)) < 0.4).float()
    seen = {}
    for coupling in ("symmetric", "asymmetric"):
        made = BoltzmannMachine([6, 5], rpu=quiet, coupling=coupling, batch_size=1, epochs=1, lr=0.1).fit(x)
        couplings = made.network_.couplings
        up = couplings.drive(1, [torch.eye(6), None])
        down = couplings.drive(0, [None, torch.eye(5)])
        seen[coupling] = float((up - down.T).abs().max())
        assert float(up.abs().max()) > 0.05
        torch.testing.assert_close(made.weights_[:6, 6:], (up + down.T) / 2, rtol=0, atol=1e-6)
    assert seen["symmetric"] < 1e-7  # of float32
    assert seen["asymmetric"] > 0.01  # steps of two devices spread by 30 %


@pytest.mark.parametrize("coupling", ["symmetric", "asymmetric"])
def test_noisy_arrays_learn_digits(coupling):
    """Reads with noise and bounds, and pulses: each pixel follows from the others better than from its mean."""
    x = (digits_8x8().x_train.flatten(1)[:600] > 0.5).float()
    made = BoltzmannMachine([64, 100], rpu=NOISY, coupling=coupling, batch_size=1, epochs=2, lr=0.01).fit(x)
    counters = [array.counters() for array in made.network_.couplings.arrays.values()]
    assert all(int(c["coincidences"]) > 1e5 for c in counters)
    p = x.mean(dim=0).clamp(0.001, 0.999)
    alone = (x * p.log() + (1 - x) * (1 - p).log()).sum(dim=1).mean()
    # -23.7 for pixels by themselves; at least 3 nats better, about half of what floating point gains
    assert float(made.pseudo_log_likelihood(x).mean()) > alone + 3


def test_looking_at_arrays_changes_nothing_of_what_they_learn():
    x = (torch.rand(40, 6, generator=torch.Generator().manual_seed(0)) < 0.4).float()
    chosen = {"layers": [6, 5], "rpu": NOISY, "batch_size": 4, "epochs": 2}

    def look(made: BoltzmannMachine) -> None:
        made.transform(x)
        made.reconstruct(x)
        made.sample(3, sweeps=2)
        made.score(x)
        made.objective(torch.zeros(1, 11))

    plain = BoltzmannMachine(**chosen).fit(x)
    watched = BoltzmannMachine(**chosen).fit(x, on_step=look)
    assert torch.equal(plain.weights_, watched.weights_)


# Files ---------------------------------------------------------------------------------------------------


FILES = ("machine", "again")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"layers": [6, 5, 4], "intra_layer": {1: np.eye(5)[[1, 0, 3, 2, 4]] * (1 - np.eye(5))}},
        {"method": "cd", "k": 2, "dtype": "float64", "mask": {(0, 1): np.arange(30).reshape(6, 5) % 2 > 0}},
        {"lr_end": 0.02, "visible_bias": "data"},
        {"rpu": NOISY},
        {"rpu": NOISY.replace(device=mho.devices.ConstantStep(write_noise=0.02)), "coupling": "asymmetric"},
    ],
    ids=["floating point", "links inside", "cd and mask", "falling rate", "arrays", "arrays with write noise"],
)
def test_a_stopped_machine_goes_on_to_the_bit_from_its_file(options, tmp_path):
    x = (torch.rand(50, 6, generator=torch.Generator().manual_seed(0)) < 0.4).float()
    chosen = {"layers": [6, 5], "batch_size": 8, "epochs": 3, "lr": 0.1} | options
    whole = BoltzmannMachine(**chosen).fit(x)
    stopped = BoltzmannMachine(**chosen).fit(x, on_step=lambda made: made.progress_.steps == 9)
    assert (stopped.progress_.epoch, stopped.progress_.position) == (1, 16)
    assert not stopped.finished
    stopped.save(tmp_path / "machine.safetensors")
    restored = BoltzmannMachine(**chosen).restore(tmp_path / "machine.safetensors")
    for made in (BoltzmannMachine.load(tmp_path / "machine.safetensors"), restored):
        made.fit(x, resume=True)
        assert made.finished
        assert torch.equal(made.weights_, whole.weights_)
        assert torch.equal(made.biases_, whole.biases_)
        assert made.progress_ == whole.progress_
        assert torch.equal(made.fit(x, resume=True).weights_, whole.weights_)
    again = BoltzmannMachine(**chosen).fit(x, on_step=lambda made: made.progress_.steps == 9)
    again.save(tmp_path / "again.safetensors")
    # the order of a file's header is its library's; content and notes are equal, so no times are in them
    (tensors, notes), (others, other_notes) = (load_checkpoint(tmp_path / f"{name}.safetensors") for name in FILES)
    assert notes == other_notes
    assert all(torch.equal(tensors[name], others[name]) for name in tensors | others)


def test_a_checkpoint_of_another_machine_is_refused_by_name(tmp_path):
    x = (torch.rand(20, 6, generator=torch.Generator().manual_seed(0)) < 0.4).float()
    file = tmp_path / "machine.safetensors"
    made = BoltzmannMachine([6, 5], rpu=NOISY, epochs=1).fit(x)
    made.save(file)
    for options, said in (
        ({"layers": [6, 4]}, r"layers was \[6, 5\] and is \[6, 4\]"),
        ({"rpu": EXACT}, r"rpu\.update\.kind was 'Pulses' and is 'Exact'"),
        ({"rpu": None}, "rpu was given and is None"),
        ({"rpu": None, "mask": {(0, 1): np.ones((6, 5), bool)}}, "mask was None and is given"),
        ({"lr": 0.1, "seed": 3}, "lr was 0.05 and is 0.1; seed was 0 and is 3"),
    ):
        other = BoltzmannMachine(**{"layers": [6, 5], "rpu": NOISY, "epochs": 1} | options)
        with pytest.raises(CheckpointError, match=said):
            other.restore(file)
        assert not hasattr(other, "network_")
    BoltzmannMachine([6, 5], lr_end=0.0, epochs=2).fit(x).save(file)
    with pytest.raises(CheckpointError, match="epochs was 2 and is 3"):
        BoltzmannMachine([6, 5], lr_end=0.0, epochs=3).restore(file)
    masks = [np.arange(30).reshape(6, 5) % 2 > 0, np.arange(30).reshape(6, 5) % 3 > 0]
    BoltzmannMachine([6, 5], mask={(0, 1): masks[0]}).fit(x).save(file)
    with pytest.raises(CheckpointError, match="mask has other entries"):
        BoltzmannMachine([6, 5], mask={(0, 1): masks[1]}).restore(file)
    with pytest.raises(CheckpointError, match="not those that learning began with"):
        BoltzmannMachine([6, 5], mask={(0, 1): masks[0]}).restore(file).fit(x.flip(0), resume=True)
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(CheckpointError, match="damaged"):
        BoltzmannMachine.load(file)


# scikit-learn --------------------------------------------------------------------------------------------


@parametrize_with_checks([BoltzmannMachine([None, 4], threshold=0.0, epochs=2)])
def test_scikit_learn_takes_it_for_an_estimator(estimator, check):
    """All of its checks pass, none is expected to fail; data are binarised, as units are."""
    check(estimator)


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.uint8, bool, torch.float32, torch.bfloat16, torch.bool])
def test_data_of_any_type_give_the_same_machine_and_the_kind_that_was_given(kind):
    x = (np.random.default_rng(0).random((30, 2, 3)) < 0.4).astype(np.float64)
    given = torch.from_numpy(x).to(kind) if isinstance(kind, torch.dtype) else x.astype(kind)
    made = BoltzmannMachine([6, 4], epochs=1).fit(given)
    assert torch.equal(made.weights_, BoltzmannMachine([6, 4], epochs=1).fit(x).weights_)
    assert isinstance(made.transform(given), Tensor if isinstance(kind, torch.dtype) else np.ndarray)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"layers": []}, "give the units of each layer"),
        ({"layers": [6, 0]}, r"layers\[1\] is 0"),
        ({"layers": [6]}, "layer 0 has no links"),
        ({"layers": [7, 4]}, "X has 6 features, but the first of layers is 7"),
        ({"intra_layer": [2]}, "intra_layer has layer 2; give 0 to 1"),
        ({"intra_layer": {1: np.triu(np.ones((4, 4)), 1)}}, r"intra_layer\[1\] is not symmetric: \[0, 1\] is True"),
        ({"mask": np.triu(np.ones((10, 10)), 1)}, r"mask is not symmetric: .*mask \| mask.T"),
        ({"mask": np.ones((10, 10))}, "links unit 0 with itself"),
        ({"mask": np.full((10, 10), 0.5)}, "other than 0 and 1"),
        ({"mask": np.full((10, 10), np.nan)}, "other than 0 and 1"),
        ({"mask": np.ones((4, 4))}, r"mask has shape \(4, 4\); give \(10, 10\)"),
        ({"mask": {(0, 2): np.ones((6, 4))}}, "neighbouring layers"),
        ({"mask": 1 - np.eye(10), "intra_layer": [0]}, "intra_layer would have no effect"),
        ({"method": "vfp"}, "did you mean 'vpf'"),
        ({"k": 3}, "k is 3 and has no effect on method 'vpf'"),
        ({"method": "ml", "intra_layer": [1]}, "one hidden layer without links inside"),
        ({"method": "ml", "temperature": 2.0}, "no effect on method 'ml'"),
        ({"temperature": 0.0}, "temperature is 0"),
        ({"lr": -1.0, "epochs": 0}, "lr is -1.0.*; epochs is 0"),
        ({"lr_end": -0.1}, "lr_end is -0.1"),
        ({"visible_bias": "date"}, "visible_bias is 'date'.*did you mean 'data'"),
        ({"coupling": "asymmetric"}, "no effect without arrays"),
        ({"rpu": NOISY, "intra_layer": [1]}, "diagonal devices"),
        ({"rpu": NOISY, "mask": {(0, 1): np.eye(6, 4)}}, "a device at every crossing"),
        ({"rpu": NOISY, "dtype": "float64"}, "arrays compute in float32"),
        ({"rpu": NOISY.replace(forward=mho.Read(noise=[0.1, 0.2]))}, "a machine has a single replica"),
        ({"rpu": "gokmen"}, "give a mho.RPU"),
        ({"layers": [6], "intra_layer": [0], "sweeps": 2}, "no hidden layer"),
        ({"lr": 1e5}, "diverged.*smaller lr"),
        ({"seed": -1}, "seed is -1"),
        ({"threshold": math.nan}, "threshold is nan"),
    ],
    ids=str,
)
def test_wrong_parameters_are_told_with_the_cure(options, said):
    x = (torch.rand(50, 6, generator=torch.Generator().manual_seed(0)) < 0.4).float()
    with pytest.raises(InvalidValue, match=said):
        BoltzmannMachine(**{"layers": [6, 4], "batch_size": 5} | options).fit(x)


def test_wrong_data_are_told_with_the_cure():
    x = np.zeros((4, 6))
    made = BoltzmannMachine([6, 4], epochs=1)
    for value, said in ((0.5, "first 0.5 in row 1, column 2.*threshold=0.5"), (np.nan, "NaN"), (np.inf, "inf")):
        wrong = x.copy()
        wrong[1, 2] = value
        with pytest.raises(InvalidValue, match=said):
            made.fit(wrong)
    with pytest.raises(InvalidValue, match="NaN"):
        BoltzmannMachine([6, 4], threshold=0.5).fit(wrong * np.nan)
    made.fit(x)
    with pytest.raises(InvalidValue, match="5 features"):
        made.transform(x[:, :5])
    with pytest.raises(InvalidValue, match="states have 6 units, and the machine has 10 = 6 \\+ 4"):
        made.energy(x)
    W = np.zeros((10, 10))
    W[0, 7] = 1
    with pytest.raises(InvalidValue, match="not symmetric"):
        made.set_weights(W)
    W[7, 0], W[0, 1], W[1, 0] = 1, 1, 1
    with pytest.raises(InvalidValue, match="not linked"):
        made.set_weights(W)
    with pytest.raises(InvalidValue, match="at least 1"):
        made.sample(0)
    with pytest.raises(InvalidValue, match="leave n out"):
        made.sample(3, start=x)
    with pytest.raises(InvalidValue, match="temperature is 0"):
        made.sample(temperature=0)
    with pytest.raises(WrongUse, match="no hidden units"):
        BoltzmannMachine([6], intra_layer=[0], epochs=1).fit(x).transform(x)
    with pytest.raises(WrongUse, match="variational bound"):
        BoltzmannMachine([6, 20, 20], epochs=1).fit(x).free_energy(x)
    assert "variational bound" in BoltzmannMachine([6, 20, 20], epochs=1).fit(x).log_likelihood(x, chains=4).kind
