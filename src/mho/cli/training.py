"""Output of `mho train`: warnings before the run, its epochs, and its result."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mho.cli.interrupt import first_interrupt

if TYPE_CHECKING:
    from mho.runs import Comparison, Experiment, Run
    from mho.training import TensorBoard

COMPARED = ("float",)
"""What a run can be compared with."""
MOST_NAMED = 32
"""So many replicas are listed at the end."""


def ask_about(experiment: Experiment) -> None:
    """Show on standard error which values of devices look like per cent or another unit."""
    from mho.devices.doubts import doubts

    rpus = (experiment.rpu, *experiment.layers.values())
    for question in dict.fromkeys(question for rpu in rpus for question in doubts(rpu.device)):
        warn(question)


def warn(sentence: str) -> None:
    """Show a warning on standard error."""
    print(f"mho: warning: {sentence}", file=sys.stderr)


def introduce(run: Run) -> None:
    """Show on standard error what has no effect, how data were made, what bits depend on, and what is left to do."""
    from mho.runs.replicas import unpaired
    from mho.runs.unordered import unordered

    if run.finished:
        print(f"{run.folder} is finished{_how_to_go_on(run)}", file=sys.stderr)
    for sentence in (*run.idle, *filter(None, [unpaired(run.experiment)])):
        warn(sentence)
    for note in run.loop.data.notes:
        print(f"data: {note}", file=sys.stderr)
    if told := unordered(run.experiment.to_dict()):
        print(f"bits: {told}", file=sys.stderr)


def watch(run: Run, comparison: Comparison | None, board: TensorBoard | None) -> bool:
    """Train with a live display on standard error; the first Ctrl-C stops at the end of a step.

    Returns:
        Whether the run, and what it is compared with, came to the end.
    """
    from mho.cli.display import TrainingDisplay
    from mho.diagnosis import silent_transfers

    if comparison.finished if comparison is not None else run.finished:
        return True
    with first_interrupt() as asked, TrainingDisplay(run, comparison) as display:

        def on_step(progress: Any) -> bool:
            display.step(progress)
            return asked()

        said: set[str] = set()

        def on_epoch(progress: Any) -> None:
            display.epoch(progress)
            if board is not None:
                board(progress.metrics[-1])
            for bank, sentence in silent_transfers(run.model).items():
                if bank not in said:
                    display.say(sentence)
                    said.add(bank)

        return (comparison or run).train(on_step=on_step, on_epoch=on_epoch)


def conclude(run: Run) -> None:
    """Diagnose a finished run and write its page; Ctrl-C leaves the diagnosis out, and the run complete."""
    from mho.bar import progress_console
    from mho.report import write_report

    if not run.concluded:
        progress_console().print("looking for what limits the training (Ctrl-C leaves this out)")
    try:
        findings = run.conclude()
    except KeyboardInterrupt:
        again = f"mho train --out {shlex.quote(str(run.folder))} --resume"
        print(f"\ndiagnosis left out; the run is complete, and  {again}  makes it", file=sys.stderr)
    else:
        failed = isinstance(findings, Exception)
        print(f"diagnosis: not possible, {findings}" if failed else str(findings), file=sys.stderr)
    write_report(run.folder)


def show_outcome(run: Run) -> None:
    """Print what the training came to, and how each replica did."""
    from mho.runs.folder import BEST
    from mho.training import best_line

    metrics, measure = run.loop.progress.metrics, run.loop.task.measure
    if run.loop.out_of_patience:
        print(f"stopped early, {_patience_over(run)}")
    for sentence in run.outcome:
        print(sentence)
    errors = metrics[-1].get("test_error_replicas", ())
    width = max(map(len, run.names))
    for name, error in list(zip(run.names, errors, strict=False))[:MOST_NAMED]:
        print(f"  {name:{width}}  test {measure} {error:.2f} %")
    if len(errors) > MOST_NAMED:
        print(f"  and {len(errors) - MOST_NAMED} more, in the report")
    best = best_line(metrics)
    if best is not None:
        line = metrics[best]
        print(
            f"lowest validation {measure} {line['validation_error']:.2f} % after epoch {line['epoch']}, test "
            f"{line['test_error']:.2f} %: its weights are in {BEST}"
        )


def name_folder(run: Run) -> None:
    """Print where the run and its page are."""
    from mho.runs.folder import REPORT

    print(f"run folder {run.folder}\nreport     {run.folder / REPORT}")


def how_to_continue(folder: Path) -> str:
    """Return what continues a run that was stopped."""
    return f"stopped; continue with  mho train --out {shlex.quote(str(folder))} --resume"


def _how_to_go_on(run: Run) -> str:
    """Return why a run is finished before its last epoch, and how to continue it."""
    if not run.loop.out_of_patience:
        return "; give more --epochs to go on"
    return f", {_patience_over(run)}; give more --patience to go on, or 0 for no limit"


def _patience_over(run: Run) -> str:
    patience = run.experiment.training.patience
    return f"with no lower validation {run.loop.task.measure} for {patience} epoch{'s' if patience > 1 else ''}"
