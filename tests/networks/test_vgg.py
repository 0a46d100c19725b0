"""A VGG: stacked convolutions, pooling, and a classifier with dropout."""

from __future__ import annotations

import pytest

from tests.helpers.script import STEPS, check
from tests.helpers.vgg import Classifier


@pytest.mark.parametrize("steps", STEPS)
def test_vgg_with_dropout_trains(steps):
    script = check(Classifier, steps)
    assert script.model.classifier[2].samples == 64 * (steps + 2)  # dropout drew in training only
