"""The soft-bounds device of Rasch et al. 2024, whose noise does not fade towards the bounds."""

from __future__ import annotations

from typing import Any, final

from mho.devices.step_device import TwoSidedDevice


@final
class RaschSoftBounds(TwoSidedDevice):
    """A step that shrinks linearly to nothing towards each bound, with noise that is added and stays full size there.

    Up:   w + a·(1 - w/w_max + c2c·z);
    down: w - b·(1 - w/w_min + c2c·z);
    a = Δ·2r/(1+r), b = Δ·2/(1+r), r = `up_down`, Δ = `dw_min`: their mean, the step at w = 0. The noise of a pulse has
    the standard deviation a·c2c or b·c2c in every state, where that of `SoftBounds` is a share of the step and vanishes
    at the bound. Units are normalised weights; w_min < 0 < w_max.

    Symmetry point: (a - b)/(a/w_max - b/w_min).

    Source: M. J. Rasch, F. Carta, O. Fagbohungbe, T. Gokmen, Nat. Commun. 15:7133 (2024), arXiv 2303.04721, which
    prints Δw± = ±α±·((w_b - w)/w_b + σ_c2c·ξ), α± = δ·(γ ± ρ), γ = exp(σ_d2d·ξ), ρ = σ±·ξ. So Δ = δγ: the distribution
    is lognormal, its mean δ·exp(σ_d2d²/2), its spread √(exp(σ_d2d²) - 1). r = (γ + ρ)/(γ - ρ): for small σ± the
    spread of `up_down` is 2σ±, drawn for itself (in the paper cells of large γ are more symmetric). The bounds ±1 with
    the standard deviation σ_b are `per_cell(1.0, spread=σ_b)`: a bound that would be drawn beyond 0 is mirrored, where
    the paper sets it to 0. The paper's tasks have σ_d2d = σ_c2c = σ_b = 0.3 and σ± = 0.1 or 0.3. Defaults: those of
    `ConstantStep`, whose c2c is the same.
    """

    @staticmethod
    def pulse(w: float, up: bool, cell: Any, z: float) -> float:
        down_step = cell.dw_min * 2 / (1 + cell.up_down)
        step = down_step * cell.up_down if up else -down_step
        return w + step * (1 - w / (cell.w_max if up else cell.w_min) + cell.c2c * z)

    @staticmethod
    def symmetry(cell: Any) -> Any:
        """Return the symmetry point of devices, (a - b)/(a/w_max - b/w_min), in units of weight.

        Args:
            cell: fields of the devices, numbers or arrays of one shape, which the point has too. a and b are the up
                and the
                down step at w = 0.
        """
        return (cell.up_down - 1) / (cell.up_down / cell.w_max - 1 / cell.w_min)
