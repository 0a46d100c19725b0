"""SpectralRNN: scores against Stein's identity, moments against exact expectations, weights against the truth."""

from __future__ import annotations

import dataclasses
import itertools
import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks

import mho
from mho.errors import CheckpointError, InvalidValue
from mho.learning import BoltzmannMachine, SpectralRNN
from mho.learning.spectral import DensityScores, GaussianScores, MarkovScores, Scores, Weights, aligned
from mho.learning.spectral.arrays import packed, unpacked
from mho.learning.spectral.moments import Means, Moments
from mho.learning.spectral.problem import Problem, Sequence, parameter_errors
from mho.learning.spectral.recovery import recover_linear, recover_quadratic
from mho.learning.spectral.statistics import InputStatistics
from mho.learning.spectral.stream import BLOCK, FULL, HELD, Setting, Stream
from mho.learning.spectral.tensors import common_vectors, positive_combination

PHI = np.array([[0.5, 0.2, 0.0], [-0.3, 0.4, 0.1], [0.0, 0.2, -0.5]])
NOISE = np.array([[1.0, 0.3, 0.0], [0.3, 0.8, 0.1], [0.0, 0.1, 0.5]])


def small(seed: int = 0, **options: object) -> tuple[Weights, np.ndarray, np.ndarray]:
    """Weights of a network of 3 hidden units, and a sequence of 60,000 times."""
    problem = Problem(**{"inputs": 5, "hidden": 3, "outputs": 3, **options})
    sequence = Sequence(problem, seed)
    return (sequence.weights, *sequence.rows(60_000))


def hand_made(quadratic: bool = True) -> Weights:
    """A network whose numbers are known: 2 hidden units, 3 inputs, 2 outputs."""
    a = np.array([[2.0, 1.0, 0.0], [0.0, 1.0, -1.0]])
    a /= np.linalg.norm(a, axis=1, keepdims=True)
    return Weights(a, np.array([[0.05, -0.08], [0.02, 0.04]]), np.array([[1.0, -0.5], [0.3, 0.7]]), quadratic)


# Score functions -----------------------------------------------------------------------------------------


def test_scores_are_derivatives_of_the_density_of_the_whole_sequence():
    """S₁ and S₂ of a Gaussian chain against finite differences of its joint density, 5 times of 3 inputs."""
    rng = np.random.default_rng(0)
    mean = np.array([0.5, -1.0, 2.0])
    x = mean + rng.normal(size=(5, 3))
    start = np.linalg.inv(np.eye(3) * 2)

    def log_p(rows: np.ndarray) -> float:
        e = (rows[1:] - mean) - (rows[:-1] - mean) @ PHI.T
        return float(-0.5 * (e @ np.linalg.inv(NOISE) * e).sum() - 0.5 * (rows[0] - mean) @ start @ (rows[0] - mean))

    def p(rows: np.ndarray) -> float:
        return np.exp(log_p(rows) - log_p(x))

    scores = MarkovScores(mean, PHI, NOISE)
    first, second = scores.first(x), scores.second(x)
    h = 1e-4
    assert first.shape == (3, 3)
    for place, t in enumerate((1, 2, 3)):
        steps = [np.zeros_like(x) for _ in range(3)]
        for i in range(3):
            steps[i][t, i] = h
        by_one = [(p(x + d) - p(x - d)) / (2 * h) for d in steps]
        # central differences: an error of the order of h² times the third derivative, and of 1e-16/h² of rounding
        np.testing.assert_allclose(first[place], -np.array(by_one), atol=1e-6)
        for i, j in itertools.product(range(3), repeat=2):
            d, e = steps[i], steps[j]
            by_two = (p(x + d + e) - p(x + d - e) - p(x - d + e) + p(x - d - e)) / (4 * h * h)
            assert second[place, i, j] == pytest.approx(by_two, abs=1e-5)


def test_the_cross_term_is_the_derivative_of_the_score():
    x, scores, h = np.random.default_rng(1).normal(size=(3, 3)), MarkovScores(np.zeros(3), PHI, NOISE), 1e-3
    for j in range(3):
        step = np.zeros_like(x)
        step[0, j] = h  # the score is linear: exact but for rounding
        np.testing.assert_allclose(
            scores.cross()[:, j], (scores.first(x + step)[0] - scores.first(x - step)[0]) / (2 * h), atol=1e-10
        )


@pytest.mark.parametrize("lag", [-1, 1])
def test_the_mixed_moment_of_a_chain_is_a_third_derivative_of_its_density(lag):
    """One time with y = 1 gives the score itself: -∂p ∂²p' / p by finite differences, cross terms included."""
    x = np.random.default_rng(6).normal(size=(6, 3))

    def p(rows: np.ndarray) -> float:
        e, e0 = rows[1:] - rows[:-1] @ PHI.T, x[1:] - x[:-1] @ PHI.T
        return np.exp(-0.5 * ((e @ np.linalg.inv(NOISE) * e).sum() - (e0 @ np.linalg.inv(NOISE) * e0).sum()))

    moments = Moments(3, 1, quadratic=True, lags=(-1, 1))
    moments.set_basis(np.eye(3))
    moments.add_mixed(0, x[1:], np.ones((1, 1)), MarkovScores(np.zeros(3), PHI, NOISE))  # of t = 3
    found, h = unpacked(moments.sums[f"mixed {lag}"][0, 0]), 2e-3
    for i, j, k in itertools.product(range(3), repeat=3):
        total = 0.0
        for signs in itertools.product((1, -1), repeat=3):
            moved = x.copy()
            for (t, place), sign in zip(((3, i), (3 + lag, j), (3 + lag, k)), signs, strict=True):
                moved[t, place] += sign * h
            total += np.prod(signs) * p(moved)
        # an error of the order of h² times fifth derivatives, of some hundreds here, and of 1e-16/h³ of rounding
        assert found[i, j, k] == pytest.approx(-total / (2 * h) ** 3, abs=5e-3)


def test_a_density_by_autograd_gives_the_scores_that_the_formula_gives():
    mean, covariance = np.array([1.0, 0.0, -1.0]), NOISE
    inverse = torch.from_numpy(np.linalg.inv(covariance))

    def log_p(x: torch.Tensor) -> torch.Tensor:
        centred = x - torch.from_numpy(mean)
        return -0.5 * centred @ inverse @ centred

    x = np.random.default_rng(2).normal(size=(7, 3))
    own, exact = DensityScores(log_p), GaussianScores(mean, covariance)
    np.testing.assert_allclose(own.first(x), exact.first(x), atol=1e-12)  # float64
    np.testing.assert_allclose(own.second(x), exact.second(x), atol=1e-12)


@pytest.mark.parametrize(
    "scores",
    [GaussianScores(np.array([0.5, 0.0, 0.0]), NOISE), MarkovScores(np.zeros(3), PHI, NOISE)],
    ids=["independent", "chain"],
)
def test_steins_identity(scores: Scores) -> None:
    """E[G S_m] = E[∇^m G] for G = sin of a sum: 200,000 samples, within 5 standard errors of each entry."""
    rng = np.random.default_rng(3)
    if isinstance(scores, GaussianScores):
        x = scores.mean + rng.normal(size=(200_000, 3)) @ np.linalg.cholesky(NOISE).T
    else:
        e = rng.normal(size=(200_000, 3)) @ np.linalg.cholesky(NOISE).T
        x = Weights(np.eye(3), PHI, np.eye(3), quadratic=False).states(e)
    b = np.array([0.4, -0.7, 0.5])
    inner = x[scores.reach : len(x) - scores.reach]
    g, slope = np.sin(inner @ b + 0.3), np.cos(inner @ b + 0.3)
    for values, expected in (
        (g[:, None] * scores.first(x), slope.mean() * b),
        (g[:, None] * scores.second(x).reshape(len(g), -1), -g.mean() * np.outer(b, b).ravel()),
    ):
        error = values.std(axis=0) / np.sqrt(len(values))  # neighbours in a chain are hardly correlated here
        assert (np.abs(values.mean(axis=0) - expected) < 5 * error).all()


def test_packed_matrices_come_back():
    whole = np.arange(18.0).reshape(2, 3, 3)
    whole = whole + whole.transpose(0, 2, 1)
    assert packed(whole).shape == (2, 6)
    np.testing.assert_array_equal(unpacked(packed(whole)), whole)


# Moments -------------------------------------------------------------------------------------------------


def exact_means(w: Weights) -> Means:
    """The moments of a network for inputs N(0, 1), by the formulas of PHYSICS."""
    a, u, b = w.input, w.recurrent, w.output
    if w.quadratic:
        main = 2 * np.einsum("ik,ip,iq->kpq", b, a, a)
        mixed = 4 * np.einsum("ij,ik,ip,jb,jc->kpbc", u, b, a, a, a)
    else:
        main, mixed = b.T @ a, b.T @ u @ a
    covariance = np.array([[2.0, 0.5], [0.5, 1.0]])
    return Means(1, covariance, np.eye(a.shape[1]), main, {-1: mixed}, np.eye(a.shape[1]))


@pytest.mark.parametrize("quadratic", [True, False])
def test_exact_moments_give_back_the_weights(quadratic):
    """No sampling: only rounding, of a power iteration that stops at 1e-13, is left."""
    w = hand_made(quadratic)
    found = (recover_quadratic(exact_means(w), 2, 0) if quadratic else recover_linear(exact_means(w), 2)).weights
    if quadratic:
        own = aligned(found, w)
        np.testing.assert_allclose(np.linalg.norm(found.input, axis=1), 1, rtol=1e-12)
        assert (found.input.max(axis=1) == np.abs(found.input).max(axis=1)).all()
        for name in ("input", "recurrent", "output"):
            np.testing.assert_allclose(getattr(own, name), getattr(w, name), atol=1e-9)
    x = np.random.default_rng(0).normal(size=(50, 3))
    np.testing.assert_allclose(found.outputs(x), w.outputs(x), atol=1e-8)


def test_moments_of_samples_are_the_derivatives_of_the_network():
    """T = 2 Σ A₂ᵢ ⊗ a_i ⊗ a_i, and the mixed moment of t and t - 1: within 5 standard errors of 16 groups."""
    w = hand_made()
    rng = np.random.default_rng(4)
    x = rng.normal(size=(400_000, 3))
    y = w.outputs(x)
    moments, scores = Moments(3, 2, quadratic=True, lags=(-1,)), GaussianScores(np.zeros(3), np.eye(3))
    moments.set_basis(np.eye(3))
    for group, start in enumerate(range(0, 400_000 - 25_000 + 1, 25_000)):
        rows = slice(start, min(start + 25_001, len(x)))
        centred = y[rows][1:] - y.mean(axis=0)
        moments.add(group, x[rows], centred, scores)
        moments.add_mixed(group, x[rows], centred, scores)
    found, exact = moments.means(), exact_means(w)
    for name, mean, expected in (
        ("main", found.main, exact.main),
        ("mixed -1", found.mixed[-1], exact.mixed[-1]),
    ):
        groups = moments.sums[name] / moments.sums["count"].reshape(-1, *[1] * (moments.sums[name].ndim - 1))
        groups = unpacked(groups) if name != "main" else groups
        error = groups.std(axis=0) / np.sqrt(15)
        assert (np.abs(mean - expected) < 5 * error).all(), name
        # the wrong factor or place would be far outside: the largest entries are many standard errors
        assert (np.abs(expected) > 20 * error).any(), name


def test_the_streaming_path_sums_full_tensors():
    """Sums over blocks and pairs are those of whole tensors of every time, to rounding of 1e-9 of their size."""
    _, x, y = small()
    stream = Stream(Setting(5, 3, 3, True, False, GaussianScores(np.zeros(5), np.eye(5))))
    stream.add(x[:9000], y[:9000])
    count = stream.blocks * BLOCK
    assert stream.blocks == 4
    t = np.arange(1, 1 + count)
    centred = y[t].copy()  # less the running mean of the outputs, as the stream subtracts it
    for block in range(4):
        rows = slice(block * BLOCK, (block + 1) * BLOCK)
        centred[rows] -= y[1 : 1 + (block + 1) * BLOCK].mean(axis=0)
    second = x[:, :, None] * x[:, None, :] - np.eye(5)
    means = stream.moments.means()
    main = np.einsum("nk,npq->kpq", centred, second[t]) / count
    mixed = np.einsum("nk,np,nbc->kpbc", centred, x[t], second[t - 1]) / count
    np.testing.assert_allclose(means.main, main, atol=1e-9)
    np.testing.assert_allclose(means.mixed[-1], mixed, atol=1e-9)


@pytest.mark.parametrize("options", [{}, {"density": "markov"}, {"hidden": 1, "bidirectional": True}], ids=str)
def test_how_a_sequence_is_cut_changes_no_bit(options):
    _, x, y = small(hidden=1 if "hidden" in options else 3, bidirectional="bidirectional" in options)
    x, y = x[:20_000], y[:20_000]
    whole = SpectralRNN(**{"hidden": 3, **options}).partial_fit(x, y)
    parts = SpectralRNN(**{"hidden": 3, **options})
    for start, end in itertools.pairwise([0, 1, 3, 2047, 2048, 2050, 9000, 19_999, 20_000]):
        parts.partial_fit(x[start:end], y[start:end])
    assert parts.n_samples_seen_ == 20_000
    for name, array in whole.state()[0].items():
        assert torch.equal(parts.state()[0][name], array), name


def test_memory_does_not_grow_with_the_sequence():
    _, x, y = small()
    sizes = []
    made = SpectralRNN(3)
    for start in range(0, 60_000, 10_000):
        made.partial_fit(x[start : start + 10_000], y[start : start + 10_000])
        sizes.append(sum(tensor.nbytes for tensor in made.state()[0].values()))
    # moments are the same arrays; rows that wait are fewer than a block with its neighbours
    assert max(sizes) - min(sizes) <= (BLOCK + 2) * (5 + 3) * 8


def test_many_inputs_are_contracted_before_they_are_multiplied():
    """24 inputs and 2 units: mixed moments in 6 directions, never 24³; weights are as near as by all directions."""
    problem = Problem(inputs=24, hidden=2, outputs=2)
    sequence = Sequence(problem, 0)
    x, y = sequence.rows(100_000)
    made = SpectralRNN(2).fit(x, y)
    directions = FULL * 2
    assert made.stream_.moments.sums["mixed -1"].shape[2:] == (directions, directions * (directions + 1) // 2)
    full = Stream(made.stream_.setting)
    full.moments.set_basis(np.eye(24))
    full.add(x, y)
    exact = recover_quadratic(full.moments.means(), 2, 0).weights
    errors, best = parameter_errors(made.weights_, sequence.weights), parameter_errors(exact, sequence.weights)
    # few directions leave out noise and hardly any signal: within half as much again of the error by all of them
    assert errors["recurrent_error"] < 1.5 * best["recurrent_error"] + 2
    short = SpectralRNN(2).partial_fit(x[: (HELD - 4) * BLOCK], y[: (HELD - 4) * BLOCK])
    assert len(short.stream_.held) == HELD - 5  # the rows before the first time of a block belong to no block
    assert short.recurrent_weight_.shape == (2, 2)
    assert len(short.stream_.held) == HELD - 5  # reading the weights finds no basis for good


# Tensors -------------------------------------------------------------------------------------------------


def test_common_vectors_of_slices_that_have_them():
    rng = np.random.default_rng(5)
    v = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    slices = np.einsum("ki,ip,iq->kpq", rng.normal(size=(4, 6)) + 1, v, v)  # fewer slices than vectors
    found = common_vectors(slices, 0)
    np.testing.assert_allclose(found @ found.T, np.eye(6), atol=1e-10)
    likeness = np.abs(found @ v.T)
    np.testing.assert_allclose(np.sort(likeness.max(axis=0)), 1, atol=1e-8)
    assert sorted(likeness.argmax(axis=1)) == list(range(6))


def test_a_positive_combination_is_found_where_one_exists():
    slices = np.stack([np.diag([1.0, -1.0, 0.5]), np.diag([-0.8, 1.0, 0.5])])
    theta, smallest = positive_combination(slices)
    assert np.linalg.norm(theta) == pytest.approx(1)
    # the best of a fine grid of directions, 0.001 apart
    grid = max(
        np.linalg.eigvalsh(np.cos(angle) * slices[0] + np.sin(angle) * slices[1]).min()
        for angle in np.arange(0, 2 * np.pi, 1e-3)
    )
    assert smallest == pytest.approx(grid, abs=2e-3)
    assert smallest > 0
    none = np.stack([np.diag([1.0, -1.0]), np.diag([0.5, -0.5])])
    # the best is their combination to 0, whose eigenvalues are rounding errors of either sign
    assert abs(positive_combination(none)[1]) < 1e-12


# Weights -------------------------------------------------------------------------------------------------

KINDS = {
    "independent": {},
    "chain": {"memory": 0.5},
    "linear": {"quadratic": False, "recurrent": 0.5},
    "bidirectional": {"bidirectional": True, "hidden": 2, "outputs": 4},
}


def fitted(kind: str, **options: object) -> tuple[SpectralRNN, Weights, np.ndarray, np.ndarray]:
    problem = Problem(**{"inputs": 5, "hidden": 3, "outputs": 3, **KINDS[kind]})
    sequence = Sequence(problem, 1)
    x, y = sequence.rows(200_000)
    made = SpectralRNN(
        problem.hidden, activation="quadratic" if problem.quadratic else "linear",
        bidirectional=problem.bidirectional, **{"density": problem.density, **options},
    )  # fmt: skip
    return made.fit(x, y), sequence.weights, x, y


@pytest.mark.parametrize("kind", KINDS)
def test_weights_come_back(kind):
    """Within three times the standard error that the report estimates, of each matrix as a whole."""
    made, true, x, y = fitted(kind)
    errors = parameter_errors(made.weights_, true)
    names = {"input": "response_0", "recurrent": "response_1"} if kind == "linear" else {}
    for name in errors:
        kind_of = name.removesuffix("_error")
        estimated = 100 * made.report_.relative[names.get(kind_of, kind_of)]
        assert errors[name] < 3 * estimated, (name, estimated)
        # and the estimate means something: input weights to a few per cent, recurrent ones to a third
        assert estimated < (30 if kind_of == "recurrent" else 4), name
    assert made.score(x[:5000], y[:5000]) > 0.95
    assert made.predict(x[:10]).shape == (10, y.shape[1])
    if kind == "linear":  # what is determined: eigenvalues and responses, not the matrices
        np.testing.assert_allclose(
            np.sort(np.abs(np.linalg.eigvals(made.recurrent_weight_))),
            np.sort(np.abs(np.linalg.eigvals(true.recurrent))), atol=0.06,
        )  # fmt: skip


def test_the_sign_of_recurrent_weights_comes_back():
    """Independent of any alignment: predictions with U and with -U differ, and those with U are right."""
    made, _, x, y = fitted("independent")
    w = made.weights_
    flipped = dataclasses.replace(w, recurrent=-w.recurrent)
    none = dataclasses.replace(w, recurrent=0 * w.recurrent)
    left = [np.mean((y[:20_000] - v.outputs(x[:20_000])) ** 2) for v in (w, none, flipped)]
    assert left[0] < left[1] < left[2]


def test_aligned_networks_have_equal_outputs():
    w, x, _ = small()
    rng = np.random.default_rng(0)
    c, order = np.array([2.0, -0.5, 1.5]), rng.permutation(3)
    moved = Weights(
        (w.input * c[:, None])[order],
        (w.recurrent * c[:, None] / c[None, :] ** 2)[np.ix_(order, order)],
        (w.output / c[:, None] ** 2)[order],
        quadratic=True,
    )
    np.testing.assert_allclose(moved.outputs(x[:100]), w.outputs(x[:100]), rtol=1e-10)
    back = aligned(moved, w)
    for name in ("input", "recurrent", "output"):
        np.testing.assert_allclose(getattr(back, name), getattr(w, name), rtol=1e-10)


def test_states_follow_the_recurrence():
    w = hand_made()
    x = np.random.default_rng(0).normal(size=(4, 3))
    h, states = np.zeros(2), []
    for row in x:
        h = (w.input @ row + w.recurrent @ h) ** 2
        states.append(h)
    np.testing.assert_allclose(w.states(x), states, rtol=1e-12)
    both = Weights(*(np.stack([m, 2 * m]) for m in (w.input, w.recurrent, w.output)), quadratic=True)
    backward = Weights(2 * w.input, 2 * w.recurrent, 2 * w.output, quadratic=True)
    np.testing.assert_allclose(both.outputs(x), w.outputs(x) + backward.outputs(x[::-1])[::-1], rtol=1e-12)


def test_scaled_and_shifted_inputs_of_any_covariance():
    """The network of x is that of B(x - μ): A₁ = A B⁻¹, so outputs agree although the inputs are not N(0, 1)."""
    _, x, y = small()
    mix = np.random.default_rng(1).normal(size=(5, 5)) * np.array([1e-2, 1.0, 10.0, 1e2, 0.1])[:, None]
    moved = x @ mix.T  # no shift: the network has no bias
    made = SpectralRNN(3).fit(moved, y)
    plain = SpectralRNN(3).fit(x, y)
    # equal moments in whitened coordinates, up to rounding of a covariance of condition 1e8
    np.testing.assert_allclose(made.predict(moved[:500]), plain.predict(x[:500]), rtol=1e-3, atol=1e-3)


def test_a_density_of_the_users_own():
    """Logistic inputs, far from Gaussian: refused as Gaussian, learnt with their density, refused with a wrong one."""
    w, _, _ = small()
    rng = np.random.default_rng(7)
    x = rng.logistic(scale=3**0.5 / np.pi, size=(60_000, 5))
    y = w.outputs(x) + 0.1 * rng.normal(size=(60_000, 3))
    with pytest.raises(InvalidValue, match=r"not Gaussian: excess kurtosis.*give their density"):
        SpectralRNN(3).fit(x, y)

    def log_p(row: torch.Tensor) -> torch.Tensor:
        z = row * torch.pi / 3**0.5
        return (z - 2 * torch.nn.functional.softplus(z)).sum()

    made = SpectralRNN(3, density=log_p).fit(x, y)
    errors = parameter_errors(made.weights_, w)
    assert errors["input_error"] < 15  # heavy tails cost accuracy: some per cent at 60,000 samples
    with pytest.raises(InvalidValue, match="density does not fit the inputs"):
        SpectralRNN(3, density=lambda row: -0.5 * (row**2 / 4).sum()).fit(x, y)
    with pytest.raises(InvalidValue, match="cannot be differentiated"):
        SpectralRNN(3, density=lambda row: row).fit(x, y)


def test_known_scores_overrule_the_test_of_the_inputs():
    w, _, _ = small()
    x = np.random.default_rng(8).uniform(-(3**0.5), 3**0.5, size=(20_000, 5))
    y = w.outputs(x)
    with pytest.raises(InvalidValue, match="not Gaussian"):
        SpectralRNN(3).fit(x, y)
    SpectralRNN(3, density=GaussianScores(np.zeros(5), np.eye(5))).fit(x, y)


# Conditions ----------------------------------------------------------------------------------------------


def test_false_alarms_of_the_normality_test_are_as_rare_as_it_says():
    """2,000 sets of 2,000 Gaussian inputs: 2 alarms are expected at 1 in 1,000; 9 or more have a chance below 1e-3."""
    alarms = 0
    rng = np.random.default_rng(9)
    for _ in range(2000):
        statistics = InputStatistics(markov=False)
        statistics.add(rng.normal(size=(2001, 2)))
        try:
            statistics.check()
        except InvalidValue:
            alarms += 1
    assert alarms <= 8


@pytest.mark.parametrize("markov", [False, True])
def test_estimated_densities_are_those_of_the_inputs(markov):
    rng = np.random.default_rng(10)
    e = rng.normal(size=(100_000, 3)) @ np.linalg.cholesky(NOISE).T
    mean = np.array([5.0, -2.0, 100.0])
    x = mean + (Weights(np.eye(3), PHI, np.eye(3), quadratic=False).states(e) if markov else e)
    statistics = InputStatistics(markov=markov)
    skipped = 2 if markov else 1
    for start in range(0, 98_000, 2000):
        statistics.add(x[start : start + 2000 + skipped])
    statistics.check()
    scores = statistics.scores()
    # standard errors are about 1/√100,000 = 0.003
    np.testing.assert_allclose(scores.mean, mean, atol=0.03)
    np.testing.assert_allclose(scores.noise if markov else scores.covariance, NOISE, atol=0.02)
    if markov:
        np.testing.assert_allclose(scores.transition, PHI, atol=0.02)


def test_dependent_inputs_are_named():
    _, x, y = small(memory=0.3)
    with pytest.raises(InvalidValue, match=r'not independent in time.*density="markov"'):
        SpectralRNN(3).fit(x[:20_000], y[:20_000])


def singular_inputs() -> tuple[np.ndarray, np.ndarray]:
    _, x, y = small()
    return np.hstack([x, x[:, :1] + x[:, 1:2]]), y


def of_rank_two() -> tuple[np.ndarray, np.ndarray]:
    w, x, _ = small()
    a = w.input.copy()
    a[2] = (a[0] + a[1]) / np.linalg.norm(a[0] + a[1])
    return x, dataclasses.replace(w, input=a).outputs(x)


def one_proportion() -> tuple[np.ndarray, np.ndarray]:
    w, x, _ = small()
    output = np.array([[1.0, 0.5], [1.0, 0.5], [0.2, 1.0]])
    return x, dataclasses.replace(w, output=output).outputs(x)


def opposed() -> tuple[np.ndarray, np.ndarray]:
    w, x, _ = small()
    output = np.array([[1.0, 0.0], [-1.0, 0.5], [-1.0, -0.5]])
    return x, dataclasses.replace(w, output=output).outputs(x)


def latched() -> tuple[np.ndarray, np.ndarray]:
    _, x, y = small()
    y[30_000:] = y[30_000]
    return x, y


def blown_up() -> tuple[np.ndarray, np.ndarray]:
    _, x, y = small()
    y[30_000:] *= 50
    return x, y


def diverging() -> tuple[np.ndarray, np.ndarray]:
    w, x, _ = small()
    with np.errstate(all="ignore"):
        return x, dataclasses.replace(w, recurrent=100 * w.recurrent).outputs(x)


def unrelated() -> tuple[np.ndarray, np.ndarray]:
    _, x, y = small()
    return x, np.random.default_rng(0).normal(size=y.shape)


def one_direction() -> tuple[np.ndarray, np.ndarray]:
    _, x, y = small(hidden=4, outputs=4)
    return x, y


@pytest.mark.parametrize(
    ("make", "options", "said"),
    [
        (singular_inputs, {}, r"linear function of the others.*leave such columns out"),
        (of_rank_two, {}, r"only 2 of 3 hidden units stand out.*rank below 3"),
        (unrelated, {}, r"only 0 of 3 hidden units stand out"),
        (one_proportion, {}, r"cannot be told apart: the output matrix lacks rank"),
        (opposed, {}, r"no combination of the 2 outputs|not clearly positive"),
        (latched, {}, r"the state latches: output \d.*from \d+ on"),
        (blown_up, {}, r"the state diverges: output \d"),
        (diverging, {}, r"the state diverges: outputs are NaN or infinite from time \d+ on"),
        (one_direction, {"hidden": 2, "bidirectional": True}, r"forward and backward units cannot be told apart"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_conditions_that_do_not_hold_are_named(make, options, said):
    x, y = make()
    made = SpectralRNN(**{"hidden": 3, **options})
    with pytest.raises(InvalidValue, match=said):
        made.fit(x, y)
    with pytest.raises(NotFittedError):
        made.predict(x)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"hidden": 0}, "hidden is 0; give an integer of at least 1"),
        ({"hidden": 2.5}, "hidden is 2.5"),
        ({"hidden": 6}, r"hidden is 6, and the inputs have 5 columns.*give hidden=5 or less"),
        ({"hidden": 3, "bidirectional": True}, r"6 hidden units of both directions.*give hidden=2 or less"),
        ({"activation": "cubic"}, "activation is 'cubic'; give one of quadratic, linear"),
        ({"activation": "linear", "bidirectional": True}, "is not determined"),
        ({"activation": "linear", "hidden": 4}, "y has 3 columns: a linear network needs as many outputs"),
        ({"density": "gausian"}, "did you mean 'gaussian'"),
        ({"density": 3}, "density is 3; give"),
        ({"density": GaussianScores(np.zeros(4), np.eye(5))}, r"density.mean has shape \(4,\)"),
        ({"density": GaussianScores(np.zeros(5), -np.eye(5))}, "density.covariance is no covariance"),
        ({"density": MarkovScores(np.zeros(5), 2 * np.eye(5), np.eye(5))}, "eigenvalue of magnitude 2"),
        ({"seed": -1}, "seed is -1"),
        ({"verbose": 1}, "verbose is 1"),
    ],
    ids=str,
)
def test_wrong_parameters_are_named(options, said):
    _, x, y = small()
    with pytest.raises(InvalidValue, match=said):
        SpectralRNN(**{"hidden": 3, **options}).fit(x, y)


def test_unfit_data_are_named():
    _, x, y = small()
    for wrong, said in (
        ((x[:100], y[:90]), "inconsistent numbers of samples"),
        ((x[:3000], y[:3000]), r"3000 samples are too few: at least 4097 are needed"),
        ((np.where(np.arange(60_000)[:, None] == 7, np.nan, x), y), "first in row 7"),
        ((x, y[:, 0]), "one output does not tell several hidden units apart"),
        ((x, np.ones_like(y)), "outputs are constant"),
    ):
        with pytest.raises(InvalidValue, match=said):
            SpectralRNN(3).fit(*wrong)


def test_a_refused_piece_leaves_the_estimator_as_it_was():
    _, x, y = small()
    made = SpectralRNN(3).fit(x[:20_000], y[:20_000])
    before, weights = made.state()[0], made.input_weight_.copy()
    broken = y[20_000:40_000].copy()
    broken[15_000:] = np.inf
    latched = y[20_000:40_000].copy()
    latched[5_000:] = latched[5_000]  # found in the middle of the piece
    for pieces in (
        (x[:10], broken[:9]),
        (x[20_000:40_000], broken),
        (x[20_000:40_000], latched),
        (x[:10, :4], y[:10]),
        (x[:10], y[:10, :2]),
    ):
        with pytest.raises(InvalidValue):
            made.partial_fit(*pieces)
        with pytest.raises(InvalidValue):
            made.fit(*pieces)
        assert made.n_samples_seen_ == 20_000
        assert all(torch.equal(made.state()[0][name], array) for name, array in before.items())
        np.testing.assert_array_equal(made.input_weight_, weights)
    made.set_params(hidden=2)
    with pytest.raises(InvalidValue, match="cannot change between two pieces"):
        made.partial_fit(x[:10], y[:10])


def test_a_network_that_diverges_in_prediction_is_named():
    made, _, x, _ = fitted("independent")
    with pytest.raises(InvalidValue, match="recovered network diverges on these inputs"):
        made.predict(1e3 * x[:1000])


# Manners -------------------------------------------------------------------------------------------------

NEEDS_DATA = "fits tens to hundreds of rows that are no sequence of Gaussian inputs, which is refused by name"


@parametrize_with_checks(
    [SpectralRNN(1)],
    expected_failed_checks=lambda estimator: dict.fromkeys(
        (
            "check_dont_overwrite_parameters", "check_dict_unchanged", "check_dont_overwrite_attributes",
            "check_dtype_object",
            "check_estimators_dtypes", "check_estimators_fit_returns_self", "check_estimators_overwrite_params",
            "check_estimators_pickle", "check_f_contiguous_array_estimator", "check_fit2d_1feature",
            "check_fit2d_predict1d", "check_fit_check_is_fitted", "check_fit_idempotent", "check_fit_score_takes_y",
            "check_methods_sample_order_invariance", "check_methods_subset_invariance", "check_n_features_in",
            "check_n_features_in_after_fitting", "check_pipeline_consistency", "check_positive_only_tag_during_fit",
            "check_readonly_memmap_input", "check_regressor_data_not_an_array", "check_regressor_multioutput",
            "check_regressors_int", "check_regressors_no_decision_function", "check_regressors_train",
            "check_sample_weight_equivalence_on_dense_data", "check_supervised_y_2d", "check_estimators_nan_inf",
            "check_dataframe_column_names_consistency",
        ),
        NEEDS_DATA,
    ),
)  # fmt: skip
def test_scikit_learn_takes_it_for_an_estimator(estimator, check):
    """Its checks of parameters, clones, attributes and messages pass; those that must fit its toy data cannot."""
    check(estimator)


def test_clones_pickles_and_frames():
    _, x, y = small()
    made = SpectralRNN(3, density=GaussianScores(np.zeros(5), np.eye(5)), seed=3).fit(x[:20_000], y[:20_000])
    copy = clone(made)
    assert copy.get_params() == made.get_params()
    with pytest.raises(NotFittedError):
        copy.predict(x)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(made)).predict(x[:50]), made.predict(x[:50]))
    np.testing.assert_array_equal(clone(made).fit(x[:20_000], y[:20_000]).input_weight_, made.input_weight_)
    one = SpectralRNN(1).fit(x[:20_000], small(hidden=1, outputs=1)[2][:20_000, 0])
    assert one.predict(x[:7]).shape == (7,)
    assert one.output_weight_.shape == (1, 1)


@pytest.mark.parametrize("density", ["gaussian", "markov", "known"])
def test_saved_moments_go_on_to_the_bit(tmp_path, density):
    _, x, y = small(memory=0.4 if density == "markov" else 0.0)
    given = GaussianScores(np.zeros(5), np.eye(5)) if density == "known" else density
    whole = SpectralRNN(3, density=given).partial_fit(x[:30_000], y[:30_000])
    half = SpectralRNN(3, density=given).partial_fit(x[:13_000], y[:13_000])
    half.save(tmp_path / "half.safetensors")
    loaded = SpectralRNN.load(tmp_path / "half.safetensors").partial_fit(x[13_000:30_000], y[13_000:30_000])
    for name in ("input_weight_", "recurrent_weight_", "output_weight_"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(whole, name))
    with pytest.raises(InvalidValue, match="leave density out"):
        SpectralRNN.load(tmp_path / "half.safetensors", density=lambda row: row.sum())


def test_files_of_others_and_densities_that_are_functions(tmp_path):
    BoltzmannMachine([3, 2]).fit(np.eye(3)).save(tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="not a checkpoint of a SpectralRNN"):
        SpectralRNN.load(tmp_path / "other.safetensors")
    _, x, y = small()

    def log_p(row: torch.Tensor) -> torch.Tensor:
        return -0.5 * (row**2).sum()

    made = SpectralRNN(3, density=log_p).partial_fit(x[:6000], y[:6000])
    made.save(tmp_path / "own.safetensors")
    with pytest.raises(InvalidValue, match="saved with a function"):
        SpectralRNN.load(tmp_path / "own.safetensors")
    loaded = SpectralRNN.load(tmp_path / "own.safetensors", density=log_p)
    assert all(torch.equal(loaded.state()[0][name], array) for name, array in made.state()[0].items())


def test_progress_and_report(capsys):
    _, x, y = small()
    made = SpectralRNN(3, verbose=True).fit(x, y)
    assert "samples 60,000" in capsys.readouterr().err
    text = str(made.report_)
    assert "condition of the whitening" in text
    assert "estimated errors of the weights: input" in text
    few = SpectralRNN(3).fit(x[:5000], y[:5000])
    assert np.isnan(few.report_.input_error).all()  # two blocks tell the noise, not the error of each weight


# Torch and arrays ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["independent", "linear", "bidirectional"])
@pytest.mark.parametrize("bound", [None, 0.3])
def test_the_torch_module_is_the_network(kind, bound):
    made, _, x, _ = fitted(kind)
    module = made.to_torch(bound=bound)
    y = module(torch.from_numpy(x[:50]).float())
    np.testing.assert_allclose(y.detach().numpy(), made.predict(x[:50]), rtol=1e-4, atol=1e-4)  # float32
    batch = module(torch.from_numpy(x[:50]).float()[None].repeat(2, 1, 1))
    torch.testing.assert_close(batch[1], y)
    largest = max(float(p.detach().abs().max()) for p in module.parameters())
    assert bound is None or largest == pytest.approx(bound, rel=1e-6)
    back = module.weights()
    for name in ("input", "recurrent", "output"):
        np.testing.assert_allclose(getattr(back, name), getattr(made.weights_, name), rtol=1e-5, atol=1e-6)


def test_noise_of_reads_spoils_predictions_on_arrays():
    made, _, x, _ = fitted("independent")
    inputs = torch.from_numpy(x[:2000]).float().reshape(20, 100, 5)
    exact = made.to_torch()(inputs)
    left = []
    for noise in (0.0, 0.02, 0.2):
        rpu = mho.presets.floating_point().replace(forward=mho.Read(noise=noise, bound=None))
        model = mho.convert(made.to_torch(bound=0.6), rpu, seed=0, quiet=True)
        with torch.no_grad():
            left.append(float(((model(inputs) - exact) ** 2).mean() / exact.var()))
    assert left[0] < 1e-8  # float32
    assert left[0] < left[1] < left[2]
    assert left[2] > 20 * left[1]  # noise power is a hundred times larger


def test_descent_from_the_answer_lowers_the_error():
    made, true, x, y = fitted("independent")
    module = made.to_torch()
    inputs, targets = (torch.from_numpy(v[:20_000]).float().reshape(400, 50, -1) for v in (x, y))
    adam = torch.optim.Adam(module.parameters(), lr=3e-3)
    for _ in range(40):
        adam.zero_grad()
        ((module(inputs) - targets)[:, 5:] ** 2).mean().backward()
        adam.step()
    before, after = (parameter_errors(w, true)["recurrent_error"] for w in (made.weights_, module.weights()))
    assert after < before
