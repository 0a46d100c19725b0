"""The figures of the pages, made by mho: `python docs/figures.py [NAME ...]` writes them into docs/figures anew."""

import dataclasses
import json
import math
import statistics
import sys
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import mho

INK, BLUE, ORANGE, GREEN, VIOLET = "#7b818a", "#3d86c6", "#d2722a", "#3c9a63", "#9a6bc0"
SEVERAL = (BLUE, ORANGE, GREEN, VIOLET, "#b8505c", "#8a7a2e", "#3aa0a8", "#b06f9a")
"""Colours that can be read on white and on black."""
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "mho",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9.5,
    "legend.frameon": False,
    **dict.fromkeys(
        ("text.color", "axes.edgecolor", "axes.labelcolor", "axes.titlecolor", "xtick.color", "ytick.color"), INK
    ),
}


def results(paper: str, curve: str) -> list[float]:
    """The test error in per cent after each epoch of seed 0, from the results that come with mho."""
    file = resources.files(f"mho.papers.{paper}") / "results" / f"{curve}.jsonl"
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return [line["test_error"] for line in lines if line.get("epoch") and line["seed"] == 0]


def lenet(axes: Sequence[Axes]) -> None:
    """Test error of LeNet on MNIST, from the results that come with mho."""
    (ax,) = axes
    curves = {
        "baseline": ("no management", ORANGE),
        "nm_bm": ("noise and bound management", VIOLET),
        "um_bl1": ("and update management, BL = 1", BLUE),
        "um_bl1_devices_13_k2": ("and 13 devices per weight on K2", GREEN),
        "floating_point": ("floating point", INK),
    }
    for curve, (label, color) in curves.items():
        errors = results("gokmen_2017", curve)
        ax.semilogy(range(1, len(errors) + 1), errors, color=color, label=label)
    ax.set_yticks([0.5, 1, 2, 5, 10, 20, 50, 100], ["0.5", "1", "2", "5", "10", "20", "50", "100"])
    ax.minorticks_off()
    ax.set(xlabel="epoch", ylabel="test error, %", xlim=(1, 30), ylim=(0.6, 100))
    ax.legend(loc="upper right", ncols=2)


def lenet_parts(axes: Sequence[Axes]) -> None:
    """Figures 3, 4 and 5 of Gokmen 2017: noise and bounds, variation of devices, lengths of pulse trains."""
    panels = {
        "Figure 3: noise and bounds": {
            "baseline": "no management",
            "nm": "noise management alone",
            "bm": "bound management alone",
            "no_backward_noise": "no backward noise",
            "no_w4_bound": "no bound on W4",
            "no_backward_noise_no_w4_bound": "neither of the two",
            "nm_bm": "both managements",
        },
        "Figure 4: variation, copies": {
            "nm_bm": "both managements",
            "no_variation": "no variation",
            "no_variation_k1_k2": "none on K1 and K2",
            "no_variation_k2": "none on K2",
            "no_variation_w3_w4": "none on W3 and W4",
            "devices_4_k2": "4 devices on K2",
            "devices_13_k2": "13 devices on K2",
        },
        "Figure 5: lengths of trains": {
            "nm_bm": "BL = 10",
            "bl1": "BL = 1",
            "bl2": "BL = 2",
            "bl40": "BL = 40",
            "um_bl1": "update management, 1",
            "um_bl2": "update management, 2",
            "um_bl10": "update management, 10",
            "um_bl40": "update management, 40",
        },
    }
    tops = (30, 3, 3)
    for ax, (title, curves), top in zip(axes, panels.items(), tops, strict=True):
        ax.semilogy(range(1, 31), results("gokmen_2017", "floating_point"), color=INK, lw=1, label="floating point")
        for number, (curve, label) in enumerate(curves.items()):
            if (resources.files("mho.papers.gokmen_2017") / "results" / f"{curve}.jsonl").is_file():
                errors = results("gokmen_2017", curve)
                ax.semilogy(range(1, len(errors) + 1), errors, color=SEVERAL[number], lw=1, label=label)
        ticks = [0.7, 1, 1.5, 2, 3, 5, 10, 20, 50]
        ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        ax.minorticks_off()
        ax.set(title=title, xlabel="epoch", xlim=(1, 30), ylim=(0.7, top))
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), fontsize=7.5, handlelength=1.2)
    axes[0].set_ylabel("test error, %")


def tolerances(axes: Sequence[Axes]) -> None:
    """The sweeps of Gokmen 2016: error of the fully connected network against one value that deviates."""
    panels = {
        "dw_min": ("smallest step", (0.003, 0.01, 0.03)),
        "c2c": ("step, by cycle", (0.75, 1.5, 3)),
        "dw_min_spread": ("step, by device", (0.55, 1.1, 2.2)),
        "bound": ("bound of the weights", (0.6, 0.3, 0.15)),
        "bound_spread": ("bound, by device", (0.4, 0.8, 1.6)),
        "up_down": ("up/down - 1, all alike", (1.02, 1.05, 1.1)),
        "up_down_spread": ("up/down, by device", (0.03, 0.06, 0.12)),
        "noise": ("noise of reads", (0.05, 0.1, 0.2)),
    }
    floor = statistics.fmean(results("gokmen_2016", "stochastic")[-6:])
    for number, (ax, (name, (label, values))) in enumerate(zip(axes, panels.items(), strict=True)):
        folder = resources.files("mho.papers.gokmen_2016") / "results"
        done = [value for value in values if (folder / f"{name}_{value:g}.jsonl").is_file()]
        errors = [statistics.fmean(results("gokmen_2016", f"{name}_{value:g}")[-6:]) for value in done]
        ax.axhline(floor, color=INK, lw=0.8, ls=(0, (5, 3)))
        places = [round(value - 1, 2) if name == "up_down" else value for value in values]  # a ratio of 1 is no fault
        ax.semilogx(
            [place for value, place in zip(values, places, strict=True) if value in done],
            errors,
            color=BLUE,
            marker="o",
            ms=4,
        )
        ax.semilogx([places[1]], [2.3], color=ORANGE, marker="x", ms=7, mew=1.8, ls="")
        ax.set_xticks(places, [f"{place:g}" for place in places])
        ax.minorticks_off()
        ax.set(title=label, ylim=(1.5, 5), yticks=(2, 3, 4, 5), xlim=(min(places) / 1.3, max(places) * 1.3))
        if number % MOST_SIDE_BY_SIDE == 0:
            ax.set_ylabel("test error, %")


def cycles(axes: Sequence[Axes]) -> None:
    """The three cycles of one array against exact arithmetic."""
    array = mho.Crossbar(mho.RPU(), out_features=32, in_features=64, seed=0)
    draw = torch.Generator().manual_seed(0)
    x, d = torch.rand(20, 64, generator=draw), torch.randn(20, 32, generator=draw)
    forward, backward = axes[0], axes[1]
    _against(forward, x @ array.weight[0].T, array.forward(x), BLUE)
    forward.set(title="forward: y = W x", xlabel="exact y", ylabel="y that is read")
    _against(backward, d @ array.weight[0], array.backward(d), ORANGE)
    backward.set(title="backward: z = Wᵀδ", xlabel="exact z", ylabel="z that is read")
    before = array.weight.clone()
    d = d.clamp(-1, 1)
    array.update(x, d, lr=0.01)
    _against(axes[2], 0.01 * d.T @ x, array.weight - before, GREEN)
    axes[2].set(title="update: ΔW = η Σ δ xᵀ", xlabel="exact ΔW", ylabel="ΔW of the pulses")


def _against(ax: Axes, exact: torch.Tensor, got: torch.Tensor, color: str) -> None:
    every = exact.numel() // 200  # points enough to see, in a small file
    exact, got = exact.flatten()[::every], got.flatten()[::every]
    ends = [float(exact.min()), float(exact.max())]
    ax.plot(ends, ends, color=INK, lw=0.8)
    ax.scatter(exact, got, s=4, color=color, alpha=0.6, lw=0)


def management(axes: Sequence[Axes]) -> None:
    """What noise, bound and update management do, each measured on an array."""
    sizes = torch.logspace(-3, 0, 13)
    noise, bound, update = axes
    for managed, color in ((False, ORANGE), (True, BLUE)):
        rpu = mho.RPU(backward=mho.Read(noise_management=managed))
        array = mho.Crossbar(rpu, 64, 256, seed=0)
        d = torch.randn(400, 64, generator=torch.Generator().manual_seed(1))
        d = d / d.abs().amax(dim=1, keepdim=True)
        exact = d @ array.weight[0]
        wrong = [float(((array.backward(size * d) / size - exact) ** 2).mean().sqrt()) for size in sizes]
        noise.loglog(sizes, np.array(wrong) / float(exact.std()), color=color, label=_word(managed))
    noise.set(title="noise management", xlabel="largest |δ|", ylabel="noise over signal of a backward read")
    weight = torch.full((1, 100), 0.25)
    inputs = torch.linspace(0, 1, 41)
    for managed, color in ((False, ORANGE), (True, BLUE)):
        array = mho.Crossbar(mho.RPU(forward=mho.Read(bound_management=managed)), 1, 100, seed=0)
        array.write(weight, quiet=True)
        x = inputs[:, None].expand(-1, 100).contiguous()
        bound.plot((x @ array.weight[0].T)[:, 0], array.forward(x)[..., 0].flatten(), ".", ms=4, color=color)
    bound.axhline(12, color=INK, lw=0.8, ls=":")
    bound.set(title="bound management", xlabel="exact y", ylabel="y that is read (α = 12)")
    errors = np.logspace(-3, 0, 61)
    gain = np.sqrt(0.01 / (1 * 0.001))
    update.loglog(errors, np.minimum(1, gain * np.ones_like(errors)), color=ORANGE, ls="--")
    update.loglog(errors, np.minimum(1, gain * errors), color=ORANGE)
    update.loglog(errors, np.minimum(1, gain * np.sqrt(errors)), color=BLUE)
    update.annotate("column", (2e-3, 0.75), color=ORANGE)
    update.annotate("row", (2.2e-2, 3.5e-2), color=ORANGE)
    update.annotate("both", (4e-3, 0.3), color=BLUE)
    update.set(title="update management", xlabel="largest |δ|, largest x = 1", ylabel="probability of a pulse, BL = 1")
    noise.legend(loc="lower left")


def _word(managed: bool) -> str:
    return "on" if managed else "off"


def symmetry(axes: Sequence[Axes]) -> None:
    """Steps of a device with unequal soft bounds, and where alternating pulses take it."""
    steps, pairs = axes
    device = mho.devices.SoftBounds(dw_min=0.01, up_down=1.5, c2c=0.3, w_max=0.6, w_min=-0.6)
    w = np.linspace(-0.6, 0.6, 100)
    up, down = 0.01 * 3 / 2.5 * (1 - w / 0.6), 0.01 * 2 / 2.5 * (1 + w / 0.6)
    point = float(device.symmetry_point())
    steps.plot(w, up, color=BLUE, label="up")
    steps.plot(w, down, color=ORANGE, label="down")
    steps.axvline(point, color=INK, lw=0.8, ls=":")
    steps.set(title="size of a step", xlabel="weight", ylabel="step")
    steps.legend()
    array = mho.Crossbar(mho.RPU(device=device, update=mho.Pulses(length=1)), 1, 5, seed=0)
    array.write(torch.tensor([[-0.5, -0.25, 0.0, 0.25, 0.5]]))
    seen = [array.weight.flatten().clone()]
    for _ in range(300):
        for sign in (1.0, -1.0):
            array.pulse(torch.ones(1, 5), torch.full((1, 1), sign))
        seen.append(array.weight.flatten().clone())
    pairs.plot(torch.stack(seen), color=GREEN, lw=0.9)
    pairs.axhline(point, color=INK, lw=0.8, ls=":")
    pairs.set(title="up and down in turn", xlabel="pairs of pulses", ylabel="weight")


def rules(axes: Sequence[Axes]) -> None:
    """Four learning rules bring devices of 20 states to the same weights, with exact references and with wrong ones."""
    device = mho.presets.rasch_2024(states=20)
    for ax, std, title in zip(axes, (0.0, 0.5), ("exact references", "references off by 0.5"), strict=True):
        cells = {
            "Single": (mho.cells.Single(), INK),
            "TikiTaka": (mho.cells.TikiTaka(reference_std=std), ORANGE),
            "TikiTaka, chopped": (mho.cells.TikiTaka(chopper=0.1, reference_std=std), VIOLET),
            "AGAD": (mho.cells.AGAD(reference_std=std), BLUE),
        }
        for name, (cell, color) in cells.items():
            if hasattr(cell, "buffer_scale"):
                cell = dataclasses.replace(cell, buffer_scale=200)
            rpu = mho.RPU(device=device, cell=cell)
            learned = mho.learning.learn_weights(rpu, vectors=30_000, seeds=(0, 1))
            ax.semilogy(learned.vectors, learned.curve.mean(axis=1), color=color, label=name)
        ax.set(title=title, xlabel="vectors", ylim=(0.03, 1.5), xticks=(0, 10_000, 20_000, 30_000))
    axes[0].set_ylabel("rms distance from the weights")
    axes[0].legend(ncols=2, loc="upper right")


FIGURES: dict[str, tuple[Callable[[Sequence[Axes]], None], int]] = {
    "lenet": (lenet, 1),
    "lenet_parts": (lenet_parts, 3),
    "tolerances": (tolerances, 8),
    "cycles": (cycles, 3),
    "management": (management, 3),
    "symmetry": (symmetry, 2),
    "rules": (rules, 2),
}
"""Each figure by name: what draws it, and its number of panels."""
HEIGHTS = {1: 3.4, 8: 4.6}
"""Of a figure in inches by its number of panels, 2.7 for any other."""
WITH_LEGEND_BELOW = {"lenet_parts": 4.4}
MOST_SIDE_BY_SIDE = 4


def draw(name: str, folder: Path) -> Path:
    """Write one figure as SVG and return its file."""
    make, panels = FIGURES[name]
    with mpl.rc_context(STYLE):
        height = WITH_LEGEND_BELOW.get(name) or HEIGHTS.get(panels, 2.7)
        figure = Figure(figsize=(7.6, height), layout="constrained")
        rows = math.ceil(panels / MOST_SIDE_BY_SIDE)
        make([figure.add_subplot(rows, panels // rows, panel + 1) for panel in range(panels)])
        path = folder / f"{name}.svg"
        figure.savefig(path, transparent=True, metadata={"Date": None})
    return path


if __name__ == "__main__":
    for chosen in sys.argv[1:] or FIGURES:
        print(draw(chosen, Path(__file__).parent / "figures"))
