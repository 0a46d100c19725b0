"""Devices, reads, pulses and RPUs as descriptions: what they refuse, how they are written down and read back."""

from __future__ import annotations

import dataclasses
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import mho
from mho import RPU, Pulses, Read
from mho.cells import Replicated, Single
from mho.devices import ConstantStep, ExpStep, Ideal, LinearStep, PowStep, SoftBounds
from mho.errors import InvalidValue, LawError
from mho.tables import READ_WHERE_ON
from tests.helpers import laws
from tests.helpers.laws import Ferro

UP_TO_THE_BOUND = {"w_max": 0.6, "w_min": -0.6}


def refused(kind: type[Exception], *parts: str):
    """Expect an error whose message holds all parts, in this order."""
    return pytest.raises(kind, match="(?s)" + ".*".join(re.escape(part) for part in parts))


# Values


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (lambda: ConstantStep(dw_min=mho.per_cell(1.0, spread=-0.1)), ("dw_min: spread is -0.1", "at least 0")),
        (lambda: ConstantStep(dw_min=mho.per_cell(1.0, std=-0.1)), ("std is -0.1", "at least 0")),
        (lambda: ConstantStep(dw_min=mho.per_cell(1.0, spread=0.1, std=0.1)), ("spread and std are both given",)),
        (lambda: ConstantStep(dw_min=mho.per_cell(0.0, spread=0.1)), ("the mean is 0", "give std instead")),
        (lambda: ConstantStep(dw_min=mho.per_cell("much")), ("mean is 'much'", "give a number")),
        (lambda: ConstantStep(dw_min=mho.per_cell(float("nan"))), ("mean is nan",)),
        (lambda: ConstantStep(dw_min=mho.per_cell(float("inf"), spread=0.1)), ("infinite mean",)),
        (
            lambda: ConstantStep(w_max=mho.per_cell(1.0, spread=0.1, distribution="log-normal")),
            ("w_max: no distribution 'log-normal'", "did you mean 'lognormal'?"),
        ),
        (
            lambda: ConstantStep(c2c=mho.per_cell(1.0, distribution=["normal"])),
            ("no distribution ['normal']",),
        ),
        (
            lambda: ConstantStep(c2c=mho.per_cell(0.0, distribution="lognormal")),
            ("no mean 0", "normal or uniform"),
        ),
        (
            lambda: SoftBounds(c2c=mho.per_cell(1.0, spread=0.58, distribution="uniform")),
            ("spread is 0.58", "at most 0.577"),
        ),
        (lambda: SoftBounds(w_min=0.1), ("SoftBounds", "w_min is 0.1", "w_min < 0 < w_max")),
        (lambda: SoftBounds(dw_min=0, c2c=-1), ("dw_min is 0", "greater than 0", "c2c is -1", "at least 0")),
        (lambda: SoftBounds(w_max=float("inf")), ("w_max is inf", "ConstantStep")),
        (lambda: LinearStep(gamma_up=1.5), ("gamma_up is 1.5", "from 0 to 1")),
        (lambda: ExpStep(a_down=1.0), ("a_down is 1.0", "below 1")),
        (lambda: PowStep(gamma_down=-1), ("gamma_down is -1", "at least 0")),
        (lambda: PowStep(w_max=float("inf")), ("w_max is inf", "finite")),
        (lambda: ConstantStep(w_max=-0.7), ("ConstantStep", "w_min is -0.6 and w_max is -0.7", "below")),
        (lambda: ConstantStep(w_min=0.6), ("w_min is 0.6 and w_max is 0.6", "below")),
        (lambda: ConstantStep(dw_min=0), ("dw_min is 0", "greater than 0")),
        (lambda: ConstantStep(dw_min=mho.per_cell(-1e-3)), ("dw_min is -0.001", "greater than 0")),
        (lambda: ConstantStep(c2c=-0.3), ("c2c is -0.3", "at least 0")),
        (lambda: ConstantStep(c2c="some"), ("c2c is 'some'", "give a number or mho.per_cell(")),
        (lambda: ConstantStep(c2c=True), ("c2c is True", "give a number")),
        (lambda: Read(noise=-0.06), ("Read", "noise is -0.06", "from 0")),
        (lambda: Read(noise=float("nan")), ("noise is nan",)),
        (lambda: Read(bound=0), ("bound is 0", "greater than 0 and at most 1e30, or None")),
        (lambda: Read(dac_bits=1), ("dac_bits is 1", "an integer from 2 to 24, or None")),
        (lambda: Read(dac_bits=7.0), ("dac_bits is 7.0", "an integer")),
        (lambda: Read(noise_management=1), ("noise_management is 1", "true or false")),
        (lambda: Read(bound=None, bound_management=True), ("bound_management has no effect without a bound",)),
        (lambda: Read(bound=None, adc_bits=9), ("adc_bits needs a bound",)),
        (lambda: Read(max_halvings=5), ("max_halvings has no effect without bound_management",)),
        (lambda: Pulses(length=0), ("Pulses", "length is 0", "an integer from 1 to 64")),
        (lambda: Pulses(length=65), ("length is 65", "an integer from 1 to 64")),
        (lambda: Pulses(length=True), ("length is True", "an integer")),
        (lambda: Pulses(update_management="on"), ("update_management is 'on'", "true or false")),
        (lambda: Pulses(x_gain=0.0), ("x_gain is 0.0", "greater than 0 and at most 1e30, or None")),
        (lambda: Pulses(trains="determinstic"), ("trains is 'determinstic'", "did you mean 'deterministic'?")),
        (lambda: Pulses(trains=None), ("trains is None", "known: deterministic, stochastic")),
        (lambda: Pulses(length_management=1), ("length_management is 1", "true or false")),
        (lambda: Pulses(length_management=True, x_gain=1.0), ("x_gain would have no effect", "leave it out")),
        (lambda: Pulses(length_management=True, x_gain=1.0, d_gain=1.0), ("x_gain and d_gain would", "leave them out")),
        (lambda: Replicated(0), ("Replicated", "n is 0", "an integer from 1 to 1024")),
        (lambda: RPU(device=ConstantStep), ("device is <class", "give for example mho.devices.ConstantStep()")),
        (lambda: RPU(forward=None, cell=13), ("cell is 13", "mho.cells.Single()", "forward is None", "mho.Read()")),
        (lambda: RPU(update=mho.Exact()), ("ConstantStep device cannot be updated by Exact", "use Pulses")),
        (lambda: RPU(device=Ideal()), ("Ideal device cannot be updated by Pulses", "use Exact")),
        (lambda: mho.Crossbar(RPU, 1, 1), ("rpu is the class RPU", "give a mho.RPU")),
        (lambda: mho.Crossbar(RPU(), 0, 1), ("out_features is 0", "at least 1")),
        (lambda: mho.Crossbar(RPU(), 1, 2.0), ("in_features is 2.0", "an integer")),
        (lambda: mho.Crossbar(RPU(), 1, 1, seed=-1), ("seed is -1", "from 0 to 2**63 - 1")),
        (lambda: mho.Crossbar(RPU(), 1, 1, seed=2**63 - 1, replicas=2), ("from 0 to 2**63 - 1",)),
        (lambda: mho.Crossbar(RPU(), 1, 1, seed=[1, 2], replicas=3), ("2 seeds for 3 replicas",)),
        (lambda: mho.Crossbar(RPU(), 1, 1, replicas=0), ("replicas is 0",)),
        (lambda: mho.Crossbar(RPU(), 1, 1, backend="gpu"), ("backend is 'gpu'", "'cpu'")),
    ],
)
def test_impossible_values_are_refused_with_the_rule(make, parts):
    with refused(InvalidValue, *parts):
        make()


def test_all_faults_of_one_part_are_told_at_once():
    with refused(InvalidValue, "noise is -1", "bound is -2", "dac_bits is 99") as caught:
        Read(noise=-1, bound=-2, dac_bits=99)
    assert len(caught.value.faults) == 3
    with refused(InvalidValue, "dw_min is -1", "c2c is -1") as caught:
        ConstantStep(dw_min=-1, c2c=-1)
    assert len(caught.value.faults) == 2


def test_all_fields_of_a_wrong_type_are_told_at_once():
    with refused(InvalidValue, "dw_min is 'a'", "c2c is 'b'"):
        ConstantStep(dw_min="a", c2c="b")


@pytest.mark.parametrize(
    "options", [{"bound": float("inf"), "adc_bits": 9}, {"input_bound": float("inf"), "dac_bits": 7}]
)
def test_a_converter_without_a_finite_full_scale_is_refused(options):
    with pytest.raises(InvalidValue):
        Read(**options)


@pytest.mark.parametrize("seed", [np.int64(3), 1.5])
def test_seeds_are_integers_of_any_kind_or_refused(seed):
    if isinstance(seed, float):
        with pytest.raises(InvalidValue):
            mho.Crossbar(RPU(), 1, 1, seed=seed)
    else:
        assert mho.Crossbar(RPU(), 1, 1, seed=seed).seeds.tolist() == [3]


@pytest.mark.parametrize(("p", "q"), [(1.5, 0.5), (0.5, -1.01)])
def test_probabilities_above_one_are_refused(p, q):
    array = mho.Crossbar(RPU(), 1, 1)
    with refused(InvalidValue, "crossbar", f"a probability of {max(abs(p), abs(q)):g}", "from -1 to 1"):
        array.pulse(torch.full((1, 1), p), torch.full((1, 1), q))


@pytest.mark.parametrize("way", ["forward", "backward", "x", "d", "p", "q"])
@pytest.mark.parametrize(("value", "what"), [(float("nan"), "NaN"), (float("-inf"), "infinite")])
@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_values_that_are_no_number_are_refused_and_change_nothing(backend, value, what, way):
    array = mho.Crossbar(RPU(), 3, 4, backend=backend)
    before = {name: values.clone() for name, values in array.state_dict().items()}
    x, d = torch.ones(2, 4), torch.ones(2, 3)
    (x if way in ("forward", "x", "p") else d)[1, 2] = value
    with refused(InvalidValue, what):
        if way in ("forward", "backward"):
            getattr(array, way)(x if way == "forward" else d)
        elif way in ("x", "d"):
            array.update(x, d, 0.01)
        else:
            array.pulse(x, d)
    for name, values in array.state_dict().items():
        assert torch.equal(values, before[name]), name


@pytest.mark.parametrize(
    ("call", "parts"),
    [
        (lambda a: a.forward(torch.ones(2, 3)), ("x has shape (2, 3)", "(1, T, 4) or (T, 4)")),
        (lambda a: a.backward(torch.ones(2, 1, 3)), ("d has shape (2, 1, 3)", "(1, T, 3)")),
        (lambda a: a.update(torch.ones(2, 4), torch.ones(3, 3), 0.1), ("x has 2 vectors and d has 3",)),
        (lambda a: a.update(torch.ones(1, 4), torch.ones(1, 3), 0), ("lr is 0", "greater than 0")),
        (lambda a: a.update(torch.ones(1, 4), torch.ones(1, 3), float("nan")), ("lr is nan",)),
        (lambda a: a.write(torch.ones(4, 3)), ("weights of shape (4, 3)", "(1, 3, 4) or (3, 4)")),
        (lambda a: a.write(torch.full((3, 4), float("nan"))), ("NaN",)),
    ],
)
def test_wrong_shapes_and_rates_are_refused(call, parts):
    with refused(InvalidValue, *parts):
        call(mho.Crossbar(RPU(), 3, 4))


# TOML


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[forward]\nnoize = 0.1", ("forward.noize", "did you mean 'noise'?")),
        ("[device]\ndw_mim = 0.1", ("dw_mim: no such field", "did you mean 'dw_min'?")),
        ("[backwards]\nnoise = 0.1", ("unknown section 'backwards'", "did you mean 'backward'?")),
        ("[update]\nkind = 'Pulse'", ("'Pulse'", "did you mean 'Pulses'?")),
        ("[cell]\nkind = 'Replicate'", ("'Replicate'", "did you mean 'Replicated'?")),
        ("[cell]\nkind = 'Replicated'", ("cell.n is missing", "give its value")),
        ("[device]\nlaw = 'ConstStep'", ("'ConstStep'", "did you mean 'ConstantStep'?", "'module:Class'")),
        ("[device]\nlaw = 'no_such_module:Law'", ("cannot be imported", "PYTHONPATH")),
        ("[device]\nlaw = 'tests.helpers.laws:Feroo'", ("cannot be imported",)),
        ("[device]\nlaw = 'tests.helpers.laws:math'", ("not a subclass of mho.Device",)),
        ("[device.w_max]\nspread = 0.1", ("w_max", "a table needs a mean")),
        ("[device.w_max]\nmean = 1\nspraed = 0.1", ("w_max", "'spraed'", "did you mean 'spread'?")),
        ("[device.w_max]\nmean = 1\ndistribution = 'unifrom'", ("w_max", "'unifrom'", "did you mean 'uniform'?")),
        ("[device]\nlaw = 'SoftBound'", ("'SoftBound'", "did you mean 'SoftBounds'?")),
        ("[device]\nw_max = 'high'", ("w_max is 'high'", "give a number")),
        ("[update]\nlength = 'none'", ('length is "none"', "an integer")),
        ("[update]\nlength = 10.0", ("length is 10.0", "an integer")),
        ("[update]\nkind = 'Exact'\nlength = 10", ("update.length", "no such field")),
        ("cell = 13", ("cell is 13", "[cell]")),
        ("[forward]\nnoise = \nbound = 12", ("not TOML", "line 2")),
    ],
)
def test_faulty_toml_is_refused_with_the_cure(text, parts):
    with refused(InvalidValue, *parts):
        RPU.from_toml(text)


def test_all_faults_of_a_description_are_told_at_once():
    text = """
        [device]
        dw_mim = 0.001
        c2c = -1
        w_max = { mean = 0.6, spread = -1 }
        [forward]
        noize = 0.06
        bound = -12
        [update]
        length = 65
        [cel]
        kind = "Single"
    """
    with pytest.raises(InvalidValue) as caught:
        RPU.from_toml(text)
    message = str(caught.value)
    for word in ("dw_mim", "c2c is -1", "w_max: spread is -1", "noize", "bound is -12", "length is 65", "'cel'"):
        assert word in message
    assert len(caught.value.faults) == 7


@pytest.mark.parametrize(
    "text",
    [
        "[cell]\nkind = ['Single']",
        "[device]\nlaw = ['ConstantStep']",
        "[device]\nlaw = '..:Law'",
        "[device]\nlaw = ':Law'",
    ],
)
def test_names_of_a_wrong_kind_are_refused_in_our_words(text):
    with refused(InvalidValue, "faults"):
        RPU.from_toml(text)


def test_missing_sections_and_fields_keep_their_defaults():
    assert RPU.from_toml("") == RPU()
    text = "[forward]\nbound = 'none'\n[update]\nlength = 1\n[device]\nc2c = 0"
    expected = RPU(device=ConstantStep(c2c=0.0), forward=Read(bound=None), update=Pulses(length=1))
    assert RPU.from_toml(text) == expected


positive = st.floats(1e-6, 1e3)
spreads = st.fixed_dictionaries({}, optional={"spread": st.floats(1e-6, 3)}) | st.fixed_dictionaries({"std": positive})


def parameters(means: st.SearchStrategy[float]) -> st.SearchStrategy[object]:
    """A number, or one that differs from device to device."""
    kinds = st.sampled_from(["normal", "lognormal"])
    varied = st.builds(
        lambda mean, options, kind: mho.per_cell(mean, **options, distribution=kind),
        means,
        spreads.filter(bool),
        kinds,
    )
    return means | st.integers(1, 5).map(float) | varied


def or_none(values: st.SearchStrategy) -> st.SearchStrategy:
    return st.none() | values


@st.composite
def reads(draw) -> Read:
    bound = draw(or_none(positive | st.integers(1, 20)))
    managed = bound is not None and draw(st.booleans())
    return Read(
        noise=draw(st.floats(0, 10) | st.integers(0, 2)),
        bound=bound,
        noise_management=draw(st.booleans()),
        bound_management=managed,
        max_halvings=draw(st.integers(1, 30)) if managed else 10,
        input_bound=draw(or_none(positive)),
        dac_bits=draw(or_none(st.integers(2, 24))),
        adc_bits=draw(or_none(st.integers(2, 24))) if bound is not None else None,
        matmul=draw(st.sampled_from(("ordered", "blas"))),
    )


DEVICES = st.builds(
    ConstantStep,
    dw_min=parameters(positive),
    up_down=parameters(positive),
    c2c=parameters(st.floats(1e-6, 2)),
    w_max=parameters(positive),
    w_min=st.floats(-1e3, -1e-6),
) | st.builds(Ferro, dw_min=parameters(positive), gamma=parameters(positive), c2c=st.floats(0, 2))
RPUS = st.builds(
    RPU,
    device=DEVICES,
    cell=st.just(Single()) | st.builds(Replicated, st.integers(1, 1024)),
    forward=reads(),
    backward=reads(),
    update=st.builds(
        Pulses,
        length=st.integers(1, 32),
        update_management=st.booleans(),
        x_gain=or_none(positive),
        d_gain=or_none(positive),
    )
    | st.builds(
        Pulses,
        length=st.integers(1, 64),
        update_management=st.booleans(),
        length_management=st.booleans(),
        trains=st.sampled_from(["stochastic", "deterministic"]),
    ),
)


@given(RPUS)
def test_every_rpu_comes_back_from_toml_pickle_and_plain_tables(rpu):
    text = rpu.to_toml()
    assert RPU.from_toml(text) == rpu
    assert RPU.from_toml(text).to_toml() == text
    assert RPU.from_dict(rpu.to_dict()) == rpu
    assert pickle.loads(pickle.dumps(rpu)) == rpu
    assert hash(rpu) == hash(RPU.from_toml(text))


@pytest.mark.parametrize(
    "rpu",
    [
        RPU(),
        mho.presets.floating_point(),
        mho.presets.gokmen_2017(),
        mho.presets.gokmen_2017(managed=False, pulses=1, update_management=True),
        mho.presets.gokmen_2017().replace(cell=Replicated(13)),
        RPU(device=Ferro()),
        RPU(device=ConstantStep(c2c=np.float64(0.1)), forward=Read(noise=np.float64(0.1))),
        pytest.param(
            RPU(device=ConstantStep(w_max=mho.per_cell(0.6))),
        ),
    ],
)
def test_presets_and_common_rpus_come_back_from_toml(rpu):
    assert RPU.from_toml(rpu.to_toml()) == rpu
    assert pickle.loads(pickle.dumps(rpu)) == rpu


def test_a_description_is_complete():
    tables = mho.presets.gokmen_2017().to_dict()
    parts = {"device": ConstantStep, "forward": Read, "backward": Read, "update": Pulses}
    for section, kind in parts.items():
        off = {*mho.devices.Options.__dataclass_fields__, *READ_WHERE_ON}  # stand in a file only if they are on
        assert {field.name for field in dataclasses.fields(kind) if field.name not in off} <= set(tables[section])


def test_printing_an_rpu_shows_every_field():
    rpu = mho.presets.gokmen_2017(update_management=True).replace(cell=Replicated(13))
    for shown in (str(rpu), repr(rpu)):
        for part in dataclasses.fields(rpu):
            value = getattr(rpu, part.name)
            assert part.name in shown
            for field in dataclasses.fields(value) if value is not None else ():
                assert f"{field.name}={getattr(value, field.name)!r}" in shown


def test_presets_are_the_papers_table():
    rpu = mho.presets.gokmen_2017()
    assert rpu.device == ConstantStep(
        dw_min=mho.per_cell(0.001, spread=0.3),
        up_down=mho.per_cell(1.0, spread=0.02),
        c2c=0.3,
        w_max=mho.per_cell(0.6, spread=0.3),
        w_min=mho.per_cell(-0.6, spread=0.3),
    )
    assert (rpu.forward.noise, rpu.forward.bound) == (rpu.backward.noise, rpu.backward.bound) == (0.06, 12.0)
    assert (rpu.forward.noise_management, rpu.forward.bound_management) == (False, True)
    assert (rpu.backward.noise_management, rpu.backward.bound_management) == (True, False)
    # C_x = C_δ = 1 at η = 0.01
    assert rpu.update.gains(0.01, rpu.device.mean_step()) == pytest.approx((1.0, 1.0))
    unmanaged = mho.presets.gokmen_2017(managed=False)
    assert not unmanaged.forward.bound_management
    assert not unmanaged.backward.noise_management


# Laws


def test_a_users_law_is_written_as_module_and_class_with_its_hash():
    tables = RPU(device=Ferro(gamma=2.0)).to_dict()["device"]
    assert tables["law"] == "tests.helpers.laws:Ferro"
    assert tables["law_hash"] == Ferro.law_hash()
    assert tables["gamma"] == 2.0


def test_a_changed_law_is_refused_until_its_hash_is_removed():
    text = RPU(device=Ferro()).to_toml()
    old = text.replace(Ferro.law_hash(), "0123456789abcdef")
    with refused(InvalidValue, "law_hash", "laws:Ferro has changed", Ferro.law_hash(), "0123456789abcdef", "delete"):
        RPU.from_toml(old)
    without = "\n".join(line for line in old.splitlines() if not line.startswith("law_hash"))
    assert RPU.from_toml(without) == RPU(device=Ferro())


def test_a_hash_follows_the_physics_and_not_the_comments(tmp_path, monkeypatch):
    source = "import mho\nK = {k}\n\nclass Law(mho.Device):\n    w_max: float = 1.0\n    w_min: float = -1.0\n\n"
    source += "    @staticmethod\n    def pulse(w, up, cell, z):\n        {note}return w + K if up else w - K\n"
    variants = {
        "same": {"k": 0.01, "note": ""},
        "noted": {"k": 0.01, "note": "# why\n        "},
        "other": {"k": 0.02, "note": ""},
    }
    monkeypatch.syspath_prepend(tmp_path)
    hashes = {}
    for name, parts in variants.items():
        (tmp_path / f"law_{name}.py").write_text(source.format(**parts))
        hashes[name] = __import__(f"law_{name}").Law.law_hash()
    assert hashes["same"] == hashes["noted"] != hashes["other"]


def test_a_law_of_main_cannot_be_written_and_the_error_says_where_to_put_it(monkeypatch):
    monkeypatch.setattr(Ferro, "__module__", "__main__")
    with refused(LawError, "Ferro is defined in __main__", "move it to a module", "import Ferro"):
        RPU(device=Ferro()).to_toml()


def test_a_law_inside_a_function_cannot_be_written():
    class Local(mho.Device):
        dw_min: float = 0.001
        w_max: float = 0.6
        w_min: float = -0.6

        @staticmethod
        def pulse(w, up, cell, z):
            return w + cell.dw_min if up else w - cell.dw_min

    with refused(LawError, "Local is defined in a function", "move it to a module"):
        RPU(device=Local()).to_toml()


class Outer:
    class Inner(Ferro):
        pass


def test_a_law_inside_a_class_comes_back_from_toml():
    rpu = RPU(device=Outer.Inner())
    assert RPU.from_toml(rpu.to_toml()) == rpu


class WithoutDefault(mho.Device):
    dw_min: float
    w_max: float = 0.6
    w_min: float = -0.6

    @staticmethod
    def pulse(w, up, cell, z):
        return w + cell.dw_min if up else w - cell.dw_min


def test_a_missing_field_of_a_law_is_refused_in_our_words():
    with refused(InvalidValue, "dw_min"):
        RPU.from_toml(f"[device]\nlaw = '{__name__}:WithoutDefault'")


def device(**body: object) -> mho.Device:
    """An instance of a law made of these members, with bounds."""
    annotations = {"w_max": float, "w_min": float}
    return type("Made", (mho.Device,), {"__annotations__": annotations, **UP_TO_THE_BOUND, **body})()


def pulse(w, up, cell, z):
    return w


def one_pulse(w, n, up, cell, z):
    return w


def swapped(w, cell, up, z):
    return w


def calls_another(w, up, cell, z):
    return dataclasses.replace(w)


def uses_numpy(w, up, cell, z):
    return w + np.sign(z)


@pytest.mark.parametrize(
    ("body", "parts"),
    [
        ({"pulse": pulse}, ("Made.pulse", f"{__file__}:", "@staticmethod")),
        ({"pulse": staticmethod(swapped)}, ("Made.pulse(w, cell, up, z)", f"{__file__}:", "(w, up, cell, z)", "order")),
        ({"pulse": staticmethod(calls_another)}, ("Made.pulse", "'dataclasses'", f"{__file__}:", "arguments, math")),
        ({"pulse": staticmethod(uses_numpy)}, ("'np'", f"{__file__}:", "arguments, math")),
        ({"pulse": staticmethod(pulse), "pulses": staticmethod(one_pulse)}, ("both pulses(", "reach(")),
        ({"pulse": staticmethod(eval("lambda w, up, cell, z: w"))}, ("source", "cannot be read")),
        ({"pulse": staticmethod(pulse), "states": ("h",)}, ("Made.pulse", "(w, h, up, cell, z)")),
        ({"pulse": staticmethod(pulse), "state": True}, ("Made.state is True", 'states = ("history",)')),
        ({"pulse": staticmethod(pulse), "states": "h"}, ("Made.states is 'h'", "a tuple of names")),
        ({"pulse": staticmethod(pulse), "states": ("written",)}, ("Made.states", "write noise hides")),
        ({"pulse": staticmethod(pulse), "read": staticmethod(pulse)}, ("Made.read", "(w, cell, z)")),
        ({"pulse": staticmethod(pulse), "draws": 3}, ("Made.draws is 3", "draws = 2")),
    ],
)
def test_a_law_that_breaks_the_contract_is_refused_with_the_rule(body, parts):
    with refused(LawError, *parts):
        device(**body)


def test_the_line_of_a_forbidden_name_is_told():
    line = Path(__file__).read_text(encoding="utf-8").splitlines().index("    return w + np.sign(z)") + 1
    with refused(LawError, f"{__file__}:{line};"):
        device(pulse=staticmethod(uses_numpy))


@pytest.mark.parametrize("missing", [("w_max",), ("w_min",), ("w_max", "w_min")])
def test_a_law_without_bounds_is_refused(missing):
    kept = {name: value for name, value in UP_TO_THE_BOUND.items() if name not in missing}
    law = type(
        "Made", (mho.Device,), {"__annotations__": dict.fromkeys(kept, float), **kept, "pulse": staticmethod(pulse)}
    )
    with refused(LawError, "Made has no", *missing, "per_cell(0.6"):
        law()


def test_a_law_without_pulse_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        device()


def test_a_law_without_dw_min_needs_its_own_mean_step():
    with refused(LawError, "Made has no field dw_min", "mean_step"):
        array = mho.Crossbar(RPU(device=device(pulse=staticmethod(pulse))), 1, 1)
        array.update(torch.ones(1, 1), torch.ones(1, 1), 0.01)


def place_of(text: str) -> str:
    """File and line of this line of `laws.py`."""
    lines = Path(laws.__file__).read_text(encoding="utf-8").splitlines()
    return f"{laws.__file__}:{[line.strip() for line in lines].index(text) + 1}"


def test_a_law_that_cannot_be_compiled_says_on_which_line():
    array = mho.Crossbar(RPU(device=laws.NotScalar()), 1, 1)
    before = array.weight.clone()
    place = place_of('return w + math.sqrt(cell.dw_min) + "a"')
    with refused(LawError, "NotScalar", place, "cannot be compiled", "add(float32, Literal[str](a))", "math functions"):
        array.pulse(torch.ones(1, 1), torch.ones(1, 1))
    assert torch.equal(array.weight, before)


def test_a_mistyped_field_of_a_cell_is_named_with_its_line():
    place = place_of("return w + cell.dw_min * cell.gama if up else w - cell.dw_min")
    with refused(LawError, "MistypedField.pulse", place, "cell.gama", "did you mean 'gamma'?"):
        laws.MistypedField()


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize(
    ("law", "pulses", "weight", "backend"),
    [
        (laws.Root, 2, 0.3, "reference"),
        *((laws.RootMerged, *case, back) for case in ((1, 0.3), (2, 0.3), (2, 0.59)) for back in ("cpu", "reference")),
    ],
)
def test_nan_from_a_law_raises_and_leaves_the_weight(law, pulses, weight, backend):
    """One pulse asks the law's `pulse`; two ask its closed form, where it has one, and near a bound `pulse` twice."""
    array = mho.Crossbar(RPU(device=law(), update=Pulses(length=pulses)), 1, 2, backend=backend)
    array.write(torch.tensor([[weight, -0.3]]))
    with refused(LawError, f"{law.__name__}.pulse returned NaN", "check_device"):
        array.pulse(torch.ones(1, 2), torch.ones(1, 1))
    assert array.weight[0, 0, 0].item() == np.float32(weight)
    assert array.weight[0, 0, 1].item() > -0.3
    # the next use of the array is not blamed for it
    array.forward(torch.ones(1, 2))
