"""Map of a transfer: a static scalar function of a cell, from a reading to pulses, with the names of its arguments."""

from __future__ import annotations

import ast
import dataclasses
import functools
from typing import Any, final

from mho.compiler.source import Function, read_function, static_function
from mho.errors import LawError, nearest

ARGUMENTS = ("h", "omega", "line")
CHANGES, COLUMNS, STEP, RATE = "changes", "columns", "step", "rate"
"""Names in the record `line` beside the cell's own: 1 if the column's sign changes now, else 0; N; the nominal step
dw_min of the bank that is pulsed; the learning rate."""


@final
@dataclasses.dataclass(frozen=True)
class TransferMap:
    """A cell's `transfer(h, omega, line)`, and the names in its records.

    Attributes:
        cell: class of the cell.
        name: name of the function.
        weight: names of the buffers of a weight, in the record h.
        column: names of the buffers of a column, and `changes`, in the record `line`.
        settings: names of the cell's settings that are numbers, and `rate`, in the record `line`.
    """

    cell: type
    name: str
    weight: tuple[str, ...]
    column: tuple[str, ...]
    settings: tuple[str, ...]
    numbers = (COLUMNS, STEP)
    """Names of the numbers of the transfer, in the record `line`."""

    @functools.cached_property
    def function(self) -> Function:
        """Return the function, read from its source, after a check that its records have all fields that it uses.

        Raises:
            LawError: for a wrong signature, unreadable source, or a name that the function may not use.
        """
        function = read_function(self.cell.__name__, static_function(self.cell, self.name), ARGUMENTS, None)
        known = {"h": self.weight, "line": (*self.column, *self.settings, *self.numbers)}
        for part in ast.walk(function.node):
            if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name) and part.value.id in known:
                names = known[part.value.id]
                if part.attr not in names:
                    raise LawError(
                        f"{self.cell.__name__}.{self.name} at {function.place} uses {part.value.id}.{part.attr}"
                        f"{nearest(part.attr, names)}; h has the cell's buffers per weight, and line its buffers per "
                        "column, its settings that are numbers, changes, columns, step and rate"
                    )
        return function

    def check(self) -> None:
        """Raise LawError if the function cannot be compiled into a kernel, whichever back end is used."""
        _ = self.function

    def answer(self, h: Any, omega: Any, line: Any) -> tuple[tuple[Any, ...], int]:
        """Return the new buffers and the number of pulses, computed by the function as plain Python."""
        answer = getattr(self.cell, self.name)(h, omega, line)
        if not self.weight:
            return (), int(answer)
        new, pulses = answer
        return (new if len(self.weight) > 1 else (new,)), int(pulses)

    def definitions(self, inline: str) -> dict[str, str]:
        """Return the source of the function, and of `decide`, which calls it in a kernel."""
        at = "[r, i, j]"
        weight = ", ".join(f"buffers[{k}]{at}" for k in range(len(self.weight)))
        columns = [f"lines[{k}][r, j]" for k in range(len(self.column))]
        given = ((0, self.settings), (1, self.numbers))
        line = ", ".join([*columns, *(f"settings[{g}][r, {k}]" for g, names in given for k in range(len(names)))])
        h = f"Weight({weight})" if self.weight else "np.float32(0)"
        body = [f"answer = transfer({h}, omega, Line({line}))"]
        if len(self.weight) > 1:
            body += [f"buffers[{k}]{at} = np.float32(answer[0][{k}])" for k in range(len(self.weight))]
        elif self.weight:
            body.append(f"buffers[0]{at} = np.float32(answer[0])")
        body.append("return answer[1]" if self.weight else "return answer")
        function = self.function
        helpers = {name: f"{inline}\n{each.text}" for name, each in function.helpers.items()}
        return helpers | {
            "transfer": f"{inline}\n{function.renamed('transfer', {}).text}",
            "decide": f"Weight = namedtuple('Weight', {list(self.weight)!r})\n"
            f"Line = namedtuple('Line', {[*self.column, *self.settings, *self.numbers]!r})\n\n"
            f"{inline}\ndef decide(buffers, lines, settings, r, i, j, omega):\n    " + "\n    ".join(body),
        }
