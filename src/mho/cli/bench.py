"""mho bench: a whole training step on arrays beside the same network in plain torch."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mho.errors import InvalidValue

if TYPE_CHECKING:
    from mho.data import Dataset

WARM_UP = 300
"""Images trained on first: the first gradients are large, and the caches cold."""


def bench(
    rounds: Annotated[int, typer.Option(help="Alternations of arrays and plain torch.")] = 7,
    images: Annotated[int, typer.Option(help="Training steps a round, at mini-batch 1.")] = 200,
    data: Annotated[str, typer.Option(help="digits (embedded) or mnist.")] = "digits",
    data_dir: Annotated[Path | None, typer.Option(help="Folder with MNIST's files.")] = None,
    threads: Annotated[int, typer.Option(help="Threads for the arrays; torch gets as many.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")] = False,
) -> None:
    """Time the paper's LeNet: forward, backward and update at mini-batch 1, against plain torch.

    Both networks take turns in one process on the same images; times are medians, and the ratio is the median
    over rounds.
    """
    if rounds < 1 or images < 1:
        raise InvalidValue("rounds and images must be at least 1")
    import torch

    from mho.data import load
    from mho.kernels.threads import set_threads
    from mho.presets import gokmen_2017

    set_threads(threads)
    torch.set_num_threads(threads)
    pictures = load(data, data_dir)
    specs = {
        "BL = 10, all management": gokmen_2017(pulses=10, update_management=True),
        "BL = 1, all management": gokmen_2017(pulses=1, update_management=True),
    }
    results: list[dict[str, Any]] = []
    for name, rpu in specs.items():
        analog, plain = _stepper(rpu, pictures), _stepper(None, pictures)
        analog(0, WARM_UP)
        plain(0, WARM_UP)
        pairs = [(analog(k * images, images), plain(k * images, images)) for k in range(rounds)]
        ratios = [a / p for a, p in pairs]
        results.append(
            {
                "spec": name,
                "arrays_ms": statistics.median(a for a, _ in pairs) * 1e3,
                "torch_ms": statistics.median(p for _, p in pairs) * 1e3,
                "ratio": statistics.median(ratios),
                "ratio_min": min(ratios),
                "ratio_max": max(ratios),
            }
        )
    if as_json:
        print(json.dumps({"threads": threads, "data": data, "images": images, "rounds": rounds, "lenet": results}))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title=f"LeNet, mini-batch 1, {data}, {threads} thread(s): milliseconds an image", title_justify="left"
    )
    for heading in ("arrays", "arrays, ms", "plain torch, ms", "ratio", "smallest – largest"):
        table.add_column(heading)
    for row in results:
        span = f"{row['ratio_min']:.2f} – {row['ratio_max']:.2f}"
        table.add_row(row["spec"], f"{row['arrays_ms']:.2f}", f"{row['torch_ms']:.2f}", f"{row['ratio']:.2f}", span)
    Console().print(table)


def _stepper(rpu: Any, pictures: Dataset) -> Callable[[int, int], float]:
    """A function that trains on `count` images from `start` on and returns the median seconds of a step."""
    import torch
    import torch.nn.functional as F

    from mho.models import LeNet
    from mho.nn import convert
    from mho.training import AnalogSGD

    torch.manual_seed(0)
    model: torch.nn.Module = LeNet()
    optimizer: torch.optim.Optimizer
    if rpu is None:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    else:
        model = convert(model, rpu, quiet=True)
        optimizer = AnalogSGD(model, lr=0.01)
    total = len(pictures.train_labels)

    def steps(start: int, count: int) -> float:
        seconds = []
        for i in range(start, start + count):
            image, label = (
                pictures.train_images[i % total : i % total + 1],
                pictures.train_labels[i % total : i % total + 1],
            )
            began = time.perf_counter()
            F.cross_entropy(model(image), label).backward()
            optimizer.step()
            optimizer.zero_grad()
            seconds.append(time.perf_counter() - began)
        return statistics.median(seconds)

    return steps
