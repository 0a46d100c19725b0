"""What a diagnosis comes to: a verdict on the cause of the error, and what each check found; as text and as JSON."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any, final

from mho.diagnosis.cures import in_python, on_command_line
from mho.diagnosis.finding import Finding
from mho.diagnosis.verdict import NONE, Judged, Verdict, joint
from mho.text import layers_in_words

WIDTH = 79


@final
@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """A verdict, and what each check found, the worst first; `print` it.

    Attributes:
        findings: one for each check that had something to look at, where it is worst: the array, and the replica.
        replicas: of the model.
        names: of the replicas, by what they differ in: "forward.noise = 0.06", or "seed 2".
        parts: the replicas of equal values, each judged by itself: one part where all arrays are alike.
        verdict: what causes the error; with several parts, for which each cause holds.
        faults: findings that cost more than they leave and that the course of the training does not contradict, the
            worst first; of several parts the worst of each check.
        for_command_line: whether advice is printed as options of `mho train` in place of words of Python.
    """

    findings: tuple[Finding, ...]
    replicas: int = 1
    verdict: Verdict = NONE
    faults: tuple[Finding, ...] = ()
    for_command_line: bool = False
    names: tuple[str, ...] = ()
    parts: tuple[Judged, ...] = ()

    @classmethod
    def of(cls, findings: Iterable[Finding], parts: Sequence[Judged], names: Sequence[str]) -> Diagnosis:
        """Return the diagnosis of all replicas from what the checks found.

        Args:
            findings: the worst finding of each check, in any order.
            parts: what was judged of replicas that are alike, each with its faults.
            names: name of each replica.
        """
        worst: dict[str, Finding] = {}
        for fault in (fault for part in parts for fault in part.faults):
            if fault.check not in worst or fault.lost > worst[fault.check].lost:
                worst[fault.check] = fault
        return cls(
            findings=tuple(sorted(findings, key=lambda finding: -finding.lost)),
            replicas=len(names),
            verdict=joint(parts),
            faults=tuple(sorted(worst.values(), key=lambda each: (each.rank, -each.lost))),
            names=tuple(names),
            parts=tuple(parts),
        )

    @property
    def healthy(self) -> bool:
        """Return True if no check has found a fault."""
        return not self.faults

    def to_dict(self) -> dict[str, Any]:
        """Return the diagnosis as summary.json has it; its advice is for the command line."""
        # a check is worst, perhaps, in replicas where it is no fault, as they are as good as floating point
        faults = {fault.check: fault for fault in self.faults}
        shown = [(faults.get(finding.check, finding), finding.check in faults) for finding in self.findings]
        findings = [finding.to_dict() | {"fault": fault} for finding, fault in shown]
        parts = [
            {
                "name": part.name,
                "replicas": list(part.replicas),
                "verdict": part.verdict.to_dict(),
                "faults": [fault.check for fault in part.faults],
            }
            for part in self.parts
        ]
        return {"replicas": self.replicas, "verdict": self.verdict.to_dict(), "findings": findings, "parts": parts}

    def __str__(self) -> str:
        lines = [_wrapped(f"diagnosis: {self.verdict.sentence}", "", "  ")]
        if self.verdict.settings:
            write = on_command_line if self.for_command_line else in_python
            lines.append(_wrapped(f"try {write(self.verdict.settings)}", "  ", "    "))
        if len(self.parts) > 1:
            lines += [_wrapped(f"{part.name}: {part.verdict.sentence}", "  ", "    ") for part in self.parts]
        return "\n".join([*lines, *(self._paragraph(fault) for fault in self.faults)])

    def _paragraph(self, fault: Finding) -> str:
        place = f" in {layers_in_words(fault.array)}" if fault.array else ""
        if self.replicas > 1:
            place += f", {self.names[fault.replica]}"
            others = [
                part.name
                for part in self.parts
                if fault.replica not in part.replicas and fault.check in (each.check for each in part.faults)
            ]
            place += f" (also {', '.join(others)})" if others else ""
        cure = fault.cure if self.for_command_line else fault.cure_in_python
        lines = [_wrapped(f"{fault.check}{place}: {fault.number}", "  ", "    ")]
        lines += [_wrapped(f"so {fault.meaning}", "    ", "      ")]
        lines += [_wrapped(f"try {cure}", "    ", "      ")] if cure else []
        lines += [_wrapped(f"({fault.basis})", "    ", "      ")] if fault.basis else []
        return "\n".join(lines)


def _wrapped(line: str, first: str, rest: str) -> str:
    return textwrap.fill(
        line,
        WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_on_hyphens=False,
        break_long_words=False,
    )
