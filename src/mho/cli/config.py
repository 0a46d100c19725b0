"""mho config: every setting with its default, range and meaning; and faults of config files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from mho.cli import names
from mho.errors import InvalidValue
from mho.imports import is_own
from mho.kept import kept_text

CHECK = "check"
SECTIONS = (
    "training", "task", "model", "zero_shifting", "device", "cell", "forward", "backward", "update", "tile", "scale",
    "effect", "layers", "sweep",
)  # fmt: skip


def _words() -> tuple[str, ...]:
    return (CHECK, *SECTIONS, *names.laws(), *names.cells(), *names.effects(), *names.tasks())


def config(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SECTION [NAME]] | check FILE...",
            help=f"{', '.join(SECTIONS)} (default: all); with the NAME of a law, cell, effect, task or "
            "network, or your own as module:Class. Or check, with config and device files.",
            autocompletion=names.complete(_words),
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")] = False,
) -> None:
    """Show every setting with its default, what it may be, and what it means; or check files.

    What is printed is a config itself: that of mho train without options.
    check names all faults of configs of mho train and mho sweep, and of device
    files, with their lines and the nearest names; exit status 2 if there are
    any.

    Examples: mho config > mine.toml; mho config forward; mho config cell
    TikiTaka; mho config device SoftBounds; mho config check mine.toml.
    """
    given = words or []
    if given[:1] == [CHECK]:
        _check(given[1:], as_json=as_json)
        return
    if len(given) > 2:
        raise InvalidValue(f"{' '.join(given)}: give a section and a name, for example mho config cell TikiTaka")
    section, name = [*given, "", ""][:2]

    def made() -> str:
        from mho.runs import config_json, config_toml

        return json.dumps(config_json(section, name)) + "\n" if as_json else config_toml(section, name)

    # a user's own class may change from one call to the next; what mho has is decided by its own files
    own = is_own(name)
    print(made() if own else kept_text(f"config {section} {name} {'json' * as_json}", made), end="")


def _check(files: list[str], *, as_json: bool) -> None:
    """Print the faults of files."""
    if not files:
        raise InvalidValue("check needs files, for example mho config check mine.toml")
    from mho.runs import check_config

    found = {file: check_config(Path(file)) for file in files}
    if as_json:
        print(
            json.dumps({file: [{"line": one.line, "fault": one.words} for one in own] for file, own in found.items()})
        )
    else:
        for file, own in found.items():
            print(
                "\n".join(f"{file}:{f'{one.line}:' if one.line else ''} {one.words}" for one in own)
                or f"{file}: no faults"
            )
    if any(found.values()):
        raise typer.Exit(2)
