"""The tables of laws, devices, networks, data, ...: `python -m mho.report.catalogue FILE ...` writes them anew.

A file holds each table between `<!-- laws -->` and `<!-- end of laws -->`, and so on for the names of `TABLES`.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from mho import data
from mho.data import DATA_SETS, FILE_FORMATS
from mho.devices import EFFECTS, LAWS, Device
from mho.devices.effects import Effect
from mho.devices.options import flat_effects
from mho.docstrings import first_paragraph
from mho.hardware import read_constants
from mho.models import NETWORKS
from mho.presets import DEVICES
from mho.report.setting_tables import settings
from mho.training import TASKS
from mho.training.augmentations import AUGMENTATIONS


def equation(law: type[Device], name: str) -> str:
    """Return what the docstring of a law says after `Up:`, `down:` or `Symmetry point:`; nothing if it does not."""
    found = re.search(rf"^{name}:\s+(.*?)[;.]?$", inspect.getdoc(law) or "", re.MULTILINE)
    return found[1] if found else ""


def short_law_table() -> str:
    """Return the laws that take pulses, each with a sentence."""
    rows = [(f"`{name}`", first_paragraph(law)) for name, law in LAWS.items() if law.pulse_driven]
    return _markdown(("law", "step"), rows)


def law_table() -> str:
    """Return all laws with their equations and the fields beside those that most laws have."""
    rows = []
    for name, law in LAWS.items():
        up, down = equation(law, "Up") or first_paragraph(law), equation(law, "down")
        point = equation(law, "Symmetry point") or ("searched for" if law.pulse_driven else "")
        rows.append((f"`{name}`", up, down, point))
    return _markdown(("law", "weight after an up pulse", "after a down pulse", "symmetry point"), rows)


def effect_table() -> str:
    """Return all effects with their fields."""
    flat = flat_effects()
    others = [effect for effect in EFFECTS.values() if effect not in flat]
    return _markdown(("fields", "effect", "what it does"), [_effect_row(effect) for effect in (*flat, *others)])


def _effect_row(effect: type[Effect]) -> tuple[str, ...]:
    return ", ".join(f"`{name}`" for name in effect.hook_fields()), f"`{effect.__name__}`", first_paragraph(effect)


def device_table() -> str:
    """Return the published devices, each with a sentence and its law."""
    rows = [(f"`{name}`", first_paragraph(make), f"`{type(make()).__name__}`") for name, make in DEVICES.items()]
    return _markdown(("name", "device", "law"), rows)


def network_table() -> str:
    """Return the networks, each with a sentence, the options of its section [model], and what it can be built for."""
    kinds = {0: "texts", 1: "tables", 2: "sequences", 3: "images"}
    rows = []
    for name, network in NETWORKS.items():
        options = ", ".join(f"`{option}` = {value}" for option, value in network.options.items())
        fits = ", ".join(kinds[axes] for axes in network.axes) or "×".join(map(str, network.image))
        rows.append((f"`{name}`", first_paragraph(network.build), fits, options))
    return _markdown(("name", "network", "for", "options"), rows)


def data_table() -> str:
    """Return the data sets and the kinds of files, each with a sentence."""
    rows = [
        (f"`{name}`", "×".join(map(str, source.example)), first_paragraph(_maker(name)))
        for name, source in DATA_SETS.items()
    ]
    files = [
        (f"`{prefix}:FILE{'[:COLUMN]' if known.column else ''}`", known.ending, first_paragraph(_maker(prefix)))
        for prefix, known in FILE_FORMATS.items()
    ]
    return _markdown(("name", "an example, or the ending", "data"), [*rows, *files])


def _maker(name: str) -> object:
    """Return the function of a file of the room of data, which has the file's name; else the file's module."""
    module = sys.modules[f"{data.__name__}.{name}"]
    return getattr(module, name, module)


def task_table() -> str:
    """Return the tasks, each with a sentence and its options."""
    rows = [
        (f"`{name}`", first_paragraph(task), ", ".join(f"`{field.name}`" for field in dataclasses.fields(task)))
        for name, task in TASKS.items()
    ]
    return _markdown(("name", "task", "options"), rows)


def augmentation_table() -> str:
    """Return the augmentations, each with a sentence."""
    return _markdown(
        ("name", "change"), [(f"`{name}`", first_paragraph(type(own))) for name, own in AUGMENTATIONS.items()]
    )


def constant_table() -> str:
    """Return the constants of time, energy and area on arrays, each with its meaning and source."""
    rows = [
        (f"`{name}`", f"{constant.value:g} {constant.unit}", constant.meaning, constant.source)
        for name, constant in read_constants().table.items()
    ]
    return _markdown(("constant", "value", "meaning", "source"), rows)


def _markdown(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, ("---",) * len(header), *rows))


TABLES: dict[str, Callable[[], str]] = {
    "laws": law_table,
    "short laws": short_law_table,
    "effects": effect_table,
    "published devices": device_table,
    "networks": network_table,
    "data": data_table,
    "tasks": task_table,
    "augmentations": augmentation_table,
    "constants": constant_table,
    "settings": settings,
}


def with_tables(text: str) -> str:
    """Return a page's text with the tables between its marks written anew."""
    for name, table in TABLES.items():
        first, last = f"<!-- {name} -->", f"<!-- end of {name} -->"
        if first in text:
            before, rest = text.split(first, 1)
            text = f"{before}{first}\n{table()}\n{last}{rest.split(last, 1)[1]}"
    return text


if __name__ == "__main__":
    for file in map(Path, sys.argv[1:]):
        file.write_text(with_tables(file.read_text(encoding="utf-8")), encoding="utf-8")
