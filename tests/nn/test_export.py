"""Arrays as files: what NumPy reads back is what the array holds, in weights and in siemens."""

from __future__ import annotations

import csv
import dataclasses

import numpy as np
import pytest
import torch

import mho
from mho.devices import Conductance, ConstantStep, PiecewiseStep, SoftBounds
from mho.errors import InvalidValue, WrongUse
from tests.helpers.command import mho as run

MAP = Conductance(zero=3.0, unit=2.0, name="uS")
KNOWN = SoftBounds(conductance=MAP, write_noise=0.01)
LISTED = ("replica", "device", "output", "input")


def moved(rpu: mho.RPU, out: int = 3, inputs: int = 4, **options) -> mho.Crossbar:
    """An array after some pulses."""
    array = mho.Crossbar(rpu, out, inputs, seed=1, backend="reference", **options)  # nothing is compiled
    shape = (array.replicas, 5)
    array.update(torch.ones(*shape, inputs), torch.ones(*shape, out), 0.1)
    return array


def table(path) -> tuple[list[str], np.ndarray]:
    """Heading and rows of a file .csv, as np.loadtxt has them."""
    with path.open(newline="") as file:
        heading = next(csv.reader(file))
    return heading, np.loadtxt(path, delimiter=",", skiprows=1)


CELLS = {
    "single": mho.RPU(device=KNOWN),
    "pair": mho.RPU(device=KNOWN, cell=mho.cells.OneSided()),
    "reference": mho.RPU(device=KNOWN, cell=mho.cells.Referenced()),
    "several": mho.RPU(device=KNOWN, cell=mho.cells.Replicated(3)),
}


@pytest.mark.parametrize("units", ["weights", "siemens"])
@pytest.mark.parametrize("name", CELLS)
def test_numpy_reads_back_what_the_array_holds(name, units, tmp_path):
    array = moved(CELLS[name], replicas=2)
    assert mho.export(array, tmp_path / "a.npz", units=units) == [tmp_path / "a.npz"]
    held = np.load(tmp_path / "a.npz")
    named, states = dict(held["units"].tolist()), array.device_weights.numpy()
    drawn = {key: values.numpy() for key, values in array.cell_parameters().items()}
    if units == "weights":
        assert named["state"] == named["w_max"] == named["dw_min"] == "weight"
        assert np.array_equal(held["state"], states)
        assert all(np.array_equal(held[key], values) for key, values in drawn.items())
        assert np.array_equal(held["written"], array.hidden_states()["written"].numpy())
    else:
        assert named["state"] == named["w_max"] == named["dw_min"] == named["written"] == "S"
        # by hand: 3 µS + 2 µS·w, to the rounding of doubles
        assert np.allclose(held["state"], 3e-6 + 2e-6 * states.astype(float), rtol=1e-14, atol=0)
        assert np.allclose(held["w_min"], 3e-6 + 2e-6 * drawn["w_min"].astype(float), rtol=1e-14, atol=0)
        assert np.allclose(held["dw_min"], 2e-6 * drawn["dw_min"].astype(float), rtol=1e-14, atol=0)
    assert (named["weight"], named["c2c"], named["up_down"]) == ("weight", "", "")
    assert np.array_equal(held["weight"], array.weight.numpy())
    assert "scale" not in held
    mho.export(array, tmp_path / "a.csv", units=units)
    heading, rows = table(tmp_path / "a.csv")
    assert heading[:4] == [*LISTED]
    assert heading[4] == ("state (weight)" if units == "weights" else "state (S)")
    assert "c2c" in heading
    places = tuple(rows[:, k].astype(int) for k in range(4))
    assert len(rows) == states.size
    assert np.array_equal(rows[:, 4].astype(held["state"].dtype), held["state"][places])
    assert len(set(zip(*places, strict=True))) == states.size
    for key in ("w_max", "dw_min"):
        column = heading.index(f"{key} ({named[key]})")
        assert np.array_equal(rows[:, column].astype(held[key].dtype), held[key][places])


def test_pairs_are_told_apart_and_references_have_no_hidden_state(tmp_path):
    pair = moved(CELLS["pair"])
    mho.export(pair, tmp_path / "pair.npz", units="siemens")
    plus, minus = np.load(tmp_path / "pair.npz")["state"][0]
    # the weight is g⁺ - g⁻: in siemens, over the unit; sums of floats of size 1
    assert np.allclose((plus - minus) / 2e-6, pair.weight[0].numpy(), atol=1e-6)
    assert plus.min() > 0
    mho.export(moved(CELLS["reference"]), tmp_path / "reference.csv")
    heading, rows = table(tmp_path / "reference.csv")
    written = rows[:, heading.index("written (weight)")]
    assert np.array_equal(np.isnan(written), rows[:, 1] == 1)


def test_a_model_becomes_a_folder_with_a_file_an_array(tmp_path):
    net = torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.Tanh(), torch.nn.Linear(5, 2))
    rpu = mho.RPU(device=ConstantStep(w_max=2.0, w_min=-2.0), tile=(4, 4), scale=0.5)
    model = mho.convert(net, rpu, seed=0, quiet=True, exclude=["2"])
    files = mho.export(model, tmp_path / "out", format="npz")
    assert files == [tmp_path / "out" / "0.npz"]
    array = model[0].crossbars[0]
    held = np.load(files[0])
    assert np.array_equal(held["state"], array.device_weights.numpy())  # of four tiles
    assert held["state"].shape == (1, 1, 5, 7)  # the last input is the bias
    assert np.array_equal(held["scale"], np.full((1, 5), 0.5))
    assert mho.export(model, tmp_path / "out", format="csv") == [tmp_path / "out" / "0.csv"]


def test_tables_of_cells_are_a_column_a_number_and_names_that_are_taken_get_another(tmp_path):
    nodes = mho.table([1.0, 0.8, 0.5], spread=0.1)
    array = moved(mho.RPU(device=PiecewiseStep(up=nodes, down=nodes)))
    mho.export(array, tmp_path / "a.csv")
    heading, rows = table(tmp_path / "a.csv")
    places = tuple(rows[:, k].astype(int) for k in range(4))
    column = rows[:, heading.index("up[2]")].astype(np.float32)
    assert np.array_equal(column, array.cell_parameters()["up"].numpy()[(*places, 2)])

    class Named(mho.Device):
        scale: float = mho.per_cell(0.3, spread=0.1)
        dw_min: float = 0.001
        w_max: float = 0.6
        w_min: float = -0.6

        @staticmethod
        def pulse(w, up, cell, z):
            return w + cell.dw_min if up else w - cell.dw_min

    array = mho.Crossbar(mho.RPU(device=Named(), scale=2.0), 2, 3, backend="reference")
    mho.export(array, tmp_path / "b.npz")
    held = np.load(tmp_path / "b.npz")
    assert np.array_equal(held["scale"], np.full((1, 2), 2.0))
    assert np.array_equal(held["law.scale"], array.cell_parameters()["scale"].numpy())


def test_a_map_may_be_given_for_devices_that_have_none(tmp_path):
    array = moved(mho.RPU(device=SoftBounds()))
    with pytest.raises(InvalidValue, match=r"SoftBounds is, is not known; give conductance=.*\[device.conductance\]"):
        mho.export(array, tmp_path / "a.npz", units="siemens")
    assert not list(tmp_path.iterdir())
    mho.export(array, tmp_path / "a.npz", units="siemens", conductance=MAP)
    assert np.load(tmp_path / "a.npz")["state"].mean() == pytest.approx(3e-6, rel=0.2)
    with pytest.warns(UserWarning, match=r"states are below 0 S"):
        mho.export(array, tmp_path / "b.npz", units="siemens", conductance=dataclasses.replace(MAP, zero=-1.0))
    currents = moved(mho.RPU(device=SoftBounds(conductance=dataclasses.replace(MAP, name="A"))))
    with pytest.raises(InvalidValue, match="'A', which is no unit of conductance"):
        mho.export(currents, tmp_path / "c.npz", units="siemens")


@pytest.mark.parametrize(
    ("words", "kind", "parts"),
    [
        ({"units": "siemen"}, InvalidValue, ("units is 'siemen'", "did you mean 'siemens'?")),
        ({"format": "npy"}, InvalidValue, ("format is 'npy'", "did you mean 'npz'?")),
        ({"path": "a.txt"}, InvalidValue, ("a.txt", ".npz, .csv")),
        ({"path": "a.csv", "format": "npz"}, InvalidValue, ("a.csv", ".npz")),
        ({"path": "there.npz"}, WrongUse, ("there.npz exists already",)),
        ({"conductance": MAP}, InvalidValue, ("no effect", "units='siemens'")),
        ({"source": torch.nn.Linear(2, 2), "path": "out"}, InvalidValue, ("no layer on arrays", "mho.convert")),
        ({"source": torch.nn.Linear(2, 2), "path": "out.npz"}, InvalidValue, ("no layer on arrays", "mho.convert")),
        ({"conductance": MAP, "units": "siemens"}, InvalidValue, ("would have no", "effect")),
        ({"conductance": (1, 2), "units": "siemens"}, InvalidValue, ("mho.devices.Conductance",)),
        ({"source": "runs/digits-1", "path": "out"}, InvalidValue, ("'runs/digits-1'", "mho.load")),
    ],
)
def test_what_cannot_be_exported_is_refused(words, kind, parts, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.npz").write_bytes(b"kept")
    given = {"source": mho.Crossbar(mho.RPU(device=KNOWN), 2, 2, backend="reference"), "path": "a.npz"} | words
    with pytest.raises(kind) as refusal:
        mho.export(given.pop("source"), given.pop("path"), **given)
    for part in parts:
        assert part in str(refusal.value)
    assert [file.name for file in tmp_path.iterdir()] == ["there.npz"]
    assert (tmp_path / "there.npz").read_bytes() == b"kept"


def test_the_command_exports_a_run(tmp_path):
    small = ["--set", "training.train_images=20", "--set", "training.test_images=20", "--epochs", "1"]
    assert run("train", "--model", "mlp", "--device", "ecram", "--out", "run", *small, cwd=tmp_path).returncode == 0
    refused = run("export", "run", "--out", "there", "--units", "siemens", cwd=tmp_path)
    assert refused.returncode == 1
    assert "is not known" in refused.stderr
    half = run("export", "run", "--out", "there", "--zero", "1e-6", cwd=tmp_path)
    assert "give both" in half.stderr
    words = ["--units", "siemens", "--format", "csv", "--zero", "3e-6", "--unit", "2e-6"]
    done = run("export", "run", "--out", "there", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    files = done.stdout.split()
    model = mho.load(tmp_path / "run").model
    arrays = [array for layer in mho.nn.array_layers(model).values() for array in layer.crossbars]
    assert files == [f"there/{array.name}.csv" for array in arrays]
    _, rows = table(tmp_path / files[-1])
    states = arrays[-1].device_weights.numpy().astype(float)
    assert np.allclose(rows[:, 4], 3e-6 + 2e-6 * states.ravel(), rtol=1e-14, atol=0)
