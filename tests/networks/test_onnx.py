"""A network that was trained on arrays leaves as ONNX, by its plain torch twin. Needs the extra `integration`."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

import mho
from tests.helpers.script import begun, held_out, stepped
from tests.helpers.vgg import Classifier

pytestmark = pytest.mark.integration


def test_the_digital_twin_of_a_trained_network_is_exported_with_what_the_arrays_learned():
    from onnx.reference import ReferenceEvaluator

    script = begun(Classifier, 0, ())
    untrained = mho.to_digital(script.model).eval()
    for number in range(5):
        stepped(script, number)
    digital = mho.to_digital(script.model).eval()
    images, _ = held_out()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*LeafSpec", category=FutureWarning)  # torch's own exporter
        exported = torch.onnx.export(digital, (images,), verbose=False)
    run = ReferenceEvaluator(exported.model_proto)
    (out,) = run.run(None, {run.input_names[0]: images.numpy()})
    with torch.no_grad():
        # float32 sums of up to 144 products, in another order
        np.testing.assert_allclose(out, digital(images).numpy(), rtol=1e-4, atol=1e-5)
        assert np.abs(out - untrained(images).numpy()).max() > 0.1
