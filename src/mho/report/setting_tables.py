"""All settings of a config as tables of Markdown, made of the descriptions: sections, keys, defaults, meanings."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterable, Mapping
from typing import Any

from mho.cells import CELLS
from mho.devices import LAWS, ConstantStep, Device, Options, PerCell, Table
from mho.devices.effects import Effect
from mho.devices.options import flat_effects
from mho.learning import ZeroShifting
from mho.models import NETWORKS
from mho.periphery import Pulses, Read, Scale
from mho.tile import Tile
from mho.training import TASKS, Training

Row = tuple[str, str, str]
HEADER = "| key | default | what it is |\n| --- | --- | --- |"


def settings() -> str:
    """Return every section of a config with its keys, as Markdown with a heading each."""
    sections: list[tuple[str, str, Iterable[Row]]] = [
        ("`[training]`", _lead(Training), rows(Training)),
        *_tasks(),
        *_models(),
        (
            "`[device]`",
            "The law and its numbers, each a number or `{ mean = …, spread = … }`. These are those of `ConstantStep`; "
            "sections below have what is different in other laws.",
            _device_rows(),
        ),
        *_laws(),
        ("`[cell]`", f"`kind` is one of {', '.join(f'`{name}`' for name in CELLS)}; default `Single`.", []),
        *_cells(),
        ("`[forward]`, `[backward]`", _lead(Read), rows(Read)),
        ("`[update]`", f"`kind` is `Pulses` (default) or `Exact`, which has no keys. {_lead(Pulses)}", rows(Pulses)),
        ("`[tile]`", _lead(Tile), rows(Tile)),
        ("`[scale]`", _lead(Scale), rows(Scale, given={"value": "none"})),
        ("`[zero_shifting]`", "Done once before the first epoch, where the section is there.", rows(ZeroShifting)),
    ]
    return "\n\n".join(_section(*section) for section in sections)


def rows(kind: type, *, given: Mapping[str, str] | None = None, leave_out: Iterable[str] = ()) -> list[Row]:
    """Return key, default and meaning of each field of a description, in its order.

    Args:
        kind: a dataclass whose docstring, or that of a class above it, has its fields under `Attributes:`.
        given: defaults in place of the fields' own.
        leave_out: fields without a row.
    """
    known = meanings(kind)
    return [
        (field.name, (given or {}).get(field.name) or _default(field), known.get(field.name, ""))
        for field in dataclasses.fields(kind)
        if field.name not in set(leave_out)
    ]


def meanings(kind: type) -> dict[str, str]:
    """Return what the docstrings of a class and of those above it say of each field, on one line."""
    found: dict[str, str] = {}
    for cls in kind.__mro__:
        block = re.search(r"^Attributes:\n((?: +.*\n?|\n)+)", inspect.cleandoc(cls.__doc__ or ""), re.MULTILINE)
        for names, text in re.findall(r"^ {4}([\w, ]+): (.*(?:\n {5,}.*)*)", block[1] if block else "", re.MULTILINE):
            for name in names.split(", "):
                found.setdefault(name, re.sub(r"\s+", " ", text).strip())
    return found


def _lead(kind: type) -> str:
    return inspect.cleandoc(kind.__doc__ or "").partition("\n\n")[0].replace("\n", " ")


def _section(heading: str, lead: str, lines: Iterable[Row]) -> str:
    body = [f"| `{name}` | {default and f'`{default}`'} | {_escaped(text)} |" for name, default, text in lines]
    return "\n\n".join(part for part in (f"### {heading}", lead, "\n".join([HEADER, *body]) if body else "") if part)


def _escaped(text: str) -> str:
    """Return a text as it can stand in a row: its bars are not those of the table."""
    return text.replace("|", "\\|")


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default is not dataclasses.MISSING:
        return _shown(field.default)
    return "" if field.default_factory is dataclasses.MISSING else _shown(field.default_factory())


def _shown(value: Any) -> str:
    """Return a value as a config has it; a description by its name."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, PerCell):
        spreads = {"spread": value.spread, "std": value.std}
        given = "".join(f", {name} = {spread:g}" for name, spread in spreads.items() if spread)
        return f"{{ mean = {value.mean:g}{given} }}" if given else f"{value.mean:g}"
    if isinstance(value, Table):
        return "a table"
    if isinstance(value, (tuple, list)):
        return str(list(value))
    if isinstance(value, Mapping):
        return "{}"
    if isinstance(value, (int, float, str)):
        return f"{value}"
    return f"{type(value).__name__}()" if value != Read.exact() else "Read.exact()"


def _device_rows() -> list[Row]:
    effects = [row for effect in flat_effects() for row in _effect_rows(effect)]
    known = meanings(Options)
    own = [("effects", "[]", known["effects"]), ("conductance", "none", known["conductance"])]
    law = ("law", "ConstantStep", f"one of {', '.join(f'`{name}`' for name in LAWS)}, or `module:Class`.")
    return [law, *_law_rows(ConstantStep), *effects, *own]


def _law_rows(law: type[Device]) -> list[Row]:
    return rows(law, leave_out=[field.name for field in dataclasses.fields(Options)])


def _effect_rows(effect: type[Effect]) -> list[Row]:
    return [(name, default, f"{text} (`{effect.__name__}`)") for name, default, text in rows(effect)]


def _laws() -> list[tuple[str, str, list[Row]]]:
    """Return a section for each law with the fields that differ from those of `ConstantStep`."""
    shared = _law_rows(ConstantStep)
    own = {name: [row for row in _law_rows(law) if row not in shared] for name, law in LAWS.items()}
    return [(f'`law = "{name}"`', _prose(LAWS[name]), lines) for name, lines in own.items() if lines]


def _prose(law: type[Device]) -> str:
    """Return the docstring of a law, which describes its fields, without source and list of fields."""
    text = inspect.cleandoc(law.__doc__ or "")
    return re.split(r"^(?:Source|Attributes):", text, maxsplit=1, flags=re.MULTILINE)[0].strip()


def _cells() -> list[tuple[str, str, list[Row]]]:
    """Return a section for each cell that has fields."""
    return [(f'`kind = "{name}"`', _lead(cell), rows(cell)) for name, cell in CELLS.items() if rows(cell)]


def _tasks() -> list[tuple[str, str, list[Row]]]:
    """Return the section of the options of tasks."""
    own = [(key, default, f"{name}: {text}") for name, task in TASKS.items() for key, default, text in rows(task)]
    return [("`[task]`", "Options of the task that is named; other tasks have none.", own)]


def _models() -> list[tuple[str, str, list[Row]]]:
    """Return the section of the options of networks."""
    own = [(option, f"{value}", name) for name, known in NETWORKS.items() for option, value in known.options.items()]
    return [("`[model]`", "Options of the network that is named; other networks have none.", own)]
