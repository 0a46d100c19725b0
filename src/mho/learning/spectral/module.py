"""The recurrent network as a torch module: to fine-tune, or to put on arrays."""

from __future__ import annotations

from typing import final

import numpy as np
import torch
from torch import Tensor, nn

from mho.errors import InvalidValue
from mho.learning.spectral.weights import Weights


@final
class Direction(nn.Module):
    """One direction of a recurrent network: h_t = f(A₁ x_t + U h_(t-1)), y_t = A₂ᵀ h_t, without biases.

    Args:
        inputs: d_x.
        hidden: d_h.
        outputs: d_y.
        quadratic: f(z) = z², else z.

    Attributes:
        input: layer of A₁ / gain 0.
        recurrent: layer of U / gain 1.
        output: layer of A₂ᵀ / gain 2.
        gains: digital factors behind the three layers, (3,).
    """

    gains: Tensor

    def __init__(self, inputs: int, hidden: int, outputs: int, *, quadratic: bool) -> None:
        super().__init__()
        self.input = nn.Linear(inputs, hidden, bias=False)
        self.recurrent = nn.Linear(hidden, hidden, bias=False)
        self.output = nn.Linear(hidden, outputs, bias=False)
        self.quadratic = quadratic
        self.register_buffer("gains", torch.ones(3))

    def forward(self, x: Tensor) -> Tensor:
        """Return outputs (batch, time, d_y) of inputs (batch, time, d_x), from states of 0."""
        drive = self.gains[0] * self.input(x)
        h = torch.zeros_like(drive[:, 0])
        states = []
        for t in range(x.shape[1]):
            z = drive[:, t] + self.gains[1] * self.recurrent(h)
            h = z * z if self.quadratic else z
            states.append(h)
        return self.gains[2] * self.output(torch.stack(states, dim=1))  # type: ignore[no-any-return]


@final
class SpectralModule(nn.Module):
    """A recurrent network of one or two directions as plain torch layers, which `mho.convert` puts on arrays.

    Args:
        weights: the matrices.
        bound: largest magnitude of a weight that a layer holds; a digital factor behind the layer makes up for it.
            None: layers hold the matrices as they are.
        dtype: type of the parameters.

    Attributes:
        forward_part: forward direction.
        backward_part: backward direction, or None.
    """

    def __init__(self, weights: Weights, *, bound: float | None = None, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        if bound is not None and not bound > 0:
            raise InvalidValue(f"bound is {bound!r}; give a number greater than 0, the bound of the devices, or None")
        parts = [_direction(part, bound, dtype) for part in weights.parts()]
        self.forward_part = parts[0]
        self.backward_part = parts[1] if len(parts) > 1 else None

    def forward(self, x: Tensor) -> Tensor:
        """Return outputs of inputs (batch, time, d_x), or of one sequence (time, d_x): the same but d_y wide."""
        batch = x[None] if x.dim() == 2 else x
        y = self.forward_part(batch)
        if self.backward_part is not None:
            y = y + self.backward_part(batch.flip(1)).flip(1)
        return y[0] if x.dim() == 2 else y  # type: ignore[no-any-return]

    def weights(self) -> Weights:
        """Return the matrices that the module has now, gains taken in; not for layers on arrays."""
        parts = [self.forward_part] + ([] if self.backward_part is None else [self.backward_part])
        found = []
        for part in parts:
            g = part.gains.double()
            matrices = (g[0] * part.input.weight, g[1] * part.recurrent.weight, g[2] * part.output.weight.T)
            found.append([matrix.detach().double().numpy() for matrix in matrices])
        kinds = zip(*found, strict=True)
        a, u, b = (np.stack(kind) if len(parts) > 1 else kind[0] for kind in kinds)
        return Weights(a, u, b, quadratic=self.forward_part.quadratic)


def _direction(weights: Weights, bound: float | None, dtype: torch.dtype) -> Direction:
    hidden, inputs = weights.input.shape
    made = Direction(inputs, hidden, weights.output.shape[1], quadratic=weights.quadratic).to(dtype)
    layers = (made.input, made.recurrent, made.output)
    matrices = (weights.input, weights.recurrent, weights.output.T)
    with torch.no_grad():
        for place, (layer, matrix) in enumerate(zip(layers, matrices, strict=True)):
            largest = float(abs(matrix).max())
            gain = 1.0 if bound is None or largest == 0 else largest / bound
            made.gains[place] = gain
            layer.weight.copy_(torch.from_numpy(matrix / gain))
    return made
