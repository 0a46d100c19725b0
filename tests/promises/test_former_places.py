"""Rooms that moved are found at their former places, in scripts that name them so."""

from __future__ import annotations

import subprocess
import sys

import pytest

import mho


def test_fitting_is_found_under_measurements_by_a_script_that_imports_nothing_else():
    script = "import mho; print(mho.measurements.fitting.fit_laws.__module__)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "mho.fitting.laws\n", done.stderr


def test_the_former_place_offers_all_that_fitting_does():
    import mho.measurements.fitting as whole
    from mho.measurements import find_device, fitting
    from mho.measurements.fitting import fit_laws

    assert whole is fitting
    assert fitting.__all__ == mho.fitting.__all__
    assert all(getattr(fitting, name) is getattr(mho.fitting, name) for name in mho.fitting.__all__)
    assert fit_laws is mho.fitting.fit_laws
    assert find_device is mho.fitting.find_device


def test_a_name_that_measurements_lacks_gets_the_nearest():
    with pytest.raises(AttributeError, match=r"mho\.measurements has no 'read_pulse'; did you mean 'read_pulses'"):
        mho.measurements.read_pulse  # noqa: B018
