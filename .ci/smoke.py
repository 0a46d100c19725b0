"""Try an installed mho: every verb starts, a network trains, pulses are fitted, pages are written."""

from __future__ import annotations

import subprocess
from pathlib import Path

VERBS = ("train", "reproduce", "device", "map", "sweep", "report", "bench")
TINY = ("--epochs", "1", "--set", "training.train_images=30", "--set", "training.test_images=30")


def run(*words: str) -> str:
    """Run a command, which must end well, and return what it prints."""
    print("mho", *words, flush=True)
    return subprocess.run(["mho", *words], check=True, stdout=subprocess.PIPE, text=True).stdout


def staircase(file: Path) -> None:
    """Write the weight of one soft-bound device through 300 pulses up, 300 down, and the same once more."""
    directions = ([1] * 300 + [-1] * 300) * 2
    weight, lines = 0.0, ["direction,weight"]
    for direction in directions:
        weight += direction * 0.005 * (0.6 - direction * weight)
        lines.append(f"{direction},{weight:.6f}")
    file.write_text("\n".join(lines) + "\n")


def main() -> None:
    """Try everything, in the working directory."""
    run("--help")
    for verb in VERBS:
        run(verb, "--help")
    run("train", "--set", "training.data=digits", *TINY, "--out", "run")
    run("report", "run")
    staircase(Path("pulses.csv"))
    run("device", "fit", "pulses.csv", "--out", "fit")
    run("map", "lenet")
    run("reproduce", "--list")
    print("the lowest versions work")


if __name__ == "__main__":
    main()
