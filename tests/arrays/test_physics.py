"""What arrays do, against the equations of Gokmen 2017: updates, reads, management, cells, bounds, memory.

Statistics use fixed seeds. They allow 4 standard errors, or a p-value of 10⁻⁴: a right array would fail
one such comparison for one seed in some 10,000.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import mho
from mho import Crossbar, Pulses, Read
from mho.cells import Replicated, Single
from mho.devices import ConstantStep
from tests.helpers.laws import StepByStep

STEP = 0.001
UNLIKELY = 1e-4
LINES = 128


def plain(law: type[mho.Device] = ConstantStep, *, c2c: float = 0.3, up_down: float = 1.0, bound: float = 10.0):
    """A device without spread."""
    return law(dw_min=STEP, up_down=up_down, c2c=c2c, w_max=bound, w_min=-bound)


def rpu_of(device: mho.Device, length: int = 10, **parts) -> mho.RPU:
    return mho.RPU(device=device, update=Pulses(length=length), **parts)


def moves(
    rpu: mho.RPU, p: float, q: float, calls: int, *, vectors: int = 1, seed: int = 0, start: float = 0.0
) -> np.ndarray:
    """Moves of independent cells (512·calls,), in steps, by vectors of pulse probabilities p and q.

    Cells of one row or column share its pulses, so only those on the diagonals of 32 replicas are looked at.
    """
    replicas, lines = 32, 16
    array = Crossbar(rpu, lines, lines, seed=1000 * seed, replicas=replicas)
    columns, rows = torch.full((replicas, vectors, lines), p), torch.full((replicas, vectors, lines), q)
    found = []
    for _ in range(calls):
        array.write(torch.full((lines, lines), start))
        array.pulse(columns, rows)
        found.append(array.weight.diagonal(dim1=1, dim2=2).double().numpy().ravel() - np.float32(start))
    return np.concatenate(found) / STEP


def assert_moments(sample: np.ndarray, mean: float, variance: float) -> None:
    """Mean and variance within 4 standard errors."""
    n = sample.size
    assert abs(sample.mean() - mean) < 4 * np.sqrt(variance / n)
    fourth = ((sample - sample.mean()) ** 4).mean()
    assert abs(sample.var() - variance) < 4 * np.sqrt((fourth - sample.var() ** 2) / n)


def assert_covariance(a: np.ndarray, b: np.ndarray, expected: float) -> None:
    """Covariance of paired samples within 4 standard errors."""
    products = (a - a.mean()) * (b - b.mean())
    assert abs(products.mean() - expected) < 4 * products.std() / np.sqrt(a.size)


# Updates


@pytest.mark.parametrize("law", [ConstantStep, StepByStep], ids=["closed form", "pulse by pulse"])
@pytest.mark.parametrize("up_down", [1.0, 1.5])
@pytest.mark.parametrize("c2c", [0.3, 1.5])
@pytest.mark.parametrize(
    ("p", "q", "length"), [(0.6, 0.7, 1), (0.3, -0.5, 10), (-0.05, 0.1, 10), (1.0, 0.4, 10), (-0.9, -0.9, 32)]
)
def test_updates_have_the_mean_and_variance_of_the_closed_form(p, q, length, c2c, up_down, law):
    sample = moves(rpu_of(plain(law, c2c=c2c, up_down=up_down), length), p, q, calls=100)
    step = (2 * up_down if p * q > 0 else -2) / (1 + up_down)
    both = abs(p * q)
    assert_moments(sample, length * both * step, length * both * step**2 * (1 + c2c**2 - both))


def test_vectors_of_one_call_move_independently():
    sample = moves(rpu_of(plain()), 0.6, 0.7, calls=40, vectors=20)
    assert_moments(sample, 20 * 10 * 0.42, 20 * 10 * 0.42 * (1 + 0.3**2 - 0.42))


def test_pulses_of_given_probability_may_have_any_number_of_slots():
    array = Crossbar(mho.RPU(device=plain(c2c=0.0), update=Pulses(length_management=True)), 3, 2)
    array.write(torch.zeros(3, 2))
    array.pulse(torch.ones(1, 2), torch.ones(1, 3), length=100)
    assert (array.weight - 100 * STEP).abs().max() < 1e-5


def test_lines_driven_with_certainty_coincide_in_every_slot():
    assert moves(rpu_of(plain(c2c=0.0), 32), 1.0, -1.0, calls=2) == pytest.approx(-32, rel=1e-5)


@pytest.mark.parametrize(("managed", "q"), [(False, 0.1), (True, 0.1**0.5 * 2)], ids=["plain", "managed"])
def test_a_saturated_probability_is_one_and_counted(managed, q):
    # C_x x = 8 and C_δ δ = 0.1; managed, m = √(0.1/4) makes them 1.26 and 0.63
    update = Pulses(length=10, x_gain=2.0, d_gain=1.0, update_management=managed)
    array = Crossbar(mho.RPU(device=plain(c2c=0.0), update=update), LINES, LINES)
    counts = []
    for _ in range(100):
        array.write(torch.zeros(LINES, LINES))
        array.update(torch.full((1, LINES), 4.0), torch.full((1, LINES), 0.1), lr=0.01)
        counts.append(array.weight[0].diagonal().double().numpy() / STEP)
    assert_moments(np.concatenate(counts), 10 * q, 10 * q * (1 - q))
    assert array.counters()["saturated_probabilities"].item() == 100 * LINES


def test_probabilities_of_1e_4_are_kept():
    lines, length, vectors, p = 512, 32, 20_000, 1e-4
    array = Crossbar(rpu_of(plain(), length), lines, lines)
    array.write(torch.zeros(lines, lines))
    for _ in range(10):
        array.pulse(torch.full((vectors // 10, lines), p), torch.full((vectors // 10, lines), p))
    slots = length * vectors
    counters = array.counters()
    # 65,536 pulses: a bias of 1.6 % would show; 16-bit thresholds have 7 %
    assert abs(counters["pulses"].item() - 2 * lines * slots * p) < 4 * np.sqrt(2 * lines * slots * p)
    # per slot A·B coincidences, A and B binomial and independent
    square = lines * p * (1 - p) + (lines * p) ** 2
    mean, variance = slots * (lines * p) ** 2, slots * (square**2 - (lines * p) ** 4)
    assert abs(counters["coincidences"].item() - mean) < 4 * np.sqrt(variance)
    total = array.weight.double().sum().item() / STEP
    assert abs(total - mean) < 4 * np.sqrt(variance + 0.3**2 * mean)


@pytest.mark.parametrize("managed", [False, True], ids=["plain", "managed"])
def test_updates_add_the_outer_product_in_expectation(managed):
    vectors, lr, length = 20_000, 0.01, 10
    x, d = torch.tensor([0.9, -0.5, 0.0, 0.2, 1.0]), torch.tensor([0.4, -0.05, 0.3, 0.0])
    array = Crossbar(mho.RPU(device=plain(bound=1e3), update=Pulses(length=length, update_management=managed)), 4, 5)
    array.write(torch.zeros(4, 5))
    array.update(x.expand(vectors, -1), d.expand(vectors, -1), lr)
    mean = lr * torch.outer(d, x).double()
    both = (mean.abs() / (length * STEP)).double()
    error = (length * both * STEP**2 * (1 + 0.3**2 - both)).sqrt() * vectors**0.5
    # 2e-3: float32 rounding of sums that grow to 80
    assert ((array.weight[0].double() - vectors * mean).abs() <= 4 * error + 2e-3).all()


@pytest.mark.parametrize("side", ["row", "column"])
def test_neighbours_on_a_line_share_its_pulses(side):
    p1, p2, q, length = 0.7, 0.4, 0.5, 10
    ends = torch.tensor([p1, p2]).repeat(LINES)[None]
    line = torch.full((1, LINES), q)
    size, drive = ((LINES, 2 * LINES), (ends, line)) if side == "row" else ((2 * LINES, LINES), (line, ends))
    array = Crossbar(rpu_of(plain(c2c=0.0), length), *size)
    pairs = []
    for _ in range(300):
        array.write(torch.zeros(size))
        array.pulse(*drive)
        w = array.weight[0] if side == "row" else array.weight[0].T
        # row i with columns 2i and 2i + 1: pairs that share no line with one another
        pairs.append(w.reshape(LINES, LINES, 2).diagonal(dim1=0, dim2=1).numpy() / STEP)
    a, b = np.concatenate(pairs, axis=1).astype(np.float64)
    assert_moments(a, length * p1 * q, length * p1 * q * (1 - p1 * q))
    assert_covariance(a, b, length * p1 * p2 * q * (1 - q))
    # the pair of the next row and next columns shares nothing
    assert_covariance(a[:-1], b[1:], 0.0)


def test_copies_share_the_columns_pulses_and_not_the_rows():
    p, q, length = 0.6, 0.5, 10
    array = Crossbar(rpu_of(plain(c2c=0.0), length, cell=Replicated(2)), LINES, LINES)
    pairs = []
    for _ in range(300):
        array.write(torch.zeros(LINES, LINES))
        array.pulse(torch.full((1, LINES), p), torch.full((1, LINES), q))
        pairs.append(array.state.view(2, LINES, LINES).diagonal(dim1=1, dim2=2).numpy() / STEP)
    a, b = np.concatenate(pairs, axis=1).astype(np.float64)
    assert_moments(a, length * p * q, length * p * q * (1 - p * q))
    assert_covariance(a, b, length * q * q * p * (1 - p))


@pytest.mark.parametrize("managed", [False, True], ids=["plain", "managed"])
@pytest.mark.parametrize("zero", ["x", "d"])
def test_nothing_pulses_without_both_sides(zero, managed):
    array = Crossbar(mho.RPU(update=Pulses(update_management=managed)), 5, 7)
    before = array.weight.clone()
    x, d = torch.ones(3, 7), torch.ones(3, 5)
    (x if zero == "x" else d).zero_()
    array.update(x, d, 0.01)
    assert torch.equal(array.weight, before)
    assert array.counters()["pulses"].item() == 0


def test_update_management_drives_both_sides_to_one_peak():
    # C = √(0.016/(10·0.001)) = 1.265; m = √(0.36/0.04) = 3: both peak at C·√(0.2²·0.6²)^(1/2)
    vectors, length = 20_000, 10
    x, d = torch.tensor([0.01, -0.04]), torch.tensor([0.36, 0.0])
    pulses = {}
    for managed in (False, True):
        update = Pulses(length=length, update_management=managed)
        array = Crossbar(mho.RPU(device=plain(bound=1e3), update=update), 2, 2)
        array.update(x.expand(vectors, -1), d.expand(vectors, -1), lr=0.016)
        pulses[managed] = array.counters()["pulses"].item() / (vectors * length)
    gain = np.sqrt(0.016 / (length * STEP))
    for managed, m in ((False, 1.0), (True, 3.0)):
        expected = np.array([gain * m * 0.01, gain * m * 0.04, gain / m * 0.36])
        error = np.sqrt((expected * (1 - expected)).sum() / (vectors * length))
        assert abs(pulses[managed] - expected.sum()) < 4 * error
    assert gain * 3 * 0.04 == pytest.approx(gain / 3 * 0.36)


# Length management


def fitted(device: mho.Device, length: int, size: tuple[int, int], **options) -> Crossbar:
    array = Crossbar(mho.RPU(device=device, update=Pulses(length=length, length_management=True)), *size, **options)
    array.write(torch.zeros(size))
    return array


def sent_slots(x_max: float, d_max: float, length: int) -> int:
    """⌈K⌉, in the kernels' float32."""
    return min(length, int(np.ceil(np.float32(0.01 / STEP) * np.float32(x_max) * np.float32(d_max))))


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_length_management_cuts_only_the_largest_errors(backend):
    # K = 0.01·1·8/0.001 = 80 in 31 slots: the row of 8 pulses in every slot, and moves by 31 steps a unit of x, not 80
    vectors = 400
    x, d = torch.tensor([1.0, 0.5, 0.02]), torch.tensor([0.5, 8.0, -0.1])
    array = fitted(plain(c2c=0.0, bound=100.0), 31, (3, 3), backend=backend)
    array.update(x.expand(vectors, -1), d.expand(vectors, -1), lr=0.01)
    p, q = x.double().numpy(), np.minimum(d.double().numpy() / 8 * 80 / 31, 1)
    mean, rate = np.outer(q, p) * 31, np.abs(np.outer(q, p))
    np.testing.assert_allclose(mean[[0, 2]], 10 * np.outer(d, x)[[0, 2]], rtol=1e-5)
    assert mean[1, 0] * STEP == pytest.approx(0.031)
    error = np.sqrt(31 * rate * (1 - rate) / vectors)
    assert (np.abs(array.weight[0].double().numpy() / (STEP * vectors) - mean) <= 4 * error + 1e-2).all()
    assert array.weight[0, 1, 0].item() == pytest.approx(31 * STEP * vectors, rel=1e-3)  # float32 sums
    assert array.counters()["saturated_probabilities"].item() == vectors


@pytest.mark.parametrize("length", [1, 10, 31, 64])
def test_length_management_adds_the_outer_product_in_expectation(length):
    vectors, lr = 20_000, 0.01
    x, d = torch.tensor([0.9, -0.5, 0.0, 0.2, 1.0]), torch.tensor([0.08, -0.01, 0.06, 0.0])
    array = fitted(plain(bound=1e3), length, (4, 5))
    for scale in (1.0, 0.3, 0.01):
        array.write(torch.zeros(4, 5))
        array.update(x.expand(vectors, -1), scale * d.expand(vectors, -1), lr)
        mean = lr * scale * np.outer(d, x)
        error = np.sqrt(np.abs(mean) * STEP * (1 + 0.3**2) / vectors)
        assert (np.abs(array.weight[0].double().numpy() / vectors - mean) < 4 * error + 1e-9).all()
    # K is 0.8 at most: nothing saturates
    assert array.counters()["saturated_probabilities"].item() == 0


@pytest.mark.parametrize("length", [31, 40, 64])
def test_trains_have_as_many_slots_as_coincidences_are_wanted(length):
    # lines of probability 1 show the slots: a full K = 1, 2, ... pulses in each of them
    for wanted in (1, 2, 7, 31, 32, 33, 40, 64, 80):
        array = fitted(plain(), length, (1, 1))
        array.update(torch.tensor([[1.0]]), torch.tensor([[0.1 * wanted]]), lr=0.01)
        slots = min(wanted, length)
        assert array.counters()["pulses"].item() == 2 * slots, wanted
        assert array.counters()["coincidences"].item() == slots
    # and others never have more pulses than ⌈K⌉
    generator = np.random.default_rng(0)
    for x_max, d_max in generator.uniform(0.05, 2, (200, 2)):
        array = fitted(plain(), length, (1, 1))
        array.update(torch.tensor([[x_max]]).float(), torch.tensor([[d_max]]).float(), lr=0.01)
        assert array.counters()["pulses"].item() <= 2 * sent_slots(x_max, d_max, length)


def test_length_management_saves_pulses_and_balances_both_sides():
    # K = 10·0.04·0.36 = 0.144: one slot, in which both sides peak at √0.144 = 0.379
    vectors = 20_000
    array = fitted(plain(bound=1e3), 10, (2, 2))
    x, d = torch.tensor([0.01, -0.04]), torch.tensor([0.36, 0.0])
    array.update(x.expand(vectors, -1), d.expand(vectors, -1), lr=0.01)
    expected = np.sqrt(0.144) * np.array([0.25, 1.0, 1.0])
    error = np.sqrt((expected * (1 - expected)).sum() / vectors)
    assert abs(array.counters()["pulses"].item() / vectors - expected.sum()) < 4 * error


@pytest.mark.parametrize(("x_max", "d_max"), [(0.0, 1.0), (1.0, 0.0), (1e-38, 1e-38), (1e-44, 1e-3)])
def test_length_management_sends_nothing_where_nothing_is_wanted(x_max, d_max):
    array = fitted(plain(), 40, (2, 3))
    array.update(torch.full((50, 3), x_max), torch.full((50, 2), d_max), lr=0.01)
    assert array.counters()["pulses"].item() == 0


@pytest.mark.parametrize("length", [1, 40])
@pytest.mark.parametrize(("x_max", "d_max"), [(1e-10, 1e10), (1e10, 1e-10), (1e20, 1e30)])
def test_length_management_takes_inputs_of_any_size(x_max, d_max, length):
    array = fitted(plain(), length, (2, 2))
    array.update(torch.tensor([[x_max, 0.0]] * 50), torch.tensor([[0.0, d_max]] * 50), lr=0.01)
    slots = sent_slots(min(x_max, 1e10), min(d_max, 1e10), length)
    assert array.counters()["pulses"].item() == 2 * 50 * slots


# Deterministic trains


def deterministic(length: int, size: tuple[int, int], **options) -> Crossbar:
    array = Crossbar(
        mho.RPU(device=plain(c2c=0.0, bound=1e3), update=Pulses(length=length, trains="deterministic", **options)),
        *size,
    )
    array.write(torch.zeros(size))
    return array


@pytest.mark.parametrize("length", [1, 2, 7, 10, 31, 32, 33, 40, 64])
def test_deterministic_trains_coincide_as_often_as_the_product_rounded(length):
    # every pair of pulse numbers 0 to BL; the last line, of probability 1, holds max|x| and max|δ|
    pulses = np.arange(length + 1)
    array = deterministic(length, (length + 1, length + 1), x_gain=1.0, d_gain=1.0)
    line = torch.tensor(pulses / length)[None].float()
    array.update(line, -line, lr=0.01)
    steps = np.rint(array.weight[0].double().numpy() / -STEP).astype(int)
    assert np.array_equal(steps, (2 * np.outer(pulses, pulses) + length) // (2 * length))
    counters = array.counters()
    assert counters["pulses"].item() == 2 * pulses.sum()
    assert counters["coincidences"].item() == steps.sum()
    assert counters["saturated_probabilities"].item() == 0


@pytest.mark.parametrize("length", [1, 5, 31, 64])
def test_the_count_of_deterministic_trains_is_as_near_to_the_mean_as_documented(length):
    generator = np.random.default_rng(length)
    p, q = generator.uniform(0, 1.2, 300).astype(np.float32), generator.uniform(0, 1.2, 300).astype(np.float32)
    array = deterministic(length, (300, 300), x_gain=1.0, d_gain=1.0)
    array.update(torch.from_numpy(p)[None], torch.from_numpy(q)[None], lr=0.01)
    assert array.counters()["saturated_probabilities"].item() == (p > 1).sum() + (q > 1).sum()
    p, q = np.minimum(p, 1)[None, :], np.minimum(q, 1)[:, None]
    off = np.abs(array.weight[0].double().numpy() / STEP - length * p * q)
    bound = 0.5 + (p + q) / 2 + 0.25 / length
    assert (off < bound + 1e-3).all()
    # of one slot 0.75 is the worst: a count of 1 for p = q = 0.5
    assert off.max() > (0.7 if length == 1 else 0.9)


def test_deterministic_trains_have_as_many_slots_as_a_vector_needs():
    # K = 10·1·2 = 20 of 40 slots: 20 pulses of x = 1, 10 of x = 0.5, and none of 0.02
    x, d = torch.tensor([[1.0, 0.5, 0.02]]), torch.tensor([[2.0, -0.3]])
    array = deterministic(40, (2, 3), length_management=True)
    array.update(x, d, lr=0.01)
    steps = np.rint(array.weight[0].double().numpy() / STEP).astype(int)
    assert steps.tolist() == [[20, 10, 0], [-3, -2, 0]]  # 3·10/20 = 1.5 rounds to 2


# Bounds


@given(
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    copies=st.sampled_from([1, 3]),
    seed=st.integers(0, 2**63 - 4),
    lr=st.floats(1e-4, 10),
    c2c=st.floats(0, 2),
    dw_min=st.floats(1e-4, 0.5),
    length=st.integers(1, 32),
    managed=st.sampled_from([{}, {"update_management": True}, {"length_management": True}]),
)
def test_no_weight_ever_leaves_its_bounds(size, copies, seed, lr, c2c, dw_min, length, managed):
    device = ConstantStep(dw_min=mho.per_cell(dw_min, spread=0.3), c2c=c2c)
    update = Pulses(length=length, **managed)
    array = Crossbar(mho.RPU(device=device, cell=Replicated(copies), update=update), *size, seed=seed, replicas=2)
    generator = torch.Generator().manual_seed(seed % 2**32)
    cells = array.cell_parameters()
    high, low = (cells[name].view_as(array.state) for name in ("w_max", "w_min"))
    array.write(2 * torch.rand(size, generator=generator) - 1)
    for _ in range(3):
        assert (array.state <= high).all()
        assert (array.state >= low).all()
        x = torch.randn(2, 4, size[1], generator=generator)
        d = torch.randn(2, 4, size[0], generator=generator)
        array.update(x, d, lr)
    assert torch.isfinite(array.state).all()


@pytest.mark.parametrize("law", [ConstantStep, StepByStep], ids=["closed form", "pulse by pulse"])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_pulses_stop_at_the_bound_and_are_counted(law, sign):
    array = Crossbar(rpu_of(plain(law, c2c=0.0, bound=0.0105), 32), 1, 1)
    array.write(torch.zeros(1, 1))
    array.pulse(torch.tensor([[sign]]), torch.ones(1, 1))
    # ten whole steps, then 22 that the bound cuts
    assert array.weight.item() == np.float32(0.0105) * np.float32(sign)
    assert array.counters()["coincidences"].item() == 32
    assert array.counters()["bound_hits"].item() == 22


@pytest.mark.parametrize("c2c", [0.3, 1.5])
@pytest.mark.parametrize("q", [0.9, -0.4])
def test_merged_pulses_have_the_distribution_of_single_ones(q, c2c):
    merged = moves(rpu_of(plain(c2c=c2c)), 0.9, q, calls=50)
    single = moves(rpu_of(plain(StepByStep, c2c=c2c)), 0.9, q, calls=50, seed=1)
    assert stats.ks_2samp(merged, single).pvalue > UNLIKELY
    # pulses were merged: the same coincidences with other noise
    assert (moves(rpu_of(plain(StepByStep, c2c=c2c)), 0.9, q, calls=1) != merged[:512]).mean() > 0.9


# steps to the bound of 0.6, of ten coincidences whose reach is 10·(1 + 6·1.5) = 100 steps
@pytest.mark.parametrize("room", [0, 1, 5, 50, 99, 101])
@pytest.mark.parametrize("q", [0.9, -0.9], ids=["towards the bound", "away from it"])
def test_the_closed_form_keeps_the_physics_of_single_pulses_near_a_bound(q, room):
    start = 0.6 - room * STEP
    merging, single = (rpu_of(plain(law, c2c=1.5, bound=0.6)) for law in (ConstantStep, StepByStep))
    near = moves(merging, 0.9, q, calls=20, start=start)
    assert stats.ks_2samp(near, moves(single, 0.9, q, calls=20, seed=1, start=start)).pvalue > UNLIKELY
    if room < 50:
        assert np.array_equal(near, moves(single, 0.9, q, calls=20, start=start))


@pytest.mark.parametrize("room", [0, 1, 5])
def test_merging_near_a_bound_would_show(room):
    # the check above can fail: one clip after the sum is another distribution
    start = 0.6 - room * STEP
    near = moves(rpu_of(plain(c2c=1.5, bound=0.6)), 0.9, 0.9, calls=20, start=start)
    generator = np.random.default_rng(0)
    n = generator.binomial(10, 0.81, near.size)
    merged = np.minimum(n + 1.5 * np.sqrt(n) * generator.standard_normal(near.size), room)
    assert stats.ks_2samp(near, merged).pvalue < 1e-6


# Reads


def read_noise(way: str, cell: mho.cells.Cell, read: Read, *, evaluation: bool = False) -> torch.Tensor:
    """Reads (10,000, 100) of an array of zeros, driven with 2."""
    array = Crossbar(mho.RPU(cell=cell, forward=read, backward=read), 100, 100, seed=1)
    array.write(torch.zeros(100, 100))
    array.train(not evaluation)
    return getattr(array, way)(torch.full((10_000, 100), 2.0))


@pytest.mark.parametrize("evaluation", [False, True], ids=["training", "evaluation"])
@pytest.mark.parametrize("way", ["forward", "backward"])
def test_read_noise_is_normal_and_independent(way, evaluation):
    noise = read_noise(way, Single(), Read(noise=0.06), evaluation=evaluation).double().numpy()
    assert stats.kstest(noise.ravel() / 0.06, "norm").pvalue > UNLIKELY
    for a, b in ((noise[:, :-1], noise[:, 1:]), (noise[:-1], noise[1:])):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 4 / 1000


@pytest.mark.parametrize(("way", "power"), [("forward", 0.5), ("backward", 1.0)])
@pytest.mark.parametrize("n", [1, 4, 13])
def test_copies_reduce_the_noise(way, power, n):
    noise = read_noise(way, Replicated(n), Read(noise=0.06)).double().numpy()
    # standard error of a standard deviation: σ/√(2·10⁶)
    assert noise.std() / (0.06 * n**-power) == pytest.approx(1, abs=4 / np.sqrt(2e6))


def test_noise_management_scales_the_noise_with_the_input():
    noise = read_noise("backward", Single(), Read(noise=0.06, noise_management=True)).double().numpy()
    assert noise.std() / (2 * 0.06) == pytest.approx(1, abs=4 / np.sqrt(2e6))


def test_forward_and_backward_noise_are_drawn_apart():
    a, b = (read_noise(way, Single(), Read()).double().numpy().ravel() for way in ("forward", "backward"))
    assert abs(np.corrcoef(a, b)[0, 1]) < 4 / 1000


def some_array(read: Read, **parts) -> tuple[Crossbar, np.ndarray]:
    """An array of 6×5 cells without update bounds in the way, and its weights in double."""
    rpu = mho.RPU(device=plain(), forward=read, backward=read, **parts)
    array = Crossbar(rpu, 6, 5)
    array.write(torch.rand(6, 5, generator=torch.Generator().manual_seed(0)) - 0.5)
    return array, array.weight[0].double().numpy()


def some_inputs(vectors: int, width: int) -> torch.Tensor:
    """Vectors of sizes from 10⁻⁴ to 10⁵."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(vectors, width, generator=generator) * torch.logspace(-4, 5, vectors)[:, None]


@pytest.mark.parametrize("way", ["forward", "backward"])
@pytest.mark.parametrize("managed", [False, True], ids=["plain", "managed"])
def test_noise_management_and_bound_follow_their_equations(way, managed):
    alpha = 0.3
    array, w = some_array(Read(noise=0.0, bound=alpha, noise_management=managed))
    w = w if way == "forward" else w.T
    v = some_inputs(50, w.shape[1])
    scale = np.abs(v.double().numpy()).max(axis=1, keepdims=True) if managed else 1.0
    raw = (v.double().numpy() / scale) @ w.T
    # float32 rounding of a sum of six terms
    np.testing.assert_allclose(getattr(array, way)(v), scale * raw.clip(-alpha, alpha), rtol=1e-5, atol=1e-6)
    assert array.counters()["clipped_reads"].item() == (np.abs(raw) > alpha).sum() > 0


@pytest.mark.parametrize("way", ["forward", "backward"])
@pytest.mark.parametrize("managed", [False, True], ids=["bound management", "both"])
def test_bound_management_halves_until_nothing_saturates(way, managed):
    alpha, most = 0.3, 10
    array, w = some_array(Read(noise=0.0, bound=alpha, bound_management=True, noise_management=managed))
    w = w if way == "forward" else w.T
    v = some_inputs(50, w.shape[1])
    scale = np.abs(v.double().numpy()).max(axis=1, keepdims=True) if managed else np.ones((50, 1))
    raw = (v.double().numpy() / scale) @ w.T
    halvings = np.ceil(np.log2(np.abs(raw).max(axis=1, keepdims=True) / alpha)).clip(0, most)
    expected = scale * 2**halvings * (raw / 2**halvings).clip(-alpha, alpha)
    np.testing.assert_allclose(getattr(array, way)(v), expected, rtol=1e-5, atol=1e-6)
    counters = array.counters()
    assert counters["halvings"].item() == halvings.sum() > 0
    assert counters["clipped_reads"].item() == (np.abs(raw / 2**halvings) > alpha).sum()
    assert (counters["clipped_reads"] > 0) == (not managed)


def test_bound_management_draws_fresh_noise_and_scales_it():
    # 6 on output 0 takes three halvings, 4σ away from two or four; the other outputs read noise alone
    read = Read(noise=0.06, bound=1.0, bound_management=True)
    noise = {}
    for level in (0.5, 6.0):
        array = Crossbar(mho.RPU(device=plain(), forward=read), 101, 1, seed=3)
        array.write(torch.eye(101, 1))
        noise[level] = array.forward(torch.full((1000, 1), level))[:, 1:].double().numpy().ravel()
    assert noise[0.5].std() / 0.06 == pytest.approx(1, abs=4 / np.sqrt(2e5))
    assert noise[6.0].std() / (8 * 0.06) == pytest.approx(1, abs=4 / np.sqrt(2e5))
    assert abs(np.corrcoef(noise[0.5], noise[6.0])[0, 1]) < 4 / np.sqrt(1e5)


@pytest.mark.parametrize("bound_management", [False, True])
def test_an_error_of_zero_reads_as_zero_under_noise_management(bound_management):
    read = Read(noise=0.06, noise_management=True, bound_management=bound_management)
    array, _ = some_array(read)
    d = torch.zeros(3, 6)
    d[1, 2] = 1e-3
    z = array.backward(d)
    assert (z[0] == 0).all()
    assert (z[2] == 0).all()
    assert (z[1] != 0).all()


@pytest.mark.parametrize(
    ("size", "dac_bits"),
    [
        (1e-30, None),
        (1e30, 8),
        (1e-42, 8),
        (1e-42, None),
    ],
)
def test_noise_management_reads_errors_of_any_size(size, dac_bits):
    # a confident network has errors of 1e-42: a softmax output next to a logit that is 97 larger
    array, w = some_array(Read(noise=0.0, bound=None, noise_management=True, dac_bits=dac_bits))
    d = torch.tensor([[0.0, 1.0, 0.0, -1.0, 0.0, 0.0]])
    # numbers of 1e-42 have steps of 1.4e-45
    np.testing.assert_allclose(array.backward(d * size), size * (w[1] - w[3])[None], rtol=1e-5, atol=2e-45)


@pytest.mark.parametrize(
    ("x_max", "d_max"),
    [
        (1e-10, 1e10),
        (1e3, 1e-43),
        (1e-25, 1e25),
    ],
)
def test_update_management_balances_inputs_of_any_size(x_max, d_max):
    # both peaks are C·√(x_max δ_max), here 0.5 or nothing
    peak = 0.5 if x_max * d_max > 1e-20 else 0.0
    update = Pulses(length=32, update_management=True, x_gain=0.5, d_gain=0.5)
    array = Crossbar(mho.RPU(device=plain(), update=update), 1, 1)
    array.update(torch.full((200, 1), x_max), torch.full((200, 1), d_max), lr=0.01)
    counters = array.counters()
    assert counters["saturated_probabilities"].item() == 0
    assert abs(counters["pulses"].item() - 12_800 * peak) <= 4 * np.sqrt(12_800 * peak * (1 - peak))


def test_converters_have_equal_steps_either_side_of_zero():
    # 3 bits: seven levels
    eye = torch.eye(1)
    v = torch.linspace(-2, 2, 401)[:, None]
    levels = {}
    for name, read in {
        "input": Read(noise=0.0, bound=None, dac_bits=3),
        "wide input": Read(noise=0.0, bound=None, dac_bits=3, input_bound=1.5),
        "output": Read(noise=0.0, bound=1.5, adc_bits=3),
    }.items():
        array = Crossbar(mho.RPU(device=plain(), forward=read), 1, 1)
        array.write(eye)
        levels[name] = array.forward(v).unique().numpy()
    full = {"input": 1.0, "wide input": 1.5, "output": 1.5}
    for name, found in levels.items():
        np.testing.assert_allclose(found, np.linspace(-full[name], full[name], 7), atol=1e-6)


def test_copies_are_bounded_before_they_are_averaged():
    array = Crossbar(mho.RPU(device=plain(), cell=Replicated(2), forward=Read(noise=0.0, bound=0.5)), 1, 1)
    array.state.copy_(torch.tensor([[[0.2], [0.9]]]))
    assert array.forward(torch.ones(1, 1)).item() == pytest.approx((0.2 + 0.5) / 2)
    assert array.counters()["clipped_reads"].item() == 1


def test_backward_bounds_the_sum_of_the_copies():
    array = Crossbar(mho.RPU(device=plain(), cell=Replicated(2), backward=Read(noise=0.0, bound=0.5)), 1, 1)
    array.state.copy_(torch.tensor([[[0.2], [0.9]]]))
    assert array.backward(torch.ones(1, 1)).item() == pytest.approx(0.25)


# Cells


@pytest.mark.parametrize("name", ["dw_min", "up_down", "w_max", "w_min"])
def test_devices_spread_as_asked(name):
    asked = ConstantStep().parameters()[name]
    drawn = Crossbar(mho.RPU(), 400, 401).cell_parameters()[name].double().numpy().ravel()
    z = (drawn / asked.mean - 1) / asked.spread
    # folding |m(1 + 0.3 z)| moves the mean by 7e-5 m, a tenth of its standard error
    assert_moments(z, 0.0, 1.0)
    folded = stats.foldnorm(1 / asked.spread, scale=asked.spread)
    assert stats.kstest(drawn / asked.mean, folded.cdf).pvalue > UNLIKELY


@pytest.mark.parametrize("mean", [0.0, 1.0])
def test_an_absolute_spread_works_for_any_mean(mean):
    device = ConstantStep(c2c=mho.per_cell(mean, std=0.2))
    drawn = Crossbar(mho.RPU(device=device), 400, 401).cell_parameters()["c2c"].double().numpy().ravel()
    assert_moments((drawn - mean) / 0.2, 0.0, 1.0)


def test_the_fields_of_a_cell_and_the_devices_of_a_weight_are_independent():
    cells = Crossbar(mho.RPU(cell=Replicated(2)), 200, 201).cell_parameters()
    drawn = [cells[name][0, device].flatten() for name in ("dw_min", "w_max", "w_min") for device in (0, 1)]
    correlations = np.corrcoef(torch.stack(drawn).double().numpy()) - np.eye(len(drawn))
    assert np.abs(correlations).max() < 4 / np.sqrt(200 * 201)


def test_weights_start_uniform_and_equal_in_all_devices():
    array = Crossbar(mho.RPU(device=plain(), cell=Replicated(3)), 300, 400)
    state = array.state.view(3, 300, 400)
    assert torch.equal(state[0], state[1])
    assert torch.equal(state[0], state[2])
    assert stats.kstest(state[0].double().numpy().ravel(), stats.uniform(-0.05, 0.1).cdf).pvalue > UNLIKELY


def test_programming_clips_every_device_to_its_own_bounds():
    array = Crossbar(mho.RPU(cell=Replicated(3)), 5, 7)
    array.write(torch.full((5, 7), 0.6))
    high = array.cell_parameters()["w_max"]
    expected = high.clamp(max=torch.tensor(0.6))
    assert torch.equal(array.state.view_as(high), expected)
    assert torch.equal(array.weight, expected.mean(dim=1))


# Memory

EVERY_SPREAD = ConstantStep(c2c=mho.per_cell(0.3, spread=0.1))


@pytest.mark.parametrize(
    ("device", "most"), [(EVERY_SPREAD, 24), (ConstantStep(), 20), (plain(), 4)], ids=["every", "usual", "none"]
)
@pytest.mark.parametrize(
    ("size", "cell", "replicas"), [((16, 26), Single(), 1), ((32, 401), Single(), 2), ((32, 401), Replicated(13), 1)]
)
def test_a_cross_point_costs_four_bytes_and_four_for_every_spread(size, cell, replicas, device, most):
    array = Crossbar(mho.RPU(device=device, cell=cell), *size, replicas=replicas)
    cells = replicas * array.devices * size[0] * size[1]
    assert sum(b.numel() * b.element_size() for b in array.buffers() if b.numel() >= cells) == most * cells
