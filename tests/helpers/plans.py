"""Networks as planned on arrays, and times of their layers by name."""

from __future__ import annotations

from mho.config import RPU
from mho.hardware import planned_table
from mho.models import NETWORKS


def plan(name: str, **options):
    return planned_table(NETWORKS[name], RPU(), **options)


def by_name(time):
    return {layer.row.layer: layer for layer in time.layers}
