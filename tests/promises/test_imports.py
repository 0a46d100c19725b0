"""What is imported when: one process that does one thing after another, and lists what has come in by then."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import mho

STEPS = """
import json, sys
from pathlib import Path

told, folder = {}, Path(sys.argv[1])

def tell(step, *more):
    watched = ("matplotlib", "sklearn", "torch._dynamo")
    told[step] = [[name for name in watched if name in sys.modules], *more]

import torch
import mho
from torch.nn.modules import module
tell("mho")
model = mho.convert(torch.nn.Linear(4, 2), mho.presets.floating_point(), quiet=True)
optimizer = mho.AnalogSGD(model, lr=0.1)
model(torch.ones(1, 4)).sum().backward()
optimizer.step()
watching = [module._global_module_registration_hooks, module._global_parameter_registration_hooks]
tell("a step", sum(map(len, watching)))
mho.learning.conntra
tell("conntra")
mho.report([{"epoch": 1, "loss": 2.0}], out=folder / "one.html")
tell("a report")
import mho.report
from mho.report import write_report
mho.report.figures
tell("the room", str(mho.report([{"epoch": 1, "loss": 2.0}], folder / "two.html")))
mho.learning.BoltzmannMachine
tell("an estimator")
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("imports")


@pytest.fixture(scope="module")
def told(folder) -> dict[str, list[Any]]:
    """By what was done: what has come in, and more."""
    done = subprocess.run([sys.executable, "-c", STEPS, str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_no_hook_watches_all_modules_and_the_compiler_is_not_imported_at_the_start(told):
    assert told["a step"] == [[], 0]


def test_only_an_estimator_imports_scikit_learn(told):
    assert [step for step in told if "sklearn" in told[step][0]] == ["an estimator"]


def test_report_is_a_function_and_a_room_and_imports_matplotlib_when_called(told, folder):
    assert next(step for step in told if "matplotlib" in told[step][0]) == "a report"
    assert told["the room"][1] == str(folder / "two.html")
    assert (folder / "one.html").read_bytes() == (folder / "two.html").read_bytes()
    with pytest.raises(AttributeError, match="mho has no 'reports'; did you mean 'report'"):
        mho.reports  # noqa: B018
