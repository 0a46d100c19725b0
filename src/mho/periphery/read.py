"""Settings of a read of an array: input stage, noise, output stage, noise and bound management."""

from __future__ import annotations

import dataclasses
from typing import final

from mho.errors import Faults, InWords
from mho.per_replica import check_lists

MATMULS = ("ordered", "blas")
"""Who forms the products of a read."""


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Read(metaclass=InWords):
    """The circuit around a vector-matrix product: y = s·clip(W(x/s) + σξ, ±α) (Gokmen 2017, eqs. 3, 4).

    Attributes:
        noise: standard deviation σ of the noise on each output, in units of weight times input.
        bound: output bound α (saturation of the integrator); None: no bound.
        noise_management: scale the input vector by s = max|x| before the read, and back after it.
        bound_management: while an output saturates, read again with half the input (fresh noise).
        max_halvings: how often bound management halves before it accepts a clipped output.
        input_bound: inputs, after scaling, are clipped to ± this; None: no bound, or 1 with `dac_bits`.
        dac_bits: resolution of the input, 2 to 24 bits over ± `input_bound`; None: continuous.
        adc_bits: resolution of the output, 2 to 24 bits over ± `bound`; None: continuous.
        matmul: what multiplies in the simulation: "ordered", mho's product in a fixed order, or "blas", NumPy's BLAS.
            In order, runs have equal bits on every machine and with any number of threads. A BLAS agrees with that
            within float32 rounding only, is set to one thread in the process, as mho's threads share the vectors, and
            is worth it only where `mho bench read` shows that it is faster on this machine. Circuit and draws are the
            same.

    `noise`, `bound` and `input_bound` may be lists of one number per replica. A converter of b bits has 2ᵇ − 1
    levels: zero, and as many above as below it.

    Raises:
        InvalidValue: for a value out of range or an option that could have no effect.
    """

    noise: float = 0.06
    bound: float | None = 12.0
    noise_management: bool = False
    bound_management: bool = False
    max_halvings: int = 10
    input_bound: float | None = None
    dac_bits: int | None = None
    adc_bits: int | None = None
    matmul: str = "ordered"

    def __post_init__(self) -> None:
        faults = Faults("Read")
        if check_lists(self, faults, ("noise", "bound", "input_bound")):
            faults.raise_any()
            return
        faults.number("noise", self.noise, low=0.0, high=1e30)
        faults.number("bound", self.bound, above=0.0, high=1e30, optional=True)
        faults.flag("noise_management", self.noise_management)
        faults.flag("bound_management", self.bound_management)
        faults.number("max_halvings", self.max_halvings, low=1, high=30, integer=True)
        faults.number("input_bound", self.input_bound, above=0.0, high=1e30, optional=True)
        faults.number("dac_bits", self.dac_bits, low=2, high=24, optional=True, integer=True)
        faults.number("adc_bits", self.adc_bits, low=2, high=24, optional=True, integer=True)
        faults.choice("matmul", self.matmul, MATMULS)
        if self.bound is None and self.bound_management:
            faults.add("bound_management has no effect without a bound; give bound, or switch it off")
        if self.bound is None and self.adc_bits is not None:
            faults.add("adc_bits needs a bound: it is the converter's full scale")
        if not self.bound_management and self.max_halvings != 10:
            faults.add("max_halvings has no effect without bound_management; switch it on, or leave it at 10")
        faults.raise_any()

    @classmethod
    def exact(cls) -> Read:
        """Return a read without noise, bounds or converters."""
        return cls(noise=0.0, bound=None)
