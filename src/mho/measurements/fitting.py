"""The names of `mho.fitting`, for scripts that import them from `mho.measurements.fitting`."""

from mho.fitting import *  # noqa: F403 - whatever that room offers
from mho.fitting import __all__ as __all__
