"""Which learning rule for a device: the trials of the rules, the advice they support, the verb and its files."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest

import mho
from mho.devices import ConstantStep, RaschSoftBounds, SoftBounds
from mho.diagnosis import Advice, RuleTrial
from mho.diagnosis.advice import network_needs_scale
from mho.diagnosis.rules import RULES
from mho.errors import InvalidValue
from mho.learning import learn_weights
from tests.helpers.command import mho as run

SMALL = {"vectors": 300, "size": 4, "seeds": (0, 1)}
MEMORY = {
    "plain SGD": (1, 0),
    "zero-shifted SGD": (2, 0),
    "tiki_taka_v1": (3, 0),
    "tiki_taka_v2": (3, 1),
    "tiki_taka_chopped": (3, 1),
    "agad": (2, 3),
    "e_rider": (2, 3),
    "residual": (3, 0),
    "mixed_precision": (1, 1),
    "PeriodicCarry": (3, 0),
}
"""Devices of a weight, a reference that is kept for each included, and digital numbers of a weight."""
ALONE = {"plain SGD", "mixed_precision", "PeriodicCarry"}
"""Rules that subtract no references."""


def device(reach: float = 1.0) -> RaschSoftBounds:
    return RaschSoftBounds(
        dw_min=mho.per_cell(reach / 16, spread=0.3), up_down=mho.per_cell(1.0, spread=0.1), w_max=reach, w_min=-reach
    )


@pytest.fixture(scope="module")
def advice() -> Advice:
    return mho.advise(device(), **SMALL)


def of(advice: Advice, name: str) -> RuleTrial:
    return next(rule for rule in advice.rules if rule.rule == name)


def test_every_rule_is_tried_with_its_memory(advice):
    assert {rule.rule: (rule.devices, rule.numbers) for rule in advice.rules} == MEMORY
    assert [rule.rule for rule in advice.rules if rule.digital] == ["mixed_precision"]
    assert [rule.mean for rule in advice.rules] == sorted(rule.mean for rule in advice.rules)
    assert advice.states == pytest.approx(32)  # 2 over 1/16


def test_an_error_is_that_of_the_rule_alone(advice):
    """References off by 0.1 and seed 1 are one replica of four."""
    read = {"noise": 0.06, "bound": 12.0, "dac_bits": 7, "adc_bits": 9}
    io = mho.Read(**read, noise_management=True, bound_management=True)
    alone = learn_weights(
        mho.RPU(
            device=device(),
            cell=mho.cells.Single(reference="symmetry_point", reference_std=0.1),
            forward=io,
            backward=io,
            update=mho.Pulses(length=5, update_management=True),
        ),
        vectors=300,
        size=4,
        points=20,
        seeds=(1,),
    )
    tried = of(advice, "zero-shifted SGD")
    assert tried.error[1] == pytest.approx(100 * alone.error[0])
    assert tried.error != tried.exact
    assert tried.curve[-1] != tried.curve[0]
    assert len(tried.curve) == 20
    assert tried.pulses["devices"] > 0


def test_only_rules_with_references_feel_their_errors(advice):
    for tried in advice.rules:
        assert tried.referenced or tried.error == tried.exact
    assert {rule.rule for rule in advice.rules if not rule.referenced} == ALONE
    assert not any(rule.referenced for rule in mho.advise(device(), reference_error=0.0, **SMALL).rules)


def test_the_task_is_the_same_in_units_of_the_reach(advice):
    """A power of two: all numbers are scaled without rounding, so that a number with a unit of its own shows."""
    half = mho.advise(device(0.5), **SMALL)
    for rule in advice.rules:
        assert of(half, rule.rule).error == pytest.approx(rule.error, rel=1e-5), rule.rule
    assert half.written == pytest.approx(advice.written)


def test_a_rule_that_refuses_the_device_stays_with_its_reason():
    refused = mho.advise(ConstantStep(up_down=1.5), vectors=100, size=2, seeds=(0, 1))
    told = of(refused, "tiki_taka_v2")
    assert "ConstantStep has none" in told.refused
    assert told in refused.rules[-5:]
    assert told not in refused.learned
    assert of(refused, "agad").error


# What is advised ---------------------------------------------------------------------------------


def rule(name: str, *errors: float, devices: int = 2, numbers: int = 0, **more: object) -> RuleTrial:
    values = {"exact": errors, "referenced": True} | more
    return RuleTrial(rule=name, setting="cell.kind=X", error=errors, devices=devices, numbers=numbers, **values)


def advised(*rules: RuleTrial, written: float = 0.5) -> Advice:
    return Advice(
        law="SoftBounds", states=20, reach=0.6, reference_error=0.1, size=20, vectors=30_000, seeds=(0, 1),
        written=(written, written), rules=tuple(sorted(rules, key=lambda each: each.mean)),
    )  # fmt: skip


PLAIN = rule("plain SGD", 19, 21, devices=1, referenced=False)


SHIFTED = rule("zero-shifted SGD", 17, 18)


def test_a_rule_is_first_where_seeds_tell_it_and_none_is_said_to_be_taken():
    found = advised(PLAIN, SHIFTED, rule("AGAD", 4, 5, numbers=3), rule("residual", 5.1, 6))
    assert found.first.rule == "AGAD"
    assert found.sentence.startswith("Nearest to the weights comes AGAD: it ends 4.5 % of the largest weight")
    assert "where plain SGD ends 20.0 %" in found.sentence
    assert "This is one array of 20×20, 30,000 Gaussian vectors and 2 seeds, not a network" in found.sentence
    assert "train some before you take a rule (AGAD; residual; zero-shifted SGD)" in found.sentence
    assert "Take" not in found.sentence


def test_of_ties_the_cheapest_is_first():
    found = advised(PLAIN, rule("AGAD", 4, 5, numbers=3), rule("residual", 4.9, 6))
    assert found.first.rule == "residual"
    assert "the seeds do not tell it from AGAD (4.5 %)" in found.sentence


def test_candidates_are_the_first_the_next_and_the_zero_shifted():
    names = lambda advice: [each.rule for each in advice.candidates]  # noqa: E731
    agad, residual = rule("AGAD", 4, 5, numbers=3), rule("residual", 5.1, 6)
    digital = rule("mixed_precision", 3, 3.5, devices=1, numbers=1, digital=True)
    assert names(advised(PLAIN, SHIFTED, agad, residual)) == ["AGAD", "residual", "zero-shifted SGD"]
    assert names(advised(PLAIN, SHIFTED, agad, digital)) == ["mixed_precision", "AGAD", "zero-shifted SGD"]
    better = rule("zero-shifted SGD", 1, 1.1)
    assert names(advised(PLAIN, better, agad, residual)) == ["zero-shifted SGD", "AGAD"]
    refused = dataclasses.replace(SHIFTED, refused="no symmetry point", error=(), exact=())
    assert names(advised(PLAIN, refused, agad)) == ["AGAD", "plain SGD"]
    assert names(advised(dataclasses.replace(PLAIN, error=(1.0, 1.1)), refused, agad)) == ["plain SGD", "AGAD"]


def test_a_candidate_has_its_training():
    found = advised(PLAIN, rule("AGAD", 4, 5, numbers=3))
    words = (
        "--data mnist --epochs 5 --set cell.kind=X {}--set update.length=1 --set update.update_management=true "
        "--set training.lr=0.05 --set training.lr_steps.3=0.02 --set training.lr_steps.5=0.01"
    )
    assert found.training(found.first) == words.format("")
    scaled = dataclasses.replace(found, scaled=True)
    assert scaled.to_dict()["candidates"][0]["training"] == words.format("--set scale=max ")


def test_small_or_noisy_devices_need_a_scale():
    """LeNet begins with weights of up to 0.2 and 0.044."""
    assert not network_needs_scale(SoftBounds(), 0.6)
    assert network_needs_scale(SoftBounds(), 0.19)
    assert network_needs_scale(SoftBounds(write_noise=0.05), 0.6)
    assert not network_needs_scale(SoftBounds(write_noise=0.04), 0.6)


def test_limits_are_said():
    digital = rule("mixed_precision", 3, 3.5, devices=1, numbers=1, digital=True, falling=True)
    agad = rule("AGAD", 4, 5, numbers=3, exact=(1.0, 1.2))
    found = advised(PLAIN, digital, agad).sentence
    assert "it forms outer products digitally" in found
    assert "its error was still falling" in found
    assert "(1.1 % with exact ones)" in advised(PLAIN, agad).sentence
    assert "write noise alone leave 4.0 %" in advised(PLAIN, agad, written=4.0).sentence
    assert "write noise" not in advised(PLAIN, agad).sentence
    none = advised(PLAIN, dataclasses.replace(agad, error=(16.0, 17.0)))
    assert none.first is None
    assert none.candidates == ()
    assert none.sentence.startswith("No rule learns the weights on this device: the best, AGAD, ends 16.5 %")
    assert none.to_dict()["first"] is None


def test_a_rule_that_may_still_be_passed_is_said_to_be():
    """Behind by 1.5: a fall of 2 from the eighth tenth to the last could reverse that, one of 1 could not."""
    first, second = rule("AGAD", 4, 5, numbers=3), {"numbers": 1, "falling": True}
    found = advised(PLAIN, first, rule("residual", 5.9, 6.1, fall=2.0, **second))
    assert (
        "residual (6.0 %), whose error was still falling by more than its distance from the first, may pass it"
        in found.sentence
    )
    assert found.to_dict()["rivals"] == ["residual"]
    assert "may pass it" not in advised(PLAIN, first, rule("residual", 5.9, 6.1, fall=1.0, **second)).sentence
    both = dataclasses.replace(first, falling=True, fall=2.0)  # as fast as the one behind it
    assert advised(PLAIN, both, rule("residual", 5.9, 6.1, fall=2.0, **second)).rivals == ()


def test_how_far_an_error_fell_is_measured(monkeypatch):
    """Steps are small beside the weights, so that 300 vectors leave an array on its way."""
    monkeypatch.setattr(sys.modules["mho.diagnosis.advise"], "RULES", [r for r in RULES if r.name == "plain SGD"])
    slow = mho.devices.SoftBounds(dw_min=0.002, w_max=1.0, w_min=-1.0)
    found = mho.advise(slow, vectors=300, size=20, seeds=(0, 1))
    plain = found.rules[0]
    assert plain.falling
    assert plain.fall > 0.1 * plain.mean
    assert plain.ahead == pytest.approx(plain.mean - plain.fall)


WRONG = {
    "a name": ("SoftBounds", {}, "device is 'SoftBounds'.*give a device"),
    "no pulses": (mho.devices.Ideal(), {}, "Ideal takes no pulses"),
    "lists": (SoftBounds(dw_min=[0.1, 0.2]), {}, "dw_min of this SoftBounds are lists.*one device"),
    "one sign": (mho.presets.pcm(), {}, "0 to 2.*both signs.*OneSided"),
    "an error below 0": (SoftBounds(), {"reference_error": -1}, "reference_error is -1.*from 0"),
    "one seed": (SoftBounds(), {"seeds": (1,)}, "seeds is .*at least 2"),
    "a number of seeds": (SoftBounds(), {"seeds": 3}, "seeds is 3.*at least 2"),
    "few vectors": (SoftBounds(), {"vectors": 10}, "vectors is 10.*at least 100"),
    "no size": (SoftBounds(), {"size": 0}, "size is 0.*at least 1"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_are_told(name):
    given, options, told = WRONG[name]
    with pytest.raises(InvalidValue, match=told):
        mho.advise(given, **options)


# The verb ----------------------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch, advice):
    """The verb with an advice that is there already; what it was asked."""
    asked = {}

    def ask(device: object, **options: object) -> Advice:
        asked.update(options, device=device)
        options["watch"]("learning with AGAD", 1, 2)
        return advice

    monkeypatch.setattr("mho.diagnosis.advise", ask)
    return asked


def test_the_verb_shows_a_table_and_writes_a_page(quick, advice, tmp_path: Path):
    done = run("device", "advise", "SoftBounds", "--reference-error", "0.3", "--out", "advice", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert quick["reference_error"] == 0.3
    assert quick["device"] == SoftBounds()
    assert advice.sentence in done.stdout
    assert all(name in done.stdout for name in MEMORY)
    page = (tmp_path / "advice" / "report.html").read_text("utf-8")
    assert "mho device advise SoftBounds --reference-error 0.3 --out advice" in page
    numbers = json.loads((tmp_path / "advice" / "advise.json").read_text("utf-8"))
    assert numbers["advice"] == advice.sentence
    assert [rule["rule"] for rule in numbers["rules"]] == [rule.rule for rule in advice.rules]
    assert 'law = "SoftBounds"' in (tmp_path / "advice" / "device.toml").read_text("utf-8")
    again = run("device", "advise", "SoftBounds", "--out", "advice", cwd=tmp_path)
    assert again.returncode == 1
    assert "advice exists and is not empty" in again.stderr


def test_json_is_all_that_is_printed(quick, advice, tmp_path: Path):
    done = run("device", "advise", "capacitor", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["law"] == advice.law
    assert not list(tmp_path.iterdir())


def test_what_was_stopped_writes_nothing(monkeypatch, tmp_path: Path):
    def ask(device: object, **options: object) -> Advice:
        raise KeyboardInterrupt

    monkeypatch.setattr("mho.diagnosis.advise", ask)
    done = run("device", "advise", "SoftBounds", "--out", "advice", cwd=tmp_path)
    assert done.returncode == 130
    assert "nothing was written" in done.stderr
    assert not list(tmp_path.iterdir())


def test_jump_tables_are_a_device(quick, tmp_path: Path):
    states, points = np.linspace(1e-6, 5e-6, 5), np.array([0, 0.3, 0.7, 1])
    for name, sign in (("increasing", 1), ("decreasing", -1)):
        jumps = np.add.outer(points, sign * np.linspace(2, 3, 5)) * 1e-8
        rows = [", ".join(f"{value:.6e}" for value in row) for row in (states, points, *jumps)]
        (tmp_path / f"dG_{name}.txt").write_text("\n".join(["Row 1 Gbins, Row 2 CDF", *rows]) + "\n")
    done = run("device", "advise", ".", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert quick["device"].law_name() == "JumpTable"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["SoftBound"], "no device 'SoftBound'; did you mean 'SoftBounds'?"),
        (["missing.csv"], "missing.csv"),
        (["pcm"], "networks need both signs"),
        (["SoftBounds", "--reference-error", "-1"], "--reference-error is -1.0; give a number from 0 to 10"),
        (["SoftBounds", "--vectors", "5"], "vectors is 5; give an integer of at least 100"),
    ],
)
def test_wrong_words_end_in_one_message(words, told, tmp_path: Path):
    done = run("device", "advise", *words, "--out", "advice", cwd=tmp_path)
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())
