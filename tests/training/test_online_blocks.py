"""The online driver sends a mini-batch through arrays in blocks of samples: the bits are those of autograd, which sends
all of it at once."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import mho
from mho.compiler import program, threads
from mho.training import Driver, choose_driver
from mho.training.online import blocks
from tests.helpers.own_cell import Leaky

NOISY = mho.presets.gokmen_2017(update_management=True)
TIKI_TAKA = NOISY.replace(cell=mho.cells.TikiTaka(every=3, reference="zero"))
RPUS = {
    "whole": (NOISY, 3),
    "one": (NOISY, 1),
    "tiles": (NOISY.replace(tile=(3, 20)), 3),
    "a factor per output": (NOISY.replace(scale=mho.Scale("max", per="output")), 1),
    "two banks": (NOISY.replace(cell=Leaky()), 1),
    "transfers": (TIKI_TAKA, 1),
    "exact updates": (mho.presets.floating_point().replace(forward=NOISY.forward), 1),
}


class Net(nn.Module):
    """Convolutions with and without groups, along one axis and used twice, what only torch runs, and a value that four
    operations take."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1)
        self.twice = nn.Conv2d(4, 4, 3, padding=1, bias=False)
        self.grouped = nn.Conv2d(4, 4, 3, padding=1, groups=2)
        self.along = nn.Conv1d(4, 4, 3, padding=1)
        self.norm, self.again = (nn.GroupNorm(2, 4, affine=False) for _ in range(2))
        self.each, self.fc = nn.Linear(16, 8), nn.Linear(32, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm(self.conv(x)))
        x = F.relu(self.again(self.twice(x)) + x)
        x = F.relu(self.twice(x) + F.relu(self.grouped(x)) + torch.sqrt(x + 1.0)) + x
        x = F.max_pool2d(x, 2)
        x = self.along(F.relu(self.grouped(x)).flatten(2))
        return self.fc(self.each(x).flatten(1))


def driver_of(rpu: mho.RPU, replicas: int, kind: str) -> Driver:
    torch.manual_seed(5)
    model = mho.convert(Net(), rpu, quiet=True, seed=3, replicas=replicas)
    driver = choose_driver(model, mho.AnalogSGD(model, lr=0.05), half_squares, prefer=kind)
    assert driver.name == kind
    return driver


def half_squares(out: Tensor, target: Tensor) -> Tensor:
    """Half of the sum of squares: its gradient, out - target, is rounded once."""
    return 0.5 * (out - target).square().sum()


def batch(step: int, size: int = 6) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(step)
    return torch.randn(size, 2, 8, 8, generator=generator), torch.randn(size, 3, generator=generator)


@pytest.fixture(params=[1, 1200], ids=["a sample", "some samples"])
def small_blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Blocks of a single sample, or of so many numbers that layers have blocks of different numbers of samples."""
    monkeypatch.setattr(blocks, "NUMBERS", request.param)
    return request.param


def counts_of(driver: Driver) -> set[int]:
    (graph,) = driver._graphs.values()
    return {array._blocks.count for share in graph.shares for array in share.arrays}


@pytest.mark.parametrize(("rpu", "replicas"), RPUS.values(), ids=RPUS)
def test_blocks_have_the_bits_of_autograd(rpu, replicas, small_blocks):
    online, autograd = (driver_of(rpu, replicas, kind) for kind in ("online", "autograd"))
    for step in range(3):
        ours, theirs = (driver.step(*batch(step)) for driver in (online, autograd))
        assert np.array_equal(ours.out, theirs.out)
    assert counts_of(online) == ({6} if small_blocks == 1 else counts_of(online)) != {1}
    ours, theirs = online.model.state_dict(), autograd.model.state_dict()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []


@pytest.mark.parametrize("spoilt", ["image", "target"])
@pytest.mark.parametrize("sample", [0, 5])
def test_an_error_in_any_block_is_named_and_leaves_the_arrays_as_they_were(spoilt, sample, small_blocks):
    driver = driver_of(NOISY, 1, "online")
    driver.step(*batch(0))
    before = {name: value.clone() for name, value in driver.model.state_dict().items()}
    x, y = batch(1)
    (x if spoilt == "image" else y)[sample] = torch.nan
    layer, what = ("conv", "the input (x)") if spoilt == "image" else ("fc", "the gradient (d)")
    with pytest.raises(mho.errors.InvalidValue, match=rf"array {layer}: {what.replace('(', '.').replace(')', '.')}"):
        driver.step(x, y)
    after = driver.model.state_dict()
    assert [name for name in after if name.endswith("state") and not torch.equal(after[name], before[name])] == []
    driver.step(*batch(2))


def test_layers_share_the_memory_of_their_vectors(small_blocks):
    """Of a deep network as much memory as of one layer: the patches of a mini-batch never lie side by side."""
    torch.manual_seed(0)
    model = mho.convert(nn.Sequential(*(nn.Conv2d(2, 2, 3, padding=1) for _ in range(4))), NOISY, quiet=True)
    driver = choose_driver(model, mho.AnalogSGD(model, lr=0.05), half_squares, sample=batch(0)[0])
    (share,) = driver.graph(batch(0)[0]).shares
    for what in ("inputs", "outputs", "errors", "downwards"):
        each = [getattr(array.cycles[0], what) for array in share.arrays]
        assert len({own.ctypes.data for own in each}) == 1, what
        assert each[0].shape[1] < 6 * 8 * 8


def test_threads_change_no_bit(monkeypatch, small_blocks):
    monkeypatch.setattr(program, "WORK_OF_A_PROGRAM", 0)
    one, two = driver_of(NOISY, 1, "online"), driver_of(NOISY, 1, "online")
    one.step(*batch(0))
    threads.set_threads(2)
    try:
        two.step(*batch(0))
    finally:
        threads.set_threads(1)
    ours, theirs = one.model.state_dict(), two.model.state_dict()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []


NUMPY = 389047
"""Domain of tracemalloc in which NumPy counts its arrays."""
A_MAP = 4 * 8 * 4 * 32 * 32
"""Bytes of 8 maps of 4 channels."""


def test_a_layer_more_keeps_two_maps(small_blocks):
    """What a convolution answers, and then its δ, and what batch normalisation makes of it: all else passes by."""

    def taken(depth: int) -> int:
        torch.manual_seed(0)
        layers = [(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU()) for _ in range(depth)]
        net = nn.Sequential(*(layer for each in layers for layer in each))
        norms = [name for name, layer in net.named_modules() if isinstance(layer, nn.BatchNorm2d)]
        model = mho.convert(net, NOISY, quiet=True, exclude=norms)
        driver = choose_driver(model, mho.AnalogSGD(model, lr=0.05), half_squares)
        x = torch.randn(8, 4, 32, 32, generator=torch.Generator().manual_seed(0))
        tracemalloc.start()
        try:
            driver.step(x, x)
            kept = tracemalloc.take_snapshot().filter_traces([tracemalloc.DomainFilter(True, NUMPY)])
            return sum(trace.size for trace in kept.traces if trace.size > A_MAP // 2)  # plans are smaller
        finally:
            tracemalloc.stop()

    assert taken(5) - taken(3) == 2 * 2 * A_MAP
