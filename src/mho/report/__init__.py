"""Figures and pages of runs, sweeps, histories, machines, devices, networks. Takes matplotlib: import where used.

The room itself can be called: `mho.report(history, out="report.html")` is `write_history_report`. Figures of pages
become files inside `with mho.report.gallery() as figures:`; `mho.report.style("paper")` is for those of a script.
"""

import sys
from types import ModuleType
from typing import final

from mho.errors import in_words
from mho.report.advice_page import advice_page as advice_page
from mho.report.advice_page import errors_of_rules as errors_of_rules
from mho.report.costs import run_cost as run_cost
from mho.report.costs import run_rows as run_rows
from mho.report.device_figures import device_gallery as device_gallery
from mho.report.device_figures import save_device as save_device
from mho.report.device_figures import staircase as staircase
from mho.report.device_figures import step_against_state as step_against_state
from mho.report.device_figures import symmetry_histogram as symmetry_histogram
from mho.report.figures import error_curves as error_curves
from mho.report.fit_page import fit_page as fit_page
from mho.report.gallery import check_figures as check_figures
from mho.report.gallery import gallery as gallery
from mho.report.history_page import write_history_report as write_history_report
from mho.report.improve_page import forest as forest
from mho.report.improve_page import improve_page as improve_page
from mho.report.map_figures import map_gallery as map_gallery
from mho.report.map_figures import part_bars as part_bars
from mho.report.map_figures import save_map as save_map
from mho.report.map_figures import share_bars as share_bars
from mho.report.page import write_report as write_report
from mho.report.styles import style as style
from mho.report.sweep_page import is_sweep as is_sweep
from mho.report.sweep_page import write_sweep_report as write_sweep_report
from mho.runs.folder import read_folder as read_folder


@final
class CallableRoom(ModuleType):
    """A module that can be called: importing `mho.report` binds the name of the function to the module."""

    __call__ = staticmethod(in_words(write_history_report, name="report"))


sys.modules[__name__].__class__ = CallableRoom
