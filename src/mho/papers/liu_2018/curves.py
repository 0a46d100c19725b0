"""The curves of Liu, Quek & Lin 2018, arXiv 1711.07732; its sizes and rates are not available, and these are ours."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from mho.devices import SoftBounds, per_cell
from mho.papers.liu_2018.study import Pictures, Small
from mho.papers.study import Study
from mho.presets import gokmen_2017

BASELINES = {"cd1": {"method": "cd", "k": 1}, "cd10": {"method": "cd", "k": 10}}
CD_RATE = 0.1
"""The best of 0.02, 0.05 and 0.1 for CD on MNIST; VPF, which diverges above 0.02, has `Pictures.lr`."""
DEEP_RATE = 0.01
"""The best of 0.01, 0.005 and 0.0025 for VPF with two hidden layers (3 epochs of 20,000 images); 0.02 diverges."""
ON_ARRAYS = partial(Pictures, epochs=10, train_images=10_000, batch_size=1, lr=0.002)
SOFT = SoftBounds(
    dw_min=per_cell(0.001, spread=0.3),
    c2c=0.3,
    w_max=per_cell(0.6, spread=0.3),
    w_min=per_cell(-0.6, spread=0.3),
)

CURVES: dict[str, Callable[[], Study]] = {
    "small_vpf": Small,
    **{f"small_{name}": partial(Small, **options) for name, options in BASELINES.items()},  # type: ignore[arg-type]
    "small_ml": partial(Small, method="ml"),
    "vpf": Pictures,
    **{name: partial(Pictures, lr=CD_RATE, **options) for name, options in BASELINES.items()},  # type: ignore[arg-type]
    "vpf_linked": partial(Pictures, linked=(0,)),
    "vpf_deep": partial(Pictures, layers=(784, 500, 500), lr=DEEP_RATE),
    **{
        f"{name}_deep": partial(Pictures, layers=(784, 500, 500), lr=CD_RATE, **options)  # type: ignore[arg-type]
        for name, options in BASELINES.items()
    },
    "floating_point": ON_ARRAYS,
    "arrays": partial(ON_ARRAYS, rpu=gokmen_2017(managed=False)),
    "arrays_managed": partial(ON_ARRAYS, rpu=gokmen_2017()),
    "arrays_soft": partial(ON_ARRAYS, rpu=gokmen_2017().replace(device=SOFT)),
}
