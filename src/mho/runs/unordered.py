"""What a user must know of a run in which a BLAS multiplies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def unordered(config: Mapping[str, Any]) -> str:
    """Return in a sentence which reads of a config a BLAS multiplies, and what that means; "" where none does.

    Args:
        config: tables of a config.toml, which may be of an older mho.
    """
    places = {"": config} | {f"layers.{pattern}.": own for pattern, own in config.get("layers", {}).items()}
    names = [
        f"{place}{way}.matmul"
        for place, tables in places.items()
        for way in ("forward", "backward")
        if tables.get(way, {}).get("matmul") == "blas"
    ]
    if not names:
        return ""
    return (
        f'{" and ".join(names)} {"is" if len(names) == 1 else "are"} "blas": these products, and with them the whole '
        'training, depend on the BLAS of the machine and on the number of threads; with "ordered" a run has the same '
        "bits everywhere"
    )
