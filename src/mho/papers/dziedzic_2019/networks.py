"""Networks of Dziedzic et al. 2019 for `mho train --model mho.papers.dziedzic_2019.networks:lenet_50`."""

from __future__ import annotations

from torch import nn

from mho.models import LeNet
from mho.nn import band_limit


def lenet_50() -> nn.Module:
    """Return LeNet whose convolutions drop 50 % of the coefficients of their maps."""
    return band_limit(LeNet(), compression=50, quiet=True)
