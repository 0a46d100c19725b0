"""Numbers and times as readers see them."""

from __future__ import annotations

import math

import pytest

from mho.text import duration


@pytest.mark.parametrize(
    ("seconds", "exact", "rough"),
    [
        (0.04, "0.0 s", "0 s"),
        (12.34, "12.3 s", "12 s"),
        (31.0, "31.0 s", "31 s"),
        (59.96, "1 min 0 s", "1 min"),
        (125.0, "2 min 5 s", "2 min"),
        (3599.6, "1 h 0 min", "1 h 0 min"),
        (7500.0, "2 h 5 min", "2 h 5 min"),
        (math.nan, "unknown", "unknown"),
        (math.inf, "unknown", "unknown"),
    ],
)
def test_durations_are_written_as_people_say_them(seconds, exact, rough):
    assert (duration(seconds), duration(seconds, rough=True)) == (exact, rough)
