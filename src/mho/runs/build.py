"""From an experiment to the model that it trains."""

from __future__ import annotations

import torch
from torch import nn

from mho.models import Sizes, build_model
from mho.nn import ArrayLayer, convert
from mho.runs.experiment import Experiment


def build(experiment: Experiment, sizes: Sizes | None = None) -> nn.Module:
    """Return the converted network of an experiment, its arrays at their initial weights.

    Args:
        experiment: what is trained.
        sizes: of the data; None: those of the network's paper.
    """
    settings = experiment.training
    torch.manual_seed(settings.seeds[0])
    model = convert(
        build_model(settings.model, sizes, experiment.model),
        experiment.rpu,
        seed=settings.seeds,
        layers=experiment.layers,
        exclude=settings.exclude,
        replicas=settings.replicas,
        quiet=True,
    )
    for module in model.modules():
        if isinstance(module, ArrayLayer):
            for array in module.crossbars:
                array.reset_weights()
    return model
