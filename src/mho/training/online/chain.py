"""A chain: the stages of a model for one batch size, spread over threads by replicas."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import final

import numpy as np
import numpy.typing as npt
from torch import Tensor

from mho.arrays.lane import BACKWARD, FORWARD, UPDATE
from mho.kernels import threads
from mho.kernels.program import Call, Step, joined
from mho.nn import replica_targets
from mho.training.online.losses import Loss
from mho.training.online.stages import (
    Activation,
    ArrayStage,
    ChannelsFirst,
    ConvStage,
    DropoutStage,
    Flatten,
    Form,
    MaxPool,
    Stage,
)
from mho.training.online.trace import Link, NoChain

Floats = npt.NDArray[np.float32]
SPREAD = 20_000_000
"""Weight-vector pairs of the largest kernel from which spare threads gain more than programs do: some 2 ms."""


@final
class Chain:
    """Forward, backward and update of a whole model on buffers made once.

    Args:
        links: of the model.
        replicas: R.
        batch: B.
        sizes: of one sample.

    Raises:
        NoChain: if the links do not fit together for samples of this size.
    """

    def __init__(self, links: Sequence[Link], replicas: int, batch: int, sizes: tuple[int, ...]) -> None:
        self.replicas, self.batch, self.sizes = replicas, batch, sizes
        parts = min(threads.threads(), replicas)
        ends = [replicas * part // parts for part in range(parts + 1)]
        spare = threads.threads() > parts
        self.lanes = [
            _Lane(links, slice(start, stop), batch, sizes, spare=spare) for start, stop in itertools.pairwise(ends)
        ]
        form = self.lanes[0].stages[-1].form
        self.out: Floats = np.empty((replicas, batch, *form.sizes), np.float32)
        self.losses = [0.0] * replicas

    def step(self, images: Floats, targets: Tensor, loss: Loss, rates: Mapping[str, float]) -> None:
        """One training step; fills `out` (R, B, ...) and `losses`.

        Args:
            images: (B, ...), shared, or (R, B, ...), contiguous.
            targets: likewise.
            loss: of the outputs.
            rates: learning rate of each array layer by name; 0 leaves it as it is.
        """
        own = images.shape != (self.batch, *self.sizes)
        wanted = targets[None] if self.replicas == 1 else replica_targets(targets, self.replicas, self.batch)

        def ask(lane: _Lane) -> None:
            part = lane.replicas
            x = images[part] if own else np.repeat(images[None], lane.count, axis=0)
            out = lane.forward(x.reshape(lane.count * self.batch, *self.sizes))
            self.out[part] = out.reshape(lane.count, *self.out.shape[1:])
            self.losses[part], errors = loss(self.out[part], wanted[part])
            lane.backward(errors)

        try:
            self._spread(ask)  # no lane updates before all have answered: one that raises leaves all as they were
            self._spread(lambda lane: lane.update(rates))
        except BaseException:
            for lane in self.lanes:
                lane.forget()
            raise
        self.lanes[0].count_on(rates, self.batch)

    @property
    def stale(self) -> bool:
        """Whether an array has got other memory since."""
        return any(array.lane.stale for array in self.lanes[0].arrays)

    def _spread(self, job: Callable[[_Lane], None]) -> None:
        threads.spread([functools.partial(job, lane) for lane in self.lanes])


class _Lane:
    """The stages of some replicas, and the steps that they take; `spare` says whether threads are left over."""

    def __init__(
        self, links: Sequence[Link], replicas: slice, batch: int, sizes: tuple[int, ...], *, spare: bool
    ) -> None:
        self.replicas, self.count = replicas, replicas.stop - replicas.start
        self.stages: list[Stage] = []
        form = Form(self.count * batch, sizes)
        for link in links:
            stage = link(form, replicas)
            if form.last and isinstance(stage, (ConvStage, DropoutStage, Flatten)):
                self._add(ChannelsFirst(form))
                stage = link(self.stages[-1].form, replicas)
            self._add(stage)
            form = stage.form
        if form.last:
            self._add(ChannelsFirst(form))
        self.arrays = [stage for stage in self.stages if isinstance(stage, ArrayStage)]
        if not self.arrays:
            raise NoChain("its forward uses no array")
        self.first = self.stages.index(self.arrays[0])
        self._join()
        self.dropouts = [stage for stage in self.stages if isinstance(stage, DropoutStage)]
        self.inputs = Form(self.count * batch, sizes).buffer()
        self.errors = form.buffer() if not form.last else self.stages[-1].form.buffer()
        self._spare = spare
        ahead, self.out = self._plan_forward()
        self._ahead, self._back = self._fastest(ahead), self._fastest(self._plan_backward())
        self._updates: dict[tuple[bool, ...], list[Step]] = {}

    def _add(self, stage: Stage) -> None:
        self.stages.append(stage)

    def _join(self) -> None:
        """Spare passes over memory where stages follow one another."""
        for before, stage in itertools.pairwise(self.stages):
            if isinstance(before, Activation) and isinstance(stage, MaxPool):
                stage.absorb(before)
        for i, array in enumerate(self.stages[:-1]):
            after = self.stages[i + 1]
            if isinstance(after, Activation) and not after.bends:
                after = self.stages[i + 2]
            if isinstance(array, ArrayStage) and isinstance(after, (Activation, MaxPool)):
                after.back = array.errors

    def _plan_forward(self) -> tuple[list[Step], Floats]:
        steps, x = list[Step](), self.inputs
        for stage in self.stages:
            more, x = stage.forward(x)
            steps += more
        return steps, x

    def _plan_backward(self) -> list[Step]:
        """The first array's inputs are the data: nothing is read back through it."""
        steps, errors = list[Step](), self.errors
        for stage in self.stages[: self.first : -1]:
            more, errors = stage.backward(errors)
            steps += more
        return steps + self.arrays[0].take(errors)

    def _fastest(self, steps: list[Step]) -> list[Step]:
        """Kernels in programs, unless they are large and there are threads to spread them over."""
        work = max((step.work for step in steps if isinstance(step, Call)), default=0)
        return steps if self._spare and work >= SPREAD else joined(steps)

    def forward(self, x: Floats) -> Floats:
        np.copyto(self.inputs, x)
        for step in self._ahead:
            step()
        for array in self.arrays:
            array.lane.check(FORWARD)
        return self.out

    def backward(self, errors: Floats) -> None:
        np.copyto(self.errors, errors.reshape(self.errors.shape))
        for step in self._back:
            step()
        for array in reversed(self.arrays):  # the one that errors met first is to blame
            array.lane.check(BACKWARD)

    def update(self, rates: Mapping[str, float]) -> None:
        moving = [array for array in self.arrays if rates[array.name] != 0]
        for array in moving:
            array.lane.set_rate(rates[array.name])
        key = tuple(array in moving for array in self.arrays)
        if key not in self._updates:
            self._updates[key] = self._fastest([step for array in moving for step in array.lane.update])
        for step in self._updates[key]:
            step()
        for array in moving:
            array.lane.check(UPDATE)

    def forget(self) -> None:
        """Take what is wrong as told: it shows in the arrays behind the one to blame, too."""
        for array in self.arrays:
            array.lane.forget()

    def count_on(self, rates: Mapping[str, float], batch: int) -> None:
        """Number the vectors that this step has sent, for all lanes."""
        for array in self.arrays:
            numbers, vectors = array.lane.numbers, array.lane.outputs.shape[1]
            numbers[FORWARD] += vectors
            if array is not self.arrays[0]:
                numbers[BACKWARD] += vectors
            if rates[array.name] != 0:
                numbers[UPDATE] += vectors
        for dropout in self.dropouts:
            if dropout.layer.p > 0:
                dropout.layer.count_on(batch)
