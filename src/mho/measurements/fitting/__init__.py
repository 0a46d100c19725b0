"""Laws fitted to measured pulses. Compiles and searches: import only where used."""

from mho.measurements.fitting.files import device_table, fit_files, fit_json
from mho.measurements.fitting.laws import PARAMETRIC, Fitted, LawFit, fit_laws
from mho.measurements.fitting.tables import Jumps, Piecewise, jump_table_from, piecewise_from
from mho.measurements.fitting.untold import lag_one
from mho.measurements.fitting.weights import Scale

__all__ = [
    "PARAMETRIC",
    "Fitted",
    "Jumps",
    "LawFit",
    "Piecewise",
    "Scale",
    "device_table",
    "fit_files",
    "fit_json",
    "fit_laws",
    "jump_table_from",
    "lag_one",
    "piecewise_from",
]
