"""Drivers of a step: autograd, which takes any model, or the graph of an online driver, which costs less time."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Sequence
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mho.compiler import threads
from mho.errors import InvalidValue, WrongUse, in_words, nearest, shown
from mho.kernels.ops import Floats
from mho.models import stateful_modules
from mho.nn import ArrayLayer, ReplicaModel, replica_losses, replica_outputs, replica_targets
from mho.training.array_optimizer import ArrayOptimizer
from mho.training.online import Graph, NoGraph, Recipe, loss_of, trace
from mho.training.online.trace import runs_itself
from mho.training.settings import DRIVERS

LossFunction = Callable[[Tensor, Tensor], Tensor]
GRAPHS = 8
"""Shapes of batches whose buffers an online driver keeps."""


@final
@dataclasses.dataclass(frozen=True)
class Outcome:
    """Result of a step: the mean loss of each replica, and the outputs (R, B, ...) before the update."""

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
        """Train on a batch: images and targets, each (B, ...), shared by the replicas, or (R, B, ...).

        `per_replica`, with which the driver was made, says which of the two; where it is None, each tensor's shape
        does.

        Raises:
            InvalidValue: for an empty batch, or values that an array cannot take.
            WrongUse: if the model is in evaluation mode.
        """

    @abc.abstractmethod
    def steps(self, images: Tensor, targets: Tensor) -> list[Outcome]:
        """Train on K batches: images and targets, each (K, B, ...) or (K, R, B, ...); bit-identical to K steps.

        Replicas may take all their steps one after another, which is faster: if a replica raises, others may be ahead.

        Raises:
            InvalidValue, WrongUse: as `step`.
        """


@final
class AutogradDriver(Driver):
    """Torch's own way: any model, any loss."""

    name = "autograd"

    def __init__(
        self,
        model: nn.Module,
        optimizer: ArrayOptimizer,
        loss: LossFunction,
        reason: str = "",
        *,
        per_replica: bool | None = None,
    ) -> None:
        _check_optimizer(model, optimizer)
        self.model, self.optimizer, self.loss, self.reason = model, optimizer, loss, reason
        self.per_replica = per_replica

    def step(self, images: Tensor, targets: Tensor) -> Outcome:
        _check_step(self.model, images)
        out = replica_outputs(self.model, images, per_replica=self.per_replica)
        losses = replica_losses(self.loss, out, _targets(targets, out.shape, self.per_replica), per_replica=True)
        try:
            torch.stack(losses).sum().backward()
            self.optimizer.step()
        finally:  # else vectors of a step that failed would wait for the next step
            self.optimizer.zero_grad()
        return Outcome([loss.item() for loss in losses], out.detach().numpy())

    def steps(self, images: Tensor, targets: Tensor) -> list[Outcome]:
        return [self.step(*batch) for batch in zip(images, targets, strict=True)]


@final
class OnlineDriver(Driver):
    """Driver by a static graph of nodes, without autograd.

    Array reads and updates are those of the autograd driver to the bit, given the same inputs; tanh, sigmoid, mean
    pooling and losses may differ from torch's in the last place. What has no node of its own, such as batch
    normalisation, torch runs, with its own derivatives, and the optimizer steps its parameters. The model is read once:
    hooks that it gets later are not called.

    Raises:
        NoGraph: with the reason, if the model cannot be driven so.
        WrongUse: if the optimizer was made for another model.
    """

    name = "online"
    reason = ""

    def __init__(
        self, model: nn.Module, optimizer: ArrayOptimizer, loss: LossFunction, *, per_replica: bool | None = None
    ) -> None:
        _check_optimizer(model, optimizer)
        self.model, self.optimizer, self.loss = model, optimizer.for_online_driver(), loss_of(loss)
        self.per_replica = per_replica
        if stateful_modules(model):
            raise NoGraph("it keeps a state from batch to batch")
        self._operations = trace(model)
        self.replicas = model.replicas if isinstance(model, ReplicaModel) else 1
        self._modules = [(name, module) for name, module in model.named_modules() if not runs_itself(module)]
        self._anchors = [(layer, layer.anchor) for layer in _layers(model)]
        for layer, _ in self._anchors:
            if layer.learns_scale:
                raise NoGraph(f"the scale of {layer.name} is learned")
        self._graphs: dict[tuple[int, ...], Graph] = {}

    def step(self, images: Tensor, targets: Tensor) -> Outcome:
        return self._step(self._ready(images, min(threads.threads(), self.replicas)), images, targets)

    def _step(self, graph: Graph, images: Tensor, targets: Tensor) -> Outcome:
        wanted, rates = _targets(targets, graph.out_shape, self.per_replica), self.optimizer.layer_rates()
        if not graph.meets:
            return Outcome(*graph.step(_numbers(images), wanted, self.loss, rates))
        try:
            outcome = Outcome(*graph.step(_numbers(images), wanted, self.loss, rates))
            self.optimizer.step_digital()
        finally:  # else gradients of a step that failed would be added to those of the next
            self.optimizer.zero_grad()
        return outcome

    def steps(self, images: Tensor, targets: Tensor) -> list[Outcome]:
        if not len(images):
            return []
        if len(targets) != len(images):
            raise InvalidValue(f"{len(images)} batches of images and {len(targets)} of targets; give as many")
        graph = self._ready(images[0], self.replicas)
        if graph.meets:
            return [self._step(graph, *batch) for batch in zip(images, targets, strict=True)]
        wanted = [_targets(own, graph.out_shape, self.per_replica) for own in targets]
        answers = graph.steps(_numbers(images), wanted, self.loss, self.optimizer.layer_rates())
        return [Outcome(*answer) for answer in answers]

    def graph(self, images: Tensor, parts: int = 1) -> Graph:
        """Return the graph for batches of this shape, which is kept for the next batch of the same shape.

        Args:
            images: (B, ...), shared by the replicas, or (R, B, ...); only the shape counts.
            parts: shares into which the replicas are split, at least 1.

        Raises:
            NoGraph: if the model cannot be driven online with such batches.
        """
        key = (*images.shape, threads.threads(), parts)
        if key in self._graphs and self._graphs[key].stale:
            self._graphs.clear()
        if key not in self._graphs:
            own = isinstance(self.model, ReplicaModel) and self.model.is_per_replica(images, self.per_replica)
            batch, sizes = (images.shape[1], images.shape[2:]) if own else (images.shape[0], images.shape[1:])
            recipe = Recipe(self._operations, self.model, self.replicas, (self.replicas * batch, *sizes))
            self._graphs[key] = Graph(recipe, batch, parts)
            if len(self._graphs) > GRAPHS:
                del self._graphs[next(iter(self._graphs))]
        return self._graphs[key]

    def _ready(self, images: Tensor, parts: int) -> Graph:
        """Return the graph, when all is as a step needs it."""
        self._check_layers()
        _check_step(self.model, images)
        self.optimizer._opt_called = True  # type: ignore[attr-defined]  # else torch's schedulers warn
        try:
            return self.graph(images, parts)
        except NoGraph as reason:
            raise InvalidValue(
                f"images of shape {tuple(images.shape)} cannot be driven online: {reason}; give images that fit, or "
                "use driver autograd"
            ) from None

    def _check_layers(self) -> None:
        """Raise where a layer is frozen or in evaluation mode, which this driver would train all the same."""
        for name, module in self._modules:
            if not module.training and name:
                raise WrongUse(
                    f"{name} is in evaluation mode, and the online driver trains every layer; call model.train(), give "
                    "the layer a learning rate of 0, or use driver autograd"
                )
        with torch._C.DisableTorchFunctionSubclass():  # else each look at an anchor calls Python
            still = [layer for layer, anchor in self._anchors if not anchor.requires_grad]
        if still:
            raise WrongUse(
                f"the anchor of {still[0].name} requires no grad, and the online driver trains every layer; give the "
                "layer a learning rate of 0, or use driver autograd"
            )


@in_words
def choose_driver(
    model: nn.Module,
    optimizer: ArrayOptimizer,
    loss: LossFunction = F.cross_entropy,
    *,
    sample: Tensor | None = None,
    prefer: str = "auto",
    per_replica: bool | None = None,
) -> Driver:
    """Return the online driver where the model can be traced as a static graph, else autograd, with the reason.

    Args:
        model: as `mho.convert` returned it.
        optimizer: optimizer of this model.
        loss: mean over a batch, as `torch.nn.functional.cross_entropy`.
        sample: a batch as the steps will get it; with it the choice is certain before the first step.
        prefer: "auto", or "online" or "autograd" to choose that driver.
        per_replica: whether every batch is (R, B, ...), or False: (B, ...), shared by the replicas; None: as its shape
            says, and a shape that may be either raises.

    Raises:
        InvalidValue: for another `prefer`, or `per_replica=True` where R = 1.
        WrongUse: if "online" is asked for and the model cannot be driven so, or if the optimizer is not of this model,
            as if this model was not converted.
    """
    if prefer not in DRIVERS:
        raise InvalidValue(f"prefer is {prefer!r}{nearest(prefer, DRIVERS)}")
    if per_replica and not isinstance(getattr(model, "_orig_mod", model), ReplicaModel):
        raise InvalidValue("per_replica=True, and the model has one replica; leave it out")
    if prefer == "autograd":
        return AutogradDriver(model, optimizer, loss, "it was requested", per_replica=per_replica)
    try:
        driver = OnlineDriver(model, optimizer, loss, per_replica=per_replica)
        if sample is not None:
            driver.graph(sample)
    except NoGraph as reason:
        if prefer == "online":
            raise WrongUse(f"the model cannot be driven online: {reason}; use driver autograd, or auto") from None
        return AutogradDriver(model, optimizer, loss, str(reason), per_replica=per_replica)
    return driver


def _numbers(images: Tensor) -> Floats:
    numbers: Floats = images.detach().to(torch.float32).contiguous().numpy()
    return numbers


def _targets(targets: Tensor, out: Sequence[int], per_replica: bool | None) -> Tensor:
    """Return targets (R, B, ...) for outputs of shape `out`."""
    return replica_targets(targets, out, per_replica=False if out[0] == 1 else per_replica)


def _layers(model: nn.Module) -> list[ArrayLayer]:
    return [module for module in model.modules() if isinstance(module, ArrayLayer)]


def _check_optimizer(model: nn.Module, optimizer: ArrayOptimizer) -> None:
    """Raise if the optimizer would not move the model's arrays."""
    cure = "give optimizer = mho.AnalogSGD(model, lr=0.01)"
    if not isinstance(model, nn.Module) or not _layers(model):
        what = "has no array layers" if isinstance(model, nn.Module) else f"is {shown(model)}"
        raise WrongUse(
            f"the model {what}, so nothing of it would be trained; give the model that mho.convert returned, of which "
            "the optimizer was made"
        )
    if not isinstance(optimizer, ArrayOptimizer):
        raise WrongUse(f"the optimizer is a {type(optimizer).__name__}, which cannot move arrays; {cure}")
    strange = [layer.name for layer in _layers(model) if not optimizer.steers(layer)]
    if strange:
        raise WrongUse(f"the optimizer was made for another model: it does not know {', '.join(strange)}; {cure}")


def _check_step(model: nn.Module, images: Tensor) -> None:
    if not model.training:
        raise WrongUse("the model is in evaluation mode; call model.train() before a training step")
    if not images.numel():
        raise InvalidValue(f"a batch of shape {tuple(images.shape)} is empty; give at least one image")
