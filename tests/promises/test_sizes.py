"""Modules stay short, and functions take few parameters: what may take more is listed with its reason."""

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
VERBS = "cli/"
"""Files of verbs, which have one parameter for each option of their command; helpers there are private, and held."""
PROCEDURES = {
    "learning/combinatorial/on_arrays.py conntra_on_arrays": "the settings of conntra, with reads and an RPU",
    "learning/combinatorial/train.py conntra": "what mho learn conntra sets, and the callbacks of its run",
    "training/fit.py fit": "what mho train sets, for scripts without a run folder",
}
"""Whole trainings in one call: one parameter for each setting that a verb has as an option."""
MIRRORS = {
    "learning/boltzmann/machine.py BoltzmannMachine.__init__": "scikit-learn: one parameter for each setting",
    "learning/combinatorial/classifier.py ConntraClassifier.__init__": "scikit-learn: one parameter for each setting",
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
            count = len(names) - (names[:1] in (["self"], ["cls"], ["typingctx"]))  # Numba gives an intrinsic the last
            yield f"{inside}{child.name}", count + (given.vararg is not None) + (given.kwarg is not None)
            yield from functions(child, f"{inside}{child.name}.")
        else:
            yield from functions(child, inside)


def is_verb(module: str, function: str) -> bool:
    return module.startswith(VERBS) and "." not in function and not function.startswith("_")


def test_no_module_is_long_beyond_the_listed_ones() -> None:
    lengths = {name: len(text.splitlines()) for name, text in modules()}
    assert {name: count for name, count in lengths.items() if count > LINES} == LONG_MODULES


def test_no_function_takes_many_parameters_beyond_the_listed_ones() -> None:
    wide = {
        f"{name} {function}": count
        for name, text in modules()
        for function, count in functions(ast.parse(text))
        if count > PARAMETERS and not is_verb(name, function)
    }
    listed = MIRRORS | PROCEDURES
    assert {name: count for name, count in wide.items() if name not in listed} == {}  # group what belongs together
    assert sorted(listed.keys() - wide.keys()) == []  # what is gone, or takes fewer by now, leaves the list


def test_parameters_are_counted_as_a_caller_sees_them() -> None:
    text = "class A:\n    def f(self, a, /, b, *more, c=1, **rest):\n        def g(x): pass\ndef h(typingctx, x): pass"
    assert dict(functions(ast.parse(text))) == {"A.f": 5, "A.f.g": 1, "h": 1}
