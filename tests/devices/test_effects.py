"""Effects: one class each, on any law, for users as for mho; named hidden states; helper functions of laws."""

from __future__ import annotations

import dataclasses
import importlib
import math
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import mho
from mho import random
from mho.compiler.hooks import Hooks, kernel_name, read_hooks
from mho.compiler.law import read_law, text_of
from mho.compiler.model import DeviceModel
from mho.devices import EFFECTS, LAWS, ConstantStep, Device, Effect, SoftBounds, StepDevice
from mho.devices.options import OPTIONS, flat_effects
from mho.errors import InvalidValue, LawError
from mho.imports import classes_in
from mho.kernels import ops
from mho.runs.experiment import Experiment
from mho.training import Training
from tests.helpers.checkout import ROOT
from tests.helpers.command import mho as command
from tests.helpers.laws import Lazy
from tests.helpers.own_effects import Assisted, Everything, Sag, Swaying


def array(device: Device, *, backend: str = "reference", **given: Any) -> mho.Crossbar:
    return mho.Crossbar(mho.RPU(device=device), 4, 6, backend=backend, name="effects", **given)


def drive(made: mho.Crossbar, steps: int = 4) -> None:
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        x, d = (torch.rand(2, n, generator=generator) * 2 - 1 for n in (6, 4))
        if made.replicas > 1:
            x, d = x.expand(made.replicas, -1, -1), d.expand(made.replicas, -1, -1)
        made.update(x, d, 0.3)


# Effects ----------------------------------------------------------------------------------------------------------


WITH_EFFECTS = ConstantStep(dw_min=0.02, effects=(Sag(rate=0.02), Everything()))
"""The device of all tests that compile, so that its kernels are compiled once."""


def test_compiled_effects_equal_interpreted() -> None:
    made = [array(WITH_EFFECTS, seed=[1, 5], replicas=2, backend=b) for b in ("reference", "cpu")]
    for each in made:
        drive(each)
        each.rest(2.0)
    reference, compiled = made
    assert list(compiled.hidden_states()) == ["written"]
    assert not torch.equal(compiled.hidden_states()["written"], compiled.device_weights)
    # the power in Sag may differ in its last bit
    assert torch.allclose(compiled.device_weights, reference.device_weights, rtol=0, atol=1e-6)
    assert torch.allclose(compiled.hidden_states()["written"], reference.hidden_states()["written"], rtol=0, atol=1e-6)
    assert torch.allclose(compiled.read(), reference.read(), rtol=0, atol=1e-5)


def slowed(cell: Any) -> float:
    return 1.0 / (1.0 + 10.0 * cell.decay)


def slower(cell: Any) -> float:
    return slowed(cell) * (1.0 + cell.read_variation)


class Tired(StepDevice):
    """A law whose pulses read fields of effects, in a function that its own function calls."""

    @staticmethod
    def pulse(w: float, up: bool, cell: Any, z: float) -> float:
        return w + cell.dw_min * slower(cell) if up else w - cell.dw_min * slower(cell)


def test_a_law_may_read_the_fields_of_effects_that_do_nothing_at_a_pulse() -> None:
    own = {name: mho.per_cell(0.05, spread=0.3) for name in ("decay", "read_variation", "diffusion")}
    made = [array(Tired(dw_min=0.02, **own), seed=3, backend=b) for b in ("reference", "cpu")]
    for each in made:
        drive(each)
    assert torch.equal(made[0].device_weights, made[1].device_weights)
    population = made[1].first.population().calling("accepts_pulse", "moves_up", "holds", "written")
    assert {"decay", "read_variation"} < set(population.fields)
    assert not {"diffusion", "decay_to"} & set(population.fields)


def test_what_a_read_needs_of_the_devices_is_chosen_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chosen for each read anew, it took longer than the read: which fields a law reads is looked up in its text."""
    asked = []
    monkeypatch.setattr("mho.compiler.model.text_of", lambda functions: asked.append(1) or text_of(functions))
    made = array(ConstantStep(read_variation=0.1), backend="cpu")
    for _ in range(5):
        made.forward(torch.ones(3, made.in_features))
    assert len(asked) == 1


def test_devices_that_differ_in_time_and_reads_share_the_kernel_of_updates() -> None:
    more = {"decay": 0.1, "drift": 0.01, "diffusion": 0.01, "read_variation": 0.1}
    x, d = np.ones((1, 1, 6), np.float32), np.ones((1, 1, 4), np.float32)

    def kernel_of(**options: Any) -> Any:
        bank = array(ConstantStep(**options), backend="cpu").first
        return bank.part().plan_update(x, d).move[-1].kernel

    assert kernel_of(**more) is kernel_of()
    assert kernel_of(**more, write_noise=0.1) is kernel_of(write_noise=0.1) is not kernel_of()


def test_an_effect_does_what_its_hook_says() -> None:
    made = array(ConstantStep(effects=(Sag(rate=0.1, noise=0.0),)))
    before = made.weight.clone()
    made.rest(3.0)
    assert torch.allclose(made.weight, before * (1 - 0.5 * 0.1 * 3), rtol=1e-6)


def test_fields_are_drawn_under_the_name_of_the_effect() -> None:
    made = array(ConstantStep(effects=(Sag(rate=mho.per_cell(0.1, spread=0.2)),)), seed=7)
    z = random.field_normals(7, random.array_number("effects"), "Sag.rate", 24)
    expected = torch.from_numpy(np.abs(0.1 * (1.0 + 0.2 * z)).astype(np.float32)).view(1, 1, 4, 6)
    assert torch.equal(made.cell_parameters()["Sag.rate"], expected)
    assert torch.equal(made.cell_parameters()["w_max"], array(ConstantStep(), seed=7).cell_parameters()["w_max"])


def test_keys_of_draws_differ() -> None:
    keys = {effect: effect.draw_key() for effect in (Sag, Everything)}
    assert len({*keys.values(), (0, 0), (0, int(random.WRITING_KEY))}) == 4
    first = array(ConstantStep(dw_min=0.02, write_noise=0.05))
    second = array(ConstantStep(dw_min=0.02, write_noise=0.05, effects=(Sag(rate=0.1, noise=0.0),)))
    for each in (first, second):
        each.pulse(torch.ones(3, 6), torch.ones(3, 4))
    assert torch.equal(first.device_weights, second.device_weights)


def test_replicas_differ_in_an_effect() -> None:
    lists = ConstantStep(dw_min=0.02, effects=(Sag(rate=[0.01, 0.2], noise=mho.per_cell([0.0, 0.01], std=0.001)),))
    rpu = mho.RPU(device=lists)
    assert rpu.replicas == 2
    assert rpu.of_replica(1).device.effects[0].rate == 0.2
    both = array(lists, seed=[3, 4], replicas=2)
    drive(both)
    for r in (0, 1):
        alone = array(rpu.of_replica(r).device, seed=3 + r)
        drive(alone)
        assert torch.equal(both.weight[r], alone.weight[0])
    with pytest.raises(InvalidValue, match=r"Sag\.rate has 2, .*c2c has 3|c2c has 3.*Sag\.rate has 2"):
        mho.RPU(device=ConstantStep(c2c=[0.1] * 3, effects=(Sag(rate=[0.1, 0.2]),)))


def test_files_hold_effects() -> None:
    rpu = mho.RPU(device=SoftBounds(write_noise=0.1, effects=(Sag(noise=mho.per_cell(0.1, std=0.01)), Everything())))
    text = rpu.to_toml()
    assert mho.RPU.from_toml(text) == rpu
    assert 'kind = "tests.helpers.own_effects:Sag"' in text
    assert "effects=(Sag(" in repr(rpu.device)
    assert "effects" not in rpu.replace(device=SoftBounds()).to_toml()
    digest = Sag.effect_hash()
    for wrong, said in {
        text.replace(digest, "0" * 16): f"own_effects:Sag has changed ({digest}, the file says 0000",
        text.replace("rate =", "rte ="): "device.effects[0].rte: no such field; did you mean 'rate'?",
        text.replace("tests.helpers.own_effects:Sag", "tests.helpers.own_effects:Sage"): "cannot be imported",
        text.replace("tests.helpers.own_effects:Sag", "tests.helpers.laws:Lazy"): "is not a subclass of mho.Effect",
        text.replace("tests.helpers.own_effects:Sag", "Sack"): "no 'Sack'",
        text.replace("rate = 0.01", "rate = { mean = nan }"): "rate: mean is nan",
    }.items():
        assert wrong != text
        with pytest.raises(InvalidValue, match=re.escape(said)):
            mho.RPU.from_toml(wrong)


def test_a_layer_without_the_effects_of_the_others() -> None:
    main = mho.RPU(device=ConstantStep(stuck=0.1, effects=(Sag(),)))
    layers = {"fc1": main.replace(device=ConstantStep(drift=0.01))}
    experiment = Experiment(training=Training(), rpu=main, layers=layers)
    assert Experiment.from_toml(experiment.to_toml()) == experiment


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Sag(rate="much"), "Sag: rate is 'much'"),
        (lambda: Sag(rate=math.inf, noise=mho.per_cell(0.1, spread=-1.0)), "noise: spread is -1.0"),
        (lambda: ConstantStep(effects=(Sag(), Sag(rate=0.2))), "Sag twice"),
        (lambda: ConstantStep(effects=(Sag,)), "effects hold <class"),
        (lambda: ConstantStep(effects=0.1), "effects hold 0.1"),
        (lambda: ConstantStep(effects=(EFFECTS["Drift"](drift=0.1),)), "give its fields to the device, drift=0.1"),
        (lambda: mho.devices.Ideal(effects=(Sag(),)), "Sag.rate, Sag.noise: Ideal is exact"),
        (lambda: ConstantStep(dw_min=mho.per_cell(math.nan)), "ConstantStep: dw_min: mean is nan"),
        (lambda: ConstantStep(write_noise=mho.per_cell(0.1, spread=-1)), "write_noise: spread is -1"),
    ],
)
def test_faults_are_named(make: Any, said: str) -> None:
    with pytest.raises(InvalidValue, match=re.escape(said)):
        make()


@staticmethod
def uses_a_field_of_the_law(w, cell, z):
    return w * cell.up_down


@staticmethod
def lacks_z(w, cell):
    return w


@pytest.mark.parametrize(
    ("hook", "body", "said"),
    [
        ("aged", lacks_z, "its arguments are (w, cell, dt, z)"),
        ("seen", uses_a_field_of_the_law, "uses cell.up_down: no such field"),
        ("seen", lacks_z.__func__, "@staticmethod"),
        ("other", lacks_z, "fills no hook"),
    ],
)
def test_hooks_that_break_the_contract(hook: str, body: Any, said: str) -> None:
    with pytest.raises(LawError, match=re.escape(said)):
        type("Broken", (Effect,), {hook: body})()


def test_fields_of_every_device_are_not_an_effects() -> None:
    with pytest.raises(LawError, match=r"Broken\.w_max: a field of every device has this name"):
        type("Broken", (Effect,), {"__annotations__": {"w_max": float}, "w_max": 1.0})


def test_devices_that_hold_are_stuck() -> None:
    made = array(ConstantStep(dw_min=0.1, effects=(Everything(stuck=0.5),)))
    assert torch.equal(made.cell_parameters()["Everything.stuck"], torch.full((1, 1, 4, 6), 0.5))
    before = made.device_weights.clone()
    made.write(torch.zeros(4, 6))
    drive(made)
    made.rest(5.0)
    assert torch.equal(made.device_weights, before)
    assert len(before.unique()) == 24


class Choosy(Hooks):
    """Asks `if`, which NumPy cannot ask of many devices at once."""

    @staticmethod
    def holds(cell: Any) -> bool:
        return True if cell.w_max > 0.5 else cell.w_min > 0


def test_which_devices_hold_is_asked_singly_where_it_must() -> None:
    fields = {"w_max": np.float32([[[0.4, 0.6]]]), "w_min": np.float32([[[-1, -1]]])}
    assert ops.stuck_devices(DeviceModel(ConstantStep, (Choosy,)), fields).tolist() == [[[False, True]]]
    assert ops.stuck_devices(DeviceModel(ConstantStep), fields) is None


def test_chains_keep_their_order() -> None:
    model = ConstantStep(stuck=0.1, drift=0.1, decay=0.1, write_noise=0.1, effects=(Sag(),)).model()
    assert [hook.__name__ for hook in model.filling("aged")] == ["Decay", "Drift", "Sag"]
    assert model.hidden == ("written",)
    with pytest.raises(LawError, match="Sag stands twice"):
        model.with_hooks(Sag)


def test_two_models_of_an_array_resume() -> None:
    device = Swaying(dw_min=0.02, write_noise=0.01, effects=(Sag(),))
    whole, part = array(device), array(device)
    drive(whole, 6)
    drive(part, 3)
    again = array(device)
    again.load_state_dict(part.state_dict())
    for name, values in part.hidden_states().items():
        assert torch.equal(again.hidden_states()[name], values)
    generator = torch.Generator().manual_seed(1)
    vectors = [[torch.rand(2, n, generator=generator) * 2 - 1 for n in (6, 4)] for _ in range(6)]
    for x, d in vectors[3:]:
        again.update(x, d, 0.3)
    assert torch.equal(again.weight, whole.weight)
    assert list(whole.hidden_states()) == ["written", "last", "count"]


def test_both_drivers_train_with_an_effect() -> None:
    def train(driver: str) -> list[torch.Tensor]:
        generator = torch.Generator().manual_seed(0)
        net = nn.Sequential(nn.Flatten(), nn.Linear(9, 5), nn.ReLU(), nn.Linear(5, 3))
        for parameter in net.parameters():
            parameter.data = 0.3 * torch.randn(parameter.shape, generator=generator)
        rpu = mho.RPU(device=WITH_EFFECTS)
        model = mho.convert(net, rpu, seed=1, quiet=True)
        chosen = mho.training.choose_driver(model, mho.AnalogSGD(model, lr=0.1), prefer=driver)
        assert chosen.name == driver
        for k in range(3):
            chosen.step(torch.rand(2, 1, 3, 3, generator=generator), torch.tensor([k, 1]))
        return [layer.crossbars[0].weight for layer in model.modules() if isinstance(layer, mho.nn.Linear)]

    for autograd, online in zip(train("autograd"), train("online"), strict=True):
        assert torch.allclose(autograd, online, rtol=0, atol=1e-6)  # torch's own functions may differ by an ulp


def test_train_resumes_with_an_effect(tmp_path: Path) -> None:
    rpu = mho.RPU(device=WITH_EFFECTS)
    (tmp_path / "config.toml").write_text(rpu.to_toml())
    images = ("--set", "training.train_images=30", "--set", "training.test_images=10")

    def train(folder: str, *words: str) -> list[str]:
        done = command("train", *words, "--out", folder, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        lines = (tmp_path / folder / "metrics.jsonl").read_text().splitlines()
        return [line.partition('"seconds"')[0] for line in lines]

    begin = ("config.toml", "--model", "tests.helpers.own_effects:Net", *images)
    whole = train("whole", *begin, "--epochs", "2")
    train("parts", *begin, "--epochs", "1")
    assert train("parts", "--epochs", "2", "--resume") == whole
    assert Experiment.from_toml((tmp_path / "parts" / "config.toml").read_text()).rpu.device == rpu.device


# Hidden states ----------------------------------------------------------------------------------------------------


def test_hidden_states_have_names() -> None:
    made = array(Lazy())
    assert list(made.hidden_states()) == ["last"]
    made.pulse(torch.ones(1, 6), torch.ones(1, 4), length=1)
    assert torch.equal(made.hidden_states()["last"], torch.ones(1, 1, 4, 6))
    made.write(torch.zeros(4, 6))
    assert not made.hidden_states()["last"].any()
    assert array(ConstantStep()).hidden_states() == {}
    tiled = mho.arrays.build_array(mho.RPU(device=Lazy(), tile=(2, 6)), 4, 6, seed=0, name="t", backend="reference")
    assert tiled.hidden_states()["last"].shape == (1, 1, 4, 6)


def test_a_law_has_several_hidden_states() -> None:
    made = [array(Swaying(dw_min=0.02), backend=backend) for backend in ("reference", "cpu")]
    for each in made:
        drive(each)
    assert torch.equal(made[0].weight, made[1].weight)
    assert made[1].hidden_states()["count"].max() > 3
    for name, values in made[0].hidden_states().items():
        assert torch.equal(made[1].hidden_states()[name], values)


# Helper functions -------------------------------------------------------------------------------------------------


def test_helpers_enter_the_hash_and_the_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = """
import mho
from mho.devices import StepDevice
from math import sqrt
from textwrap import dedent

def half(w):
    return w * 0.5

def recursive(w):
    return recursive(w)

def optional(w, factor=2.0):
    return w * factor

class Halving(StepDevice):
    @staticmethod
    def pulse(w, up, cell, z):
        return CALL
"""
    monkeypatch.syspath_prepend(tmp_path)

    def law(call: str, body: str = "w * 0.5") -> type[Device]:
        name = f"helpers{len(list(tmp_path.glob('*.py')))}"
        (tmp_path / f"{name}.py").write_text(text.replace("CALL", call).replace("w * 0.5", body))
        importlib.invalidate_caches()
        return importlib.import_module(name).Halving

    first = law("half(w)")
    assert first.law_hash() != law("half(w)", "w * 0.25").law_hash()
    made = array(first(w_max=1.0, w_min=-1.0))
    made.write(torch.full((4, 6), 0.5))
    made.pulse(torch.ones(1, 6), torch.ones(1, 4), length=1)
    assert torch.equal(made.weight, torch.full((1, 4, 6), 0.25))
    assert [*read_law(first).functions["pulse"].helpers] == ["half_of_helpers0"]
    for call, said in {
        "recursive(w)": "calls itself",
        "optional(w)": "defaults or stars",
        "mho.per_cell(w)": "uses 'mho'",
        "sqrt(w)": "uses 'sqrt'",
        "dedent(w)": "calls dedent of textwrap",
    }.items():
        with pytest.raises(LawError, match=said):
            law(call)()


def test_a_law_with_helpers_can_be_fitted() -> None:
    from mho.fitting.filter import compiled_step

    step = compiled_step(Assisted, ("dw_min", "w_max", "w_min"))
    quiet, *_ = step(0.5, 0.5, True, np.array([0.1, 1.0, -1.0]))
    assert quiet == 0.5 + 0.1 * 0.5 * 0.5


def test_helpers_of_helpers_come_first() -> None:
    place = Sag.__module__.replace(".", "_")
    assert list(read_hooks(Sag).functions["aged"].helpers) == [f"soften_of_{place}", f"sagging_of_{place}"]


# Rooms ------------------------------------------------------------------------------------------------------------


def test_rooms_find_their_classes() -> None:
    assert {"ConstantStep", "SoftBounds", "JumpTable", "Ideal"} <= set(LAWS)
    assert all(getattr(mho.devices, name) is law for name, law in LAWS.items())
    assert [name for effect in flat_effects() for name in effect.hook_fields()] == list(OPTIONS)
    defaults = {field.name: field.default for effect in flat_effects() for field in dataclasses.fields(effect)}
    assert defaults == {f.name: f.default for f in dataclasses.fields(mho.devices.Options) if f.name in OPTIONS}
    with pytest.raises(AttributeError, match="did you mean 'ConstantStep'"):
        _ = mho.devices.ConstatStep


def blocks(title: str) -> list[str]:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", text.split(f"## {title}\n")[1].split("\n## ")[0], re.DOTALL)


@pytest.mark.parametrize(
    ("title", "room", "base"),
    [("Adding a device law", mho.devices, Device), ("Adding an effect", mho.devices.effects, Effect)],
)
def test_what_contributing_adds_is_found(
    title: str, room: Any, base: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (source,) = blocks(title)
    (tmp_path / "added.py").write_text(source, encoding="utf-8")
    monkeypatch.setattr(room, "__path__", [*room.__path__, str(tmp_path)])
    try:
        added = set(classes_in(room.__name__, base).items()) - set((LAWS if base is Device else EFFECTS).items())
        ((name, cls),) = added
        device = cls() if base is Device else ConstantStep(effects=(cls(),))
        named = cls.law_name() if base is Device else cls.effect_name()
        assert named == name
        made = array(device, seed=2)
        drive(made)
        made.rest(1.0)
        assert torch.isfinite(made.weight).all()
    finally:
        sys.modules.pop(f"{room.__name__}.added")
        del room.added


def test_the_effect_of_the_docs_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "docs" / "devices.md").read_text(encoding="utf-8")
    source = next(block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "my_effects.py" in block)
    (tmp_path / "my_effects.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    section = next(block for block in re.findall(r"```toml\n(.*?)```", text, re.DOTALL) if "my_effects:Sag" in block)
    rpu = mho.RPU.from_toml('[device]\nlaw = "SoftBounds"\n' + section)
    made = mho.Crossbar(rpu, 4, 6, backend="reference")
    before = made.weight.clone()
    made.rest(1.0)
    assert torch.allclose(made.weight, before / 1.02, rtol=1e-5)


TABLED = ("choose_device", "data", "devices", "hardware", "settings")


@pytest.mark.parametrize("file", [f"docs/{name}.md" for name in TABLED])
def test_tables_are_made_of_the_classes(file: str) -> None:
    from mho.report.catalogue import with_tables

    text = (ROOT / file).read_text(encoding="utf-8")
    assert with_tables(text) == text
    assert with_tables(text.replace("A step that shrinks as a power", "A step").replace("w + a·", "w + ")) == text


def test_shared_fields_keep_their_places() -> None:
    class Between(StepDevice):
        middle: float = 0.5
        c2c: float = 0.1

        @staticmethod
        def pulse(w, up, cell, z):
            return w + cell.middle

    assert list(Between().parameters()) == ["dw_min", "middle", "c2c", "w_max", "w_min"]
    assert Between().c2c == 0.1
    assert list(mho.devices.ExpStep().parameters())[:3] == ["dw_min", "up_down", "a_up"]
    assert list(mho.devices.ExpStep().parameters())[-3:] == ["c2c", "w_max", "w_min"]
    assert kernel_name("Sag.rate") == "Sag__rate"


# Checks -----------------------------------------------------------------------------------------------------------


def test_check_device_passes_effects() -> None:
    report = mho.testing.check_device(WITH_EFFECTS)
    assert report.closed_form


@staticmethod
def infinite(w, cell, dt, z):
    return w / (dt - 100)


@staticmethod
def undefined(w, cell, z):
    return w + z if w < 0.1 else (0 - w) ** 0.5 + math.sqrt(0 - w)


@pytest.mark.parametrize(
    ("hook", "body", "said"), [("aged", infinite, "Broken.aged gives"), ("seen", undefined, "Broken.seen fails")]
)
def test_check_device_finds_faults_of_effects(hook: str, body: Any, said: str) -> None:
    broken = type("Broken", (Effect,), {hook: body})
    with pytest.raises(LawError, match=said):
        mho.testing.check_device(ConstantStep(effects=(broken(),)))
