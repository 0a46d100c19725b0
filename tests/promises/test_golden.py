"""No commit changes the bits of a run but one that says so: short trainings end with the bits of golden.json."""

from __future__ import annotations

import json

import pytest

from tests.helpers.golden_cases import HASHES, train

HASH_OF = json.loads(HASHES.read_text())


@pytest.mark.parametrize("name", HASH_OF)
def test_bits(name: str) -> None:
    assert train(name) == HASH_OF[name]
