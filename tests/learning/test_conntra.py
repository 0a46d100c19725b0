"""CoNNTrA: incremental evaluation against full passes, losses that never rise, packing, resume, and wrong input."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import mho
from mho.errors import CheckpointError, InvalidValue
from mho.learning.combinatorial import reference
from mho.learning.combinatorial.batch import Batch
from mho.learning.combinatorial.chain import read_chain
from mho.learning.combinatorial.data import loss_of, mean_share, outputs_of, read_examples
from mho.learning.combinatorial.levels import start_levels, uniforms, values_of
from mho.learning.combinatorial.packing import bits_of, pack, unpack
from mho.learning.combinatorial.settings import LOSSES, Settings

conntra = mho.learning.conntra
ROUNDING = 1e-11
"""Sums of about 100 losses of about 1 in float64, and exponentials with a relative error of 1e-12."""


def perceptron(*sizes: int, activation: type[nn.Module] = nn.Tanh, bias: bool = True) -> nn.Sequential:
    torch.manual_seed(0)
    parts: list[nn.Module] = []
    for width, out in itertools.pairwise(sizes):
        parts += [nn.Linear(width, out, bias=bias), activation()]
    return nn.Sequential(*parts[:-1])


class Convolutional(nn.Module):
    """Two convolutions with paddings and strides, both poolings, functions and modules: 1×9×7 to 3."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv1 = nn.Conv2d(1, 2, 3, padding=1)
        self.conv2 = nn.Conv2d(2, 3, (2, 3), stride=(2, 1), bias=False)
        self.body = nn.Sequential(nn.Linear(18, 4), nn.Hardtanh(), nn.Linear(4, 3))

    def forward(self, x):
        x = F.avg_pool2d(torch.relu(self.conv1(x)), 3, 2, padding=1)
        x = F.max_pool2d(self.conv2(x).tanh(), (1, 2), stride=(1, 1), padding=(0, 1))
        return self.body(x.flatten(1))


def examples(n: int, *shape: int, classes: int = 3, seed: int = 0, sparse: bool = False):
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(n, *shape, generator=draw)
    if sparse:
        x = torch.where(torch.rand(x.shape, generator=draw) < 0.3, x, 0.0)
        x[:, 0] = 0.0
    return x, torch.randint(0, classes, (n,), generator=draw)


NETWORKS = {
    "one layer": (perceptron(7, 3), (7,)),
    "one hidden layer": (perceptron(7, 5, 3), (7,)),
    "relu": (perceptron(7, 5, 3, activation=nn.ReLU), (7,)),
    "sigmoid, no bias": (perceptron(7, 5, 3, activation=nn.Sigmoid, bias=False), (7,)),
    "three layers": (perceptron(7, 5, 4, 3, activation=nn.Hardtanh), (7,)),
    "sigmoids at the end": (nn.Sequential(perceptron(7, 5, 3), nn.Sigmoid()), (7,)),
    "convolutions": (Convolutional(), (1, 9, 7)),
}


EXACT = ("one layer", "relu", "three layers")
"""Networks that make integers, and multiples of a power of 2, of integers: where outputs tie, they do to the bit."""


@pytest.mark.parametrize(
    ("name", "loss"), [(name, loss) for name in NETWORKS for loss in LOSSES if loss != "zero_one" or name in EXACT]
)
def test_incremental_evaluation_is_that_of_full_passes(name: str, loss: str) -> None:
    """Every weight gets the level that full passes give it, and the losses are equal after each block of weights."""
    model, shape = NETWORKS[name]
    # 131 examples of a chain of linear layers lie in one block, those of an image in two
    x, y = examples(61 if len(shape) == 1 else 131, *shape, sparse=len(shape) == 1)
    x = x.round() if loss == "zero_one" else x
    chain = read_chain(model, x)
    values = values_of(chain, (-1.0, 0.0, 0.5, 1.0), {layer.name: 0.5 for layer in chain.layers})
    levels = (uniforms(1, "test", chain.weights) * 4).astype(np.int8)
    order = np.random.default_rng(0).permutation(chain.trained())[:60]
    tolerance = 1e-9  # both paths must see the same falls: rounding is 1e-11 of them
    expected, losses = reference.descend(model, x, y, values, levels, order, loss=loss, tolerance=tolerance)

    given = read_examples(x, y)
    batch = Batch(chain, x.reshape(len(x), -1).numpy(), given.targets(3), values, LOSSES[loss])
    share = mean_share(loss, len(x), 3)
    batch.load(levels)
    assert batch.total / share == pytest.approx(losses[0], abs=ROUNDING)
    for start in range(0, len(order), 7):
        batch.visit(order[start : start + 7], first_only=False, tolerance=tolerance * share)
        assert batch.total / share == pytest.approx(losses[min(start + 7, len(order))], abs=ROUNDING)
    np.testing.assert_array_equal(batch.memory.level[chain.trained()], np.array(expected)[chain.trained()])
    kept = batch.memory.values.copy(), batch.total
    batch.load(batch.memory.level.copy())
    # what one change after another left in memory is what a pass over all layers computes
    np.testing.assert_allclose(kept[0], batch.memory.values, atol=ROUNDING)
    assert kept[1] == pytest.approx(batch.total, abs=ROUNDING * share)


def test_several_blocks_of_sparse_examples() -> None:
    """1,100 examples lie in three blocks of 367; inputs are listed where they are not 0."""
    model = perceptron(9, 4, 3)
    x, y = examples(1100, 9, sparse=True)
    chain = read_chain(model, x)
    values = values_of(chain, (-1.0, 0.0, 1.0), {layer.name: 1.0 for layer in chain.layers})
    levels = (uniforms(2, "test", chain.weights) * 3).astype(np.int8)
    order = chain.trained()
    expected, losses = reference.descend(model, x, y, values, levels, order, loss="cross_entropy", tolerance=1e-9)
    batch = Batch(chain, x.numpy(), read_examples(x, y).targets(3), values, LOSSES["cross_entropy"])
    assert batch.memory.values.shape[0] == 3
    batch.load(levels)
    batch.visit(order, first_only=False, tolerance=1e-9 * 1100)
    np.testing.assert_array_equal(batch.memory.level, expected)
    assert batch.total / 1100 == pytest.approx(losses[-1], abs=ROUNDING)
    # a weight of the input that is always 0 is not tried, hence not counted: 4 of 9·4 + 4 + 4·3 + 3 weights
    assert batch.evaluations == 2 * (chain.weights - 4)


def test_outputs_of_any_size() -> None:
    """Logits of 1000 overflow an exponential: relu, levels of 100, and cross entropy as torch computes it."""
    model = perceptron(5, 4, 3, activation=nn.ReLU)
    x, y = examples(40, 5)
    result = conntra(model, 20 * x, y, (-100, 0, 100), sweeps=5)
    assert np.isfinite(result.history).all()
    assert all(b <= a for a, b in itertools.pairwise(result.history))
    assert result.history[0] > 1e4


@pytest.mark.parametrize("loss", ["zero_one", "hinge"])
def test_the_loss_never_rises_exactly_on_integers(loss: str) -> None:
    """Integers add up without rounding, so every loss is exact, and none is above the one before."""
    x, y = examples(90, 6)
    result = conntra(perceptron(6, 5, 3, activation=nn.ReLU), x.round(), y, loss=loss, sweeps=20)
    assert all(after <= before for before, after in itertools.pairwise(result.history))
    assert result.history[-1] < result.history[0]
    assert result.converged
    assert result.history[-1] == result.history[-2] == result.loss


@pytest.mark.parametrize("order", ["random", "gradient"])
@pytest.mark.parametrize("scale", [None, "fan_in"])
def test_the_loss_never_rises_with_cross_entropy(order: str, scale: str | None) -> None:
    x, y = examples(200, 11)
    result = conntra(perceptron(11, 6, 3), x, y, scale=scale, order=order, sweeps=6)
    # recomputed in float64 by torch; a change is taken if the loss, followed with an error of 1e-12, falls by 1e-10
    assert all(after <= before + 1e-9 for before, after in itertools.pairwise(result.history))
    assert result.history[-1] < 0.9 * result.history[0]
    again = loss_of(outputs_of(result.model, x), read_examples(x, y), "cross_entropy")
    assert float(again) == pytest.approx(result.loss, abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_at_the_end_no_single_change_lowers_the_loss(seed: int) -> None:
    x, y = examples(50, 5, seed=seed)
    result = conntra(perceptron(5, 3, 3), x, y, sweeps=100, seed=seed)
    assert result.converged
    weights = list(result.model.parameters())
    lowest = result.loss
    with torch.no_grad():
        for parameter in weights:
            for place in np.ndindex(*parameter.shape):
                kept = float(parameter[place])
                for level in (-1.0, 0.0, 1.0):
                    parameter[place] = level
                    own = float(loss_of(outputs_of(result.model, x), read_examples(x, y), "cross_entropy"))
                    assert own >= lowest - 2e-10  # the tolerance is 1e-10
                parameter[place] = kept


def test_weights_are_levels_and_the_model_given_stays() -> None:
    x, y = examples(30, 4)
    model = perceptron(4, 3, 3)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    result = conntra(model, x, y, levels=(2, -1, 0.5), sweeps=2)
    assert result.levels == (-1.0, 0.5, 2.0)
    for parameter in result.model.parameters():
        assert set(parameter.unique().tolist()) <= {-1.0, 0.5, 2.0}
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
    assert len(result.history) == len(result.records) + 1


def test_scales_and_starts() -> None:
    x, y = examples(30, 4)
    model = perceptron(4, 3, 3)
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0, -1.0, 0.1, -0.1]] * 3))
        model[0].bias.zero_()
    result = conntra(model, x, y, start="threshold", scale="mean", sweeps=0)
    # mean |w| of the 15 weights is 0.44: above 0.308 are those of size 1, whose mean is the scale
    assert result.scales["0"] == 1.0
    assert result.model[0].weight.tolist() == [[1.0, -1.0, 0.0, 0.0]] * 3
    result = conntra(model, x, y, start="nearest", levels=(-1, 0, 0.1, 1), sweeps=0)
    assert result.model[0].weight.tolist() == [[1.0, -1.0, pytest.approx(0.1), 0.0]] * 3
    result = conntra(model, x, y, scale={"2": 0.25}, sweeps=0)
    assert set(result.model[2].weight.unique().tolist()) <= {-0.25, 0.0, 0.25}
    assert conntra(model, x, y, scale="fan_in", sweeps=0).scales == {"0": 0.5, "2": float(np.float32(3**-0.5))}
    # seeds: three levels in equal shares, others for another seed
    chain = read_chain(perceptron(50, 40, 3), torch.zeros(1, 50))
    drawn = [start_levels(chain, Settings(seed=seed), np.zeros(chain.weights), np.zeros((2, 3))) for seed in (0, 1)]
    assert (drawn[0] != drawn[1]).mean() > 0.5
    assert np.bincount(drawn[0]) / chain.weights == pytest.approx([1 / 3] * 3, abs=0.03)  # 2163 draws: 3 sigma


def test_validation_keeps_the_best() -> None:
    x, y = examples(60, 6)
    result = conntra(perceptron(6, 8, 3), x, y, validation=0.25, sweeps=10)
    errors = [record["validation_error"] for record in result.records]
    held = np.argsort(uniforms(0, "validation", 60), kind="stable")[:15]
    out = outputs_of(result.model, x[np.sort(held)])
    error = 100 * float((out.argmax(1) != y[np.sort(held)]).double().mean())
    assert error <= min(errors) + 1e-9
    assert max(errors) > min(errors)  # else nothing was kept


def test_resume_keeps_the_best_of_before(tmp_path) -> None:
    x, y = examples(60, 6)
    options = {"validation": 0.25, "checkpoint": tmp_path / "run.safetensors", "seed": 2}
    first = conntra(perceptron(6, 8, 3), x, y, sweeps=2, **options)
    second = conntra(perceptron(6, 8, 3), x, y, sweeps=6, **options)
    errors = [record["validation_error"] for record in second.records]
    assert min(errors[:2]) < min(errors[2:])  # else nothing had to be kept
    np.testing.assert_array_equal(first.indices, second.indices)


def test_mini_batches_change_on_their_schedule() -> None:
    x, y = examples(80, 6)
    seen = []
    conntra(
        perceptron(6, 4, 3), x, y, batch_size=20, batch_every=10, sweeps=2,
        callback=lambda progress: seen.append((progress.visited, progress.loss)),
    )  # fmt: skip
    assert [visited for visited, _ in seen] == [10, 20, 30, 40, 43, 7, 17, 27, 37, 43] or len(seen) >= 10
    assert len({loss for _, loss in seen}) > 6  # other examples, another loss


def test_resume_gives_the_bits_of_a_run_that_was_not_stopped(tmp_path) -> None:
    x, y = examples(70, 9)
    model = perceptron(9, 6, 3)
    options = {
        "order": "gradient",
        "gradient_every": 8,
        "batch_size": 40,
        "batch_every": 11,
        "validation": 0.2,
        "sweeps": 4,
    }
    whole = conntra(model, x, y, **options)
    for stop_at in (1, 3, 9):
        file = tmp_path / f"{stop_at}.safetensors"
        calls = 0

        def stop(progress, limit=stop_at):
            nonlocal calls
            calls += 1
            return calls == limit

        first = conntra(model, x, y, **options, checkpoint=file, checkpoint_every=0.0, callback=stop)
        assert first.stopped == "asked"
        second = conntra(model, x, y, **options, checkpoint=file, checkpoint_every=0.0)
        np.testing.assert_array_equal(second.indices, whole.indices)
        assert second.history == whole.history
        for mine, other in zip(second.records, whole.records, strict=True):
            assert {k: v for k, v in mine.items() if k != "seconds"} == {
                k: v for k, v in other.items() if k != "seconds"
            }
    # a finished run is only read, and goes on if it may
    assert conntra(model, x, y, **options, checkpoint=file).history == whole.history
    more = conntra(model, x, y, **(options | {"sweeps": 6}), checkpoint=file)
    assert more.history == conntra(model, x, y, **(options | {"sweeps": 6})).history


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 127), st.integers(0, 300), st.integers(0, 2**32 - 1))
def test_packing_is_undone(levels: int, weights: int, seed: int) -> None:
    indices = np.random.default_rng(seed).integers(0, levels, weights)
    packed = pack(indices, levels)
    assert packed.nbytes == -(-weights * bits_of(levels) // 8)
    np.testing.assert_array_equal(unpack(packed, levels, weights), indices)


def test_ternary_weights_take_two_bits(tmp_path) -> None:
    """32 times less than float64, measured from the file's section of weights; whole files have a header too."""
    x, y = examples(20, 64)
    result = conntra(perceptron(64, 8, 4), x, y % 3, sweeps=1)
    weights = sum(parameter.numel() for parameter in result.model.parameters())
    assert weights % 4 == 0
    file = tmp_path / "packed.safetensors"
    assert 8 * weights == 32 * result.save(file)
    read = mho.learning.load_conntra(file)
    assert (read.weight_bytes, read.file_bytes) == (weights // 4, file.stat().st_size)
    np.testing.assert_array_equal(read.indices, result.indices)
    assert torch.equal(read.model(x), result.model(x))


def test_a_stored_network_is_made_again(tmp_path) -> None:
    model = Convolutional()
    x, y = examples(20, 1, 9, 7)
    result = conntra(model, x, y, scale="fan_in", sweeps=1)
    result.save(tmp_path / "packed.safetensors")
    read = mho.learning.load_conntra(tmp_path / "packed.safetensors")
    torch.testing.assert_close(read.model(x), result.model(x))
    named = mho.learning.load_conntra(tmp_path / "packed.safetensors", Convolutional()).model
    assert all(torch.equal(a, b) for a, b in zip(named.parameters(), result.model.parameters(), strict=True))
    with pytest.raises(InvalidValue, match="no layer 'conv1'"):
        mho.learning.load_conntra(tmp_path / "packed.safetensors", perceptron(9, 3))
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "packed.safetensors").read_bytes()[:-3])
    with pytest.raises(CheckpointError, match="damaged"):
        mho.learning.load_conntra(tmp_path / "cut.safetensors")


def wrong(model: nn.Module | None = None, x=None, y=None, **options):
    given = examples(12, 4)
    return conntra(model or perceptron(4, 3), given[0] if x is None else x, given[1] if y is None else y, **options)


X = examples(12, 4)[0]
NAN = torch.where(torch.arange(4) == 2, float("nan"), X)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: wrong(levels=(1,)), "levels has 1 different values; give 2 to 127"),
        (lambda: wrong(levels=(1, 1)), "levels has 1 different values"),
        (lambda: wrong(levels=(0, float("nan"))), "not finite"),
        (lambda: wrong(levels="ternary"), "levels is 'ternary'"),
        (lambda: wrong(loss="entropy"), "loss is 'entropy'; did you mean 'cross_entropy'"),
        (lambda: wrong(seed=-1), "seed is -1"),
        (lambda: wrong(sweeps=-1, tolerance=-1.0), "sweeps is -1.*tolerance is -1"),
        (lambda: wrong(scale=0.0), "scale is 0.0"),
        (lambda: wrong(scale={"fc": 1.0}), "scale: no layer 'fc'"),
        (lambda: wrong(batch_every=5), "no effect without batch_size"),
        (lambda: wrong(batch_size=13), "batch_size is 13, of 12 examples"),
        (lambda: wrong(order="gradient", loss="zero_one"), "no gradient"),
        (lambda: wrong(validation=0.01), "of 12 examples are 0"),
        (lambda: wrong(x_val=X), "x_val and y_val go together"),
        (lambda: wrong(x=NAN), "x holds NaN"),
        (lambda: wrong(x=X[:0]), "at least one example"),
        (lambda: wrong(y=torch.full((12,), 3)), "label 3, which is no class; the network has outputs 0 to 2"),
        (lambda: wrong(y=torch.full((12,), -1)), "label -1"),
        (lambda: wrong(y=torch.full((12,), 0.5)), "no classes"),
        (lambda: wrong(y=torch.zeros(12, 3)), "loss='squared'"),
        (lambda: wrong(y=torch.zeros(12, 2), loss="squared"), "2 numbers per example, and the network has 3"),
        (lambda: wrong(y=torch.zeros(11)), "for 12 examples"),
        (lambda: wrong(nn.Sequential(nn.Linear(4, 3), nn.GELU())), r"1 \(GELU\) is not supported"),
        (lambda: wrong(nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))), r"1 \(BatchNorm1d\) is not supported"),
        (lambda: wrong(nn.Sequential(nn.Tanh())), "no layer to train"),
        (lambda: wrong(perceptron(5, 3)), r"0 \(Linear\) cannot take an example of shape \(4,\)"),
        (lambda: wrong(Twice()), r"fc \(Linear\) is used twice"),
        (lambda: wrong(Skip()), "not one link of a chain"),
        (lambda: wrong("lenet"), "model is str"),
        (lambda: wrong(nn.Sequential(nn.Conv2d(2, 2, 1, groups=2)), x=torch.zeros(12, 2, 1, 1)), "groups"),
    ],
)  # fmt: skip
def test_wrong_input_is_refused(call, words: str) -> None:
    with pytest.raises(InvalidValue, match=words):
        call()


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x):
        return self.fc(torch.tanh(self.fc(x)))


class Skip(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x):
        return x + self.fc(x)


def test_foreign_checkpoints_are_refused(tmp_path, monkeypatch) -> None:
    x, y = examples(30, 4)
    model, file = perceptron(4, 3, 3), tmp_path / "run.safetensors"
    conntra(model, x, y, sweeps=1, checkpoint=file)
    for options, words in (
        ({"levels": (-1, 1)}, r"levels \(\[-1.0, 0.0, 1.0\] there, \[-1.0, 1.0\] here\)"),
        ({"seed": 1}, r"seed \(0 there, 1 here\)"),
        ({"loss": "squared", "scale": 0.5}, r"loss .*; scale"),
    ):
        with pytest.raises(CheckpointError, match=words):
            conntra(model, x, y, sweeps=1, checkpoint=file, **options)
    with pytest.raises(CheckpointError, match="differs in data"):
        conntra(model, x + 1, y, checkpoint=file)
    with pytest.raises(CheckpointError, match="differs in network"):
        conntra(perceptron(4, 4, 3), x, y, checkpoint=file)
    monkeypatch.setattr("platform.machine", lambda: "pdp11")
    with pytest.raises(CheckpointError, match=r"machine .*pdp11' here"):
        conntra(model, x, y, checkpoint=file)
    monkeypatch.undo()
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(CheckpointError, match="damaged"):
        conntra(model, x, y, checkpoint=file)


def test_a_time_limit_ends_a_training() -> None:
    x, y = examples(30, 4)
    result = conntra(perceptron(4, 3, 3), x, y, time_limit=1e-9)
    assert result.stopped == "time"
    assert not result.records


def test_unit_scales_bring_pre_activations_to_one() -> None:
    x, y = examples(300, 12)
    result = conntra(perceptron(12, 9, 3), 5 * x, y, scale="unit", sweeps=0)
    hidden = result.model[0](5 * x).detach()
    for values in (hidden, result.model[2](hidden.tanh()).detach()):
        assert float(values.square().mean().sqrt()) == pytest.approx(1.0, rel=1e-5)  # float32
    for parameter in result.model[0].parameters():
        assert set((parameter / result.scales["0"]).round(decimals=6).unique().tolist()) <= {-1.0, 0.0, 1.0}


# On arrays ------------------------------------------------------------------------------------------------------------


def test_exact_arrays_train_as_floating_point_does() -> None:
    x, y = examples(60, 4)
    model = perceptron(4, 5, 3)
    digital = conntra(model, x, y, sweeps=3)
    on_arrays = mho.learning.conntra_on_arrays(model, x, y, sweeps=3)
    np.testing.assert_array_equal(on_arrays.indices, digital.indices)
    # arrays sum in float32
    assert on_arrays.history == pytest.approx(digital.history, abs=1e-6)
    for layer, array in (("0", on_arrays.model[0]), ("2", on_arrays.model[2])):
        weight = array.crossbars[0].weight[0]
        assert torch.equal(weight[:, :-1], digital.model.get_submodule(layer).weight)
        assert torch.equal(weight[:, -1], digital.model.get_submodule(layer).bias)
    assert sum(int(array.crossbars[0].counters()["coincidences"]) for array in on_arrays.model[::2]) == sum(
        record["writes"] for record in on_arrays.records
    )


def test_writes_have_the_error_of_the_device_and_reads_the_noise() -> None:
    x, y = examples(40, 4)
    rpu = mho.learning.level_rpu(write_error=0.05, read=mho.Read(noise=0.1, bound=None))
    result = mho.learning.conntra_on_arrays(perceptron(4, 20, 3), x, y, sweeps=2, rpu=rpu)
    weight = result.model[0].crossbars[0].weight[0].double()
    written = torch.from_numpy(result.indices[: 20 * 5].reshape(20, 5).astype(np.float64)) - 1
    error = weight - written
    # 100 weights, each written at least once: the error of their standard deviation is 0.05/√200, 7 %
    assert float(error.std()) == pytest.approx(0.05, rel=0.3)
    assert float(error.abs().max()) < 8 * 0.05
    array = result.model[0].crossbars[0].eval()
    twice = [array.forward(torch.zeros(4000, 5)) for _ in range(2)]
    assert float(twice[0].std()) == pytest.approx(0.1, rel=0.02)  # 80,000 draws
    assert not torch.equal(*twice)


def test_a_trained_network_goes_onto_arrays() -> None:
    x, y = examples(40, 4)
    result = conntra(perceptron(4, 5, 3), x, y, sweeps=1)
    torch.testing.assert_close(result.to_arrays()(x), result.model(x), atol=1e-5, rtol=0)
    scaled = conntra(perceptron(4, 5, 3), x, y, sweeps=1, scale=0.5)
    with pytest.raises(mho.errors.WrongUse, match="give an rpu"):
        scaled.to_arrays()
    with pytest.raises(InvalidValue, match="devices of LevelStep, and levels are"):
        mho.learning.conntra_on_arrays(perceptron(4, 3), x, y, levels=(-1, 1), rpu=mho.learning.level_rpu((0, 1)))
    with pytest.raises(InvalidValue, match="devices of ConstantStep"):
        mho.learning.conntra_on_arrays(perceptron(4, 3), x, y, rpu=mho.RPU())
    with pytest.raises(InvalidValue, match="levels must be a row"):
        mho.learning.LevelStep(levels=[1.0, 1.0])


# In scikit-learn's manner ---------------------------------------------------------------------------------------------


def test_the_classifier_keeps_the_conventions_of_scikit_learn() -> None:
    from sklearn.utils.estimator_checks import check_estimator

    results = check_estimator(mho.learning.ConntraClassifier(sweeps=10), on_fail=None)
    left = {result["check_name"]: result["status"] for result in results if result["status"] != "passed"}
    # both need what is not installed here: a switch of scipy, and pandas
    assert set(left) <= {"check_array_api_input", "check_classifier_data_not_an_array"}, left
    assert "failed" not in left.values()
    assert len(results) > 40


def test_the_classifier_learns_irises() -> None:
    from sklearn.base import clone
    from sklearn.datasets import load_iris

    x, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    classifier = clone(mho.learning.ConntraClassifier(hidden=(8,), seed=1)).fit(x, names)
    assert classifier.score(x, names) > 0.95
    np.testing.assert_allclose(classifier.predict_proba(x).sum(axis=1), 1.0)
    part = mho.learning.ConntraClassifier(hidden=(8,), seed=1).partial_fit(x, names, classes=np.unique(names))
    losses = [part.result_.loss, *(part.partial_fit(x, names).result_.loss for _ in range(3))]
    assert all(after <= before for before, after in itertools.pairwise(losses))
    with pytest.raises(InvalidValue, match="not among classes"):
        part.partial_fit(x, y.astype(str))
    with pytest.raises(InvalidValue, match="activation is 'gelu'"):
        mho.learning.ConntraClassifier(activation="gelu").fit(x, y)
