"""How often a fit recovers the device that made the data: laws × pulses × read noise × devices.

The staircases come from plain Python below, which shares no code with the fit: a law of the step on a conductance from
0 to 1, clipped there after each pulse, c2c 0.3, and normal noise of readings. A cell of the table is right if the truth
lies within three standard errors, and "said" if the fit says instead that the data cannot tell.

    python benchmarks/fit_recovery.py --pulses 32 64 --noise 0 0.01 --seeds 20 >> benchmarks/fit_recovery.jsonl
    python benchmarks/fit_recovery.py --table benchmarks/fit_recovery.jsonl > benchmarks/fit_recovery.md
"""

from __future__ import annotations

import argparse
import collections
import itertools
import json
import math
import random
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mho.devices import ConstantStep, ExpStep, LinearStep, PowStep, SoftBounds
from mho.fitting import PARAMETRIC, fit_laws
from mho.measurements import Measurement, Trace

LAWS = {"soft": SoftBounds, "constant": ConstantStep, "linear": LinearStep, "exp": ExpStep, "pow": PowStep}
C2C, LOW, SPAN = 0.3, 2e-6, 40e-6
"""c2c of every device, and the conductance that its range 0 to 1 stands for, in siemens."""
QUANTITIES = ("c2c", "step", "read_noise")
LEAST = 0.9
"""Share of the fits that should have the truth within three standard errors, or say that the data cannot tell."""
Step = Callable[[float], float]


def steps(law: str, pulses: int, size: float) -> tuple[Step, Step]:
    """Step up and down of a law at a state from 0 to 1, sized so that a ramp goes through most of the range."""
    d = size / pulses
    if law == "soft":
        return (lambda g: 3 * d * (1 - g)), (lambda g: 3.6 * d * g)
    if law == "constant":
        return (lambda g: 0.8 * d), (lambda g: 0.7 * d)
    if law == "linear":
        return (lambda g: 1.4 * d * (1 - 0.6 * g)), (lambda g: 1.4 * d * (1 - 0.5 * (1 - g)))
    if law == "exp":
        return (
            lambda g: 1.3 * d * max(1 - 0.02 * math.exp(3.4 * g), 0.0),
            lambda g: 1.3 * d * max(1 - 0.02 * math.exp(3.2 * (1 - g)), 0.0),
        )
    return (lambda g: 2.2 * d * (1 - g) ** 1.5), (lambda g: 2.2 * d * g**1.5)


def staircase(law: str, pulses: int, noise: float, seed: int, size: float) -> Trace:
    """One ramp up and one down, read after each pulse."""
    draw = random.Random(seed)
    up, down = steps(law, pulses, size)
    g, out, signs = 0.1, [], [1] * pulses + [-1] * pulses
    out.append(g + noise * draw.gauss(0, 1))
    for sign in signs:
        step = up(g) if sign > 0 else -down(g)
        g = min(max(g + step * (1 + C2C * draw.gauss(0, 1)), 0.0), 1.0)
        out.append(g + noise * draw.gauss(0, 1))
    return Trace(f"device {seed}", LOW + SPAN * np.array(out), np.array(signs))


def one(law: str, pulses: int, noise: float, devices: int, seed: int, rank: bool) -> dict[str, object]:
    """Fit the law to devices of its own kind, whose steps differ by 10 %, and compare."""
    sizes = [1 + 0.1 * (k - (devices - 1) / 2) / max((devices - 1) / 2, 1) for k in range(devices)]
    traces = tuple(staircase(law, pulses, noise, 1000 * seed + k, sizes[k]) for k in range(devices))
    begun = time.process_time()
    fitted = fit_laws(Measurement("simulated", traces, "S"), PARAMETRIC if rank else [LAWS[law]])
    seconds = time.process_time() - begun
    made = next((fit for fit in fitted.laws if fit.law is LAWS[law]), None)
    if made is None:  # left out beside laws that say the same
        return {"law": law, "pulses": pulses, "noise": noise, "devices": devices, "seed": seed, "first": False}
    found = {p.name: p for p in made.parameters}
    unit = made.scale.unit / SPAN  # of a weight, in parts of the range
    up, down = steps(law, pulses, 1.0)
    g = (made.scale.zero - LOW) / SPAN
    true_step = (up(g) + down(g)) / 2
    cell = types.SimpleNamespace(**{name: p.value for name, p in found.items()})
    moved = [abs(LAWS[law].pulse(0.0, way, cell, 0.0)) * unit for way in (True, False)]
    share = (found["dw_min"].error or 0.0) / found["dw_min"].value
    answers = {
        "c2c": (found["c2c"].value, found["c2c"].error, C2C),
        "step": (sum(moved) / 2, share * sum(moved) / 2 or None, true_step),
        "read_noise": (found["read_noise"].value * unit, (found["read_noise"].error or 0.0) * unit or None, noise),
    }
    told = any("hardly be told apart" in sentence for sentence in fitted.untold)
    row = {"law": law, "pulses": pulses, "noise": noise, "devices": devices, "seed": seed, "seconds": round(seconds, 2)}
    if rank:  # errors of noises are worked out for the best law only
        return row | {"first": made.score.as_good, "behind": made.score.behind, "error": made.score.error}
    return row | {"answers": answers, "told": told, "open": "not determined" in found["dw_min"].note}


def right(name: str, answer: tuple[float, float | None, float]) -> bool:
    """Whether the truth lies within three standard errors of a value."""
    value, error, truth = answer
    if name == "read_noise" and truth == 0 and value == 0:
        return True
    return error is not None and abs(value - truth) <= 3 * error


def said(name: str, row: dict[str, Any]) -> bool:
    """Whether the report says that the data cannot tell: noises apart, or the step by itself or with an error."""
    return row["answers"]["step"][1] is None or row.get("open", False) if name == "step" else bool(row["told"])


def table(file: Path) -> str:
    """Return the table in Markdown, with the cells below 90 % above it."""
    cells = collections.defaultdict(list)
    for line in file.read_text().splitlines():
        row = json.loads(line)
        cells[row["law"], row["pulses"], row["noise"], row["devices"]].append(row)
    out = ["| law | pulses | noise | devices | seeds | c2c | step | read noise | right law | s |",
           "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"]  # fmt: skip
    low, answered = [], 0
    for (law, pulses, noise, devices), rows in sorted(cells.items()):
        fits = [r for r in rows if "answers" in r]
        ranked = [r["first"] for r in rows if r.get("first") is not None]
        shares, seconds = "– | – | –", "–"
        if fits:
            texts = []
            for name in QUANTITIES:
                counts = [right(name, r["answers"][name]) for r in fits]
                open_ = [said(name, r) and not good for r, good in zip(fits, counts, strict=True)]
                good, left = sum(counts) / len(fits), sum(open_) / len(fits)
                texts.append(f"{100 * good:.0f} %" + (f" + {100 * left:.0f} %" if left else ""))
                answered += 1
                if good + left < LEAST:
                    cell = f"{law}, {pulses} pulses, {100 * noise:g} %, {devices} device{'s' if devices > 1 else ''}"
                    low.append(f"{cell}: {name} {100 * (good + left):.0f} %")
            shares, seconds = " | ".join(texts), f"{sum(r['seconds'] for r in fits) / len(fits):.1f}"
        law_first = f"{sum(ranked)} of {len(ranked)}" if ranked else "–"
        out.append(
            f"| {law} | {pulses} | {100 * noise:g} % | {devices} | {len(fits)} | {shares} | {law_first} | {seconds} |"
        )
    head = [f"Below {100 * LEAST:.0f} %, right and said together: {len(low)} of {answered} numbers.", ""]
    return "\n".join([*head, *(f"- {line}" for line in low), "", *out])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--laws", nargs="+", choices=list(LAWS), default=list(LAWS))
    parser.add_argument("--pulses", nargs="+", type=int, default=[32, 64, 200, 1000])
    parser.add_argument("--noise", nargs="+", type=float, default=[0.0, 0.005, 0.01, 0.03])
    parser.add_argument("--devices", nargs="+", type=int, default=[1, 10])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=100, help="Thresholds of the fit were chosen on seeds below.")
    parser.add_argument("--rank", action="store_true", help="Fit all laws, and say whether the right one is first.")
    parser.add_argument("--table", type=Path, help="Print the table of these results, and fit nothing.")
    given = parser.parse_args()
    if given.table is not None:
        print(table(given.table))
        return
    for law, pulses, noise, devices in itertools.product(given.laws, given.pulses, given.noise, given.devices):
        if devices > 1 and pulses > 200:
            continue  # ten devices are measured with up to 200 pulses
        for seed in range(given.first_seed, given.first_seed + given.seeds):
            print(json.dumps(one(law, pulses, noise, devices, seed, given.rank)), flush=True)
        print(law, pulses, noise, devices, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
