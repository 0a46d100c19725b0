"""The pages of docs/ and README: every block of code is tried, every link leads somewhere."""

from __future__ import annotations

import contextlib
import re
import shlex
import sys
import tomllib
import types
import warnings
from pathlib import Path

import pytest
import typer

from mho import cli
from tests.helpers.command import mho as command
from tests.helpers.docs_pages import PAGES, ROOT, SHOWN, TRIED, Block, blocks

NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]
QUIET = ("cd", "export", "git", "pip", "python3", "ray", "source", "tensorboard")
"""Programs of a line of the shell that are not tried."""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, in which Python also finds modules; with what a notebook brings to show a picture."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    display = types.ModuleType("IPython.display")
    display.SVG = lambda file: Path(file).read_text(encoding="utf-8")
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        file = getattr(sys.modules[name], "__file__", None)
        if file is not None and Path(file).is_relative_to(tmp_path):
            del sys.modules[name]


def go(page: Path, folder: Path, *, slow: bool) -> None:
    """Try the blocks of a page in their order, those of Python in one namespace."""
    names: dict[str, object] = {"__name__": page.stem, "_shell": lambda line, block: shell(line, block, folder)}
    for block in blocks(page):
        if block.before:
            python(block.before, block, names)
        if block.elsewhere:
            assert page.name in (ROOT / block.elsewhere).read_text(encoding="utf-8")
        if block.info in SHOWN or block.elsewhere:
            continue
        assert block.info in TRIED, f"{block.where}: say what it is: {', '.join((*TRIED, *SHOWN))}"
        if block.info == "toml":
            tomllib.loads(block.text())
        if block.file:
            (folder / block.file).write_text(re.sub(r"\A%%writefile.*\n", "", block.text()), encoding="utf-8")
        elif block.slow and not slow:
            for line in lines_of(block):
                look_up(line, block)
        elif block.info == "sh":
            for line in lines_of(block):
                shell(line, block, folder)
        elif block.info != "toml":
            text = re.sub(r"^!(.*)$", lambda found: f"_shell({found[1]!r}, _block)", block.text(), flags=re.MULTILINE)
            python(text, block, names)


def python(text: str, block: Block, names: dict[str, object]) -> None:
    """Run Python, whose errors name the page and the line."""
    code = compile("\n" * block.line + text, str(block.page), "exec")
    with warnings.catch_warnings(), contextlib.redirect_stdout(None):
        warnings.simplefilter("ignore")
        names["_block"] = block
        exec(code, names)


def lines_of(block: Block) -> list[str]:
    """Return the lines of the shell in a block, without comments."""
    if block.info == "sh":
        lines = block.text().replace("\\\n", " ").splitlines()
    else:
        lines = [line[1:] for line in block.text().splitlines() if line.startswith("!")]
    return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]


def shell(line: str, block: Block, folder: Path) -> None:
    """Try a line of the shell: a command of mho in this process; of others what can be looked up."""
    program, *words = shlex.split(line, comments=True)
    if program == "mho":
        look_up(line, block)
        out = folder / words.pop() if ">" in words else None
        words = [word for word in words if word != ">"]
        done = command(*words, *block.added, cwd=folder)
        if out is not None:
            out.write_text(done.stdout, encoding="utf-8")
        assert (done.returncode != 0) == block.fails, f"{block.where}: {line}\n{done.stdout}{done.stderr}"
    elif program == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        assert set(words) <= set(targets), f"{block.where}: make has no {words}"
    elif program in ("ls", "cat"):
        assert all((folder / word).exists() for word in words), f"{block.where}: {line}"
    elif program == "python":
        assert words[0] == "-m" or (ROOT / words[0]).exists(), f"{block.where}: there is no {words[0]}"
    else:
        assert program in QUIET, f"{block.where}: {program} is not known to the tests of the docs"


def look_up(line: str, block: Block) -> None:
    """Hold that a command of mho and its options exist."""
    program, *words = shlex.split(line, comments=True)
    if program != "mho":
        return
    verb = typer.main.get_command(cli.app)
    while words and words[0] in getattr(verb, "commands", {}):
        verb = verb.commands[words.pop(0)]
    known = {option for parameter in verb.params for option in (*parameter.opts, *parameter.secondary_opts)}
    for word in (*words, *block.added):
        option = word.partition("=")[0]
        fits = not word.startswith("--") or option in known or option in ("--help", "--version")
        assert fits, f"{block.where}: {verb.name} has no {option}"


@pytest.mark.parametrize("name", NAMES)
def test_blocks_of_code_run(name: str, place: Path) -> None:
    go(ROOT / name, place, slow=False)


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in NAMES if any(block.slow for block in blocks(ROOT / name))])
def test_slow_blocks_run(name: str, place: Path) -> None:
    go(ROOT / name, place, slow=True)


def anchors(page: Path) -> set[str]:
    """Return the names of a page's headings in links, as GitHub and MyST make them."""
    text = re.sub(r"^(```+).*?^\1$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    heads = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name: str) -> None:
    page = ROOT / name
    text = re.sub(r"^(```+).*?^\1$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        found = (page.parent / file).resolve() if file else page
        assert found.exists(), f"{name}: there is no {target}"
        assert not anchor or anchor in anchors(found), f"{name}: {file} has no heading {anchor!r}"


@pytest.mark.parametrize("name", NAMES)
def test_no_line_of_prose_begins_with_a_per_cent_sign(name: str) -> None:
    """MyST takes such a line for a comment, and leaves it out of the page."""
    prose = re.sub(r"^```.*?^```", "", (ROOT / name).read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    assert not re.findall(r"^% .*", prose, re.MULTILINE)


def test_every_page_can_be_found() -> None:
    listed = {
        word
        for page in (ROOT / "docs").glob("*.md")
        for block in blocks(page)
        if block.info == "{toctree}"
        for word in re.sub(r"^:.*$", "", block.body, flags=re.MULTILINE).split()
    }
    assert {Path(name).stem for name in NAMES if name.startswith("docs/")} == listed | {"index"}


def test_parts_of_contributing_are_there() -> None:
    guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    marks = re.findall(r':(?:start-after|end-before): "(.*)"', (ROOT / "docs/extending.md").read_text(encoding="utf-8"))
    assert len(marks) > 10
    for mark in marks:
        assert f"\n{mark}\n" in guide


def test_figures_are_those_of_the_script() -> None:
    script = (ROOT / "docs/figures.py").read_text(encoding="utf-8")
    made = set(re.findall(r'^    "(\w+)": \(\1, \d\),$', script, re.MULTILINE))
    used = {name for page in PAGES for name in re.findall(r"figures/(\w+)\.svg", page.read_text(encoding="utf-8"))}
    assert made == used == {file.stem for file in (ROOT / "docs/figures").iterdir()}
