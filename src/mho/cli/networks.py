"""A network as the command line names it."""

from __future__ import annotations

import functools
import importlib
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mho.errors import InvalidValue, nearest

if TYPE_CHECKING:
    from mho.models import Network


def find_network(name: str, input_shape: str | None) -> Network:
    """A network of `mho.models`, or `module:Callable`, looked for in the working directory too.

    Raises:
        InvalidValue: for an unknown name, what cannot be imported or called, or a shape in another form.
    """
    from mho.models import NETWORKS, Network

    shape = None if input_shape is None else parse_shape(input_shape)
    if ":" in name:
        build = _imported(name)
        if shape is None:
            raise InvalidValue(f"{name} does not say how large its images are; give for example --input-shape 3x32x32")
        return Network(build, shape)
    if name not in NETWORKS:
        raise InvalidValue(f"no model {name!r}{nearest(name, NETWORKS)} (your own is module:Callable)")
    known = NETWORKS[name]
    return Network(known.build, shape or known.image)


def parse_shape(text: str) -> tuple[int, ...]:
    """`3x32x32` as numbers."""
    if not re.fullmatch(r"\s*\d+(?:\s*[x×]\s*\d+)*\s*", text) or 0 in (
        shape := tuple(int(number) for number in re.findall(r"\d+", text))
    ):
        raise InvalidValue(
            f"--input-shape {text!r}: write the sizes of one image, each at least 1, for example "
            "--input-shape 3x32x32 (channels, height, width)"
        )
    return shape


def _imported(name: str) -> Any:
    """What builds the model."""
    from torch import nn

    module, _, path = name.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Any = functools.reduce(getattr, path.split("."), importlib.import_module(module))
    except Exception as error:  # a module runs the user's code, which may raise anything
        kind = "" if isinstance(error, (ImportError, AttributeError)) else f"{type(error).__name__}: "
        raise InvalidValue(
            f"{name!r} cannot be imported ({kind}{error}); write module:Callable, and put the module's folder on "
            "PYTHONPATH or run mho in it"
        ) from None
    if isinstance(found, nn.Module):
        return lambda: found
    if not callable(found):
        raise InvalidValue(f"{name!r} is {found!r}; give a callable without arguments that returns a torch.nn.Module")
    return found
