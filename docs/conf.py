"""Sphinx: pages are MyST Markdown; pages with code cells are run when the site is built. `make docs` does it."""

import atexit
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import latex2mathml.converter
from docutils import nodes

import mho

project = "mho"
html_show_copyright = False
author = "the authors of mho"
release = mho.__version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["_build"]

suppress_warnings = ["ref.python"]  # types in docstrings are words: "devices" is no link

html_theme = "furo"
html_title = "mho ℧"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = html_show_sourcelink = False
html_math_renderer = "mathml"
html_theme_options = {"navigation_with_keys": True}

highlight_language = "text"
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
copybutton_exclude = ".linenos, .gp, .go"

nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 600
nb_execution_show_tb = True
nb_merge_streams = True
# Cells find the commands of this environment, which print as they do into a pipe, without bars that move.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
os.environ.update(TERM="dumb", COLUMNS="100", IPYTHONDIR=tempfile.mkdtemp(prefix="mho-docs-"))
PIPED = """
import os, subprocess
for name in ("FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE"):
    os.environ.pop(name, None)
get_ipython().system = lambda words: print(
    subprocess.run(words, shell=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout, end="")
"""
startup = Path(os.environ["IPYTHONDIR"]) / "profile_default" / "startup"
startup.mkdir(parents=True)
(startup / "piped.py").write_text(PIPED)
atexit.register(shutil.rmtree, os.environ["IPYTHONDIR"], ignore_errors=True)

autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
autodoc_typehints = "none"
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_param = napoleon_use_rtype = False


def _math(math: str, display: str) -> str:
    return latex2mathml.converter.convert(math, display=display)


def inline_math(translator, node: nodes.math) -> None:
    """Write an equation within a line as MathML, which browsers draw without a script."""
    translator.body.append(_math(node.astext(), "inline"))
    raise nodes.SkipNode


def block_math(translator, node: nodes.math_block) -> None:
    """Write an equation of its own line as MathML."""
    translator.body.append(f'<div class="math">{_math(node.astext(), "block")}</div>\n')
    raise nodes.SkipNode


def restructure(app, what, name, thing, options, lines: list[str]) -> None:
    """Docstrings are plain text with code between backticks: keep their other signs from being taken as markup."""
    if what in ("property", "attribute"):
        lines.insert(0, "")  # else napoleon takes what stands before a colon for a type
    text = "\n".join(lines)
    parts = re.split(r"(``.+?``|`[^`\n]+`|^ *:[^\n]*?:)", text, flags=re.MULTILINE | re.DOTALL)
    for place, part in enumerate(parts):
        if place % 2 == 0:
            parts[place] = re.sub(r"([*|]|(?<=\w)_(?!\w))", r"\\\1", part)
        elif part.startswith("`") and not part.startswith("``"):
            parts[place] = f"`{part}`"
    lines[:] = "".join(parts).split("\n")


SHORT = {getattr(getattr(mho, name), "__qualname__", "") for name in mho.__all__} - {""}
"""Classes and functions that have a short name, as `mho.convert`, and are described under it."""


def once(app, what, name, thing, skip, options) -> bool | None:
    """Leave out what another page describes: the names of mho itself."""
    known = getattr(thing, "__qualname__", None) in SHORT and thing.__module__.startswith("mho.")
    return True if known and what == "module" and app.env.docname != "api_main" else None


ROOT = Path(__file__).parents[1]
BESIDE = {"benchmarks": ROOT / "benchmarks" / "README.md"} | {
    file.parent.name: file for file in sorted((ROOT / "src/mho/papers").glob("*/README.md"))
}
"""Pages that stand beside what they are about, in the repository, by their names under docs/beside."""


def bring_pages(app) -> None:
    """Make a page of the site of each file of `BESIDE`."""
    folder = Path(app.srcdir) / "beside"
    folder.mkdir(exist_ok=True)
    for name, file in BESIDE.items():
        page = f"---\norphan: true\n---\n\n{file.read_text(encoding='utf-8')}"
        if not (folder / f"{name}.md").exists() or (folder / f"{name}.md").read_text(encoding="utf-8") != page:
            (folder / f"{name}.md").write_text(page, encoding="utf-8")


def link_pages(app, page: str, text: list[str]) -> None:
    """Let links to files of the repository that are pages of the site lead there."""
    inside = "../" if page.startswith("beside/") else ""
    for name, file in BESIDE.items():
        text[0] = re.sub(rf"\]\([./]*{file.relative_to(ROOT)}(?=[)#])", f"]({inside}beside/{name}.md", text[0])
    text[0] = re.sub(r"\]\([./]*CONTRIBUTING\.md(?=[)#])", f"]({inside}extending.md", text[0])
    text[0] = re.sub(r"\]\([./]*docs/", f"]({inside}", text[0])


def setup(app) -> None:
    """Add what Sphinx does not have."""
    app.connect("builder-inited", bring_pages)
    app.connect("source-read", link_pages)
    app.add_html_math_renderer("mathml", (inline_math, None), (block_math, None))
    app.connect("autodoc-process-docstring", restructure, priority=400)  # before napoleon, which writes markup
    app.connect("autodoc-skip-member", once)
