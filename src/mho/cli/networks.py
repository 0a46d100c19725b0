"""A network as the command line names it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mho.errors import InvalidValue

if TYPE_CHECKING:
    from mho.models import Network


def find_network(name: str, input_shape: str | None) -> Network:
    """Return a network of `mho.models`, or a user's `module:Net`, looked for in the working directory too.

    Raises:
        InvalidValue: for an unknown name, what cannot be imported or called, or a shape in another form.
    """
    from mho.models import NETWORKS, Network, find_builder

    shape = None if input_shape is None else parse_shape(input_shape)
    build = find_builder(name, built=True)
    if shape is None and name not in NETWORKS:
        raise InvalidValue(f"{name} does not say how large its images are; give for example --input-shape 3x32x32")
    return Network(build, shape or NETWORKS[name].image)


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
