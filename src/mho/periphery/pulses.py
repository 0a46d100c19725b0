"""Settings of the update cycle: stochastic pulse trains on rows and columns, or the exact outer product."""

from __future__ import annotations

import dataclasses
import math
from typing import final

from mho.errors import Faults, InWords
from mho.per_replica import check_lists

TRAINS = ("stochastic", "deterministic")
"""How the slots of a train are chosen."""


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Pulses(metaclass=InWords):
    """Pulse trains (Gokmen & Vlasov 2016; update management: Gokmen 2017).

    Each line sends `length` slots; a column pulses in a slot with probability p = min(1, C_x|x|), a row
    with q = min(1, C_δ|δ|), and a cross-point moves one step wherever both pulse.

    Attributes:
        length: bit length BL, 1 to 64.
        update_management: C_x ← C_x·m, C_δ ← C_δ/m with m = √(max|δ| / max|x|) of each vector pair, so
            that both sides peak at the same probability.
        length_management: send each vector in as many slots as it needs, BL = min(⌈K⌉, `length`), where
            K = η·max|x|·max|δ| / Δw_min coincidences are wanted of its largest x and δ. Both sides peak at
            √(K/BL). If K exceeds `length`, x peaks at 1 and rows saturate where |δ| > max|δ|·`length`/K, each of
            them counted; all smaller δ keep their exact mean. The two sides are balanced by it, so that it
            includes update management, which may be given too. (Named "update BL management" in aihwkit.)
        trains: "stochastic": every slot is drawn. "deterministic": a line pulses round(BL·p) times, columns in the
            first slots and rows in slots spread evenly, so that a cross-point moves round(n_x·n_δ / BL) steps, n_x
            and n_δ being the pulses of its lines. That is within ½ + (p + q)/2 + 1/(4·BL) of BL·p·q, without
            chance; but what rounds to 0 never moves: lines with BL·p < ½, and cross-points with n_x·n_δ < BL/2.
            All devices of a weight get the same pulses. (Named "deterministic implicit" in aihwkit.)
        x_gain: C_x in place of √(η / (BL·Δw_min)).
        d_gain: C_δ in place of √(η / (BL·Δw_min)).

    The gains may be lists of one number per replica.

    Raises:
        InvalidValue: for a value out of range.
    """

    length: int = 10
    update_management: bool = False
    length_management: bool = False
    trains: str = "stochastic"
    x_gain: float | None = None
    d_gain: float | None = None

    def __post_init__(self) -> None:
        faults = Faults("Pulses")
        if check_lists(self, faults, ("x_gain", "d_gain")):
            faults.raise_any()
            return
        faults.number("length", self.length, low=1, high=64, integer=True)
        faults.flag("update_management", self.update_management)
        faults.flag("length_management", self.length_management)
        faults.choice("trains", self.trains, TRAINS)
        faults.number("x_gain", self.x_gain, above=0.0, high=1e30, optional=True)
        faults.number("d_gain", self.d_gain, above=0.0, high=1e30, optional=True)
        gains = [name for name in ("x_gain", "d_gain") if getattr(self, name) is not None]
        if self.length_management is True and gains:
            faults.add(
                f"{' and '.join(gains)} would have no effect: length_management sets the gains of each vector; leave "
                f"{'it' if len(gains) == 1 else 'them'} out, or give length_management=False"
            )
        faults.raise_any()

    def gains(self, lr: float, mean_step: float) -> tuple[float, float]:
        """Return the gains C_x and C_δ of a replica, √(η/(BL·Δw_min)) each unless `x_gain` and `d_gain` are given.

        With length management, which finds the gains of each vector, the first is η/Δw_min and the second is 1.
        Source: T. Gokmen, Y. Vlasov 2016, arXiv 1603.07341, stochastic update.

        Args:
            lr: learning rate η, greater than 0.
            mean_step: nominal step Δw_min of the devices in units of weight, greater than 0.
        """
        if self.length_management:
            return lr / mean_step, 1.0
        gain = math.sqrt(lr / (self.length * mean_step))
        return (
            gain if self.x_gain is None else self.x_gain,
            gain if self.d_gain is None else self.d_gain,
        )


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Exact(metaclass=InWords):
    """W ← W + η δ xᵀ in float32, vector after vector: for ideal devices only."""
