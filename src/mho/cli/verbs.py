"""Base of all verbs: numbers and options as users type them, folders that exist, and --quiet."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, final, get_args, get_type_hints

import typer
from typer.core import TyperCommand
from typer.models import OptionInfo

from mho.cli.options import integer, number
from mho.errors import InvalidValue

HELP = "Show no progress on standard error; warnings and errors stay."
PARSERS = {int: (integer, "INTEGER"), float: (number, "NUMBER")}
"""How options of these types are read, and what help calls their values."""


def as_verb(function: Callable[..., None], *, progress: bool = False) -> Callable[..., None]:
    """Return a function as typer takes it for a verb.

    A value that is no number is reported in mho's words, a fault of the library about an option names it as it is
    typed, and a folder of data that does not exist is reported at once.

    Args:
        function: the verb.
        progress: whether it shows how far its work has come, so that --quiet silences that.
    """

    @functools.wraps(function)
    def verb(*, quiet: bool = False, **given: Any) -> None:
        from mho.bar import SILENCE

        before, SILENCE.on = SILENCE.on, quiet
        try:
            _check_folder(given.get("data_dir"))
            function(**given)
        except InvalidValue as error:
            raise _by_option(error, given) from None
        finally:
            SILENCE.on = before

    verb.__doc__ = _flowing(function.__doc__ or "")
    own = inspect.signature(function)
    hints = getattr(function, "__annotations__", {})
    if any(isinstance(hint, str) for hint in hints.values()):
        hints = get_type_hints(function, include_extras=True)
    kept = [
        parameter.replace(
            kind=inspect.Parameter.KEYWORD_ONLY, annotation=_parsed(hints.get(name, parameter.annotation))
        )
        for name, parameter in own.parameters.items()
    ]
    if progress:
        annotation = Annotated[bool, typer.Option("--quiet", "-q", help=HELP)]
        kept.append(inspect.Parameter("quiet", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=annotation))
    verb.__signature__ = own.replace(parameters=kept)  # type: ignore[attr-defined]
    verb.__annotations__ = {parameter.name: parameter.annotation for parameter in kept}
    return verb


@final
class SettingVerb(TyperCommand):
    """A verb with --set: an unknown option that is the last part of a setting's key is pointed to --set."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except Exception as error:
            if type(error).__name__ != "NoSuchOption":  # which typer took from click, and now has itself
                raise
            _point_to_setting(error, given)
            raise


def _point_to_setting(error: Any, args: Sequence[str]) -> None:
    """Say in the error of an option that there is none how the setting of its name is given."""
    from mho.runs.reference import keys_named

    option: str = error.option_name
    keys = keys_named(option.lstrip("-").replace("-", "_")) if option.startswith("--") else []
    if not keys:
        return
    typed = [text for text in args if text == option or text.startswith(f"{option}=")]
    after = args[args.index(option) + 1 :][:1] if option in args else []
    value = typed[0].partition("=")[2] if typed and "=" in typed[0] else "".join(after)
    shown = [f"--set {key}={'VALUE' if not value or value.startswith('--') else value}" for key in keys]
    kind = "it is a setting" if len(keys) == 1 else "settings have this name"
    error.message = f"No such option: {option}; {kind}: {', or '.join(shown)}"
    error.possibilities = None


def _flowing(text: str) -> str:
    """Return a docstring with a line for each paragraph: help breaks lines to the width of the terminal."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in inspect.cleandoc(text).split("\n\n"))


def _parsed(annotation: Any) -> Any:
    """Return the annotation of a number with a parser, if its option has none."""
    kind, *extras = get_args(annotation) if getattr(annotation, "__metadata__", None) else (annotation,)
    types = [one for one in (get_args(kind) or (kind,)) if one is not type(None)]
    for extra in extras:
        if isinstance(extra, OptionInfo) and extra.parser is None and len(types) == 1 and types[0] in PARSERS:
            extra.parser, extra.metavar = PARSERS[types[0]][0], extra.metavar or PARSERS[types[0]][1]
    return annotation


def _check_folder(folder: Path | None) -> None:
    if folder is not None and not folder.is_dir():
        raise InvalidValue(f"--data-dir: there is no folder {folder}")


def _by_option(error: InvalidValue, options: Mapping[str, object]) -> InvalidValue:
    """Return an error with options as they are typed, if all of its faults are about options, else unchanged."""
    named = [re.match(r"(\w+)(?= (?:is|has) )", fault) for fault in error.faults]
    if not all(found and options.get(found[1]) is not None for found in named):  # a file may be named like an option
        return error
    faults = [
        f"--{fault.replace(found[1], found[1].replace('_', '-'), 1)}"
        for fault, found in zip(error.faults, named, strict=True)
        if found
    ]
    faults = [fault.removesuffix(", or None") for fault in faults]  # an option is left out
    return InvalidValue("; ".join(faults), faults)
