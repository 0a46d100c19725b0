"""What a run says of itself: chance level, floating point beside it, names of its replicas, and its texts."""

from __future__ import annotations

import dataclasses
import json
import math
import re

import pytest
import torch
from safetensors.torch import load_file

import mho
from mho.compiler import clock
from mho.data import Dataset
from mho.data.digits import digits
from mho.errors import InvalidValue
from mho.presets import floating_point, gokmen_2017
from mho.report import write_report
from mho.runs import Comparison, Experiment, Run
from mho.runs.outcome import outcome
from mho.runs.reader import Reader
from mho.runs.replicas import paired, replica_names, unpaired
from mho.training import Classification, NextCharacter, Regression, Training
from mho.training.idle import idle_of
from mho.training.tasks import Chance
from tests.helpers.command import mho as command

TINY = Training(model="mlp", epochs=2, train_images=12, test_images=40, checkpoint_every=5)
FIELDS = {f"training.{name}={value}" for name, value in (("train_images", 12), ("test_images", 40))}
SETTINGS = [word for field in sorted(FIELDS) for word in ("--set", field)]
CHANCE = Chance(error=90.0, deviation=1.5, answer="the commonest class")


def experiment(training: Training = TINY, **rpu: object) -> Experiment:
    return Experiment(training=training, rpu=gokmen_2017().replace(**rpu))


def train(run: Run | Comparison, stop_after: int = 10**9) -> bool:
    count = 0

    def on_step(progress: object) -> bool:
        nonlocal count
        count += 1
        return count >= stop_after

    return run.train(on_step=on_step, on_epoch=lambda progress: None)


def state(folder) -> dict[str, torch.Tensor]:
    return load_file(folder / "checkpoint.safetensors")


def same(one, other) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


# Chance level ------------------------------------------------------------------------------------


def classes(train: list[int], test: list[int]) -> Dataset:
    y_train, y_test = torch.tensor(train), torch.tensor(test)
    return Dataset("made", torch.zeros(len(train), 2), y_train, torch.zeros(len(test), 2), y_test)


def test_chance_of_classes_is_the_commonest_of_the_training_on_the_test():
    found = Classification().chance(classes([0, 1, 1, 2], [1, 0, 0, 0, 2, 1, 1, 0]))
    assert found.error == 62.5  # 3 of 8 are of class 1
    assert found.deviation == pytest.approx(100 * math.sqrt(0.625 * 0.375 / 8))


def test_chance_of_regression_is_the_mean_of_the_targets():
    y_train, y_test = torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [3.0]])
    task, data = Regression().prepare(Dataset("made", torch.zeros(2, 1), y_train, torch.zeros(2, 1), y_test))
    found = task.chance(data)
    assert found.error == 200.0  # squares of 0 and 4 about the mean 1, by the variance 1 of the training
    assert found.numbers == {"loss": 2.0}
    assert found.deviation == 200.0


def test_answers_without_a_relation_to_the_targets_are_as_bad_as_guessing_and_others_are_not():
    generator = torch.Generator().manual_seed(0)
    x, y, other = (torch.randn(400, 1, generator=generator) for _ in range(3))
    task, data = Regression().prepare(Dataset("made", x, y, x[:100], y[:100]))
    chance = task.chance(data)

    def error(out: torch.Tensor) -> float:
        return 100 * float(task.error(out, data.y_test).mean())

    assert all(chance.reached_by(error(0.1 * other[begin : begin + 100])) for begin in (0, 100, 200, 300))
    assert not chance.reached_by(error(0.2 * data.y_test))


def test_chance_of_a_text_is_in_nats_and_bits():
    x = torch.tensor([0, 0, 0, 1] * 8)
    data = Dataset("made", x, x, x, x, symbols=("a", "b"))
    task, examples = NextCharacter(length=4).prepare(data)
    found = task.chance(examples)
    share = 25 / 34  # 24 of 32, each character once more
    assert found.error == 25.0
    assert found.numbers["loss"] == pytest.approx(-0.75 * math.log(share) - 0.25 * math.log(1 - share))
    assert found.numbers["bits"] == pytest.approx(found.numbers["loss"] / math.log(2))


def test_a_test_tells_an_error_from_chance_by_two_standard_errors():
    assert CHANCE.reached_by(87.01)
    assert CHANCE.reached_by(99.0)
    assert CHANCE.reached_by(math.nan)
    assert not CHANCE.reached_by(86.9)


def test_the_verdict_says_as_bad_as_guessing_and_what_the_arrays_cost():
    line = {"epoch": 2, "test_error": 26.94}
    twin = {"epoch": 2, "test_error": 25.83}

    def said(line, twin=None):
        return outcome(line, measure="error", units={}, chance=CHANCE, twin=twin)

    assert said(line) == ["test error 26.94 % after epoch 2 (chance 90.00 %)"]
    assert said(line, twin)[1].endswith("the arrays add 1.11 percentage points")
    assert said(line | {"test_error": 88.0})[0].endswith("as bad as guessing (chance 90.00 ± 1.50 %)")
    assert "look at learning rate" in said(line, twin | {"test_error": 89.0})[1]
    some = {"epoch": 1, "test_error": 50.0, "test_error_replicas": [10.0, 90.0]}
    assert said(some)[0].endswith("; 1 of 2 replicas are as bad as guessing")
    assert "from 10.00 % (b = 1) to 90.00 % (b = 2)" in said(some | {"replicas": ["b = 1", "b = 2"]})[0]


# Floating point beside the run -------------------------------------------------------------------


def test_a_comparison_changes_no_bit_of_the_run_and_resumes_with_it(tmp_path):
    alone = Run(experiment(), tmp_path / "alone", digits())
    torch.rand(3)  # as a module of the user's own may draw: the state of the generator is the run's, and stored
    assert train(alone)
    compared = Run(experiment(), tmp_path / "whole", digits())
    torch.rand(3)
    assert train(Comparison(compared, digits()))
    assert same(state(tmp_path / "alone"), state(tmp_path / "whole"))

    for stop in (2, 4):  # in the run's first epoch, in its twin's
        folder = tmp_path / f"stopped {stop}"
        begun = Run(experiment(), folder, digits())
        torch.rand(3)
        assert not train(Comparison(begun, digits()), stop_after=stop)
        assert Comparison.is_begun(folder)
        again = Comparison(Run(experiment(), folder, digits(), resume=True), digits())
        assert train(again)
        for part in ("", "float"):
            assert same(state(folder / part), state(tmp_path / "whole" / part))


def test_the_twin_is_the_same_network_on_exact_arrays(tmp_path):
    run = Run(experiment(), tmp_path / "run", digits())
    assert train(Comparison(run, digits()))
    exact = Run(Experiment(training=TINY, rpu=floating_point()), tmp_path / "exact", digits())
    assert train(exact)
    assert same(state(tmp_path / "run" / "float"), state(tmp_path / "exact"))
    loaded = mho.load(tmp_path / "run")
    assert [line["test_error"] for line in loaded.float_history] == [
        line["test_error"] for line in exact.loop.progress.metrics
    ]
    run.conclude()
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["float"]["test_error"] == loaded.float_history[-1]["test_error"]
    assert mho.load(tmp_path / "exact").float_history == []


def test_replicas_of_one_seed_share_their_twin(tmp_path):
    training = dataclasses.replace(TINY, replicas=3, seed=(4, 4, 9))
    forward = dataclasses.replace(gokmen_2017().forward, noise=(0.0, 0.1, 0.1))
    twin = Comparison(Run(experiment(training, forward=forward), tmp_path / "run", digits()), digits()).twin
    assert twin.experiment.training.seeds == [4, 9]


def test_exact_arrays_are_not_compared_with_themselves(tmp_path):
    done = command("train", "--compare", "float", "--preset", "floating_point", *SETTINGS, cwd=tmp_path)
    assert done.returncode == 1
    assert "--compare float has no effect" in done.stderr
    assert not list(tmp_path.iterdir())


# Replicas ----------------------------------------------------------------------------------------


def of_noise(*noises: float, seed: int | tuple[int, ...] = 0) -> Experiment:
    forward = dataclasses.replace(gokmen_2017().forward, noise=noises)
    return experiment(dataclasses.replace(TINY, epochs=1, replicas=len(noises), seed=seed), forward=forward)


def test_replicas_are_named_by_their_values_or_their_seeds():
    assert replica_names(of_noise(0.0, 0.06)) == ["forward.noise = 0", "forward.noise = 0.06"]
    assert replica_names(of_noise(0.1, 0.1, seed=(3, 5))) == ["seed 3", "seed 5"]
    assert replica_names(of_noise(0.0, 0.1, 0.1))[1:] == ["forward.noise = 0.1, seed 1", "forward.noise = 0.1, seed 2"]


def test_paired_replicas_have_the_bits_of_their_own_runs(tmp_path):
    both = paired(of_noise(0.0, 0.3, seed=7))
    assert "--paired" in unpaired(of_noise(0.0, 0.3, seed=7))
    assert unpaired(both) == ""
    run = Run(both, tmp_path / "both", digits())
    assert train(run)
    errors = run.loop.progress.metrics[-1]["test_error_replicas"]
    for noise, error in zip((0.0, 0.3), errors, strict=True):
        training = dataclasses.replace(TINY, epochs=1, seed=7)
        forward = dataclasses.replace(gokmen_2017().forward, noise=noise)
        own = Run(experiment(training, forward=forward), tmp_path / f"{noise}", digits())
        assert train(own)
        assert own.loop.progress.metrics[-1]["test_error"] == error


def test_replicas_that_differ_in_nothing_are_not_paired():
    with pytest.raises(InvalidValue, match="--paired has no effect"):
        paired(experiment(dataclasses.replace(TINY, replicas=2)))


def test_names_stand_in_metrics_terminal_table_and_legend(tmp_path):
    words = ["--replicas", "2", "--paired", "--set", "forward.noise=[0,0.06]", "--epochs", "1", "--model", "mlp"]
    done = command("train", *words, *SETTINGS, "--out", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    name = "forward.noise = 0.06"
    assert f"  {name}  test error" in done.stdout
    assert json.loads((tmp_path / "run" / "metrics.jsonl").read_text())["replicas"][1] == name
    page = write_report(tmp_path / "run").read_text()
    assert f'<th scope="row">{name}</th>' in page
    assert f">{name}</text>" in page  # of the figure's legend


# Terminal ----------------------------------------------------------------------------------------


def test_the_verdict_stands_first_and_epochs_stay(tmp_path):
    done = command(
        "train", "--model", "mlp", "--epochs", "2", *SETTINGS, "--compare", "float", "--out", "r", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith("test error ")
    chance = re.search(r"chance ([\d.]+)", done.stdout.splitlines()[0])
    assert chance is not None
    assert f"guessing: {float(chance[1]):.1f}" in done.stderr.replace("\n ", ""), "one chance level, that of the test"
    assert done.stdout.splitlines()[1].startswith("floating point ")
    assert "epoch 1/2  error train" in done.stderr
    assert "epoch 2/2  error train" in done.stderr
    page = (tmp_path / "r" / "report.html").read_text()
    assert page.index("<strong>Test error") < page.index('<dl class="headlines">')
    again = command("train", "--resume", "--out", "r", cwd=tmp_path)
    assert again.returncode == 0
    assert "r is finished; give more --epochs to go on" in again.stderr
    assert (tmp_path / "r" / "report.html").read_text() == page


def test_an_interrupted_diagnosis_leaves_a_complete_run(tmp_path, monkeypatch):
    def interrupt(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    words = ["train", "--model", "mlp", "--epochs", "1", *SETTINGS, "--out", "r"]
    with monkeypatch.context() as patched:
        patched.setattr("mho.runs.run.diagnose", interrupt)
        done = command(*words, cwd=tmp_path)
    assert done.returncode == 0
    assert "diagnosis left out; the run is complete" in done.stderr
    assert (tmp_path / "r" / "report.html").exists()
    assert json.loads((tmp_path / "r" / "summary.json").read_text())["diagnosis"] is None
    again = command("train", "--resume", "--out", "r", cwd=tmp_path)
    assert "diagnosis: " in again.stderr
    assert json.loads((tmp_path / "r" / "summary.json").read_text())["diagnosis"] is not None


def test_a_folder_without_a_checkpoint_is_said_to_start_a_new_run(tmp_path):
    done = command("train", "--model", "mlp", "--epochs", "1", *SETTINGS, "--resume", "--out", "typo", cwd=tmp_path)
    assert "nothing to resume in typo" in done.stderr


def test_the_stopwatch_counts_threads_once(monkeypatch):
    now = 0.0
    monkeypatch.setattr(clock.time, "perf_counter", lambda: now)
    watch = clock.Stopwatch()
    with watch:
        now = 2.0
        with watch:
            now = 5.0
        assert watch.seconds == 5.0
    now = 9.0
    assert watch.seconds == 5.0


# Texts -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def text_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text")
    (folder / "t.txt").write_text("to be or not to be, that is the question. " * 12)
    words = ["--data", "text:t.txt", "--epochs", "1", "--preset", "floating_point", "--set", "training.train_images=4"]
    small = ["--set", "model.hidden=4", "--set", "model.layers=1", "--set", "task.length=8"]
    done = command("train", *words, "--model", "lstm", *small, "--out", "run", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "run", done


def test_a_run_on_a_text_says_its_losses_beside_chance_and_draws_them(text_run):
    folder, done = text_run
    assert "nats per character (chance" in done.stdout
    page = (folder / "report.html").read_text()
    assert "Loss against epochs" in page
    for words in ("nats per character", "bits per character", "chance"):
        assert f">{words}</text>" in page


def test_notes_on_the_data_say_which_part_is_taken(text_run):
    assert (
        "of these the run takes only the first 4 of 56 training sequences (training.train_images)" in text_run[1].stderr
    )


def test_a_text_is_sampled(text_run, monkeypatch):
    monkeypatch.chdir(text_run[0].parent)
    run = mho.load(text_run[0])
    text = run.sample(20, prompt="to be", seed=1)
    assert len(text) == 20
    assert set(text) <= set(run.data.symbols)
    assert run.sample(20, prompt="to be", seed=1) == text
    assert len({run.sample(20, seed=seed) for seed in range(3)}) > 1
    likeliest = run.sample(1, prompt="to be", temperature=0)
    places = torch.tensor([[run.data.symbols.index(c) for c in "to be"]])
    assert run.data.symbols[int(run.predict(places)[0, -1])] == likeliest
    with pytest.raises(InvalidValue, match="prompt has 'X'"):
        run.sample(5, prompt="X")
    with pytest.raises(InvalidValue, match=r"n is 0.*temperature is -1"):
        run.sample(0, temperature=-1)


def test_a_reader_goes_on_where_it_ended(text_run, monkeypatch):
    monkeypatch.chdir(text_run[0].parent)
    run = mho.load(text_run[0])
    data = run.data
    whole = Reader(run.model, 0, data)([1, 2, 3, 4])
    steps = Reader(run.model, 0, data)
    for length in (2, 3):
        steps([1, 2, 3, 4][:length])
    assert torch.allclose(steps([1, 2, 3, 4]), whole, atol=1e-6)  # products of other shapes: an ulp of each
    assert not torch.allclose(Reader(run.model, 0, data)([4]), whole, atol=1e-6)


def test_only_a_text_is_sampled(tmp_path):
    assert train(Run(experiment(), tmp_path / "run", digits()))
    with pytest.raises(InvalidValue, match="task of this run is Classification"):
        mho.load(tmp_path / "run").sample(5)


# Settings ----------------------------------------------------------------------------------------


def test_the_learning_rate_is_that_of_the_task_where_none_is_given():
    assert Training().lr == 0.01
    assert Training(model="lstm", task="next_character", data="text:t.txt").lr == 1.0
    assert Training(model="lstm", task="next_character", data="text:t.txt", lr=0.01).lr == 0.01


def test_what_has_no_effect_is_known_before_a_training():
    training = dataclasses.replace(TINY, train_images=10_000, batch_size=5_000)
    found = idle_of(training, Classification(), digits())
    assert [sentence.split()[0] for sentence in found] == ["training.train_images", "training.batch_size"]
