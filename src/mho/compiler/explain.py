"""Errors of the compiler in words: what a user can do about them."""

from __future__ import annotations

from mho.compiler.model import DeviceModel


def explain(model: DeviceModel, error: object) -> str:
    """Return the compiler's reason, the line of the user's source that it is about, and the cure."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = next((line for line in lines if not line.startswith(("Failed in", "-", "During"))), lines[0])
    if reason.endswith("signature:"):
        reason = f"{reason.removesuffix(' found for signature:')} for {_after(lines, '>>> ')}"
    subject, place, source = f"the law {model.law.name}", model.law.place, ""
    functions, of_law = model.functions, model.law.functions
    for at, line in enumerate(lines):
        # the compiler shows lines of the kernel's text under the function's own, and a mark under the last
        name = line.partition("(")[0].removeprefix("def ")
        if line.startswith("def ") and name in functions and "^" in lines[at:]:
            source = lines[lines.index("^", at) - 1]
            place = functions[name].place_of(source)
            if name not in of_law:
                subject = f"{functions[name].node.name} of {subject}"
            break
    return (
        f"{subject} at {place} cannot be compiled: {reason}."
        + (f" In: {source}." if source else "")
        + " A law is scalar arithmetic on w, up, cell and z, with math functions, if and for; write this line so."
    )


def _after(lines: list[str], mark: str) -> str:
    """Return the text behind a mark on the first line that begins with it."""
    return next((line.removeprefix(mark) for line in lines if line.startswith(mark)), "these types")
