"""Reads whose products the BLAS forms: the same circuit, draws and counters, and sums within their rounding.

Sums of dyadic numbers that fit float32's 24 bits are exact in any order, so with those the two products, and all that
comes behind them, agree to the bit. With other numbers they may differ by what rounding can do.
"""

from __future__ import annotations

import dataclasses
import threading

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits

import mho
from mho.compiler import threads
from mho.kernels import blas
from tests.helpers.recurrent import LAYERS, tensors

DEVICE = mho.devices.ConstantStep(w_max=2.0, w_min=-2.0)
CELLS = {
    "single": mho.cells.Single(),
    "replicated": mho.cells.Replicated(3),
    "referenced": mho.cells.Referenced(),
    "one sided": mho.cells.OneSided(),
    "summed banks": mho.cells.TikiTaka(every=3, visible=0.5, reference="zero"),
}
READS = {
    "exact": mho.Read.exact(),
    "noise": mho.Read(noise=0.1, bound=None),
    "bound": mho.Read(bound=1.0),
    "both managements": mho.Read(bound=0.5, noise_management=True, bound_management=True),
    "halvings that do not help": mho.Read(bound=0.01, bound_management=True, max_halvings=2),
    "output converter": mho.Read(bound=1.0, adc_bits=5),
    # their steps are 1 and 1/2, so what the input stage sends is dyadic too
    "converters": mho.Read(bound=30.0, dac_bits=4, input_bound=7.0, adc_bits=6),
    "all": mho.Read(
        bound=0.5, noise_management=True, bound_management=True, dac_bits=3, input_bound=1.5, adc_bits=5, noise=0.2
    ),
}


def with_blas(rpu: mho.RPU) -> mho.RPU:
    own = {way: dataclasses.replace(getattr(rpu, way), matmul="blas") for way in ("forward", "backward")}
    return rpu.replace(**own)


def both(rpu: mho.RPU, out: int, inputs: int, **options) -> list[mho.Crossbar]:
    """The array as it is and with BLAS, with the same weights, multiples of 1/32."""
    arrays = [mho.Crossbar(own, out, inputs, seed=2, **options) for own in (rpu, with_blas(rpu))]
    generator = torch.Generator().manual_seed(5)
    weights = torch.randint(-16, 17, (arrays[0].replicas, out, inputs), generator=generator) / 32
    for array in arrays:
        array.write(weights)
        assert torch.equal(array.weight, arrays[0].weight)
    return arrays


def dyadic(*shape: int, seed: int) -> torch.Tensor:
    """Multiples of 1/8 up to 4 (R, T, width), the largest of each vector 4; every seventh vector is zero."""
    values = torch.randint(-32, 33, shape, generator=torch.Generator().manual_seed(seed)) / 8
    values[..., 0], values[:, 6::7] = 4, 0
    return values


def equal_counters(a: mho.Crossbar, b: mho.Crossbar) -> bool:
    return all(torch.equal(value, b.counters()[name]) for name, value in a.counters().items())


@pytest.fixture
def multiplied(monkeypatch):
    """The shapes of the products that the BLAS has formed."""
    shapes, real = [], blas.product

    def product(w, v, *more):
        shapes.append(v.shape)
        return real(w, v, *more)

    monkeypatch.setattr(blas, "product", product)
    return shapes


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_sums_without_rounding_give_the_same_bits_behind_any_circuit(read, cell, backend, multiplied):
    rpu = mho.RPU(device=DEVICE, cell=cell, forward=read, backward=read)
    for replicas, vectors in [(1, 1), (2, 9)] + [(1, 70)] * (backend == "cpu"):  # 70: more than a chunk
        ordered, blas_ = both(rpu, 5, 9, replicas=replicas, backend=backend)
        for way, width in (("forward", 9), ("backward", 5)):
            x = dyadic(replicas, vectors, width, seed=4)
            expected = getattr(ordered, way)(x)
            assert not multiplied
            assert torch.equal(getattr(blas_, way)(x), expected)
            assert multiplied
            multiplied.clear()
        assert equal_counters(ordered, blas_)
        x = dyadic(replicas, vectors, 9, seed=6)
        assert torch.equal(ordered.eval().forward(x), blas_.eval().forward(x))
        assert equal_counters(ordered, blas_)
        multiplied.clear()


def test_those_reads_halve_clip_and_give_up():
    for name in ("both managements", "halvings that do not help", "all"):
        array = both(mho.RPU(device=DEVICE, forward=READS[name]), 5, 9)[1]
        array.forward(dyadic(1, 9, 9, seed=4))
        assert array.counters()["halvings"] > 0
        assert array.counters()["clipped_reads"] > 0 or name != "halvings that do not help"


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("copies", [1, 3])
def test_products_differ_by_no_more_than_rounding(copies, backend):
    # n terms added in any order are off by n·u·Σ|w·x| at most, u = 2⁻²⁴ (N. J. Higham, Accuracy and Stability of
    # Numerical Algorithms, section 3.1); two such sums by twice that. Backward adds the devices of a weight first.
    rpu = mho.presets.floating_point().replace(cell=mho.cells.Replicated(copies))
    size, vectors = ((40, 900), 5) if backend == "cpu" else ((6, 60), 2)
    arrays = [mho.Crossbar(own, *size, seed=2, backend=backend) for own in (rpu, with_blas(rpu))]
    generator = torch.Generator().manual_seed(3)
    w = torch.randn(1, *size, generator=generator)
    x, d = (torch.randn(1, vectors, n, generator=generator) for n in reversed(size))
    for array in arrays:
        array.write(w)
    for way, inputs, matrix in (("forward", x, w[0]), ("backward", d, w[0].T)):
        ordered, other = (getattr(array, way)(inputs).double() for array in arrays)
        terms = matrix.shape[1] * (copies if way == "backward" else 1) + 2  # and the mean over the devices
        size_of_sums = inputs.abs().double() @ matrix.T.abs().double()
        assert ((ordered - other).abs() <= 2 * terms * 2.0**-24 * size_of_sums).all()
        exact = inputs.double() @ matrix.T.double()
        assert ((other - exact).abs() <= terms * 2.0**-24 * size_of_sums).all()


def test_weights_that_change_from_read_to_read_are_multiplied_too(multiplied):
    device = mho.devices.ConstantStep(w_max=2.0, w_min=-2.0, read_variation=0.25)
    rpu = mho.RPU(device=device, forward=mho.Read.exact())
    ordered, other = both(rpu, 5, 9)
    x = dyadic(1, 6, 9, seed=4)
    answers = [array.forward(x) for array in (ordered, other)]
    assert multiplied == [(1, 9)] * 6
    # nine terms of at most 2·4, added in any order, twice
    assert (answers[0] - answers[1]).abs().max() <= 2 * 9 * 2.0**-24 * 9 * 8


def test_tiles_multiply_one_by_one(multiplied):
    rpu = mho.RPU(device=DEVICE, tile=(4, 4), forward=READS["both managements"], backward=READS["converters"])
    ordered, other = (mho.arrays.build_array(own, 10, 9, seed=3) for own in (rpu, with_blas(rpu)))
    for array in (ordered, other):
        array.write(torch.randint(-16, 17, (1, 10, 9), generator=torch.Generator().manual_seed(5)) / 32)
    for way, width in (("forward", 9), ("backward", 10)):
        x = dyadic(1, 6, width, seed=4)
        assert torch.equal(getattr(ordered, way)(x), getattr(other, way)(x))
    assert len(multiplied) == 2 * 9


def known_libraries():
    found = blas._libraries()
    return found or pytest.skip("threads of this BLAS cannot be set, such as those of Accelerate")


@pytest.mark.parametrize("count", [2, 3])
def test_threads_share_the_vectors_and_leave_one_thread_to_the_library(count, monkeypatch, set_threads):
    libraries = known_libraries()
    seen, real = [], blas.product

    def product(*arguments):
        seen.append((threading.get_ident(), [library.num_threads for library in libraries]))
        return real(*arguments)

    read = READS["both managements"]
    ordered, other = both(mho.RPU(device=DEVICE, forward=read, backward=read), 5, 9, replicas=2)
    monkeypatch.setattr(blas, "product", product)
    monkeypatch.setattr(threads, "WORK_A_THREAD", 1)
    set_threads(count)
    with threadpool_limits(2, user_api="blas"):
        for way, width in (("forward", 9), ("backward", 5)):
            x = dyadic(2, 11, width, seed=4)  # 22 vectors: the parts are unequal, and one spans both replicas
            assert torch.equal(getattr(ordered, way)(x), getattr(other, way)(x))
        assert all(number == 1 for _, numbers in seen for number in numbers)
        assert len({thread for thread, _ in seen}) > 1


def test_a_library_with_a_number_for_each_thread_is_told_on_each(monkeypatch, set_threads):
    told, seen, real = [], set(), blas.product

    class Library:
        def set_num_threads(self, number):
            told.append((threading.get_ident(), number))

    def product(*arguments):
        seen.add(threading.get_ident())
        return real(*arguments)

    array = both(mho.RPU(device=DEVICE), 5, 9)[1]
    monkeypatch.setattr(blas, "_libraries", lambda: [Library()])
    monkeypatch.setattr(blas, "product", product)
    monkeypatch.setattr(threads, "WORK_A_THREAD", 1)
    set_threads(2)
    array.forward(dyadic(1, 11, 9, seed=4))
    assert len(seen) == 2
    assert set(told) == {(thread, 1) for thread in seen}


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("read", ["noise", "converters"])
@pytest.mark.filterwarnings("error")
def test_inputs_that_are_not_finite_are_refused_as_ever(read, backend, bad):
    _, array = both(mho.RPU(device=DEVICE, forward=READS[read]), 5, 9, backend=backend)
    x = dyadic(1, 3, 9, seed=4)
    x[0, 1, 2] = bad
    with pytest.raises(mho.errors.MhoError, match=r"NaN|infinite|finite"):
        array.forward(x)
    assert torch.isfinite(array.forward(dyadic(1, 3, 9, seed=4))).all()


# Networks

# Ideal arrays are trained as floating point is. Each step rounds its sums anew, of some 100 terms of the order 1:
# 100·2⁻²⁴ = 6·10⁻⁶, and a few layers and steps multiply that by less than ten.
CLOSE = {"rtol": 0, "atol": 6e-5}


class Net(torch.nn.Module):
    def __init__(self, norm: torch.nn.Module) -> None:
        super().__init__()
        self.conv, self.norm = torch.nn.Conv2d(1, 4, 3), norm
        self.fc = torch.nn.Linear(4 * 36, 3)

    def forward(self, x):
        return self.fc(torch.tanh(self.norm(self.conv(x))).flatten(1))


NORMS = {"compiled": torch.nn.Identity, "torch between": lambda: torch.nn.BatchNorm2d(4)}
STEPS = 4


def trained(rpu: mho.RPU, norm: torch.nn.Module, driver: str, replicas: int) -> list[torch.Tensor]:
    """Return the losses of a few steps, and the weights behind them."""
    torch.manual_seed(0)
    model = mho.convert(Net(norm), rpu, seed=1, replicas=replicas, exclude=["norm"], quiet=True)
    optimizer = mho.AnalogSGD(model, lr=0.05)
    drivers = {"online": mho.training.choose_driver, "autograd": mho.training.AutogradDriver}
    loss = torch.nn.functional.cross_entropy
    own = drivers[driver](model, optimizer, loss)
    assert own.name == driver
    x, y = torch.rand(6, 1, 8, 8), torch.arange(6) % 3
    losses = [torch.tensor(own.step(x, y).losses) for _ in range(STEPS)]
    return [*losses, *(layer.weight.clone() for layer in mho.nn.array_layers(model).values())]


@pytest.mark.parametrize("driver", ["online", "autograd"])
@pytest.mark.parametrize("norm", NORMS.values(), ids=NORMS)
def test_both_drivers_train_through_it(norm, driver, multiplied):
    replicas = 2 if norm is torch.nn.Identity else 1  # a norm would be shared by replicas
    ordered = trained(mho.presets.floating_point(), norm(), driver, replicas)
    assert not multiplied
    other = trained(with_blas(mho.presets.floating_point()), norm(), driver, replicas)
    # forward of both layers, and backward of the second: the input of the first needs no errors
    assert len(multiplied) == STEPS * replicas * 3
    for a, b in zip(ordered, other, strict=True):
        torch.testing.assert_close(a, b, **CLOSE)
    assert (ordered[0] - ordered[STEPS - 1]).abs().min() > 100 * CLOSE["atol"]  # it has learned, by far more than that


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_recurrent_layers_go_through_it(kind, multiplied):
    answers = []
    for rpu in (mho.presets.floating_point(), with_blas(mho.presets.floating_point())):
        torch.manual_seed(0)
        model = mho.convert(torch.nn.Sequential(LAYERS[kind](5, 7)), rpu, seed=1, quiet=True)
        x = torch.randn(4, 3, 5, requires_grad=True)
        out = tensors(model(x))[0]
        out.square().sum().backward()
        answers.append((out.detach(), x.grad))
    assert multiplied
    for a, b in zip(*answers, strict=True):
        torch.testing.assert_close(a, b, **CLOSE)


def test_a_rule_with_transfers_trains_through_it():
    ordered, other = both(mho.RPU(device=DEVICE, cell=mho.cells.TikiTaka(every=2, reference="zero")), 5, 9)
    x, d = dyadic(1, 8, 9, seed=4), dyadic(1, 8, 5, seed=5) / 64
    for array in (ordered, other):
        array.update(x, d, 0.01)
    assert ordered.counters()["coincidences"] > 0
    assert torch.equal(ordered.weight, other.weight)


# The option


@pytest.mark.parametrize(
    "cell",
    [
        lambda read: mho.cells.TikiTaka(transfer=read),
        lambda read: mho.cells.Residual(transfer=read),
        lambda read: mho.cells.PeriodicCarry(transfer=read),
        lambda read: mho.cells.OneSided(refresh_read=read),
    ],
)
def test_a_read_of_single_columns_refuses_it(cell):
    with pytest.raises(mho.errors.InvalidValue, match=r"(transfer|refresh_read)\.matmul is 'blas' and would have no"):
        cell(mho.Read(matmul="blas"))


def test_files_have_it_only_where_it_is_on():
    rpu = with_blas(mho.RPU())
    assert mho.RPU.from_toml(rpu.to_toml()) == rpu
    assert rpu.to_toml().count('matmul = "blas"') == 2
    assert "matmul" not in mho.RPU(cell=mho.cells.TikiTaka(reference="zero")).to_toml()
    assert "matmul='ordered'" in str(mho.RPU())
    assert mho.RPU.from_toml('[forward]\nmatmul = "ordered"') == mho.RPU()
    with pytest.raises(mho.errors.InvalidValue, match="matmul is 'bals'; did you mean 'blas'"):
        mho.Read(matmul="bals")


def test_no_vectors_give_no_outputs(multiplied):
    for array in both(mho.RPU(device=DEVICE, forward=READS["all"]), 5, 9):
        assert array.forward(torch.empty(1, 0, 9)).shape == (1, 0, 5)
    assert not multiplied


def test_memory_of_the_products_is_that_of_the_outputs():
    """A read of one device per weight takes no memory beside x and y."""
    _, array = both(mho.RPU(device=DEVICE, forward=mho.Read.exact()), 5, 9)
    reads = array.plan_reads(np.ones((1, 6, 9), np.float32), np.zeros((1, 6, 5), np.float32), backward=False)
    _, _, out, _, products = reads.steps[-1].arguments
    assert products is out
