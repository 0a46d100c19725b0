"""Figures and pages of runs, sweeps, devices, networks. Imports matplotlib and jinja2: import only where used."""

from mho.report.costs import run_cost as run_cost
from mho.report.costs import run_rows as run_rows
from mho.report.device_figures import save_device as save_device
from mho.report.device_figures import staircase as staircase
from mho.report.device_figures import step_against_state as step_against_state
from mho.report.device_figures import symmetry_histogram as symmetry_histogram
from mho.report.figures import error_curves as error_curves
from mho.report.fit_page import fit_page as fit_page
from mho.report.folder import read_folder as read_folder
from mho.report.page import write_report as write_report
from mho.report.share_figure import save_shares as save_shares
from mho.report.share_figure import share_bars as share_bars
from mho.report.sweep_page import is_sweep as is_sweep
from mho.report.sweep_page import write_sweep_report as write_sweep_report
