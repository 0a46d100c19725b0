"""Batches of a sweep: rows that are trained side by side, as the replicas of a run."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Collection, Sequence
from typing import Any, final

from mho.errors import InvalidValue
from mho.runs.axes import flat
from mho.runs.experiment import MAY_GROW, lasting
from mho.runs.sweep import Row, Sweep


@final
@dataclasses.dataclass(frozen=True)
class Batch:
    """Rows that are the replicas of one run.

    Attributes:
        rows: replica r is rows[r].
        tables: the run's config.
        name: of its run folder, from the first row's number and a hash of the config, without what a resumed run may
            be told anew.
    """

    rows: tuple[Row, ...]
    tables: dict[str, Any]
    name: str


def batches(sweep: Sweep, *, done: Collection[int] = ()) -> list[Batch]:
    """Return the batches of a sweep, without the rows whose numbers are `done`.

    Rows are split before the done rows are left out, so that a sweep that is started again finds the run folders of
    its unfinished batches.
    """
    found = []
    for group in groups(sweep):
        parts = -(-len(group) // sweep.replicas)
        ends = [len(group) * part // parts for part in range(parts + 1)]
        for start, stop in itertools.pairwise(ends):
            rows = [row for row in group[start:stop] if row.number not in done]
            if rows:
                found.append(batch(sweep, rows))
    return sorted(found, key=lambda one: one.rows[0].number)


def groups(sweep: Sweep) -> list[list[Row]]:
    """Rows that may be replicas of one run: they differ in seeds, and in fields that take one value a replica."""
    found: dict[str, list[Row]] = {}
    shared: dict[str, frozenset[str]] = {}
    for row in sweep.rows:
        # which fields may be lists depends on the others: on the law, for example
        fixed = json.dumps([value for value in row.values.items() if not _is_number(value[1])])
        if fixed not in shared:
            shared[fixed] = frozenset(name for name in row.values if _may_be_list(sweep, row, name))
        key = json.dumps([fixed, [value for value in row.values.items() if value[0] not in shared[fixed]]])
        found.setdefault(key, []).append(row)
    rows = found.values()
    return [
        part for group in rows for part in ([group] if _replicas_allowed(sweep, group[0]) else [[r] for r in group])
    ]


def batch(sweep: Sweep, rows: Sequence[Row]) -> Batch:
    """Return the batch of some rows of one group."""
    seeds = [row.seed for row in rows]
    changes: dict[str, Any] = {"training.seed": seeds if len(rows) > 1 else seeds[0], "training.replicas": len(rows)}
    for name, value in rows[0].values.items():
        values = [row.values[name] for row in rows]
        if any(other != value for other in values):
            changes[name] = values
    tables = sweep.config(rows[0].values, changes)
    grows = set(MAY_GROW) - lasting(tables)
    fixed = {name: value for name, value in flat(tables).items() if name not in grows}
    code = hashlib.sha256(json.dumps(fixed, sort_keys=True).encode()).hexdigest()[:8]
    return Batch(tuple(rows), tables, f"{rows[0].number:04d}-{code}")


def _may_be_list(sweep: Sweep, row: Row, name: str) -> bool:
    """Return True if replicas may differ in a field: the description itself is asked."""
    value = row.values[name]
    if not _is_number(value):
        return False
    try:
        sweep.experiment(row.values, {name: [value, value], "training.replicas": 2})
    except InvalidValue:
        return False
    return True


def _replicas_allowed(sweep: Sweep, row: Row) -> bool:
    """Return whether rows train side by side: not with digital layers, which have one set of parameters, nor patience.

    Replicas stop together, by their mean validation error; each row is to stop by its own.
    """
    training = sweep.experiments[row.point].training
    return not training.exclude and not training.patience


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
