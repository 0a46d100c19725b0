"""Papers as the tests of their room use them: three of them, results that are made up, and `mho reproduce` in words."""

from __future__ import annotations

from click.testing import Result
from typer.testing import CliRunner

import mho
from mho.cli import app
from mho.papers import PAPERS
from mho.papers.records import Record

LENET, MLP, SHIFTED = PAPERS["gokmen_2017"], PAPERS["gokmen_2016"], PAPERS["kim_2019"]


def told(*words: str) -> Result:
    """The same in this process: what it prints, its exit status, or what it raises."""
    return CliRunner().invoke(app, ["reproduce", *words], env={"COLUMNS": "160"})


def record(curve: str, *seeds: list[float], physics: int = mho.PHYSICS_VERSION) -> Record:
    lines = {
        seed: [
            {"epoch": epoch, "train_error": 1.0, "test_error": error, "train_loss": 0.1, "seconds": 1.0}
            for epoch, error in enumerate(errors, 1)
        ]
        for seed, errors in enumerate(seeds)
    }
    counters = {seed: {"conv1": {"pulses": 3}} for seed in lines}
    arrays = [{"layer": "conv1", "out": 16, "in": 26, "vectors": 576, "devices": 1}]
    return Record(
        curve=curve,
        command="mho",
        physics=physics,
        version="0",
        images=60_000,
        arrays=arrays,
        seeds=lines,
        counters=counters,
    )


def curve_of(end: float, epochs: int = 30) -> list[float]:
    """50 % until epoch 24, then `end`."""
    return [50.0] * 24 + [end] * (epochs - 24)
