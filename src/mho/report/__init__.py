"""Figures of a run or a sweep, and its page. Imports matplotlib and jinja2: import this room only where it is used."""

from mho.report.figures import error_curves as error_curves
from mho.report.page import write_report as write_report
from mho.report.sweep_page import is_sweep as is_sweep
from mho.report.sweep_page import write_sweep_report as write_sweep_report
