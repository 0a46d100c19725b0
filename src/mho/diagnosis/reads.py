"""Checks of what array reads make of a gradient."""

from __future__ import annotations

import dataclasses
from typing import final

import numpy as np

from mho.config import RPU
from mho.diagnosis.cures import more_devices
from mho.diagnosis.finding import Check, Finding, NetworkNumbers, per_cent


@final
class ReadNoise(Check):
    """Share of δ that is lost under the noise of reads.

    Measured where δ is used: in the power of the gradient δ xᵀ of single images, which the vectors of an image are
    summed up to. At one half, noise adds as much to the wander of the weights as the images themselves do; beyond,
    updates are mostly noise, and as δ falls with the error, without noise management it only gets worse. In the first
    hundreds of images most of δ is lost on any array of the paper: weights start smaller than the noise, and grow.

    Source: Gokmen 2017, section "Noise and bound management" (its Figure 3: noise of backward reads).
    """

    name = "read noise"
    meaning = "updates follow the noise of reads more than the error: weights wander, and the error stays or grows"

    def look(self, network: NetworkNumbers) -> Finding | None:
        worst = max(network.arrays, key=lambda n: n.gradients.share(n.gradients.noise))
        lost = worst.gradients.share(worst.gradients.noise)
        weights = float(np.sqrt(np.square(worst.weights).mean()))
        number = (
            f"{per_cent(lost)} of the error signal that drives updates is read noise "
            f"(backward.noise {worst.rpu.backward.noise:g}, weights {weights:.2g} rms)"
        )
        noisy = next((n for n in network.arrays if _is_unmanaged(n.rpu)), None)
        if noisy is not None:
            cure = self.found(network, noisy, lost, number, settings=("backward.noise_management=true",))
            return dataclasses.replace(cure, array=worst.name)
        quieter = tuple(
            f"{side}.noise={read.noise / 4:.3g}"
            for side, read in (("forward", worst.rpu.forward), ("backward", worst.rpu.backward))
            if read.noise
        )
        copies = more_devices(worst.rpu, 4)
        if not copies:
            return self.found(network, worst, lost, number, settings=quieter)
        other = "a quieter read circuit" if quieter else ""
        return self.found(network, worst, lost, number, settings=copies, other=other, aside=quieter)


@final
class Clipping(Check):
    """Share of the gradient that clipped outputs change.

    What the reads of one array change on the mean, in the power of the gradients δ xᵀ of single images, in whatever
    array they change most. An output at its bound says the same whatever its weights do, so at one half the bound has
    more say in an update than the image.

    Source: Gokmen 2017, section "Noise and bound management" (its Figure 3: bound of W4's outputs).
    """

    name = "clipped outputs"
    meaning = "outputs that stand at the bound of a read no longer tell what their weights do"

    def look(self, network: NetworkNumbers) -> Finding | None:
        seen = [(max(g.share(g.distortion) for g in n.alone), n) for n in network.read if n.alone]
        if not seen:
            return Finding(
                check=self.name,
                array="",
                replica=network.replica,
                lost=0.0,
                number="no output of a read is clipped",
                meaning=self.meaning,
            )
        lost, worst = max(seen, key=lambda entry: entry[0])
        forward, backward = worst.clipped
        number = (
            f"{per_cent(forward)} of outputs clipped forward, {per_cent(backward)} backward, which changes "
            f"{per_cent(lost)} of the error signal"
        )
        section = "forward" if forward >= backward else "backward"
        read = worst.rpu.forward if section == "forward" else worst.rpu.backward
        wider = "" if read.bound is None else f"{section}.bound={4 * read.bound:.3g}"
        if read.bound_management:
            return self.found(network, worst, lost, number, settings=(wider,) if wider else ())
        managed = (f"{section}.bound_management=true",)
        return self.found(network, worst, lost, number, settings=managed, other="a wider bound", aside=(wider,))


def _is_unmanaged(rpu: RPU) -> bool:
    """Return whether the backward read of an array has noise, and no noise management."""
    return rpu.backward.noise > 0 and not rpu.backward.noise_management
