"""Modules stay short, and functions take few parameters: exceptions are listed with their numbers, which only fall."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import mho

SOURCE = Path(mho.__file__).parent
LINES = 400
PARAMETERS = 9
LONG_MODULES: dict[str, int] = {}
"""Modules with more lines, and how many they have: cut one, and lower or remove its number."""
WIDE_FUNCTIONS: dict[str, int] = {
    "learning/combinatorial/on_arrays.py conntra_on_arrays": 12,
    "learning/combinatorial/train.py conntra": 22,
    "training/fit.py fit": 11,
}
"""Functions with more parameters, which are no verb and no constructor that mirrors another: as above."""
VERBS = "cli/"
"""A verb has one parameter for each option of its command."""
MIRRORS = {
    "learning/boltzmann/machine.py BoltzmannMachine.__init__": "scikit-learn: one parameter for each setting",
    "learning/combinatorial/classifier.py ConntraClassifier.__init__": "scikit-learn",
    "nn/attention.py MultiheadAttention.__init__": "torch.nn.MultiheadAttention",
    "nn/band_limited/layer.py BandLimited.__init__": "torch.nn.Conv1d and Conv2d",
    "nn/conv/base.py Convolution.__init__": "torch.nn.Conv2d",
    "nn/conv/transposed.py TransposedConvolution.__init__": "torch.nn.ConvTranspose2d",
    "nn/recurrent/base.py Recurrent.__init__": "torch.nn.RNNBase",
    "nn/recurrent/lstm.py LSTM.__init__": "torch.nn.LSTM",
    "nn/recurrent/rnn.py RNN.__init__": "torch.nn.RNN",
}
"""Constructors with the parameters of the class that they stand for."""


def modules() -> Iterator[tuple[str, str]]:
    for file in sorted(SOURCE.rglob("*.py")):
        yield file.relative_to(SOURCE).as_posix(), file.read_text(encoding="utf-8")


def functions(node: ast.AST, inside: str = "") -> Iterator[tuple[str, int]]:
    """Every function below a node, and how many parameters a caller sees."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield from functions(child, f"{inside}{child.name}.")
        elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            given = child.args
            names = [each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
            count = len(names) - (names[:1] in (["self"], ["cls"]))
            yield f"{inside}{child.name}", count + (given.vararg is not None) + (given.kwarg is not None)
            yield from functions(child, f"{inside}{child.name}.")
        else:
            yield from functions(child, inside)


def test_no_module_is_long_beyond_the_listed_ones() -> None:
    lengths = {name: len(text.splitlines()) for name, text in modules()}
    assert {name: count for name, count in lengths.items() if count > LINES} == LONG_MODULES


def test_no_function_takes_many_parameters_beyond_the_listed_ones() -> None:
    found = {
        f"{name} {function}": count
        for name, text in modules()
        if not name.startswith(VERBS)
        for function, count in functions(ast.parse(text))
        if count > PARAMETERS
    }
    assert {name: count for name, count in found.items() if name not in MIRRORS} == WIDE_FUNCTIONS
    assert MIRRORS.keys() <= found.keys()  # what is mended leaves the list


def test_parameters_are_counted_as_a_caller_sees_them() -> None:
    text = "class A:\n    def f(self, a, /, b, *more, c=1, **rest):\n        def g(x): pass\ndef h(): pass"
    assert dict(functions(ast.parse(text))) == {"A.f": 5, "A.f.g": 1, "h": 0}
