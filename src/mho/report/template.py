"""Pages from their templates, and how they write numbers."""

from __future__ import annotations

import re
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup, escape

from mho.runs.points import value_text
from mho.text import layers_in_words, plain_number

PER_CENT = "\u00a0%"


def render(template: str, **values: Any) -> str:
    """Return a page of this room: its template with the common style sheet and these values."""
    return render_text(_text(template), **values)


def render_text(text: str, **values: Any) -> str:
    """Return a page from the text of a template, which may extend `base.html`, the frame of every page."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        loader=jinja2.FunctionLoader(_text),
    )  # fmt: skip
    environment.filters |= {"whole": whole, "error": error, "number": plain_number, "share": share, "value": value_text}
    environment.filters |= {"sentence": sentence, "layers": layers_in_words}
    environment.filters |= {"breakable": breakable, "options": options}
    return environment.from_string(text).render(style=Markup(_text("style.css")), **values)


def _text(name: str) -> str:
    return resources.files("mho.report").joinpath(name).read_text("utf-8")


def whole(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def error(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def share(part: float | None) -> str:
    """Return a share from 0 to 1 in per cent."""
    if part is None:
        return "–"
    digits = "0" if part == 0 else f"{100 * part:.2g}" if part < 0.1 else f"{100 * part:.1f}"
    return digits + PER_CENT


def breakable(name: str) -> Markup:
    """Return a dotted name that may go on in the next line after a dot or an underscore."""
    return Markup(str(escape(name)).replace(".", ".<wbr>").replace("_", "_<wbr>"))


def options(sentence: str) -> Markup:
    """Return a sentence whose command-line options do not break at their dashes."""
    marked = re.sub(
        r"--[a-z][a-z-]*( [a-z_]+\.[a-z_]+=[\w.]+)?", r'<code class="option">\g<0></code>', str(escape(sentence))
    )
    return Markup(marked)


def sentence(text: str) -> str:
    """Return a text that begins with a capital letter, the others as they are."""
    return text[:1].upper() + text[1:]
