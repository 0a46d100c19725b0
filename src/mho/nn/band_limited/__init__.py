"""Convolutions that keep only low frequencies (Dziedzic et al. 2019)."""

from mho.nn.band_limited.band import Band
from mho.nn.band_limited.layer import BandLimitedConv1d, BandLimitedConv2d
from mho.nn.band_limited.limit import BandLimit
from mho.nn.band_limited.on_arrays import limit_maps
from mho.nn.band_limited.replace import Limited, NotBandLimited, band_limit, band_limit_rows, band_limit_table

__all__ = [
    "Band",
    "BandLimit",
    "BandLimitedConv1d",
    "BandLimitedConv2d",
    "Limited",
    "NotBandLimited",
    "band_limit",
    "band_limit_rows",
    "band_limit_table",
    "limit_maps",
]
