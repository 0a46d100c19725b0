"""From run folders to the record of a curve."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mho.papers.jobs import job
from mho.papers.paper import Paper
from mho.papers.records import Record
from mho.papers.scale import Scale
from mho.runs.folder import read_metrics, read_pictures, read_summary
from mho.version import PHYSICS_VERSION, VERSION


def collect_record(paper: Paper, curve: str, scale: Scale, runs: Path) -> Record | None:
    """Return the results of a curve: all seeds that have run, however many are asked for now; None without any.

    Args:
        paper: the paper.
        curve: name of the curve.
        scale: how much is trained; runs of another scale are left out.
        runs: the folder of the run folders.
    """
    seeds: dict[int, list[dict[str, float]]] = {}
    found: dict[str, dict[int, Any]] = {"counters": {}, "diagnoses": {}, "pictures": {}}
    arrays, images = [], 0
    for seed, folder in sorted(_folders(paper, curve, scale, runs).items()):
        lines = read_metrics(folder)
        if not lines:
            continue
        summary = read_summary(folder)
        study = job(paper, curve, seed, scale).study
        seeds[seed] = [study.recorded(line) for line in lines]
        arrays, images = summary.get("arrays", []), _images(lines[0])
        kept = {
            "counters": _totals(summary.get("counters", {})),
            "diagnoses": summary.get("diagnosis"),
            "pictures": read_pictures(folder),
        }
        for name, value in kept.items():
            if value:
                found[name][seed] = value
    if not seeds:
        return None
    return Record(
        curve=curve,
        command=_command(paper, curve, scale, epochs=max(map(len, seeds.values())), seeds=max(seeds) + 1),
        physics=PHYSICS_VERSION,
        version=VERSION,
        images=images,
        arrays=arrays,
        seeds=seeds,
        **found,
    )


def _folders(paper: Paper, curve: str, scale: Scale, runs: Path) -> dict[int, Path]:
    """Return the run folder of each seed."""
    folders = {}
    for folder in runs.glob(f"{curve}-s*"):
        match = re.fullmatch(rf"{re.escape(curve)}-s(\d+)-\w+", folder.name)
        if match and job(paper, curve, int(match[1]), scale).name == folder.name:
            folders[int(match[1])] = folder
    return folders


def _command(paper: Paper, curve: str, scale: Scale, *, epochs: int, seeds: int) -> str:
    """Return the command that trains a curve again."""
    words = ["mho reproduce", paper.name, "--curve", curve, "--seeds", str(seeds)]
    words += ["--quick"] if scale.quick else ["--epochs", str(epochs)]
    for option, images in (("--train-images", scale.train_images), ("--test-images", scale.test_images)):
        words += [option, str(images)] if images else []
    return " ".join(words)


def _images(line: Mapping[str, Any]) -> int:
    """Return the training images of an epoch from its line of metrics; 0 where it has none."""
    images: float = line.get("images_per_second", 0.0) * line["seconds"]
    return round(images)


def _totals(counters: Mapping[str, Mapping[str, list[int]]]) -> dict[str, dict[str, int]]:
    """Sum the counters of a summary over replicas."""
    return {layer: {name: sum(values) for name, values in table.items()} for layer, table in counters.items()}
