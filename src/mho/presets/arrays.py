"""Published arrays."""

from __future__ import annotations

from collections.abc import Callable

from mho.cells import Single
from mho.config import RPU
from mho.devices import ConstantStep, Ideal
from mho.errors import in_words
from mho.periphery import Exact, Pulses, Read


@in_words
def gokmen_2017(*, managed: bool = True, pulses: int = 10, update_management: bool = False) -> RPU:
    """The RPU-baseline of T. Gokmen, M. Onen, W. Haensch, Front. Neurosci. 11:538 (2017), Table 1.

    Args:
        managed: noise management (backward) and bound management (forward), section "Noise and bound
            management"; without them LeNet trains badly, which is the paper's point.
        pulses: bit length BL, 1 to 64.
        update_management: scale both pulse trains to one peak probability.
    """
    return RPU(
        device=ConstantStep(),
        cell=Single(),
        forward=Read(noise=0.06, bound=12.0, bound_management=managed),
        backward=Read(noise=0.06, bound=12.0, noise_management=managed),
        update=Pulses(length=pulses, update_management=update_management),
    )


@in_words
def floating_point() -> RPU:
    """An exact array: the same software path, float32 weights, plain SGD."""
    return RPU(device=Ideal(), cell=Single(), forward=Read.exact(), backward=Read.exact(), update=Exact())


ARRAYS: dict[str, Callable[[], RPU]] = {"gokmen_2017": gokmen_2017, "floating_point": floating_point}
"""Published arrays by name."""
