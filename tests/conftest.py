"""What all tests share: draws are those of fixed seeds in every run, and threads go back to one."""

from __future__ import annotations

import pytest
import torch
from hypothesis import settings

from mho.compiler import threads

settings.register_profile("mho", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("mho")
torch.set_num_threads(1)  # torch adds up in another order on more threads; tests themselves run on several processes


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup() -> None:
    """Seed torch's generator before each fixture, so that no draw depends on which tests ran before."""
    torch.manual_seed(0)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call() -> None:
    """Seed torch's generator before each test."""
    torch.manual_seed(0)


@pytest.fixture
def set_threads():
    """`mho.set_threads`, undone after the test."""
    before = threads.threads()
    yield threads.set_threads
    threads.set_threads(before)
