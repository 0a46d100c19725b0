"""Who drives a step: autograd, which takes any model, or the chain of an online driver, which costs less."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable
from typing import final

import numpy as np
import numpy.typing as npt
import torch.nn.functional as F
from torch import Tensor, nn

from mho.errors import WrongUse
from mho.kernels import threads
from mho.nn import ReplicaModel, replica_loss
from mho.training.online import Chain, NoChain, links_of, loss_of
from mho.training.optimizer import AnalogSGD

Floats = npt.NDArray[np.float32]
LossFunction = Callable[[Tensor, Tensor], Tensor]


@final
@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a step says: each replica's mean loss, and the outputs (R, B, ...) that it had before the update."""

    losses: list[float]
    out: Floats


class Driver(abc.ABC):
    """Takes training steps: forward, loss, backward, update.

    Attributes:
        name: "online" or "autograd".
        reason: why it is not the online driver, or "".
    """

    name: str
    reason: str

    @abc.abstractmethod
    def step(self, images: Tensor, targets: Tensor) -> Outcome:
        """Train on a batch: images (B, ...), shared by the replicas, or (R, B, ...); targets likewise."""


@final
class AutogradDriver(Driver):
    """Torch's own way: any model, any loss."""

    name = "autograd"

    def __init__(self, model: nn.Module, optimizer: AnalogSGD, loss: LossFunction, reason: str = "") -> None:
        self.model, self.optimizer, self.loss, self.reason = model, optimizer, loss, reason

    def step(self, images: Tensor, targets: Tensor) -> Outcome:
        out = self.model(images)
        if isinstance(self.model, ReplicaModel):
            losses = [self.loss(own, targets).item() for own in out]
            loss = replica_loss(self.loss, out, targets)
        else:
            out = out[None]
            loss = self.loss(out[0], targets)
            losses = [loss.item()]
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        return Outcome(losses, out.detach().numpy())


@final
class OnlineDriver(Driver):
    """The same arrays, driven by a static chain of stages without autograd.

    Array reads and updates are those of the autograd driver to the bit, given the same inputs; digital functions may
    differ from torch's in the last place.

    Raises:
        NoChain: with the reason, if the model cannot be driven so.
    """

    name = "online"
    reason = ""

    def __init__(self, model: nn.Module, optimizer: AnalogSGD, loss: LossFunction) -> None:
        self.model, self.optimizer, self.loss = model, optimizer, loss_of(loss)
        self.links = links_of(model)
        self.replicas = model.replicas if isinstance(model, ReplicaModel) else 1
        self._chains: dict[tuple[int, ...], Chain] = {}

    def step(self, images: Tensor, targets: Tensor) -> Outcome:
        if not self.model.training:
            raise WrongUse("the model is in evaluation mode; call model.train() before a training step")
        chain = self.chain(images)
        rates = {group["layer"]: float(group["lr"]) for group in self.optimizer.param_groups}
        chain.step(images.numpy(), targets, self.loss, rates)
        return Outcome(list(chain.losses), chain.out)

    def chain(self, images: Tensor) -> Chain:
        """The chain for batches of this shape.

        Raises:
            NoChain: if the layers do not fit together for it.
        """
        key = (*images.shape, threads.threads())
        if key not in self._chains:
            own = self.replicas > 1 and images.dim() in (3, 5) and images.shape[0] == self.replicas
            batch, sizes = (images.shape[1], images.shape[2:]) if own else (images.shape[0], images.shape[1:])
            self._chains[key] = Chain(self.links, self.replicas, batch, tuple(sizes))
        return self._chains[key]


def choose_driver(
    model: nn.Module,
    optimizer: AnalogSGD,
    loss: LossFunction = F.cross_entropy,
    *,
    sample: Tensor | None = None,
    prefer: str = "auto",
) -> Driver:
    """The online driver where the model is a chain of layers that it knows, else autograd, with the reason.

    Args:
        model: as `mho.convert` returned it.
        optimizer: of this model.
        loss: mean over a batch, as `torch.nn.functional.cross_entropy`.
        sample: a batch as the steps will get it; with it the choice is certain before the first step.
        prefer: "auto", or "online" or "autograd" to have that one.

    Raises:
        WrongUse: if "online" is asked for and the model is no such chain.
    """
    if prefer == "autograd":
        return AutogradDriver(model, optimizer, loss, "it was asked for")
    try:
        driver = OnlineDriver(model, optimizer, loss)
        if sample is not None:
            driver.chain(sample)
    except NoChain as reason:
        if prefer == "online":
            raise WrongUse(f"the model cannot be driven online: {reason}; use driver autograd, or auto") from None
        return AutogradDriver(model, optimizer, loss, str(reason))
    return driver
