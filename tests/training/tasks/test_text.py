"""Texts: from a file to a network that carries its state through it."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import mho
from mho.data import load
from mho.errors import InvalidValue
from mho.models import GRU, LSTM, NETWORKS, Sizes, Stateful, Transformer, build_model
from mho.runs import Experiment, Run
from mho.training import NextCharacter, sizes_of
from tests.helpers.checkout import ROOT
from tests.helpers.command import mho as command

TEXT = "".join(f"the cat sat on {number} mats. " for number in range(60))
LENGTH = 9


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cat.txt").write_text(TEXT)
    return tmp_path


def experiment(
    preset=mho.presets.gokmen_2017, model: dict | None = None, /, *, length: int = LENGTH, **training: object
) -> Experiment:
    other = training.get("task", "next_character") != "next_character"
    tables = {
        "training": {"data": "text:cat.txt", "model": "lstm", "epochs": 2, "lr": 0.5, "batch_size": 3, **training},
        "task": {} if other else {"length": length},
        "model": {"hidden": 5, "layers": 1} if model is None else model,
    }
    return Experiment.from_dict(preset().to_dict() | tables)


def go(folder: Path, made: Experiment, *, stop_at: int = 0, resume: bool = False) -> Run:
    run = Run(made, folder, load(made.training.data), resume=resume)
    run.loop.together = 1
    run.train(on_step=lambda progress: progress.steps == stop_at, on_epoch=lambda progress: None)
    return run


def begin(folder: Path, model: dict, /, **training: object) -> Run:
    made = experiment(mho.presets.floating_point, model, **training)
    return Run(made, folder, load(made.training.data))


def lasting(run: Run) -> list[dict]:
    return [{k: v for k, v in line.items() if "second" not in k} for line in run.loop.progress.metrics]


# The file ----------------------------------------------------------------------------------------


def test_characters_of_a_file_are_its_vocabulary(file):
    data = load("text:cat.txt")
    assert "".join(data.symbols[place] for place in [*data.x_train, data.y_train[-1]]) == TEXT[: len(data.x_train) + 1]
    assert list(data.symbols) == sorted(set(TEXT))
    assert f"{len(TEXT):,} characters, {len(set(TEXT))} different" in data.notes[0]
    assert sizes_of(NextCharacter(length=LENGTH).prepare(data)[1]) == Sizes(
        example=(LENGTH,), indices=len(set(TEXT)), outputs=len(set(TEXT)), every_step=True
    )
    (file / "dos.txt").write_bytes(("\ufeff" + TEXT.replace(". ", ".\r\n")).encode())
    assert {"\ufeff", "\r", "\n"} <= set(load("text:dos.txt").symbols)  # as it stands in the file
    (file / "novel").write_text(TEXT)
    assert torch.equal(load("text:novel").x_train, data.x_train)  # no module named text


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("text:", "text: names no file; write text:FILE"),
        ("txt:cat.txt", "no file txt:cat.txt; did you mean text:cat.txt.$"),
        ("text:cat.txt:3", "no file cat.txt:3; did you mean text:cat.txt. It has no columns"),
        ("text:mono.txt", "the text is 'a' throughout"),
    ],
)
def test_names_and_texts_that_say_nothing(file, name, part):
    (file / "mono.txt").write_text("a" * 200)
    with pytest.raises(InvalidValue, match=part):
        load(name)


def test_a_text_is_found_where_mho_data_says(file, monkeypatch):
    (file / "data" / "text").mkdir(parents=True)
    (file / "data" / "text" / "far.txt").write_text(TEXT)
    with pytest.raises(InvalidValue, match=r"there is no file far\.txt"):
        load("text:far.txt")
    monkeypatch.setenv("MHO_DATA", str(file / "data"))
    assert len(load("text:far.txt").x_train) > 100


def test_texts_that_cannot_be_read_are_told_with_the_cure(file):
    (file / "latin.txt").write_bytes("abc\ndéf".encode("latin-1") * 50)
    with pytest.raises(InvalidValue, match=r"line 2 has the byte 0xe9 \(byte 5.*iconv -f LATIN1 -t UTF-8 latin.txt"):
        load("text:latin.txt")
    (file / "short.txt").write_text("abc")
    with pytest.raises(InvalidValue, match="3 characters are too few"):
        load("text:short.txt")
    with pytest.raises(InvalidValue, match=r"there is no file none\.txt \(looked in"):
        load("text:none.txt")
    (file / "folder.txt").mkdir()
    with pytest.raises(InvalidValue, match=r"folder\.txt is a folder; give a file"):
        load("text:folder.txt")


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"model": "lenet"}, "lenet is not for a text, .* use gru or lstm or transformer"),
        ({"task": "classification"}, "is one sequence of .* use the task next_character"),
        ({"task": "regression"}, "use the task next_character"),
        ({"data": "digits", "model": "transformer"}, "transformer takes images 64"),
        ({"data_seed": 1}, "data_seed is 1: it would have no effect"),
        ({"augment": ["flip"]}, "it changes images"),
    ],
)
def test_what_is_not_for_a_text_is_refused(file, changes, part):
    with pytest.raises(InvalidValue, match=part):
        begin(file / "run", {}, **changes)
    assert not (file / "run").exists()


@pytest.mark.parametrize(
    ("model", "options", "part"),
    [
        ("lstm", {"hiden": 5}, r"model\.hiden: lstm has no such option; did you mean 'hidden'"),
        ("lstm", {"hidden": 0}, r"model\.hidden is 0; give an integer from 1"),
        ("lstm", {"hidden": 2.5}, r"model\.hidden is 2\.5"),
        ("module:Net", {"hidden": 5}, r"cannot be imported"),
        ("transformer", {"width": 10, "heads": 4}, "width is 10 and heads is 4"),
    ],
)
def test_options_of_a_network_out_of_range(file, model, options, part):
    with pytest.raises(InvalidValue, match=part):
        begin(file / "run", options, model=model)


def test_a_network_without_options_has_no_section(file):
    with pytest.raises(InvalidValue, match=r"model\.hidden: the model lenet has no options; leave the section"):
        Experiment.from_dict(mho.presets.gokmen_2017().to_dict() | {"model": {"hidden": 3}})


# The networks ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [LSTM, GRU])
def test_a_state_is_carried_from_sequence_to_sequence(kind):
    torch.manual_seed(0)
    network = kind(7, 7, hidden=5, layers=2)
    x = torch.randint(0, 7, (3, 11))
    with torch.no_grad():
        whole = network(x)
        network.state = None
        parts = torch.cat([network(x[:, :4]), network(x[:, 4:])], dim=1)
        afresh = kind(7, 7, hidden=5, layers=2, carries=False)
        afresh.load_state_dict(network.state_dict())  # the state is not in it
        assert torch.allclose(parts, whole, atol=1e-6)  # sums of torch in another order
        assert not torch.allclose(afresh(x[:, 4:]), whole[:, 4:], atol=1e-3)
        assert network(x[:2]).shape == (2, 11, 7)  # another batch begins anew
    layers = network.get_submodule(network.layer_name)
    out, _ = layers(F.one_hot(x, 7).float())
    assert torch.allclose(network.fc(out), whole, atol=1e-6)


@pytest.mark.parametrize("kind", [LSTM, GRU])
def test_rows_of_images_are_a_sequence(kind):
    name = kind.__name__.lower()
    network = build_model(name, Sizes(example=(2, 5, 3), outputs=4), {"hidden": 6})
    assert isinstance(network, kind)
    assert not network.carries
    x = torch.rand(3, 2, 5, 3)
    rows = torch.stack([torch.cat([x[:, 0, row], x[:, 1, row]], dim=1) for row in range(5)], dim=1)
    out, _ = network.get_submodule(name)(rows)
    assert torch.equal(network(x), network.fc(out[:, -1]))
    sequence = build_model(name, Sizes(example=(5, 6), outputs=4))
    assert sequence(rows).shape == (3, 4)
    with pytest.raises(InvalidValue, match=r"recurrent networks take sequences .* the data have inputs 4"):
        build_model(name, Sizes(example=(4,), outputs=3))


def test_the_transformer_sees_no_later_character():
    torch.manual_seed(0)
    network = Transformer(9, 12, width=16, heads=2).eval()
    x = torch.randint(0, 9, (2, 12))
    for cut in (1, 6, 11):
        other = x.clone()
        other[:, cut:] = (x[:, cut:] + 1) % 9
        with torch.no_grad():
            same, changed = network(x)[:, :cut], network(other)
        assert torch.allclose(changed[:, :cut], same, atol=1e-5)
        assert not torch.allclose(changed[:, cut:], network(x)[:, cut:], atol=1e-2)
    assert network(x[:, :5]).shape == (2, 5, 9)
    with pytest.raises(InvalidValue, match="takes a text and the task next_character"):
        build_model("transformer", Sizes(example=(3, 4)))


def test_the_transformer_trains_on_arrays(file):
    made = experiment(
        mho.presets.gokmen_2017, {"width": 8, "heads": 2, "layers": 1}, model="transformer", epochs=1, lr=0.1
    )
    run = go(file / "run", made)
    assert lasting(run)[0]["test_loss"] < 1.2 * math.log(len(set(TEXT)))
    assert {"layer1.self_attn.q_proj", "layer1.linear1", "layer1.linear2", "fc", "characters", "places"} <= {
        row.layer for row in run.arrays
    }


def test_sequences_have_the_length_of_the_networks_source(file):
    for model, length in (("lstm", 100), ("gru", 100), ("transformer", 64)):
        tables = {"training": {"data": "text:cat.txt", "model": model}}
        made = Experiment.from_dict(mho.presets.gokmen_2017().to_dict() | tables)
        assert made.training.task == "next_character"
        assert made.task.length == length
        assert Experiment.from_toml(made.to_toml()) == made
    assert NETWORKS["lstm"].options == {"hidden": 64, "layers": 2}


# Training ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["lstm", "gru"])
def test_a_text_resumes_within_an_epoch_with_the_same_bits(file, model):
    made = experiment(model=model)
    whole = go(file / "whole", made)
    steps = whole.loop.progress.steps // 2
    assert steps > 8
    go(file / "parts", made, stop_at=steps - 3)
    parts = go(file / "parts", made, resume=True)
    assert lasting(parts) == lasting(whole)
    for name, value in whole.loop.tensors().items():
        assert torch.equal(value, parts.loop.tensors()[name]), name
    forgetful = Run(made, file / "forgetful", load("text:cat.txt"))
    forgetful.loop.together = 1

    def forget(progress):
        for module in forgetful.model.modules():
            if isinstance(module, Stateful):
                module.state = None

    forgetful.loop.run(on_step=forget)
    assert lasting(forgetful) != lasting(whole)  # so the state has a part in it


def test_replicas_of_a_reader_are_the_runs_of_their_seeds(file):
    both = go(file / "both", experiment(replicas=2, seed=3, epochs=1))
    alone = go(file / "alone", experiment(seed=4, epochs=1))
    assert lasting(both)[0]["test_loss_replicas"][1] == lasting(alone)[0]["test_loss"]
    assert lasting(both)[0]["train_bits_replicas"][1] == lasting(alone)[0]["train_bits"]


def test_losses_are_in_nats_and_bits_and_those_of_torch(file):
    made = experiment(mho.presets.floating_point, validation=0.2, length=3)
    run = go(file / "run", made)
    for line in lasting(run):
        for part in ("train", "test", "validation"):
            assert line[f"{part}_bits"] == pytest.approx(line[f"{part}_loss"] / math.log(2))
    assert lasting(run)[1]["train_loss"] < lasting(run)[0]["train_loss"] < 1.2 * math.log(len(set(TEXT)))

    # the test of the digital twin, read as the streams that the task says
    twin, data = mho.to_digital(run.model).eval(), run.loop.data
    losses = []
    batches = made.task.test_batches(len(data.x_test), batch_size=250)
    assert len(batches[0]) > 1  # streams
    twin.state = None
    with torch.no_grad():
        for places in batches:
            out = twin(data.x_test[places])
            losses += F.cross_entropy(out.transpose(1, 2), data.y_test[places], reduction="none").mean(1).tolist()
    assert lasting(run)[-1]["test_loss"] == pytest.approx(np.mean(losses), rel=1e-5)  # float32, in another order

    loaded = mho.load(file / "run")
    assert loaded.score() == pytest.approx(1 - lasting(run)[-1]["test_error"] / 100)
    answers = loaded.predict()
    right = (answers == loaded.data.y_test).double().mean()
    assert loaded.score() == pytest.approx(float(right))  # in the order of the test


def test_a_test_reads_each_sequence_once_after_the_one_before():
    task = NextCharacter()
    for count, size in ((1, 250), (15, 250), (33, 250), (4000, 250), (37, 2)):
        batches = [batch.tolist() for batch in task.test_batches(count, batch_size=size)]
        assert sorted(place for batch in batches for place in batch) == list(range(count))
        assert max(map(len, batches)) == max(1, min(size, count // 16))
        for before, after in itertools.pairwise(batches):
            assert {place - 1 for place in after} <= set(before)


def test_evaluating_does_not_change_the_training(file):
    made = experiment(epochs=1)
    quiet, asked = (Run(made, file / name, load("text:cat.txt")) for name in ("quiet", "asked"))
    for run in (quiet, asked):
        run.loop.together = 1
    quiet.loop.run()
    asked.loop.run(on_step=lambda progress: asked.loop.test_errors() if progress.steps % 7 == 0 else None)
    for name, value in quiet.model.state_dict().items():
        if name.endswith("state"):  # beside it are numbers of vectors, of tests too
            assert torch.equal(value, asked.model.state_dict()[name]), name
    assert lasting(quiet)[0]["train_loss"] == lasting(asked)[0]["train_loss"]


def test_a_reader_from_the_command_line_with_its_page(file):
    words = ["--model", "gru", "--set", "model.hidden=4", "--set", f"task.length={LENGTH}", "--epochs", "1"]
    done = command("train", "--data", "text:cat.txt", *words, "--out", "run", cwd=file)
    assert done.returncode == 0, done.stderr
    assert "the first" in done.stderr
    assert "wrong characters" in done.stdout
    line = json.loads((file / "run" / "metrics.jsonl").read_text())
    assert {"train_bits", "test_bits", "test_loss", "sequences_per_second"} <= set(line)
    page = (file / "run" / "report.html").read_text()
    for words in ("bits per character", "nats per character", "different; the first", "validation holds out"):
        assert words in page
    config = (file / "run" / "config.toml").read_text()
    assert 'task = "next_character"' in config
    assert "hidden = 4" in config
    (file / "cat.txt").write_text(TEXT + "more")
    again = command("train", "--out", "run", "--resume", "--epochs", "2", cwd=file)
    assert again.returncode == 1
    assert "the source of text:cat.txt has changed" in again.stderr


def test_a_trained_reader_writes_on_as_the_docs_say(file, capsys):
    docs = (ROOT / "docs/data.md").read_text()
    code = docs.split("character by character:\n\n```python\n")[1].split("```")[0]
    made = experiment(epochs=1)
    go(file / "runs/war_and_peace-1", made)
    torch.manual_seed(0)
    exec(code.replace('"The "', '"the "').replace("200", "20"), {})
    written = capsys.readouterr().out.splitlines()[-1]
    assert written.startswith("the ")
    assert len(written) == 24
    assert set(written) <= set(TEXT)
    run = mho.load(file / "runs/war_and_peace-1")
    for x, part in ((["the "], "symbols.index"), ("the ", "symbols.index"), ([[0, 999]], "index 999.*from 0 to")):
        with pytest.raises(InvalidValue, match=part):
            run.predict(x)


def test_a_module_of_a_user_may_keep_a_state(file):
    class Counter(Stateful):
        """Adds up the batches that it has seen."""

        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(1, 2)

        def forward(self, x):
            count = torch.zeros(1) if self.state is None else self.state[0]
            self.state = (count + 1,)
            return self.fc(x + count)

    model = mho.convert(Counter(), mho.presets.floating_point(), quiet=True)
    driver = mho.training.choose_driver(model, mho.AnalogSGD(model, lr=0.1), sample=torch.zeros(1, 1))
    assert driver.name == "autograd"
    assert "keeps a state" in driver.reason
