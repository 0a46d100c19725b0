"""Reading of a paper's expected.toml: figures, curves, their numbers, and what is checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from mho.errors import Faults, InvalidValue, nearest
from mho.fields import fields_from_table
from mho.papers.checks import Check
from mho.papers.quantities import KNOWN, TEST_ERROR, Quantity
from mho.papers.shown import Curve, Expected, Figure, Matrix, Sweep
from mho.toml_files import parse_toml

T = TypeVar("T")
KEYS = ("title", "epochs", "quantity", "numbers_available", "quantities", "pictures", "figures", "curves", "quick")


def read_expected(file: Path) -> Expected:
    """Read an expected.toml.

    Raises:
        InvalidValue: naming every fault at once.
    """
    return _Reader(parse_toml(file.read_text(encoding="utf-8")), Faults(str(file))).read()


class _Reader:
    """Reads the tables of one file, and collects what is wrong with them."""

    def __init__(self, tables: Mapping[str, Any], faults: Faults) -> None:
        self.tables, self.faults = tables, faults
        self.known: Mapping[str, Any] = tables.get("curves", {})
        self.quantities = dict(KNOWN)
        for name, table in tables.get("quantities", {}).items():
            made = self._made(Quantity, f"quantities.{name}", {**table, "name": name})
            self.quantities[name] = made or TEST_ERROR  # the fault is noted; others are looked for
        self.quantity = self._quantity("quantity", tables.get("quantity", TEST_ERROR.name))

    def read(self) -> Expected:
        tables = self.tables
        for name in tables:
            if name not in KEYS:
                self.faults.add(f"{name}: no such entry{nearest(name, KEYS)}")
        curves = {name: self._curve(f"curves.{name}", table) for name, table in self.known.items()}
        figures = {name: self._figure(f"figures.{name}", table) for name, table in tables.get("figures", {}).items()}
        quick = {}
        for name, checks in tables.get("quick", {}).items():
            if name not in self.known:
                self.faults.add(f"quick: no curve {name!r}{nearest(name, self.known)}")
            quick[name] = self._checks(f"quick.{name}", checks)
        available = tables.get("numbers_available", True)
        self.faults.flag("numbers_available", available)
        for name, curve in curves.items():
            if not available and curve.mark in ("p", "r"):
                self.faults.add(f"curves.{name}: mark is {curve.mark!r}, and numbers_available is false")
        epochs = self._epochs(tables.get("epochs"))
        if not isinstance(tables.get("title"), str):
            self.faults.add("title is missing: give authors, title and place of the paper")
        self.faults.raise_any()
        return Expected(
            title=tables["title"],
            epochs=epochs,
            figures=figures,
            curves=curves,
            quick=quick,
            numbers_available=available,
            captions=tables.get("pictures", {}),
        )

    def _epochs(self, given: Any) -> tuple[int, int] | int:
        """Return the window of the mean, or over how many of the last epochs of each curve it is taken."""
        if isinstance(given, str) and (words := re.fullmatch(r"last(?: ([1-9]\d*))?", given)):
            return int(words[1] or 1)
        numbers = isinstance(given, list) and len(given) == 2 and all(type(epoch) is int for epoch in given)
        if not numbers or not 1 <= given[0] <= given[1]:
            self.faults.add(
                f'epochs is {given!r}; give the first and the last epoch of the mean, [25, 30], "last", or how many '
                'of the last epochs of each curve, "last 2"'
            )
            return 1
        return given[0], given[1]

    def _quantity(self, place: str, name: str) -> Quantity:
        if name in self.quantities:
            return self.quantities[name]
        near = nearest(str(name), self.quantities)
        self.faults.add(f"{place}: no quantity {name!r}{near} (a table [quantities.{name}] defines it)")
        return TEST_ERROR

    def _figure(self, name: str, table: Mapping[str, Any]) -> Figure:
        curves = tuple(table.get("curves", ()))
        for curve in curves:
            if curve not in self.known:
                self.faults.add(f"{name}: no curve {curve!r}{nearest(curve, self.known)}")
        sweep = self._made(Sweep, f"{name}.sweep", table["sweep"]) if "sweep" in table else None
        drawn = [*sweep.lines.values(), *sweep.panels.values()] if sweep else []
        placed = dict.fromkeys(curve for line in drawn for curve in line)
        for quantity in sweep.across if sweep else ():
            self._quantity(f"{name}.sweep.across", quantity)
        for curve in [curve for curve in placed if curve not in curves]:
            self.faults.add(f"{name}.sweep: no curve {curve!r} in the figure{nearest(curve, curves)}")
        matrix = self._made(Matrix, f"{name}.matrix", table["matrix"]) if "matrix" in table else None
        for quantity in matrix.across if matrix else ():
            self._quantity(f"{name}.matrix.across", quantity)
        for curve in [curve for curve in (matrix.labels if matrix else ()) if curve not in curves]:
            self.faults.add(f"{name}.matrix: no curve {curve!r} in the figure{nearest(curve, curves)}")
        if sweep is not None and matrix is not None:
            self.faults.add(f"{name}: sweep and matrix exclude each other; make two figures")
        entries = {**self._named(name, table, self.quantity), "curves": curves, "sweep": sweep, "matrix": matrix}
        return self._made(Figure, name, entries) or Figure(title=name, curves=curves)

    def _curve(self, name: str, table: Mapping[str, Any]) -> Curve:
        checks = self._checks(name, table.get("checks", []))
        for quantity in table.get("numbers", ()):
            self._quantity(f"{name}.numbers", quantity)
        curve = self._made(Curve, name, {**self._named(name, table, self.quantity), "checks": checks})
        return curve or Curve(label=name)

    def _checks(self, name: str, tables: Any) -> tuple[Check, ...]:
        checks = [self._made(Check, name, self._named(name, table)) for table in tables]
        for key, other in [(key, table[key]) for table in tables for key in ("than", "of") if key in table]:
            if other not in self.known:
                self.faults.add(f"{name}: {key}: no curve {other!r}{nearest(str(other), self.known)}")
        return tuple(check for check in checks if check is not None)

    def _named(self, place: str, table: Mapping[str, Any], default: Quantity | None = None) -> dict[str, Any]:
        """Return a table with quantities in place of their names."""
        found = {key: self._quantity(f"{place}.{key}", table[key]) for key in ("quantity", "x") if key in table}
        return {"quantity": default, **table, **found}

    def _made(self, kind: type[T], name: str, table: Mapping[str, Any]) -> T | None:
        """Return what a table describes; None if it has faults, which are noted."""
        try:
            return fields_from_table(kind, table)
        except InvalidValue as error:
            for fault in error.faults:
                self.faults.add(f"{name}: {fault}")
            return None
