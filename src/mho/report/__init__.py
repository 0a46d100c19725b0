"""Figures of a run, and its page. Imports matplotlib and jinja2: import this room only where it is used."""

from mho.report.figures import error_curves as error_curves
from mho.report.page import write_report as write_report
