"""Parzen estimate of a log-likelihood from samples of a machine."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from mho.errors import InvalidValue

BLOCK = 100
SIGMAS = (0.1, 0.14, 0.2, 0.28, 0.4)
"""Widths that are tried, in units of a pixel's range."""


@final
@dataclasses.dataclass(frozen=True)
class Parzen:
    """A density estimate by Gaussians around samples.

    Attributes:
        mean: log-density of the examples, in nats; no log-probability of binary data, and comparable only with Parzen
            estimates of as many samples.
        error: its standard error over the examples.
        sigma: width of the Gaussians.
    """

    mean: float
    error: float
    sigma: float

    def __str__(self) -> str:
        return f"{self.mean:.1f} ± {self.error:.1f} nats (Parzen, σ = {self.sigma:g})"


def parzen(samples: Tensor, validation: Tensor, examples: Tensor, *, sigmas: Sequence[float] = SIGMAS) -> Parzen:
    """Estimate log-likelihood from samples, the width chosen on other examples than those that are judged.

    Args:
        samples: (m, n) of the machine, or probabilities of the visible units.
        validation: (k, n), on which the width is chosen.
        examples: (l, n), whose density is estimated.
        sigmas: widths to try, each above 0.

    Raises:
        InvalidValue: for shapes that do not go together, or a width that is not above 0.

    Source: O. Breuleux, Y. Bengio, P. Vincent 2011, Neural Computation 23:2058; its faults: L. Theis et al. 2016,
    arXiv 1511.01844.
    """
    if not sigmas or not all(0 < s < math.inf for s in sigmas):
        raise InvalidValue(f"sigmas is {tuple(sigmas)}; give widths above 0, for example (0.1, 0.2)")
    widths = {tuple(t.shape[1:]) for t in (samples, validation, examples)}
    if len(widths) != 1 or samples.dim() != 2 or not all(map(len, (samples, validation, examples))):
        raise InvalidValue(
            f"samples, validation and examples have shapes {tuple(samples.shape)}, {tuple(validation.shape)} and "
            f"{tuple(examples.shape)}; give (number, units) of equal units, none empty"
        )
    sigma = max(sigmas, key=lambda s: float(_log_density(samples, validation, s).mean()))
    values = _log_density(samples, examples, sigma)
    error = float(values.std()) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return Parzen(float(values.mean()), error, float(sigma))


def _log_density(samples: Tensor, examples: Tensor, sigma: float) -> Tensor:
    """Return the log-density (l,) of examples under equal Gaussians around the samples."""
    centres, n = samples.to(torch.float64), samples.shape[1]
    norm = math.log(len(centres)) + n / 2 * math.log(2 * math.pi * sigma**2)
    each = [
        torch.logsumexp(-(torch.cdist(part.to(torch.float64), centres) ** 2) / (2 * sigma**2), dim=1)
        for part in examples.split(BLOCK)
    ]
    return torch.cat(each) - norm
