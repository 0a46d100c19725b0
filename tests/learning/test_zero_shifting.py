"""Zero-shifting: the numbers of PHYSICS of Kim 2019 section by section, and the same bits however a run is cut."""

from __future__ import annotations

import json
import math
import statistics
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import mho
from mho import RPU
from mho.cells import Referenced, Single
from mho.cli.configs import read_experiment
from mho.data import digits
from mho.devices import ConstantStep
from mho.errors import CheckpointError, InvalidValue, WrongUse
from mho.learning import ZeroShifting, zero_shift
from mho.learning.symmetry import SAMPLE, symmetry_points
from mho.nn import ArrayLayer
from mho.report import read_folder, run_rows, write_report
from mho.runs import Experiment, Run
from mho.training.checkpoint import load_checkpoint
from tests.helpers.laws import Soft, SoftKnown

STEP, BOUND = 0.001, 0.6
KAPPA = 2 * STEP / BOUND
"""A pair of pulses shrinks the distance to the symmetry point by exp(-κ)."""
STILL = {"dw_min": STEP, "up_down": 1.0, "c2c": 0.0, "w_max": BOUND, "w_min": -BOUND}


def population(device: mho.Device, *, size: int = 64, start: float | None = None, **options: object) -> nn.Module:
    """One array of size² Referenced weights, all at `start` if it is given."""
    net = nn.Linear(size, size, bias=False)
    if start is not None:
        nn.init.constant_(net.weight, start)
    rpu = mho.presets.gokmen_2017().replace(device=device, cell=Referenced())
    return mho.convert(net, rpu, quiet=True, **options)


def array_of(model: nn.Module) -> mho.Crossbar:
    (layer,) = (module for module in model.modules() if isinstance(module, ArrayLayer))
    return layer.crossbars[0]


def alternate(array: mho.Crossbar, pulses: int) -> None:
    rows = torch.tensor([1.0, -1.0]).repeat(pulses // 2)[:, None].expand(array.replicas, -1, array.out_features)
    array.pulse(torch.ones(array.replicas, pulses, array.in_features), rows, length=1)


# What shifting does --------------------------------------------------------------------------------------


def test_shifting_takes_the_pulses_that_theory_says():
    """2 ln(D/e)/κ = 2,700 pulses from 0.54 to 0.006, within 5 %, without cycle noise."""
    predicted = 2 * math.log(0.54 / 0.006) / KAPPA
    assert round(predicted, -1) == 2700
    left = {}
    for share in (0.95, 1.05):
        model = population(SoftKnown(**STILL), size=8, start=0.54)
        report = zero_shift(model, pulses=2 * round(share * predicted / 2))
        left[share] = report.arrays[0].residual.largest
    assert left[1.05] < 0.006 < left[0.95]


def test_cycle_noise_leaves_the_spread_that_theory_says():
    """F·s/√κ = 0.0052, within 10 %: the spread of 4,096 draws is known to 1.1 %."""
    model = population(SoftKnown(**STILL | {"c2c": 0.3}), start=0.0)
    (shift,) = zero_shift(model, pulses=4000).arrays
    predicted = STEP * 0.3 / math.sqrt(KAPPA)
    assert round(predicted, 4) == 0.0052
    assert shift.residual.std == pytest.approx(predicted, rel=0.1)
    # the last pulse of a pair leaves devices half a step below
    assert shift.residual.mean == pytest.approx(-STEP / 2, abs=4 * predicted / 64)
    assert shift.left == shift.residual
    assert shift.pulses == (4000,)


def test_every_device_gets_each_pulse_once():
    model = population(SoftKnown(), size=16, replicas=2)
    zero_shift(model, pulses=250)
    array = array_of(model)
    assert array.counters()["coincidences"].tolist() == [250 * 256] * 2
    assert array.counters()["pulses"].tolist() == [250 * 32] * 2


@pytest.mark.parametrize("up_down", [1.5, mho.per_cell(1.0, spread=0.2)], ids=["global", "random"])
def test_afterwards_zero_is_the_symmetry_point(up_down):
    """Alternating pulses pull unshifted weights to the symmetry points of their devices, shifted ones nowhere."""
    bounds = {"w_max": mho.per_cell(BOUND, spread=0.1), "w_min": mho.per_cell(-BOUND, spread=0.1)}
    device = SoftKnown(dw_min=STEP, up_down=up_down, **bounds)
    pulled = {}
    for shifted in (False, True):
        model = population(device, start=0.0)
        if shifted:
            (report,) = zero_shift(model).arrays
            assert report.references_clipped == 0
        array = array_of(model)
        assert not array.weight.any()
        alternate(array, 3000)
        pulled[shifted] = array.weight
    fields = {name: values[:, 0].flatten().numpy() for name, values in array.cell_parameters().items()}
    points = symmetry_points(device, fields).values
    # 3,000 pulses leave exp(-5) of the distance; noise s F/√κ = 0.0050, where F is the step at the symmetry point
    np.testing.assert_allclose(pulled[False].mean(), points.mean(), atol=0.01 * abs(points.mean()) + 0.002)
    assert float(pulled[False].std()) == pytest.approx(math.hypot(points.std(), 0.0050), rel=0.05)
    # twice the noise's variance: that of the reference and that of now
    spread = math.sqrt(2) * STEP * 0.3 / math.sqrt(KAPPA)
    assert float(pulled[True].std()) == pytest.approx(spread, rel=0.15)
    assert abs(float(pulled[True].mean())) < 4 * spread / 64


def test_weights_are_programmed_over_the_references():
    model = population(Soft(up_down=1.5), size=32)
    array = array_of(model)
    before, fields = array.weight.clone(), array.cell_parameters()
    (shift,) = zero_shift(model, pulses=1000).arrays
    g, reference = array.device_weights.unbind(1)
    assert 0.05 < float(reference.mean()) < 0.2
    wanted = reference + before
    assert torch.equal(g, wanted.clamp(fields["w_min"][:, 0], fields["w_max"][:, 0]))
    assert shift.clipped == pytest.approx(float((g != wanted).float().mean()))
    kept = g == wanted
    torch.testing.assert_close(array.weight[kept], before[kept], rtol=0, atol=2.0**-23)  # g_ref + w is rounded


def test_what_references_cannot_hold_is_told():
    """Conductances near 0.5 in devices whose bounds spread by 30 % around 0.6: many cannot hold them."""
    device = Soft(up_down=10.0, w_max=mho.per_cell(BOUND, spread=0.3))
    model = population(device, size=32)
    (shift,) = zero_shift(model).arrays
    array = array_of(model)
    at_end = array.device_weights[:, 1] == array.cell_parameters()["w_max"][:, 1]
    assert shift.references_clipped == pytest.approx(float(at_end.float().mean()))
    assert 0.1 < shift.references_clipped < 0.6
    assert shift.left.std > 2 * shift.residual.std
    assert "references clipped" in str(shift)


def test_no_pulses_copy_the_conductances_as_they_are():
    model = population(Soft(w_max=2.0, w_min=-2.0), size=8)
    before = array_of(model).weight.clone()
    (shift,) = zero_shift(model, pulses=0).arrays
    assert shift.pulses == (0,)
    assert torch.equal(array_of(model).device_weights[:, 1], before)


def test_a_write_error_moves_the_references():
    """0.02 beside the residual 0.0055; 4,096 draws, spread known to 1.1 %."""
    model = population(SoftKnown(**STILL | {"c2c": 0.3}), start=0.0)
    (shift,) = zero_shift(model, write_error=0.02).arrays
    assert shift.left.std == pytest.approx(math.hypot(0.02, shift.residual.std), rel=0.04)
    assert shift.references_clipped == 0


# Tolerance -----------------------------------------------------------------------------------------------


def test_a_tolerance_stops_where_a_pair_moves_less():
    """A pair moves a device by κ·D: below 10⁻⁴ once D < 0.03, after 2 ln(0.54·κ/10⁻⁴)/κ = 1,734 pulses. Blocks are of
    100 pulses, and the mean change of one is that of its middle: stopped 50 to 150 later."""
    after = 2 * math.log(0.54 * KAPPA / 1e-4) / KAPPA
    model = population(SoftKnown(**STILL), size=8, start=0.54)
    (shift,) = zero_shift(model, tolerance=1e-4).arrays
    assert after + 40 <= shift.pulses[0] <= after + 160
    assert shift.settled is True
    model = population(SoftKnown(**STILL), size=8, start=0.54)
    (shift,) = zero_shift(model, pulses=1000, tolerance=1e-4).arrays
    assert (shift.pulses, shift.settled) == ((1000,), False)
    assert "tolerance not reached" in str(shift)


@pytest.mark.parametrize("tile", [None, (8, 9)], ids=["whole", "tiled"])
def test_each_replica_has_the_bits_of_its_own_run(tile):
    """Also where they stop at different times, and in what they train on later."""
    rpu = RPU(device=Soft(dw_min=[0.002, 0.0005]), cell=Referenced(), tile=tile)
    options = {"pulses": 800, "tolerance": 3e-4, "write_error": 0.01}

    def trained(rpu: RPU, seed: int, replicas: int) -> tuple[mho.Crossbar, tuple[int, ...]]:
        net = nn.Linear(20, 10)
        nn.init.constant_(net.weight, 0.3)
        nn.init.zeros_(net.bias)
        model = mho.convert(net, rpu, seed=seed, replicas=replicas, quiet=True)
        (shift,) = zero_shift(model, **options).arrays
        array = array_of(model)
        for step in range(2):
            generator = torch.Generator().manual_seed(step)
            x, d = (torch.randn(3, n, generator=generator).expand(replicas, -1, -1) for n in (21, 10))
            array.update(x, d, 0.01)
        return array, shift.pulses

    together, sent = trained(rpu, 4, 2)
    assert len(set(sent)) == 2
    for r in range(2):
        alone, own = trained(rpu.of_replica(r), 4 + r, 1)
        assert own == (sent[r],)
        assert torch.equal(alone.device_weights[0], together.device_weights[r])
        assert torch.equal(alone.vectors, together.vectors)


# Symmetry points -----------------------------------------------------------------------------------------


def fields_of(device: mho.Device, size: int) -> dict[str, np.ndarray]:
    array = mho.Crossbar(RPU(device=device), size, size)
    return {name: values[0, 0].flatten().numpy() for name, values in array.cell_parameters().items()}


def test_points_that_are_searched_for_are_those_of_the_closed_form():
    device = {"up_down": mho.per_cell(1.3, spread=0.3)}
    fields = fields_of(Soft(**device), 40)
    known, found = symmetry_points(SoftKnown(**device), fields), symmetry_points(Soft(**device), fields)
    assert len(known.cells) == 1600
    assert len(found.cells) == SAMPLE
    assert (known.without, found.without) == (0.0, 0.0)
    # the closed form is computed in float32, to some 1e-7 of its terms, which are up to 1
    np.testing.assert_allclose(found.values, known.values[found.cells], atol=1e-6)


class Slow(mho.Device):
    """Soft bounds whose steps remember the last one: at first as `Soft`."""

    states = ("history",)
    dw_min: float = 0.001
    up_down: float = 1.3
    w_max: float = 0.6
    w_min: float = -0.6

    @staticmethod
    def pulse(w, h, up, cell, z):
        step = cell.dw_min * cell.up_down * (1 - w / cell.w_max) if up else -cell.dw_min * (1 - w / cell.w_min)
        return w + step / (1 + h), h + 0.1


def test_laws_with_hidden_states_have_the_point_of_their_fresh_devices():
    points = symmetry_points(Slow(), fields_of(Slow(), 3))
    np.testing.assert_allclose(points.values, 0.6 * (1.3 - 1) / (1.3 + 1), rtol=1e-6)  # float32


def test_devices_without_a_symmetry_point_are_an_error_that_leaves_the_model_alone():
    model = population(ConstantStep(), size=16)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(WrongUse, match=r"% of the ConstantStep devices have no symmetry point.*shrink"):
        zero_shift(model)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name


class Unsure(mho.Device):
    """Constant steps whose closed form knows no point, whether there are none or many."""

    dw_min: float = 0.001
    up_down: float = mho.per_cell(1.0, spread=0.02)
    w_max: float = 0.6
    w_min: float = -0.6

    @staticmethod
    def pulse(w, up, cell, z):
        return w + cell.dw_min * cell.up_down if up else w - cell.dw_min

    @staticmethod
    def symmetry(cell):
        return math.nan


@pytest.mark.parametrize(("spread", "without"), [(0.02, 0.96), (0.0, 0.0)])
def test_a_closed_form_without_an_answer_is_asked_again(spread, without):
    device = Unsure(up_down=mho.per_cell(1.0, spread=spread))
    points = symmetry_points(device, fields_of(device, 30))
    assert np.isnan(points.values).all()
    assert points.without == pytest.approx(without, abs=0.03)  # of 512: 3 x 0.009


def test_balanced_constant_steps_have_their_point_everywhere():
    model = population(ConstantStep(up_down=1.0), size=8)
    (shift,) = zero_shift(model, pulses=200).arrays
    assert (shift.residual, shift.left, shift.without_point) == (None, None, 0)
    assert "every state is a symmetry point" in str(shift)


def test_some_devices_without_a_point_are_told():
    """Steps that differ by less than 10⁻³ of a step count as equal: with a spread of that, one standard deviation."""
    model = population(ConstantStep(dw_min=0.001, up_down=mho.per_cell(1.0, spread=0.001)), size=32)
    (shift,) = zero_shift(model, pulses=2).arrays
    assert shift.without_point == pytest.approx(2 * statistics.NormalDist().cdf(-1), abs=0.07)  # 512 cells: 3 x 0.021
    assert "have no symmetry point" in str(shift)


# Models and settings -------------------------------------------------------------------------------------


def test_only_referenced_cells_are_shifted():
    rpu = RPU(device=Soft(), cell=Referenced())
    net = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3))
    model = mho.convert(net, rpu, layers={"0": RPU()}, quiet=True)
    plain = next(m for m in model.modules() if isinstance(m, ArrayLayer)).crossbars[0]
    before = plain.weight.clone()
    report = zero_shift(model, pulses=100)
    assert [shift.array for shift in report.arrays] == ["2"]
    assert torch.equal(plain.weight, before)
    assert str(report).startswith("zero-shifting\n  layer 2: 100 pulses")
    with pytest.raises(WrongUse, match=r"mho.cells.Referenced\(\)"):
        zero_shift(mho.convert(net, RPU(device=Soft()), quiet=True))
    with pytest.raises(WrongUse, match="take no pulses"):
        zero_shift(mho.convert(net, mho.presets.floating_point().replace(cell=Referenced()), quiet=True))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"pulses": -2}, "pulses is -2"),
        ({"pulses": 3}, "even number"),
        ({"pulses": 2.0}, "pulses is 2.0"),
        ({"tolerance": 0.0}, "tolerance is 0.0"),
        ({"write_error": -0.1}, "write_error is -0.1"),
        ({"pulses": [100, 200]}, "cannot differ between replicas"),
    ],
)
def test_settings_out_of_range_are_refused(settings, told):
    with pytest.raises(InvalidValue, match=told):
        ZeroShifting(**settings)
    with pytest.raises(InvalidValue, match=told):
        zero_shift(population(Soft(), size=2), **settings)


# Training ------------------------------------------------------------------------------------------------


def experiment(**shifting: object) -> Experiment:
    tables = mho.presets.gokmen_2017(update_management=True).replace(device=Soft(), cell=Referenced()).to_dict()
    small = {"train_images": 12, "test_images": 10, "epochs": 1, "model": "mlp"}
    options = {"pulses": 60, "write_error": 0.01} | shifting
    return Experiment.from_dict(tables | {"training": small, "zero_shifting": options})


def go(folder: Path, *, stop_at: int = 0, resume: bool = False) -> Run:
    run = Run(experiment(), folder, digits(), resume=resume)
    run.train(on_step=lambda progress: progress.steps == stop_at, on_epoch=lambda progress: None)
    return run


def tensors(folder: Path) -> dict[str, Tensor]:
    return load_checkpoint(folder / "checkpoint.safetensors")[0]


def test_training_begins_with_it_and_resumes_without_it(tmp_path):
    whole = go(tmp_path / "whole")
    assert [shift.pulses for shift in whole.shifted.arrays] == [(60,)] * 3
    go(tmp_path / "parts", stop_at=5)
    stopped = tensors(tmp_path / "parts")
    assert go(tmp_path / "parts", resume=True).shifted is None
    ours, theirs = tensors(tmp_path / "parts"), tensors(tmp_path / "whole")
    assert ours.keys() == theirs.keys()
    references = [name for name in ours if name.endswith(".reference")]
    assert len(references) == 3
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name
    for name in references:
        assert torch.equal(ours[name], stopped[name])
        assert ours[name].any()
    summaries = [json.loads((tmp_path / run / "summary.json").read_text()) for run in ("whole", "parts")]
    assert summaries[0]["zero_shifting"] == summaries[1]["zero_shifting"]
    assert summaries[0]["zero_shifting"][0]["pulses"] == [60]
    assert [array["references"] for array in summaries[0]["arrays"]] == [1, 1, 1]
    assert [(row.devices, row.references) for row in run_rows(read_folder(tmp_path / "parts"))] == [(2, 1)] * 3
    write_report(tmp_path / "parts")
    assert "60 pulses" in (tmp_path / "parts" / "report.html").read_text()
    with pytest.raises(CheckpointError, match=r"zero_shifting.write_error was 0.01 and is 0.02"):
        Run(experiment(write_error=0.02), tmp_path / "whole", digits(), resume=True)
    without = Experiment.from_dict({k: v for k, v in experiment().to_dict().items() if k != "zero_shifting"})
    with pytest.raises(CheckpointError, match=r"zero_shifting was .* and is 'absent'"):
        Run(without, tmp_path / "whole", digits(), resume=True)


def test_configs_hold_it(tmp_path):
    whole = experiment(tolerance=1e-4)
    assert Experiment.from_toml(whole.to_toml()) == whole
    assert Experiment.from_toml(experiment().to_toml()).zero_shifting == ZeroShifting(pulses=60, write_error=0.01)
    given = ["zero_shifting.write_error=0.02", "cell.kind=Referenced"]
    read = read_experiment(None, None, {}, given, None)
    assert read.zero_shifting == ZeroShifting(write_error=0.02)
    assert read.rpu.cell == Referenced()
    assert read_experiment(None, None, {}, [], None).zero_shifting is None


def test_faults_of_the_section_are_told():
    tables = experiment().to_dict()
    with pytest.raises(InvalidValue) as caught:
        Experiment.from_dict(tables | {"zero_shifting": {"pulse": 10, "write_error": -1}, "forward": {"noise": -1}})
    assert len(caught.value.faults) == 3
    assert "zero_shifting.pulse: no such field; did you mean 'pulses'?" in str(caught.value)
    with pytest.raises(InvalidValue, match=r"write a section \[zero_shifting\]"):
        Experiment.from_dict(tables | {"zero_shifting": True})
    with pytest.raises(InvalidValue, match=r"\[zero_shifting\] would have no effect: the cells are Single"):
        Experiment.from_dict(tables | {"cell": {"kind": type(Single()).__name__}})


def test_a_shifted_model_is_not_said_to_be_held_by_its_devices():
    """Weights are what lies above the references, and references lie where devices are drawn to."""
    device = mho.devices.SoftBounds(dw_min=0.005, up_down=2.0)
    rpu = mho.presets.gokmen_2017().replace(device=device, cell=Referenced())
    torch.manual_seed(0)
    model = mho.convert(nn.Sequential(nn.Linear(20, 16), nn.Tanh(), nn.Linear(16, 4)), rpu, seed=1)
    zero_shift(model, pulses=2000)
    found = mho.diagnose(model, torch.rand(64, 20), torch.arange(64) % 4, lr=0.01)
    (drift,) = [finding for finding in found.findings if finding.check == "symmetry points"]
    assert drift.lost < 0.1  # 0.98 if g itself is taken for the weight
