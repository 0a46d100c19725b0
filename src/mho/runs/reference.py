"""Every setting of a config, with its default, what it may be, and what it means: made from the descriptions."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import textwrap
from collections.abc import Callable, Mapping
from typing import Any, final

import tomli_w

from mho.allowed import Allowed, recording
from mho.cells import CELLS
from mho.devices import EFFECTS, LAWS
from mho.devices.options import flat_effects
from mho.docstrings import documented, first_paragraph
from mho.errors import Faults, InvalidValue, MhoError, in_words, nearest
from mho.fields import is_required
from mho.imports import is_own
from mho.learning import ZeroShifting
from mho.models import NETWORKS
from mho.models.own import check_options
from mho.periphery import Read, Scale, Tile
from mho.presets import PRESETS
from mho.runs.experiment import SECTIONS, WHERE_ON, Experiment
from mho.runs.presets import DEFAULT_PRESET, over_preset
from mho.runs.reference_words import AFTER, BESIDE, DRAWN, HEAD, TITLES
from mho.runs.sweep import MAX_REPLICAS, MAX_ROWS, REPLICAS
from mho.tables import NO_SCALE, READ_WHERE_ON, UPDATES, cell_from_table, find_law, table_of
from mho.toml_files import in_toml
from mho.training import TASKS, Training, find_task

WIDTH = 100
"""Columns of a comment."""
KINDS: dict[str, tuple[str, Mapping[str, Any]]] = {
    "device": ("law", LAWS),
    "cell": ("kind", CELLS),
    "update": ("kind", UPDATES),
    "task": ("training.task", TASKS),
    "model": ("training.model", {name: one for name, one in NETWORKS.items() if one.options}),
    "effect": ("kind", {name: one for name, one in EFFECTS.items() if not one.flat}),
}
"""Sections whose keys depend on a name: the key that holds it, and the names that mho has."""


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Key:
    """One setting.

    Attributes:
        name: as a config has it.
        default: the value that it has unless it is given, as TOML has it; None: it has to be given.
        words: what it means, from the docstring of the description.
        allowed: what it may be, as the description checks it; None: another kind of value, which `words` tell.
        several: whether it may be a list of one value a replica.
        off: whether it stands in a config only where it is wanted.
    """

    name: str
    default: Any
    words: str
    allowed: Allowed | None
    several: bool = False
    off: bool = False

    def range(self) -> str:
        """Return what the key may be, in words of TOML; "" where `words` tell."""
        text = "" if self.allowed is None else in_toml(str(self.allowed))
        return text + (", or one for each replica" if text and self.several else "")

    def sentence(self) -> str:
        """Return the first sentence of what the key means."""
        return re.split(r"(?<=\.) (?=[A-ZΔ\"])", self.words)[0]


SWEEP_KEYS = (
    Key(
        name="seeds",
        default=1,
        words="Of every point so many seeds, from training.seed on; or a list of seeds.",
        allowed=Allowed(low=1, high=MAX_ROWS, integer=True),
    ),
    Key(
        name="replicas",
        default=REPLICAS,
        words="So many rows at most train side by side in a batch; it changes no result.",
        allowed=Allowed(low=1, high=MAX_REPLICAS, integer=True),
    ),
)


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Section:
    """The settings of one section.

    Attributes:
        name: of the section.
        kind: which law, cell, task, ... the keys belong to; "" where every such section has these keys.
        words: what the section is for.
        keys: its settings.
        kinds: the names that `kind` may be.
        off: whether the section stands in a config only where it is wanted.
    """

    name: str
    kind: str
    words: str
    keys: tuple[Key, ...]
    kinds: tuple[str, ...] = ()
    off: bool = False


def _default_tables() -> dict[str, Any]:
    """Return the tables of an experiment with all defaults; its task is left to the data."""
    tables = Experiment.from_dict(over_preset({})).to_dict()
    del tables["training"]["task"]
    return tables


@in_words
def config_reference(section: str = "", name: str = "") -> tuple[Section, ...]:
    """Return the settings of a config, in the order of a run's file.

    Args:
        section: only this section, "effect" for those of [[device.effects]] included; "": all.
        name: of a law, a cell, an update, a task, a network or an effect, mho's or a user's `module:Class`, whose keys
            the section is to show; "": that of the default experiment.

    Raises:
        InvalidValue: for a section that there is not, or a name that it does not have, with the nearest.
    """
    if not section:
        shown = [one for one in SECTIONS if one not in ("layers",)]
        return tuple(_section(one, "") for one in shown)
    known = [*TITLES, "effect"]
    if section not in known:
        raise InvalidValue(f"no section {section!r}{nearest(section, known)}")
    if name and section not in KINDS:
        raise InvalidValue(f"[{section}] has the same keys always; leave out {name!r}")
    if name and not is_own(name) and name not in KINDS[section][1]:
        raise InvalidValue(f"no {section} {name!r}{nearest(name, KINDS[section][1])} (your own is module:Class)")
    return (_section(section, name),)


def keys_named(name: str) -> list[str]:
    """Return the settings, as `--set` names them, whose key is a name: "lr" is that of training.lr."""
    by_kind = [(section, kind) for section in ("device", "cell", "update", "task") for kind in KINDS[section][1]]
    sections = [*config_reference(), *(_section(section, kind) for section, kind in by_kind)]
    found = [f"{section.name}.{key.name}" for section in sections for key in section.keys if key.name == name]
    found += [f"{section}.{KINDS[section][0]}" for section in ("device", "cell", "update") if KINDS[section][0] == name]
    return list(dict.fromkeys(found))


def config_toml(section: str = "", name: str = "") -> str:
    """Return the settings as TOML with comments; all of them are the config of `mho train` without options.

    Raises:
        InvalidValue: as `config_reference`.
    """
    sections = config_reference(section, name)
    texts = [_section_toml(one, brief=not section) for one in sections]
    if section:
        return "\n".join([*texts, *([AFTER[section]] if section in AFTER else [])])
    preset = "\n".join(_comment(f"Arrays as published, of which sections change what they name: {', '.join(PRESETS)}."))
    return "\n".join([HEAD, f'{preset}\n# preset = "{DEFAULT_PRESET}"\n', *texts, BESIDE])


def config_json(section: str = "", name: str = "") -> dict[str, Any]:
    """Return the settings as plain data for programs: by section its kind, kinds and keys.

    Raises:
        InvalidValue: as `config_reference`.
    """
    return {
        one.name: {
            "words": one.words,
            "kind": one.kind,
            "kinds": list(one.kinds),
            "keys": {
                key.name: {
                    "default": key.default,
                    "allowed": key.range(),
                    "words": key.words,
                    "per_replica": key.several,
                }
                for key in one.keys
            },
        }
        for one in config_reference(section, name)
    }


def _section(section: str, name: str) -> Section:
    defaults = _default_tables()
    if section in ("device", "cell", "update", "effect", "task", "model"):
        make: dict[str, Callable[[str, dict[str, Any]], Section]] = {
            "device": _device, "cell": _cell, "update": _update, "effect": _effect, "task": _task, "model": _model,
        }  # fmt: skip
        return make[section](name, defaults)
    if section in AFTER:
        return Section(name=section, kind="", words=TITLES[section], keys=SWEEP_KEYS if section == "sweep" else ())
    kinds = {"training": Training, "zero_shifting": ZeroShifting, "forward": Read, "backward": Read}
    kind = (kinds | {"tile": Tile, "scale": Scale})[section]
    values = {**defaults.get(section, {})}
    if section == "training":
        values |= {"task": "auto", **WHERE_ON}
    if kind is Read:
        values = READ_WHERE_ON | values
    if section == "scale":
        values = dict(NO_SCALE)
    return _made(section, "", kind, values, off=section == "zero_shifting")


def _made(section: str, kind_name: str, kind: type, values: Mapping[str, Any], *, off: bool = False) -> Section:
    """Return a section that one description makes, with the defaults of the description where there are no values."""
    required = [field.name for field in dataclasses.fields(kind) if is_required(field)]
    known = values or {name: value for name, value in _defaults(kind).items() if name not in required}
    words = documented(kind)
    allowed, several = allowed_by(kind, **dict.fromkeys(required, 1))
    if section == "scale":  # no factor at all, which is for the RPU to say
        allowed["value"] = dataclasses.replace(allowed["value"], optional=True)
    keys = [
        Key(
            name=field.name,
            default=_plain(known[field.name]) if field.name in known else None,
            words=in_toml(words.get(field.name, "")),
            allowed=allowed.get(field.name),
            several=field.name in several,
        )
        for field in dataclasses.fields(kind)
    ]
    kinds = tuple(KINDS[section][1]) if section in KINDS else ()
    words_of = first_paragraph(kind) if kind_name else TITLES.get(section, "")
    return Section(name=section, kind=kind_name, words=words_of, keys=tuple(keys), kinds=kinds, off=off)


def _device(name: str, defaults: Mapping[str, Any]) -> Section:
    law = find_law(name or defaults["device"]["law"])
    device = law()
    table, words = table_of(device), documented(law)
    allowed, several = allowed_by(law)
    for effect in flat_effects():
        allowed |= allowed_by(effect)[0]
        words |= documented(effect)
    keys = [
        Key(
            name=field.name,
            default=table.get(field.name, _plain(getattr(device, field.name))),
            words=in_toml(words.get(field.name, "")),
            allowed=allowed.get(field.name),
            several=field.name in several,
        )
        for field in sorted(dataclasses.fields(device), key=lambda field: field.name not in table)
    ]
    return Section(
        name="device",
        kind=device.law_name(),
        words=f"{first_paragraph(law)} {DRAWN}",
        keys=tuple(keys),
        kinds=tuple(LAWS),
    )


def _cell(name: str, defaults: Mapping[str, Any]) -> Section:
    table = {"kind": name or defaults["cell"]["kind"]}
    found = CELLS[table["kind"]] if table["kind"] in CELLS else type(cell_from_table(table))
    return _made("cell", table["kind"], found, {})


def _update(name: str, defaults: Mapping[str, Any]) -> Section:
    kind = name or defaults["update"]["kind"]
    return _made("update", kind, UPDATES[kind], {key: value for key, value in defaults["update"].items() if not name})


def _task(name: str, defaults: Mapping[str, Any]) -> Section:
    kind = name or "classification"
    return _made("task", kind, find_task(kind), {}, off=not name)


def _effect(name: str, defaults: Mapping[str, Any]) -> Section:
    from mho.devices import Effect
    from mho.imports import find_class

    if not name:
        return Section(
            name="effect", kind="", words="Further effects of a device.", keys=(), kinds=tuple(KINDS["effect"][1])
        )
    return _made("effect", name, find_class("kind", name, EFFECTS, Effect, "mho.Effect"), {})


def _model(name: str, defaults: Mapping[str, Any]) -> Section:
    kind = name or defaults["training"]["model"]
    options = NETWORKS[kind].options if kind in NETWORKS else {}
    build = NETWORKS[kind].build if kind in NETWORKS else None
    meanings = documented(build, "Args") if isinstance(build, type) else {}
    with recording() as found:
        check_options(kind, options, Faults("model"))
    keys = [
        Key(name=key, default=value, words=meanings.get(key, ""), allowed=found.allowed.get(("model", key)))
        for key, value in options.items()
    ]
    words = first_paragraph(NETWORKS[kind].build) if name and kind in NETWORKS else TITLES["model"]
    return Section(name="model", kind=kind, words=words, keys=tuple(keys), kinds=tuple(KINDS["model"][1]), off=not name)


def allowed_by(kind: type, **values: Any) -> tuple[dict[str, Allowed], set[str]]:
    """Return what a description allows for its fields, and which may be lists: what is checked while it is made."""
    with (
        recording() as found,
        contextlib.suppress(MhoError),
    ):  # a placeholder for a required value may be refused; by then the checks have run
        kind(**values)
    allowed = {name: one for (subject, name), one in found.allowed.items() if _same(subject, kind.__name__)}
    return allowed, {name for subject, name in found.several if _same(subject, kind.__name__)}


def _same(subject: str, name: str) -> bool:
    """Return True if faults of a subject, such as "zero_shifting", are those of a class, `ZeroShifting`."""
    return subject.replace("_", "").lower() == name.replace("_", "").lower()


def _section_toml(section: Section, *, brief: bool) -> str:
    """Return a section as TOML, off behind #; brief: of each key the first sentence."""
    lines = [*_comment(section.words)]
    if section.kinds:
        named, others = KINDS[section.name][0], ", ".join(section.kinds)
        lines += _comment(f"By {named}: {others}. Their keys: mho config {section.name} NAME.")
    off = "# " if section.off or not (section.keys or section.kind) else ""
    if section.name != "layers":  # whose sections have names and parts
        lines.append(f"{off}[[device.effects]]" if section.name == "effect" else f"{off}[{section.name}]")
    if section.kind and section.name in ("device", "cell", "update", "effect"):
        lines.append(f"{off}{KINDS[section.name][0]} = {_value(section.kind)}")
    for key in section.keys:
        lines += _comment(key.sentence() if brief else key.words)
        missing = key.default is None
        value = "" if missing else _value(key.default)
        line = f"{'# ' if missing and not off else off}{key.name} ={' ' * bool(value)}{value}"
        remark = ("has to be given; " if missing else "") + key.range()
        lines.append(line + (f"  # {remark}" if remark else ""))
    return "\n".join(lines) + "\n"


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, WIDTH, break_long_words=False)]


def _value(value: Any) -> str:
    """Return a value as TOML on one line."""
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{name} = {_value(one)}' for name, one in value.items())} }}" if value else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return tomli_w.dumps({"x": value}).removeprefix("x = ").rstrip("\n")


def _defaults(kind: type) -> dict[str, Any]:
    """Return the defaults of the fields of a description, of those that have a default."""
    return {
        field.name: field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        for field in dataclasses.fields(kind)
        if not is_required(field)
    }


def _plain(value: Any) -> Any:
    """Return a value as TOML has it."""
    if dataclasses.is_dataclass(value):
        return table_of(value)
    if isinstance(value, (tuple, list)):
        return [_plain(one) for one in value]
    return "none" if value is None else value
