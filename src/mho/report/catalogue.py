"""The tables of laws, effects and published devices: `python -m mho.report.catalogue FILE ...` writes them anew.

A file holds each table between `<!-- laws -->` and `<!-- end of laws -->`, and so on for the names of `TABLES`.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from mho.devices import EFFECTS, LAWS, Device
from mho.devices.effects import Effect
from mho.devices.options import flat_effects
from mho.presets import DEVICES


def summary(documented: object) -> str:
    """Return the first sentence of a docstring."""
    return (inspect.getdoc(documented) or "").partition("\n\n")[0].replace("\n", " ")


def equation(law: type[Device], name: str) -> str:
    """Return what the docstring of a law says after `Up:`, `down:` or `Symmetry point:`; nothing if it does not."""
    found = re.search(rf"^{name}:\s+(.*?)[;.]?$", inspect.getdoc(law) or "", re.MULTILINE)
    return found[1] if found else ""


def short_law_table() -> str:
    """Return the laws that take pulses, each with a sentence."""
    rows = [(f"`{name}`", summary(law)) for name, law in LAWS.items() if law.pulse_driven]
    return _markdown(("law", "step"), rows)


def law_table() -> str:
    """Return all laws with their equations and the fields beside those that most laws have."""
    rows = []
    for name, law in LAWS.items():
        up, down = equation(law, "Up") or summary(law), equation(law, "down")
        point = equation(law, "Symmetry point") or ("searched for" if law.pulse_driven else "")
        rows.append((f"`{name}`", up, down, point))
    return _markdown(("law", "weight after an up pulse", "after a down pulse", "symmetry point"), rows)


def effect_table() -> str:
    """Return all effects with their fields."""
    flat = flat_effects()
    others = [effect for effect in EFFECTS.values() if effect not in flat]
    return _markdown(("fields", "effect", "what it does"), [_effect_row(effect) for effect in (*flat, *others)])


def _effect_row(effect: type[Effect]) -> tuple[str, ...]:
    return ", ".join(f"`{name}`" for name in effect.hook_fields()), f"`{effect.__name__}`", summary(effect)


def device_table() -> str:
    """Return the published devices, each with a sentence and its law."""
    rows = [(f"`{name}`", summary(make), f"`{type(make()).__name__}`") for name, make in DEVICES.items()]
    return _markdown(("name", "device", "law"), rows)


def _markdown(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, ("---",) * len(header), *rows))


TABLES: dict[str, Callable[[], str]] = {
    "laws": law_table,
    "short laws": short_law_table,
    "effects": effect_table,
    "published devices": device_table,
}


def with_tables(text: str) -> str:
    """Return a text with the tables between its marks made anew."""
    for name, table in TABLES.items():
        first, last = f"<!-- {name} -->", f"<!-- end of {name} -->"
        if first in text:
            before, rest = text.split(first, 1)
            text = f"{before}{first}\n{table()}\n{last}{rest.split(last, 1)[1]}"
    return text


if __name__ == "__main__":
    for file in map(Path, sys.argv[1:]):
        file.write_text(with_tables(file.read_text(encoding="utf-8")), encoding="utf-8")
