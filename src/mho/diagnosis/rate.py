"""The check of the learning rate."""

from __future__ import annotations

from typing import final

from mho.diagnosis.finding import Check, Finding, NetworkNumbers, of_powers


@final
class LearningRate(Check):
    """What a step on one batch does to the log-odds of other images.

    A gradient tells the way as long as softmax is linear, for changes of log-odds below 1. Steps that change those of
    other images by more write each image over the last. The step is what the arrays make of an update on the mean,
    so trains that cannot carry a learning rate, and thereby lower it, are taken as they are. Lost is s²/(1 + s²)
    for a change s, the root of the mean square over images and classes.

    Of another loss than cross entropy of classes, s is the change of the gradients of other examples by their outputs,
    relative to these gradients: a step that changes them by as much as they are has passed what it aimed at.
    """

    name = "learning rate"
    meaning = "one training step overwrites what the network knows of other examples"

    def look(self, network: NetworkNumbers) -> Finding | None:
        if network.lr == 0:
            return None
        if network.batch is None:
            why = "a network with batch normalisation trains with mini-batches; give batch_size= to have it judged"
            return self.idle(network, why)
        if not any(next(iter(n.banks.values())).gain for n in network.arrays):
            why = "vectors pulse banks that reads do not see, and transfers spread each step over many vectors"
            return self.idle(network, why)
        better = network.lr / max(3 * network.swing, 1e-30)  # a third of the change at which softmax bends
        return Finding(
            check=self.name,
            array="",
            replica=network.replica,
            lost=of_powers(network.swing**2, 1.0),
            number=f"a step at η = {network.lr:g} changes {network.odds} by {network.swing:.2g}",
            meaning=self.meaning,
            settings=(f"training.lr={better:.1g}",),
        )
