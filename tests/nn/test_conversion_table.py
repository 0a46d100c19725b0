"""The table of what became of each layer: whole names in a narrow terminal, and the share that is on arrays."""

from __future__ import annotations

import io
import warnings

import pytest
import torch
from rich.console import Console
from torch import nn

import mho
from mho.nn import StaysDigital

RPU = mho.presets.gokmen_2017()


def shown(model: nn.Module, width: int) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(mho.conversion_table(model))
    return out.getvalue()


def encoder() -> nn.Module:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    return nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)


@pytest.mark.parametrize("width", [80, 140])
def test_names_and_lines_are_whole_in_any_terminal(width):
    with pytest.warns(StaysDigital):
        model = mho.convert(encoder(), RPU, quiet=True)
    lines = shown(model, width).splitlines()
    cells = [line.split("│")[1].strip() for line in lines if line.startswith("│")]
    assert [name for name in cells if name] == [row.name for row in model.conversion]
    assert "layers.0.self_attn.out_proj" in cells
    assert max(map(len, lines)) <= width
    assert "…" not in "".join(lines)


def test_a_name_beyond_measure_is_folded_and_loses_nothing():
    block = nn.Sequential(nn.Linear(3, 3))
    for depth in range(4):
        block = nn.ModuleDict({f"encoder_block_{depth}": block})
    lines = shown(mho.convert(block, RPU, quiet=True), 80).splitlines()
    cells = [line.split("│")[1].strip() for line in lines if line.startswith("│")]
    assert "".join(cells) == "encoder_block_3.encoder_block_2.encoder_block_1.encoder_block_0.0"
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(("replicas", "tile"), [(1, None), (3, None), (1, (2, 4))])
def test_the_last_line_is_the_share_of_the_weights_on_arrays(replicas, tile):
    digital = nn.Sequential(nn.Linear(6, 5), nn.Conv2d(2, 4, 3, groups=2, bias=False))
    model = mho.convert(digital, RPU.replace(tile=tile), replicas=replicas, quiet=True)
    assert shown(model, 80).splitlines()[-1].strip() == "100 % of 71 weights are on arrays."  # 6·5 + 5 + 4·9
    if replicas == 1:
        mixed = mho.convert(nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 5)), RPU, exclude=["1"], quiet=True)
        assert shown(mixed, 80).splitlines()[-1].strip() == "53.8 % of 65 weights are on arrays."


def test_the_warning_of_what_stays_digital_has_the_share_and_quiet_does_not_silence_it(capsys):
    digital = nn.ModuleDict({"bag": nn.EmbeddingBag(8, 16), "fc": nn.Linear(16, 4)})
    whole = sum(p.numel() for p in digital.parameters())
    with pytest.warns(
        StaysDigital, match=rf"bag \(EmbeddingBag\): .* 34\.7 % of {whole:,} weights .* ends this warning"
    ):
        mho.convert(digital, RPU, quiet=True)
    assert capsys.readouterr().err == ""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = mho.convert(digital, RPU, exclude=["bag"])
    assert "34.7 % of 196 weights" in capsys.readouterr().err
    assert torch.is_tensor(model["fc"].weight)
