"""Rules that all tests keep."""

from __future__ import annotations

import ast

import pytest
import torch

from tests.helpers.checkout import ROOT

TESTS = ROOT / "tests"
FILES = sorted(TESTS.rglob("*.py"))
CLOCKS = {"monotonic", "perf_counter", "process_time", "thread_time", "time"}


def read_clocks(node: ast.AST) -> list[str]:
    """Names of the clocks of `time` that are called within a piece of code."""
    calls = [call.func for call in ast.walk(node) if isinstance(call, ast.Call)]
    names = [(getattr(call, "value", None), getattr(call, "attr", "")) for call in calls]
    return [name for owner, name in names if isinstance(owner, ast.Name) and owner.id == "time" and name in CLOCKS]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(TESTS)))
def test_nothing_is_asserted_on_the_clock(file):
    """A busy machine is slow, and no test fails for that."""
    asserts = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Assert)]
    assert [node.lineno for node in asserts if read_clocks(node)] == []


def test_tests_stand_in_the_rooms_of_the_package():
    rooms = {folder.name for folder in (ROOT / "src" / "mho").iterdir() if (folder / "__init__.py").exists()}
    folders = {folder.name for folder in TESTS.iterdir() if any(folder.rglob("*.py"))}
    assert folders - rooms == {"documents", "helpers", "networks", "promises"}


def test_what_tests_share_is_a_helper():
    """A test file that another imports would be read in every run of the other's room."""
    for file in FILES:
        imported = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.ImportFrom)]
        own = [node.module for node in imported if node.module and node.module.split(".")[0] == "tests"]
        assert [name for name in own if not name.startswith("tests.helpers")] == [], file


@pytest.fixture
def drawn() -> torch.Tensor:
    return torch.rand(3)


@pytest.mark.parametrize("turn", range(2))
def test_draws_do_not_depend_on_the_tests_before(drawn, turn):
    first = torch.rand(3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(drawn, first)
    assert torch.equal(torch.rand(3), first)
