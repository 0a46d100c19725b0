"""What all tests share: hypothesis draws the same examples in every run, and threads go back to one."""

from __future__ import annotations

import pytest
from hypothesis import settings

from mho.compiler import threads

settings.register_profile("mho", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("mho")


@pytest.fixture
def set_threads():
    """`mho.set_threads`, undone after the test."""
    before = threads.threads()
    yield threads.set_threads
    threads.set_threads(before)
