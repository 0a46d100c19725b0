"""IBM's aihwkit as a contestant, where the user has it installed. The only file that imports it.

Written against the documented interface of aihwkit 1.2.0; `benchmarks/README.md` tells what can be compared.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from mho.benchmarks.steps import LR, Step
from mho.cells import AGAD, Cell, MixedPrecision, Single, TikiTaka
from mho.cells.fast_slow import Buffered
from mho.config import RPU
from mho.devices import ConstantStep, Device, SoftBounds
from mho.errors import InvalidValue
from mho.periphery import Pulses, Read

MODULES = ("aihwkit.nn.conversion", "aihwkit.optim", "aihwkit.simulator.configs")


def missing() -> str | None:
    """Return why aihwkit cannot take part, with the cure, in one line; None if it can."""
    try:
        for name in MODULES:
            importlib.import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "aihwkit":
            return "aihwkit is not installed; to compare with it: pip install aihwkit==1.2.0 (see benchmarks/README.md)"
        return f"aihwkit cannot be imported: {error}; see benchmarks/README.md"
    except Exception as error:  # a wheel built for another torch fails in ways of its own
        reason = " ".join(str(error).split())
        return (
            f"aihwkit cannot be imported: {reason}; it needs the torch its wheel was built for (benchmarks/README.md)"
        )
    return None


def aihwkit(rpu: RPU, model: nn.Module, loss: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy) -> Step:
    """Return the same network, spec and optimiser in aihwkit.

    Raises:
        InvalidValue: for a spec that aihwkit cannot express.
    """
    conversion, optim, _ = (importlib.import_module(name) for name in MODULES)
    analog = conversion.convert_to_analog(model, rpu_config(rpu))
    optimizer = optim.AnalogSGD(analog.parameters(), lr=LR)
    optimizer.regroup_param_groups(analog)

    def step(x: Tensor, y: Tensor) -> None:
        loss(analog(x), y).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def expresses(rpu: RPU) -> bool:
    """Return whether aihwkit has the device and the cell of a spec."""
    return type(rpu.device) in LAWS and type(rpu.cell) in CELLS


def rpu_config(rpu: RPU) -> Any:
    """Return the spec in aihwkit's words, the bias as a column of the array."""
    configs = importlib.import_module(MODULES[2])
    if not expresses(rpu):
        laws, cells = (", ".join(sorted(kind.__name__ for kind in kinds)) for kinds in (LAWS, CELLS))
        raise InvalidValue(f"only devices of {laws} in the cells {cells} are compared with aihwkit")
    assert isinstance(rpu.update, Pulses)
    if rpu.update.trains != "stochastic":
        raise InvalidValue("only stochastic pulse trains are compared with aihwkit")
    return CELLS[type(rpu.cell)](
        configs,
        rpu.cell,
        _device(configs, rpu),
        {
            "forward": _read(configs, rpu.forward),
            "backward": _read(configs, rpu.backward),
            "update": configs.UpdateParameters(
                desired_bl=rpu.update.length,
                fixed_bl=True,
                update_bl_management=rpu.update.length_management,
                update_management=rpu.update.update_management,
                pulse_type=configs.PulseType.STOCHASTIC_COMPRESSED,
            ),
            # Sizes of 0 keep the 128×513 layer on one tile, as here.
            "mapping": configs.MappingParameter(
                digital_bias=False, weight_scaling_omega=0.0, max_input_size=0, max_output_size=0
            ),
        },
    )


def _device(configs: Any, rpu: RPU) -> Any:
    fields = rpu.device.parameters()
    return getattr(configs, LAWS[type(rpu.device)])(
        dw_min=fields["dw_min"].mean,
        dw_min_dtod=fields["dw_min"].spread,
        dw_min_std=fields["c2c"].mean,
        # The ratio r of our steps is (1 + β)/(1 - β) there, so a spread of r is twice that of β.
        up_down=(fields["up_down"].mean - 1) / (fields["up_down"].mean + 1),
        up_down_dtod=fields["up_down"].spread / 2,
        w_max=fields["w_max"].mean,
        w_max_dtod=fields["w_max"].spread,
        w_min=fields["w_min"].mean,
        w_min_dtod=fields["w_min"].spread,
    )


def _single(configs: Any, cell: Single, device: Any, circuits: dict[str, Any]) -> Any:
    return configs.SingleRPUConfig(device=device, **circuits)


def _transfer(configs: Any, cell: Buffered) -> dict[str, Any]:
    """Return what all rules of two banks have: a column of the fast bank is read every few vectors."""
    return {
        "transfer_every": cell.every,
        "units_in_mbatch": False,
        "n_reads_per_transfer": 1,
        "transfer_columns": True,
        "fast_lr": cell.fast_lr,
        "transfer_lr": cell.transfer_lr,
        "transfer_forward": _read(configs, cell.transfer),
    }


def _tiki_taka(configs: Any, cell: TikiTaka, device: Any, circuits: dict[str, Any]) -> Any:
    both = {"unit_cell_devices": [device, device], "gamma": cell.visible, **_transfer(configs, cell)}
    if not cell.buffer:
        compound = configs.TransferCompound(**both)
    elif not cell.chopper and not cell.auto_scale:
        compound = configs.BufferedTransferCompound(**both, momentum=cell.momentum)
    else:
        compound = configs.ChoppedTransferCompound(**both, **_chopped(cell))
    return configs.UnitCellRPUConfig(device=compound, **circuits)


def _agad(configs: Any, cell: AGAD, device: Any, circuits: dict[str, Any]) -> Any:
    both = {"unit_cell_devices": [device, device], **_transfer(configs, cell)}
    return configs.UnitCellRPUConfig(device=configs.DynamicTransferCompound(**both, **_chopped(cell)), **circuits)


def _chopped(cell: Buffered) -> dict[str, Any]:
    return {
        "in_chop_prob": cell.chopper,
        "auto_scale": cell.auto_scale,
        "auto_granularity": cell.buffer_scale,
        "momentum": cell.momentum,
    }


def _mixed_precision(configs: Any, cell: MixedPrecision, device: Any, circuits: dict[str, Any]) -> Any:
    compound = configs.MixedPrecisionCompound(device=device, transfer_every=cell.every)
    return configs.DigitalRankUpdateRPUConfig(
        device=compound, **{name: part for name, part in circuits.items() if name != "update"}
    )


LAWS: dict[type[Device], str] = {ConstantStep: "ConstantStepDevice", SoftBounds: "SoftBoundsDevice"}
"""aihwkit's names of laws."""
CELLS: dict[type[Cell], Callable[[Any, Any, Any, dict[str, Any]], Any]] = {
    Single: _single,
    TikiTaka: _tiki_taka,
    AGAD: _agad,
    MixedPrecision: _mixed_precision,
}
"""How a cell is made there. Tiki-Taka with automatic scaling is its chopped version, with the chopper at rest."""


def _read(configs: Any, read: Read) -> Any:
    bounds, noise = configs.BoundManagementType, configs.NoiseManagementType
    if read.bound is None or read.dac_bits is not None or read.adc_bits is not None or read.input_bound is not None:
        raise InvalidValue("only continuous reads with an output bound are compared with aihwkit")
    return configs.IOParameters(
        inp_bound=1.0,  # cuts nothing: images and tanh stay within ±1, and δ is scaled to it
        inp_res=0.0,
        out_res=0.0,
        out_bound=read.bound,
        out_noise=read.noise,
        bound_management=bounds.ITERATIVE if read.bound_management else bounds.NONE,
        max_bm_factor=2**read.max_halvings - 1,  # the read beyond it is the last
        noise_management=noise.ABS_MAX if read.noise_management else noise.NONE,
    )
