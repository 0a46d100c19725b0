"""NeuroSim's description of a device, from labels of nonlinearity to a law of mho and back.

In NeuroSim (P.-Y. Chen, X. Peng, S. Yu, IEDM 2017, 6.1; IEEE Trans. Comput.-Aided Des. 37:3067, 2018; its Cell.cpp and
formula.cpp) pulse P of P_max takes the conductance to

    G_LTP = G_min + B·(1 - exp(-P/A)),
    G_LTD = G_max - B·(1 - exp((P - P_max)/A)),  B = (G_max - G_min)/(1 - exp(-P_max/A)),

with P counted down from P_max in depression, and A > 0 of each direction. So a step is proportional to the distance
from a level beyond the bound, which is `LinearStep`, exactly: with k = P_max/A, gamma = tanh(k/2), and the step at the
middle of the range -w_max to w_max is w_max·coth(k/2)·(1 - exp(-k/P_max)).

The label NL belongs to A/P_max by a table of 900 numbers in formula.cpp. It is the largest distance, square to the
diagonal, between the curve and the straight line in the unit square, in units of 0.07: NL = D/(0.07·√2), with D the
largest difference at one P, D = (1 - s)/(1 - exp(-k)) + ln(s)/k for s = (1 - exp(-k))/k. This was found by comparison,
and agrees with the table in its six decimals. NeuroSim cuts a label to hundredths; here it counts as given.
"""

from __future__ import annotations

import dataclasses
import math
from typing import final

from mho.devices.base import Device
from mho.devices.conductance import SIEMENS, Conductance
from mho.devices.constant_step import ConstantStep
from mho.devices.linear_step import LinearStep
from mho.devices.linear_step_additive import LinearStepAdditive
from mho.errors import Faults, InvalidValue, InWords, in_words, shown

UNIT = 0.07 * math.sqrt(2)
"""Largest difference between curve and line that is a label of 1."""
LARGEST = 9.0
"""Label at which NeuroSim's table ends."""
STEEPEST = 60.0
"""P_max/A beyond that of the largest label, 43.8."""
FLATTEST = 1e-3
"""P_max/A up to which D is k/8 to 10⁻⁷ of it, and its closed form begins to lose digits."""
STRAIGHT = 1e-12
"""P_max/A up to which a curve is a straight line to rounding."""
WHOLE = 1e-6
"""Part of a number of levels that is rounding."""
LINEAR = (ConstantStep, LinearStep, LinearStepAdditive)


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class NeuroSim(metaclass=InWords):
    """A device in the words of NeuroSim; printed, the lines of its Cell.cpp.

    Attributes:
        nl_ltp: label of potentiation, NL_LTP, 0 to 9.
        nl_ltd: label of depression, NL_LTD, 0 to -9.
        levels: pulses across the range, up and down: maxNumLevelLTP and maxNumLevelLTD.
        c2c: sigmaCtoC, standard deviation of one pulse over the range of conductance.
        conductances: minConductance and maxConductance in siemens; None where the device's are not known.
        notes: what of the device is not in these numbers, a sentence each.
    """

    nl_ltp: float
    nl_ltd: float
    levels: tuple[int, int]
    c2c: float = 0.0
    conductances: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [
            f"maxNumLevelLTP = {self.levels[0]};",
            f"maxNumLevelLTD = {self.levels[1]};",
            f"NL_LTP = {self.nl_ltp:.6g};",
            f"NL_LTD = {self.nl_ltd:.6g};",
            f"sigmaCtoC = {self.c2c:.6g} * (maxConductance - minConductance);",
        ]
        if self.conductances is not None:
            low, high = self.conductances
            lines = [f"maxConductance = {high:.6g};", f"minConductance = {low:.6g};", *lines]
        return "\n".join([*lines, *(f"// {note}" for note in self.notes)])


@in_words
def from_neurosim(
    *,
    nl_ltp: float,
    nl_ltd: float,
    levels: int | tuple[int, int],
    c2c: float = 0.0,
    conductances: tuple[float, float] | None = None,
    w_max: float = 0.6,
) -> Device:
    """Return the device that NeuroSim describes: its curves exactly, on the range -w_max to w_max.

    Args:
        nl_ltp: NL_LTP, 0 (a straight line) to 9. Above about 8.3 the device is hardly different from soft bounds.
        nl_ltd: NL_LTD, 0 to -9. NeuroSim's sign: with a negative label the steps down shrink towards G_min, as in most
            devices. Where a source prints the sizes of both labels, give the depression label with a minus.
        levels: pulses across the range, at least 2: maxNumLevelLTP and maxNumLevelLTD, or one number for both.
        c2c: sigmaCtoC, a share of the range, at least 0: the noise of a pulse, equal in every state; n pulses have √n
            times that. With 0 the device is a `LinearStep`, else a `LinearStepAdditive`.
        conductances: minConductance and maxConductance in siemens, at least 0, which give the device its `conductance`;
            None: not known.
        w_max: weight of G_max, above 0; G_min is -w_max.

    NeuroSim's sigmaDtoD spreads the labels of cells with levels and range kept. No spreads of a law's own fields do
    that, so there is no argument for it: give fields a spread of their own, as in
    `dataclasses.replace(device, up_down=mho.per_cell(1.2, spread=0.1))`.

    Raises:
        InvalidValue: naming every value out of range.
    """
    faults = Faults("from_neurosim")
    faults.number("nl_ltp", nl_ltp, low=0.0, high=LARGEST)
    if faults.number("nl_ltd", nl_ltd, low=-LARGEST, high=LARGEST) and nl_ltd > 0:
        faults.add(
            f"nl_ltd is {nl_ltd:g}: in NeuroSim steps down then grow towards G_min, which no law here does; if your "
            f"source means steps that shrink, give {-nl_ltd:g}"
        )
    pair = levels if isinstance(levels, (tuple, list)) else (levels, levels)
    if len(pair) != 2:
        faults.add(f"levels is {levels!r}; give one number, or (up, down)")
    for number in pair:
        faults.number("levels", number, low=2, integer=True)
    faults.number("c2c", c2c, low=0.0)
    if faults.number("w_max", w_max, above=0.0, high=1e30):
        known = _conductance(conductances, w_max, faults)
    faults.raise_any()
    (gamma_up, up), (gamma_down, down) = (
        _slope_and_step(abs(label), number, w_max) for label, number in zip((nl_ltp, nl_ltd), pair, strict=True)
    )
    step = (up + down) / 2
    law = LinearStepAdditive if c2c else LinearStep
    return law(
        dw_min=step,
        up_down=up / down,
        gamma_up=gamma_up,
        gamma_down=gamma_down,
        c2c=c2c * 2 * w_max / step,
        w_max=w_max,
        w_min=-w_max,
        conductance=known,
    )


@in_words
def to_neurosim(device: Device) -> NeuroSim:
    """Return a nominal device in the words of NeuroSim; `notes` say what of it they leave out.

    Of `from_neurosim(...)` it returns the same labels, to 10⁻⁶ up to 6, to 10⁻³ up to 8.

    Raises:
        InvalidValue: for a law that NeuroSim's curves cannot be, with the reason.
    """
    if not isinstance(device, Device):
        raise InvalidValue(f"to_neurosim takes a device, for example mho.devices.LinearStep(), and got {shown(device)}")
    name = type(device).__name__
    if type(device) not in LINEAR:
        raise InvalidValue(
            f"{name} cannot be said in NeuroSim's labels: its steps are not linear in the state, or end before the "
            f"bound is reached; those of {', '.join(law.__name__ for law in LINEAR)} are"
        )
    cell = {field: parameter.mean for field, parameter in device.parameters().items()}
    faults = Faults(name)
    for field, mean in cell.items():
        faults.number(field, mean, low=-1e30, high=1e30)
    faults.raise_any()
    span, ratio = cell["w_max"] - cell["w_min"], cell["up_down"]
    sides = (
        ("gamma_up", cell["w_max"], cell["dw_min"] * 2 * ratio / (1 + ratio)),
        ("gamma_down", -cell["w_min"], cell["dw_min"] * 2 / (1 + ratio)),
    )
    notes, labels, levels = [], [], []
    for field, bound, step in sides:
        gamma = cell.get(field, 0.0)
        if gamma >= 1 or (gamma and step * gamma >= bound):
            raise InvalidValue(
                f"{name}: {field} is {gamma:.6g} and the step {step:.4g}, so that no number of pulses that NeuroSim "
                f"could count ends at the bound, {bound:.4g}; it takes gammas below 1, and steps smaller than the bound"
            )
        label, number = _label_and_levels(gamma, bound, step, span)
        labels.append(label)
        levels.append(max(round(number), 1))
        if abs(levels[-1] - number) > WHOLE * number:
            notes.append(f"{number:.6g} pulses across the range ({field[6:]}) are rounded to {levels[-1]}")
    notes += _left_out(device)
    c2c = cell["c2c"] * cell["dw_min"] / span
    known = None
    if device.conductance is not None and device.conductance.name in SIEMENS:
        in_siemens = device.conductance.siemens()
        known = (in_siemens.of(cell["w_min"]), in_siemens.of(cell["w_max"]))
    return NeuroSim(
        nl_ltp=labels[0],
        nl_ltd=-labels[1] or 0.0,
        levels=(levels[0], levels[1]),
        c2c=c2c,
        conductances=known,
        notes=tuple(notes),
    )


def label_of(k: float) -> float:
    """Return the label of a curve with P_max/A = k, at least 0."""
    if k < FLATTEST:
        return k / 8 / UNIT
    fallen = -math.expm1(-k)
    share = fallen / k
    return ((1 - share) / fallen + math.log(share) / k) / UNIT


def curve_of(label: float) -> float:
    """Return P_max/A of a label from 0 to 9."""
    from scipy.optimize import brentq  # a third of a second to import

    if label <= label_of(FLATTEST):
        return label * 8 * UNIT
    return float(brentq(lambda k: label_of(k) - label, FLATTEST, STEEPEST, xtol=1e-15, rtol=1e-14))


def _conductance(ends: object, w_max: float, faults: Faults) -> Conductance | None:
    """Return the map that makes (G_min, G_max) of -w_max and w_max; what is wrong with them is noted."""
    if ends is None:
        return None
    if not isinstance(ends, (tuple, list)) or len(ends) != 2:
        faults.add(f"conductances is {ends!r}; give (G_min, G_max) in siemens")
        return None
    low, high = ends
    if not (faults.number("conductances", low, low=0.0) and faults.number("conductances", high, above=low)):
        return None
    return Conductance(zero=(low + high) / 2, unit=(high - low) / (2 * w_max))


def _slope_and_step(label: float, levels: int, w_max: float) -> tuple[float, float]:
    """Return gamma of a linear step on ±w_max, and its step at 0."""
    k = curve_of(label)
    if k < STRAIGHT:
        return 0.0, 2 * w_max / levels
    gamma = math.tanh(k / 2)
    return gamma, w_max / gamma * -math.expm1(-k / levels)


def _label_and_levels(gamma: float, bound: float, step: float, span: float) -> tuple[float, float]:
    """Return the label and the pulses across a range of `span`, whose end is `bound` from 0, as is the step."""
    if not gamma:
        return 0.0, span / step
    beyond = bound * (1 - gamma) / gamma  # from the bound to where the step would be 0
    k = math.log1p(span / beyond)
    return label_of(k), k / -math.log1p(-step * gamma / bound)


def _left_out(device: Device) -> list[str]:
    """Return what NeuroSim's numbers do not have of a device, a sentence each."""
    notes = []
    parameters = device.parameters()
    spread = [name for name, parameter in parameters.items() if parameter.varies]
    if spread:
        notes.append(f"the nominal device: spreads of {', '.join(spread)} are left out")
    effects = [type(effect).__name__ for effect in device.active_effects()]
    if effects:
        notes.append(f"left out: {', '.join(effects)}")
    if parameters["c2c"].mean and type(device) is not LinearStepAdditive:
        notes.append("sigmaCtoC is the noise at w = 0; the noise of the device is a share of each step")
    return notes
