"""Errors of an array: NaN and infinite values that kernels flag in their counters, and states of another cell."""

from __future__ import annotations

from collections.abc import Iterable

from mho.arrays.arguments import not_finite
from mho.banks import Bank
from mho.errors import InvalidValue, LawError, MhoError
from mho.kernels.ops import Counts, Floats


def any_flag(flags: Iterable[Counts]) -> bool:
    """Return whether one of some flags, each (R,), is not 0; this is asked three times per array and step."""
    for flag in flags:  # noqa: SIM110 - a generator takes twice as long
        if flag[0] or (len(flag) > 1 and flag.any()):
            return True
    return False


def fault_of(bank: Bank, name: str, x: Floats | None, d: Floats | None, *, relaxing: bool) -> MhoError:
    """Return the error for NaN or infinite values that a kernel met.

    Args:
        bank: whose devices the kernel read or moved.
        name: name of the array, as its replica has it.
        x: inputs (R, T, in) of the cycle; None: it had none.
        d: δ (R, T, out) of the cycle; None: it had none.
        relaxing: whether time passed, and there was no cycle.
    """
    fault = not_finite(name, x, d)
    if fault is not None:
        return fault
    kept = "the weights concerned were left as they were"
    if relaxing:
        return LawError(
            f"array {name}: {bank.asked('rest', 'aged')} returned NaN; {kept}. Look at what it does at the bounds, and "
            "for a dt above 1"
        )
    if x is not None and d is not None:
        return LawError(
            f"array {name}: {type(bank.spec.device).__name__}.pulse returned NaN; {kept}. "
            "mho.testing.check_device(device) shows at which states"
        )
    if bank.population().model.shows:
        return LawError(f"array {name}: {bank.asked('read', 'seen')} returned NaN, at a state it must have a value for")
    return InvalidValue(f"array {name}: a read overflowed float32; inputs or weights are far beyond any array's range")


def parts_of_cell(keys: Iterable[str]) -> str:
    """Return the banks and digital buffers of a cell that the keys of a state name, in words."""
    named = list(keys)
    banks = {key.split(".")[1] for key in named if key.startswith("banks.")}
    buffers = {key.removeprefix("buffer_") for key in named if key.startswith("buffer_")}
    each = (
        f"the {what} {', '.join(sorted(names))}" for what, names in (("banks", banks), ("buffers", buffers)) if names
    )
    return " and ".join(each)
