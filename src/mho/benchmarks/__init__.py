"""Benchmarks: one suite a file, each timed by alternating contestants. Run them with `mho bench`."""

from mho.benchmarks.plan import SUITES as SUITES
from mho.benchmarks.plan import Plan as Plan
