"""Options in messages: as Python takes them, and as they are typed where a command was typed."""

from __future__ import annotations

import pytest
from torch import nn
from torch.nn.utils import prune

import mho
from mho.errors import InvalidValue
from mho.measurements import read_pulses
from mho.spoken import already_digital, at_the_shell, kept_digital, one_replica, option, scale_chosen
from tests.helpers.command import mho as typed


def test_options_are_those_of_the_place_where_they_are_given():
    assert (option("read_voltage"), option("columns", "number,reading")) == ("read_voltage", 'columns="number,reading"')
    assert kept_digital(["a", "b"]) == 'exclude=["a", "b"]'
    assert scale_chosen() == 'mho.RPU(scale="max", ...)'
    assert "of_replica(0).device" in one_replica()
    with at_the_shell():
        assert (option("read_voltage"), option("columns", "...")) == ("--read-voltage", "--columns ...")
        assert option("decimal", ",") == "--decimal ,"
        assert option("reverse", "G down") == "--reverse 'G down'"
        assert kept_digital(["fc2"]) == "--set 'training.exclude=[\"fc2\"]'"
        assert scale_chosen() == "--set scale=max"
        assert one_replica() == "give one number in place of each list"
        with at_the_shell("--exclude {}"):
            assert kept_digital(["a", "b"]) == "--exclude a --exclude b"
        with already_digital(["conv*", "b"]):  # which the list that is typed would replace
            assert kept_digital(["b", "a"]) == '--set \'training.exclude=["conv*", "b", "a"]\''
    assert option("unit") == "unit"  # and so again in Python


def test_a_file_without_readings_has_one_hint_that_can_be_typed(tmp_path):
    (tmp_path / "p.csv").write_text("pulse,voltage\n1,1.0\n2,1.0\n3,1.0\n4,-1\n5,-1\n")
    shell = typed("device", "fit", "p.csv", "--out", "f", cwd=tmp_path)
    assert shell.returncode == 1
    assert shell.stderr.count("give ") == shell.stderr.count("--columns") == 1
    assert "column 1 ('pulse'): read as number ('1' ...), column 2 ('voltage') as voltage" in shell.stderr
    with pytest.raises(InvalidValue, match='give columns="number,reading"') as error:
        read_pulses(tmp_path / "p.csv")
    assert str(error.value).count("give ") == 1
    assert "--" not in str(error.value)


def test_notes_on_a_file_name_options_as_they_are_typed(tmp_path):
    rows = [f"{n},{1 + n if n < 20 else 40 - n}" for n in range(40)]
    (tmp_path / "p.csv").write_text("\n".join(["pulse,G", *rows]))
    shell = typed("device", "check", "p.csv", cwd=tmp_path)
    assert "--turns changes it" in shell.stderr
    assert "--unit gives it" in shell.stderr
    notes = " ".join(read_pulses(tmp_path / "p.csv").notes)
    assert "(turns changes it)" in notes
    assert "(unit gives it)" in notes


def test_a_layer_that_stays_digital_has_a_cure_that_can_be_typed(tmp_path):
    network = (
        "import torch\nfrom torch import nn\nclass Own(nn.Module):\n    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.w = nn.Parameter(torch.ones(1))\n    def forward(self, x):\n        return self.w * x\n"
        "def net():\n    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10), Own())\n"
    )
    (tmp_path / "own_net.py").write_text(network)
    sizes = ["--set", "training.train_images=4", "--set", "training.test_images=4"]
    shell = typed("train", "--model", "own_net:net", "--epochs", "1", *sizes, "--out", "r", cwd=tmp_path)
    assert shell.returncode == 0, shell.stderr
    assert "--set 'training.exclude=[\"2\"]'" in shell.stderr
    again = ["--set", 'training.exclude=["2"]']
    shell = typed("train", "--model", "own_net:net", "--epochs", "1", *sizes, *again, "--out", "s", cwd=tmp_path)
    assert "no array form" not in shell.stderr
    with pytest.warns(UserWarning, match=r'ends this warning: exclude=\["1"\]'):
        mho.convert(nn.Sequential(nn.Linear(3, 2), nn.Bilinear(2, 2, 2)), mho.RPU(), quiet=True)


def pruned() -> nn.Module:
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 3), nn.Linear(3, 2))
    prune.l1_unstructured(model[1], "weight", 0.5)
    return model


def tied() -> nn.Module:
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 3), nn.Linear(3, 3, bias=False))
    model[2].weight = model[1].weight
    return model


STAYS = {
    "pruned": (pruned, ["0"], '["0", "1"]'),
    "tied": (tied, ["0"], '["0", "1", "2"]'),
    "an option": (lambda: nn.Sequential(nn.Linear(4, 3), nn.Embedding(5, 3, max_norm=1.0)), ["0"], '["0", "1"]'),
    "keys": (
        lambda: nn.Sequential(nn.Linear(4, 4), nn.MultiheadAttention(4, 2, add_bias_kv=True)), ["0"], '["0", "1"]',
    ),
    "a part": (lambda: nn.Sequential(nn.Linear(4, 4), nn.MultiheadAttention(4, 2)), ["1.q_proj", "0"], '["1", "0"]'),
}  # fmt: skip


@pytest.mark.parametrize("case", STAYS)
def test_advice_to_keep_a_layer_digital_keeps_those_that_are_digital(case):
    made, excluded, advised = STAYS[case]
    with pytest.raises(InvalidValue) as error:
        mho.convert(made(), mho.RPU(), exclude=excluded, quiet=True)
    assert f"exclude={advised}" in str(error.value)
    assert kept_digital(["x"]) == 'exclude=["x"]'  # and nothing of it stays behind
