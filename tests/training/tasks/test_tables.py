"""Tables of numbers in files .csv: targets, splits, standardised inputs, and every fault with its line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import mho
from mho.data import load
from mho.errors import InvalidValue
from mho.report import write_report
from mho.runs import Experiment, Run
from mho.training import find_task, sizes_of
from tests.helpers.command import mho as command

ROWS = 40


def rows(target) -> list[str]:
    generator = np.random.default_rng(0)
    x = generator.normal(3, 2, size=(ROWS, 2)).round(4)
    return [f"{a},{b},{target(place, a, b)}" for place, (a, b) in enumerate(x.tolist())]


def words(place: int, a: float, b: float) -> str:
    return "high" if a + b > 6 else "low"


def write(folder: Path, lines: list[str], name: str = "table.csv", end: str = "\n") -> str:
    (folder / name).write_bytes(end.join(lines).encode())
    return f"csv:{folder / name}"


def experiment(name: str, **training: object) -> Experiment:
    tables = {"training": {"data": name, "model": "mlp", "epochs": 2, **training}}
    return Experiment.from_dict(mho.presets.gokmen_2017().to_dict() | tables)


def test_words_are_classes(tmp_path):
    name = write(tmp_path, ["width,height,kind", *rows(words)])
    data = load(name)
    assert data.symbols == ("high", "low")
    assert (data.x_train.shape, data.x_test.shape) == ((32, 2), (8, 2))
    assert torch.allclose(data.x_train.mean(0), torch.zeros(2), atol=1e-6)
    assert torch.allclose(data.x_train.std(0, correction=0), torch.ones(2), atol=1e-6)
    assert experiment(name).training.task == "classification"
    assert sizes_of(data).outputs == 2
    # each row is there once, and goes with its target
    table = np.array([line.split(",")[:2] for line in rows(words)], float)
    train = torch.cat([data.x_train, data.x_test]).numpy()
    order, found = np.argsort(table[:, 0]), np.argsort(train[:, 0])
    line = np.polyfit(train[found, 0], table[order, 0], 1)
    assert np.allclose(np.polyval(line, train[found, 0]), table[order, 0], atol=1e-5)  # cells have four digits
    labels = torch.cat([data.y_train, data.y_test])[torch.from_numpy(found)]
    mean, deviation = data.x_scale
    assert np.allclose(train[found] * deviation.numpy() + mean.numpy(), table[order], atol=1e-5)
    assert [data.symbols[label] for label in labels] == [rows(words)[place].split(",")[2] for place in order]
    for part in ("named in the first line", "32 rows for training, 8 for the test", "classification of 2 classes"):
        assert part in " ".join(data.notes)


def test_numbers_are_a_regression_and_integers_may_be(tmp_path):
    name = write(tmp_path, rows(lambda place, a, b: round(100 + 30 * a, 3)))
    assert experiment(name).training.task == "regression"
    data = load(name)
    assert data.y_train.shape == (32, 1)
    assert float(data.y_train.mean()) == pytest.approx(0, abs=1e-6)
    assert torch.allclose(data.y_test, data.x_test[:, :1], atol=1e-3)  # the target follows the first column
    (x_mean, _), (y_mean, y_unit) = data.x_scale, data.y_scale
    assert float(y_mean) == pytest.approx(100 + 30 * float(x_mean[0]), abs=1e-3)
    assert torch.allclose(
        data.y_train * y_unit + y_mean, (data.x_train * data.x_scale[1] + x_mean)[:, :1] * 30 + 100, atol=1e-2
    )
    assert "without names" in data.notes[0]
    assert "regression (integers or words would be classes)" in data.notes[-1]

    whole = load(write(tmp_path, rows(lambda place, a, b: 10 * (place % 3)), "whole.csv"))
    assert whole.symbols == ("0", "10", "20")
    assert "--task regression takes them as numbers" in whole.notes[-1]
    _, numbers = find_task("regression")().prepare(whole)
    mean, deviation = 10 * whole.y_train.double().mean(), 10 * whole.y_train.double().std(correction=0)
    assert float(numbers.y_scale[0]) == pytest.approx(float(mean))
    assert torch.allclose(numbers.y_test[:, 0], ((10 * whole.y_test - mean) / deviation).float(), atol=1e-6)
    assert "regression: a value of the target is" in numbers.notes[-1]
    _, classes = find_task("classification")().prepare(whole)
    assert classes.y_train.dtype == torch.int64
    with pytest.raises(InvalidValue, match="for numbers use the task regression"):
        find_task("classification")().prepare(data)
    with pytest.raises(InvalidValue, match="for classes use the task classification"):
        find_task("regression")().prepare(load(write(tmp_path, rows(words), "words.csv")))


def test_a_column_is_the_target_by_name_or_number(tmp_path):
    lines = ["height,name of it,width", *(f"{place}.5,{'ab'[place % 2]},{place * place % 7}" for place in range(20))]
    name = write(tmp_path, lines)
    by_name, by_number = load(f"{name}:name of it"), load(f"{name}:2")
    assert by_name.symbols == by_number.symbols == ("a", "b")
    assert torch.equal(by_name.x_train, by_number.x_train)
    with pytest.raises(InvalidValue, match=r"has no column 'heigth'; did you mean 'height'.* number from 1 to 3"):
        load(f"{name}:heigth")
    with pytest.raises(InvalidValue, match="has no column '4'"):
        load(f"{name}:4")
    words_are_inputs = write(
        tmp_path, [",".join(line.split(",")[::-1]) for line in ["a,b,kind", *rows(words)]], "back.csv"
    )
    with pytest.raises(
        InvalidValue, match=r"kind holds words, such as 'high' in line 2|kind holds words, such as 'low'"
    ):
        load(words_are_inputs)


@pytest.mark.parametrize(("delimiter", "end", "mark"), [(";", "\n", ""), ("\t", "\r\n", ""), (",", "\r\n", "\ufeff")])
def test_tables_of_other_programs(tmp_path, delimiter, end, mark):
    lines = [mark + "a, b ,kind", "", *rows(words), ""]
    plain = load(write(tmp_path, ["a,b,kind", *rows(words)], "plain.csv"))
    other = load(write(tmp_path, [line.replace(",", delimiter) for line in lines], "other.csv", end))
    assert torch.equal(plain.x_train, other.x_train)
    assert other.symbols == plain.symbols
    quoted = [f'"{a}","{b}","{c}"' for a, b, c in (line.split(",") for line in rows(words))]
    assert torch.equal(load(write(tmp_path, ["a,b,kind", *quoted], "quoted.csv")).x_train, plain.x_train)


def test_every_fault_is_told_with_its_line(tmp_path):
    lines = ["a,b,kind", *rows(words)]
    lines[3] = "1.0,,low"
    lines[5] = "1.0,x2,low"
    lines[7] = "1.0,2.0"
    lines[9] = "1.0,inf,low"
    lines[11] = "1.0,2.0,NA"
    lines[12] = '"1,5",2.0,low'
    with pytest.raises(InvalidValue) as caught:
        load(write(tmp_path, lines))
    for part in (
        "line 4, b: a value is missing; fill it in, or remove the row",
        "line 6, b: 'x2' is no finite number",
        "line 8 has 2 cells, and there are 3 columns",
        "line 10, b: 'inf' is no finite number",
        "line 12, kind: a value is missing",
        "line 13, a: '1,5' is no finite number (write 3.5 for 3,5)",
    ):
        assert part in str(caught.value)
    assert len(caught.value.faults) == 6
    many = ["a,b,kind", *("1.0,,low" for _ in range(60))]
    with pytest.raises(InvalidValue, match="and 48 more faults of cells"):
        load(write(tmp_path, many))


@pytest.mark.parametrize(
    ("lines", "part"),
    [
        (rows(words)[:9], "has 9 rows of examples; give at least 10"),
        ([], "has 0 rows"),
        (["x", *("1.0" for _ in range(20))], "has one column"),
        (rows(lambda place, a, b: "same"), "the target column 3 is same in every row"),
        (["a,b,kind", *("1,2,\xff" for _ in range(3))], "has 3 rows"),
    ],
)
def test_tables_of_too_little(tmp_path, lines, part):
    with pytest.raises(InvalidValue, match=part):
        load(write(tmp_path, lines))


def test_other_mistakes(tmp_path):
    with pytest.raises(InvalidValue, match="there is no file"):
        load(f"csv:{tmp_path / 'none.csv'}:price")
    (tmp_path / "latin.csv").write_bytes("a,b\n1,é\n".encode("latin-1") * 20)
    with pytest.raises(InvalidValue, match=r"line 2 has the byte 0xe9"):
        load(f"csv:{tmp_path / 'latin.csv'}")
    with pytest.raises(InvalidValue, match=r"lenet is not for tables, .* use mlp"):
        experiment(write(tmp_path, rows(words)), model="lenet")
    constant = load(write(tmp_path, [f"7,{line}" for line in rows(words)]))
    assert float(constant.x_train[:, 0].abs().max()) == 0
    assert "the same number stands in every row for training of column 1" in " ".join(constant.notes)
    with pytest.raises(InvalidValue, match=r"training\.data: there is no file"):
        experiment(f"csv:{tmp_path / 'none.csv'}")


@pytest.mark.parametrize(
    ("lines", "part"),
    [
        (
            ["a;b;p", *(f"{n},5;{n};{n}" for n in range(ROWS))],
            "a holds numbers with a decimal comma, such as '0,5' in line 2",
        ),
        (
            ["a;b;p", *(f"{n};{n * n};{n},5" for n in range(ROWS))],
            "p holds numbers with a decimal comma.*write 3.5 for",
        ),
        (
            ["a,b,who", *(f"{n},{n * n},name{n}" for n in range(ROWS))],
            "who holds another word in each row.*csv:table.csv:C",
        ),
    ],
)
def test_targets_and_inputs_that_nothing_can_learn(tmp_path, lines, part):
    with pytest.raises(InvalidValue, match=part):
        load(write(tmp_path, lines))


def test_settings_without_effect_are_said_and_examples_are_no_images(tmp_path):
    name = write(tmp_path, ["width,height,kind", *rows(words)])
    changes = {"batch_size": 33, "train_images": 41, "test_images": 9, "lr_steps": {"3": 0.1}}
    run = Run(experiment(name, **changes), tmp_path / "run", load(name))
    assert [sentence.split(" is ")[0].split(" names ")[0] for sentence in run.idle] == [
        "training.train_images", "training.test_images", "training.batch_size", "training.lr_steps"
    ]  # fmt: skip
    assert "the data have 32 training examples: all are taken" in run.idle[0]
    fitting = {"batch_size": 32, "train_images": 32, "test_images": 8, "lr_steps": {"2": 0.1}}
    assert not Run(experiment(name, **fitting), tmp_path / "other", load(name)).idle
    run.train(on_step=lambda progress: False, on_epoch=lambda progress: None)
    assert "examples_per_second" in run.loop.progress.metrics[-1]
    page = write_report(tmp_path / "run").read_text()
    assert "MACs per example" in page
    assert "examples/s" in page
    assert "train loss (nats)" in page
    assert "image" not in page.replace("train_images", "").replace("test_images", "")
    shown = command("map", "--run", "run", cwd=tmp_path).stdout
    assert "MACs per example" in shown
    assert "(64 examples)" in shown
    assert "image" not in shown


def test_the_split_does_not_depend_on_seeds_and_the_file_is_watched(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, ["a,b,kind", *rows(words)])
    first = command("train", "--data", "table.csv", "--model", "mlp", "--epochs", "1", "--out", "run", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert "data: 40 rows of 3 columns" in first.stderr
    assert "classification of 2 classes (high, low)" in first.stderr
    page = (tmp_path / "run" / "report.html").read_text()
    assert "2 inputs are standardised" in page
    write(tmp_path, ["a,b,kind", *rows(words)[1:]])
    again = command("train", "--out", "run", "--resume", "--epochs", "2", cwd=tmp_path)
    assert "the source of table.csv has changed" in again.stderr
    value = command(
        *("train", "--data", "csv:table.csv:a", "--model", "mlp", "--epochs", "2", "--replicas", "2", "--json"),
        *("--out", "wrong"),
        cwd=tmp_path,
    )
    assert "kind holds words" in value.stderr
    assert not (tmp_path / "wrong").exists()
    write(tmp_path, ["a,b,c", *rows(lambda place, a, b: round(a - b, 3))], "value.csv")
    value = command(
        *("train", "--data", "csv:value.csv:c", "--model", "mlp", "--epochs", "30", "--replicas", "2", "--json"),
        *("--set", "training.lr=0.05", "--preset", "floating_point"),
        cwd=tmp_path,
    )
    assert value.returncode == 0, value.stderr
    line = json.loads(value.stdout)
    assert line["test_error"] < 90  # 100 % is what answering the mean gives
    assert len(line["test_loss_replicas"]) == 2


def test_a_run_of_a_table_is_a_model(tmp_path):
    made = experiment(write(tmp_path, ["a,b,kind", *rows(words)]), lr=0.1)
    run = Run(made, tmp_path / "run", load(made.training.data))
    run.train(on_step=lambda progress: False, on_epoch=lambda progress: None)
    loaded = mho.load(tmp_path / "run")
    assert loaded.model.fc1.in_features == 2
    assert loaded.model.fc3.out_features == 2
    assert {loaded.data.symbols[place] for place in loaded.predict()} <= {"high", "low"}


def test_a_line_of_an_epoch_is_not_broken_in_a_file(tmp_path):
    name = write(tmp_path, ["width,height,kind", *rows(words)])
    options = ("--data", name, "--model", "mlp", "--epochs", "1", "--validation", "0.25", "--out", "run")
    done = command("train", *options, cwd=tmp_path, COLUMNS="40")
    line = next(line for line in done.stderr.splitlines() if line.startswith("epoch 1/1"))
    assert line.endswith("examples/s")
    assert line.count("%") == 3  # train, validation, test
