"""A user's cell of several banks works as one of mho's: back ends, drivers, replicas, files, resume, command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import mho
from mho.devices import ConstantStep, SoftBounds
from mho.errors import InvalidValue
from mho.nn import ArrayLayer
from tests.helpers.command import mho as command
from tests.helpers.golden_cases import Small, half_squares
from tests.helpers.own_cell import Leaky

FAST = ConstantStep(dw_min=mho.per_cell(0.005, spread=0.3), w_max=0.6, w_min=-0.6)
SLOW = SoftBounds(dw_min=0.01, w_max=0.6, w_min=-0.6)
RPU = mho.RPU(device=FAST, cell=Leaky(slow=SLOW), update=mho.Pulses(length=5))


def batch(vectors: int, rows: int, columns: int, replicas: int = 1, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(replicas, vectors, columns, generator=generator) * 2 - 1
    return x, torch.rand(replicas, vectors, rows, generator=generator) - 0.5


def states(array: mho.arrays.Array) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in array.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


def test_the_weight_is_what_reads_see() -> None:
    array = mho.Crossbar(RPU.replace(forward=mho.Read.exact()), 4, 6, seed=1)
    slow, fast = array.device_weights[:, 1], array.device_weights[:, 0]
    assert torch.allclose(array.weight, slow + 0.5 * fast)
    assert torch.allclose(array.read(), array.weight, atol=1e-6)
    array.write(torch.full((4, 6), 0.2))
    assert torch.allclose(array.weight, torch.tensor(0.2), atol=1e-6)
    assert {"dw_min", "slow.dw_min", "slow.up_down"} <= array.cell_parameters().keys()


def test_banks_draw_for_themselves() -> None:
    array = mho.Crossbar(RPU.replace(cell=Leaky()), 4, 6, seed=1)
    fields = array.cell_parameters()
    assert not torch.equal(fields["dw_min"], fields["slow.dw_min"])
    alone = mho.Crossbar(RPU.replace(cell=mho.cells.Single()), 4, 6, seed=1)
    assert torch.equal(fields["dw_min"], alone.cell_parameters()["dw_min"])  # the first bank draws as the array


def test_reference_and_compiled_agree() -> None:
    cell = Leaky(slow=SLOW, every=2)
    arrays = [
        mho.Crossbar(RPU.replace(cell=cell), 3, 5, seed=2, replicas=2, backend=backend)
        for backend in ("cpu", "reference")
    ]
    for seed in range(4):
        x, d = batch(7, 3, 5, 2, seed)
        for array in arrays:
            array.update(x, d, 0.05)
    same(*(states(array) for array in arrays))
    assert arrays[0].buffer("sent").sum() > 20


def test_a_split_of_vectors_into_calls_changes_nothing() -> None:
    whole, split = (mho.Crossbar(RPU, 3, 5, seed=2) for _ in range(2))
    x, d = batch(64, 3, 5)
    whole.update(x, d, 0.05)
    for start, stop in [(0, 1), (1, 4), (4, 9), (9, 40), (40, 64)]:
        split.update(x[:, start:stop], d[:, start:stop], 0.05, dt=float(stop == 64))
    same(states(whole), states(split))


def test_events_come_at_their_own_vectors() -> None:
    """Vector by vector, with the transfer written out."""
    cell = Leaky(slow=SLOW, every=3, transfer_read=mho.Read.exact())
    array = mho.Crossbar(RPU.replace(cell=cell), 2, 4, seed=3)
    twin = mho.Crossbar(RPU.replace(cell=Leaky(slow=SLOW, every=10**6)), 2, 4, seed=3)
    x, d = batch(40, 2, 4)
    array.update(x, d, 0.05)
    mean = np.zeros((2, 4), np.float32)
    wanted = np.zeros((2, 4))
    for t in range(40):
        twin.update(x[:, t : t + 1], d[:, t : t + 1], 0.05)
        if (t + 1) % 3 == 0:
            column = ((t + 1) // 3 - 1) % 4
            omega = twin.device_weights[0, 0, :, column].numpy()
            mean[:, column] = 0.5 * mean[:, column] + 0.5 * omega
            over = np.abs(mean[:, column]) > 0.02
            wanted[:, column] += over
            mean[over, column] = 0
    assert torch.equal(array.device_weights[:, 0], twin.device_weights[:, 0])  # fast knows nothing of slow
    assert np.array_equal(array.buffer("sent")[0].numpy(), wanted)
    assert wanted.sum() > 10
    assert np.allclose(array.buffer("mean")[0].numpy(), mean, atol=1e-6)


@pytest.mark.parametrize("replicas", [1, 3])
@pytest.mark.parametrize("tile", [None, (5, 11)], ids=["whole", "tiled"])
def test_both_drivers_train_alike(replicas: int, tile: tuple[int, int] | None) -> None:
    rpu = RPU.replace(cell=Leaky(slow=SLOW), tile=tile)
    ends = []
    for kind in ("autograd", "online"):
        torch.manual_seed(0)
        model = mho.convert(Small(), rpu, seed=4, replicas=replicas, quiet=True)
        driver = mho.training.choose_driver(model, mho.AnalogSGD(model, lr=0.02), half_squares, prefer=kind)
        assert driver.name == kind
        generator = torch.Generator().manual_seed(1)
        for _ in range(6):
            x, y = torch.rand(2, 1, 8, 8, generator=generator), torch.rand(2, 4, generator=generator)
            driver.step(x, y)
        layers = [module for module in model.modules() if isinstance(module, ArrayLayer)]
        ends.append({f"{n}.{k}": v for n, layer in enumerate(layers) for k, v in layer.state_dict().items()})
    same(*ends)


def test_files_and_their_faults() -> None:
    text = RPU.to_toml()
    assert 'kind = "tests.helpers.own_cell:Leaky"' in text
    assert "[cell.transfer_read]" in text
    assert "[cell.slow]" in text
    assert mho.RPU.from_toml(text) == RPU
    with pytest.raises(InvalidValue, match=r"cell\.kind_hash: the source of tests.*own_cell:Leaky has changed"):
        mho.RPU.from_toml(text.replace(Leaky.source_hash(), "0" * 16))
    with pytest.raises(InvalidValue, match=r"cell\.transfer_read\.noize: no such field; did you mean 'noise'"):
        mho.RPU.from_toml(text.replace("[cell.transfer_read]\nnoise", "[cell.transfer_read]\nnoize"))


def test_the_command_line_trains_it_and_resumes(tmp_path: Path) -> None:
    config = tmp_path / "own.toml"
    sizes = "[training]\nmodel = 'mlp'\nepochs = 2\ntrain_images = 40\ntest_images = 20\n"
    config.write_text(sizes + RPU.to_toml())
    whole, parts = tmp_path / "whole", tmp_path / "parts"

    def train(folder: Path, *more: str) -> dict[str, float]:
        done = command("train", str(config), "--out", str(folder), "--json", *more, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    straight = train(whole)
    train(parts, "--epochs", "1")
    resumed = train(parts, "--epochs", "2", "--resume")
    assert straight["train_loss"] == resumed["train_loss"]
    assert straight["test_error"] == resumed["test_error"]
