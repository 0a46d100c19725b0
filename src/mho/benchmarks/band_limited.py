"""Band-limited convolutions against torch's: time of a training step, bytes kept for backward, peak memory."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from mho.benchmarks.plan import Plan
from mho.benchmarks.results import Chart, Line, Result, Table, Tell, digits, span
from mho.benchmarks.timing import Samples, alternate, blocks_of
from mho.nn import BandLimitedConv2d

COMPRESSIONS = (0, 30, 50, 80)
TORCH = "torch.nn.Conv2d"
KIB = 1024


@final
@dataclasses.dataclass(frozen=True)
class Layer:
    """A layer of as many outputs as inputs, whose padding keeps the size of the maps.

    Attributes:
        batch: maps at once.
        channels: channels of input and output.
        side: height and width of the maps.
        kernel: height and width of the filters, odd.
    """

    batch: int
    channels: int
    side: int
    kernel: int

    def __str__(self) -> str:
        return f"{self.side}×{self.side} maps, {self.kernel}×{self.kernel} filters"


LAYERS = (
    Layer(16, 16, 32, 3),
    Layer(16, 16, 32, 7),
    Layer(16, 16, 32, 15),
    Layer(4, 16, 64, 3),
    Layer(4, 16, 64, 7),
    Layer(4, 16, 64, 15),
    Layer(4, 16, 64, 31),
)
QUICK_LAYERS = (Layer(2, 2, 8, 3),)


def run(plan: Plan, tell: Tell) -> Result:
    """Time and weigh forward and backward of layers."""
    layers = plan.pick(LAYERS, QUICK_LAYERS)
    calls = {
        _key(layer, name): step_of(layer, module) for layer in layers for name, module in contestants(layer).items()
    }
    tell(f"band_limited: {plan.rounds} rounds of {len(calls)} contestants")
    taken = alternate(blocks_of(calls, plan.pick(0.05, 0.001)), plan.rounds)
    rows: list[dict[str, Any]] = []
    for layer in layers:
        for name, module in contestants(layer).items():
            samples = taken[_key(layer, name)]
            rows.append(
                {
                    "measured": "layer",
                    "layer": name,
                    **dataclasses.asdict(layer),
                    "kept_bytes": kept_bytes(layer, module),
                    "peak_bytes": peak_bytes(step_of(layer, module)),
                    **samples.scaled(1e3).record("ms"),
                    **samples.over(taken[_key(layer, TORCH)]).record("ratio"),
                }
            )
    return Result(
        suite="band_limited",
        title="Band-limited convolutions",
        method=(
            f"Forward and backward of one layer of 16 to 16 channels in float32, gradients for maps and filters, "
            f"{plan.threads} thread(s); contestants take turns, {plan.rounds} rounds. Kept: bytes of the tensors that "
            "forward keeps for backward. Peak: the most that forward and backward had allocated at once, without the "
            "maps, the filters and the bytes inside MKL and oneDNN that torch does not allocate."
        ),
        records=tuple(rows),
        tables=(_table(rows),),
        charts=(_bars(rows, layers),),
    )


def contestants(layer: Layer) -> Mapping[str, nn.Module]:
    """Return torch's convolution and band-limited convolutions of its shape, by name."""
    torch.manual_seed(0)
    plain = nn.Conv2d(layer.channels, layer.channels, layer.kernel, padding=layer.kernel // 2, bias=False)
    return {TORCH: plain} | {f"C = {c} %": BandLimitedConv2d.of(plain, compression=c) for c in COMPRESSIONS}


def step_of(layer: Layer, module: nn.Module) -> Callable[[], None]:
    """Return a call that takes maps through a layer, and gradients back to maps and filters."""
    x = _maps(layer)
    grad = torch.randn(x.shape, generator=torch.Generator().manual_seed(1))

    def call() -> None:
        torch.autograd.grad(module(x), [x, *module.parameters()], grad)

    return call


def kept_bytes(layer: Layer, module: nn.Module) -> int:
    """Return the bytes of the tensors that forward keeps for backward; a tensor that two share counts once."""
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        module(_maps(layer))
    return sum(kept.values())


def peak_bytes(call: Callable[[], object]) -> int:
    """Return the most bytes that torch has allocated on the CPU during a call, above those before it."""
    with tempfile.TemporaryDirectory() as folder:
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
            call()
        file = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(file))
        events = json.loads(file.read_text(encoding="utf-8"))["traceEvents"]
    held = most = 0
    for event in sorted((event for event in events if event.get("name") == "[memory]"), key=lambda event: event["ts"]):
        held += event["args"]["Bytes"]
        most = max(most, held)
    return most


def _maps(layer: Layer) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(layer.batch, layer.channels, layer.side, layer.side, generator=generator, requires_grad=True)


def _key(layer: Layer, name: str) -> str:
    return f"{layer}, {name}"


# For people --------------------------------------------------------------------------------------


def _table(rows: list[dict[str, Any]]) -> Table:
    return Table(
        title="Training step of one layer",
        columns=("layer", "convolution", "ms (quartiles)", "ratio to torch", "kept, KiB", "peak, KiB"),
        rows=tuple(
            (
                str(Layer(row["batch"], row["channels"], row["side"], row["kernel"])),
                row["layer"],
                span(Samples(tuple(row["ms_samples"]))),
                digits(row["ratio"]),
                digits(row["kept_bytes"] / KIB),
                digits(row["peak_bytes"] / KIB),
            )
            for row in rows
        ),
        names=2,
        note="torch keeps the maps themselves, which the layer before may keep anyway, and its parameters.",
    )


def _bars(rows: list[dict[str, Any]], layers: tuple[Layer, ...]) -> Chart:
    names = [f"C = {c} %" for c in COMPRESSIONS]
    return Chart(
        title="Time of a training step relative to torch's convolution",
        x_label="",
        y_label="ratio to torch.nn.Conv2d",
        lines=tuple(
            Line(
                label=name,
                x=tuple(map(str, layers)),
                y=tuple(Samples(tuple(row["ratio_samples"])) for row in rows if row["layer"] == name),
            )
            for name in names
        ),
        bars=True,
        target=(1.0, "torch"),
    )
