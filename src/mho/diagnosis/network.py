"""Checks of the network itself: units that no error reaches, and layers that training leaves alone."""

from __future__ import annotations

import dataclasses
from typing import final

from mho.diagnosis.finding import Check, Finding, NetworkNumbers, per_cent


@final
class DeadUnits(Check):
    """Share of the outputs of a layer whose error is 0 in every example.

    The derivative of a rectifier is 0 below its threshold: a unit that no example drives above it gets no error, and
    the weights that lead to it do not move. At one half a layer has more dead units than live ones. The last layer of
    a network always has errors, and frozen ones are not looked at.

    Source: X. Glorot, A. Bordes, Y. Bengio, AISTATS 15:315 (2011), for the effect; the limit is ours.
    """

    name = "dead units"
    meaning = "no error reaches these units, so the weights that lead to them do not move any more"

    def look(self, network: NetworkNumbers) -> Finding | None:
        if not network.arrays:
            return None
        worst = max(network.arrays, key=lambda n: n.dead)
        number = (
            f"{per_cent(worst.dead)} of the outputs of layer {worst.name} have no error in any of {worst.images} "
            "examples"
        )
        settings = (f"training.lr={network.lr / 4:.1g}",) if network.lr else ()
        other = "another seed of the initial weights, from the start, as dead units do not come back"
        found = self.found(network, worst, worst.dead, number, settings=settings, other=other)
        return dataclasses.replace(found, rank=2)  # noise and steps that are too large kill units too


@final
class FrozenLayers(Check):
    """Share of the weights on arrays that training does not move.

    At one half more of the network is frozen than trained.

    Source: ours.
    """

    name = "frozen layers"
    meaning = "most weights stay as they were converted"

    def look(self, network: NetworkNumbers) -> Finding | None:
        if not network.frozen:
            return None
        moving = {n.name for n in network.arrays}
        names = [n.name for n in network.read if n.name not in moving]
        return Finding(
            check=self.name,
            array=", ".join(names),
            replica=network.replica,
            lost=network.frozen,
            number=f"{per_cent(network.frozen)} of the weights on arrays are frozen",
            meaning=self.meaning,
            other="to thaw them where the model is made: model.requires_grad_(True)",
            rank=0,
        )
