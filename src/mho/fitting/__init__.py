"""Laws fitted to measured pulses. Compiles and searches: import only where used."""

from mho.fitting.files import device_table, fit_files, fit_json
from mho.fitting.find import find_device
from mho.fitting.laws import PARAMETRIC, Fitted, LawFit, fit_laws
from mho.fitting.tables import Jumps, Piecewise, jump_table_from, piecewise_from
from mho.fitting.untold import lag_one
from mho.fitting.weights import Scale

__all__ = [
    "PARAMETRIC",
    "Fitted",
    "Jumps",
    "LawFit",
    "Piecewise",
    "Scale",
    "device_table",
    "find_device",
    "fit_files",
    "fit_json",
    "fit_laws",
    "jump_table_from",
    "lag_one",
    "piecewise_from",
]
