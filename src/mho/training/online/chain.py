"""A chain: the stages of a model for one batch size, spread over threads by replicas."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import final

import numpy as np
import numpy.typing as npt
from torch import Tensor

from mho.arrays.lane import BACKWARD, FORWARD, UPDATE, Lane
from mho.compiler import threads
from mho.compiler.program import Call, Step, joined
from mho.nn import ArrayLayer
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
Answer = tuple[list[float], Floats]
"""Each replica's mean loss, and the outputs (R, B, ...) before the update."""
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
        parts: lanes that the replicas are split into.

    Raises:
        NoChain: if the links do not fit together for samples of this size.
    """

    def __init__(self, links: Sequence[Link], replicas: int, batch: int, sizes: tuple[int, ...], parts: int) -> None:
        self.replicas, self.batch, self.sizes = replicas, batch, sizes
        ends = [replicas * part // parts for part in range(parts + 1)]
        spare = threads.threads() > parts
        self.lanes = [
            _Lane(links, slice(start, stop), batch, sizes, spare=spare) for start, stop in itertools.pairwise(ends)
        ]
        form = self.lanes[0].stages[-1].form
        self.out_shape = (replicas, batch, *form.sizes)

    def step(self, images: Floats, targets: Tensor, loss: Loss, rates: Mapping[ArrayLayer, float]) -> Answer:
        """One training step; if it raises, all is as it was.

        Args:
            images: (B, ...), shared, or (R, B, ...), contiguous.
            targets: (R, B, ...).
            loss: of the outputs.
            rates: learning rate of each array layer; 0 leaves it as it is.
        """
        losses, out = [0.0] * self.replicas, np.empty(self.out_shape, np.float32)

        def ask(lane: _Lane) -> None:
            lane.begin()
            losses[lane.replicas] = lane.ask(self._part(images, lane), targets, loss, out)

        def update(lane: _Lane) -> None:
            lane.update(rates)
            lane.count_on(rates)

        # no lane updates before all have answered
        self._spread(ask)
        self._spread(update)
        self.lanes[0].settle()
        return losses, out

    def steps(
        self, images: Floats, targets: Sequence[Tensor], loss: Loss, rates: Mapping[ArrayLayer, float]
    ) -> list[Answer]:
        """K steps, one lane after another as threads become free: a network that stays in a core's caches trains up
        to 1.5 times as fast as one that is visited for a step. If they raise, lanes may be at different steps.

        Args:
            images: (K, ...), as K times those of `step`.
            targets: likewise.
            loss: of the outputs.
            rates: as for `step`.
        """
        answers = [([0.0] * self.replicas, np.empty(self.out_shape, np.float32)) for _ in range(len(images))]

        def drive(lane: _Lane) -> None:
            lane.begin()
            for k, (losses, out) in enumerate(answers):
                losses[lane.replicas] = lane.ask(self._part(images[k], lane), targets[k], loss, out)
                lane.update(rates)
                lane.count_on(rates)

        self._spread(drive)
        self.lanes[0].settle()
        return answers

    def _part(self, images: Floats, lane: _Lane) -> Floats:
        """What a lane takes of (B, ...) or (R, B, ...)."""
        return images if images.shape == (self.batch, *self.sizes) else images[lane.replicas]

    @property
    def stale(self) -> bool:
        """Whether an array has got other memory since."""
        return any(array.lane.stale for array in self.lanes[0].arrays)

    def _spread(self, job: Callable[[_Lane], None]) -> None:
        """Call it for every lane, on as many threads as there are."""
        waiting = iter(self.lanes)

        def work() -> None:
            for lane in waiting:  # the interpreter gives each to one thread
                job(lane)

        try:
            threads.spread([work] * min(threads.threads(), len(self.lanes)))
        except BaseException:
            for lane in self.lanes:
                lane.forget()
            raise


class _Lane:
    """The stages of some replicas, and the steps that they take; `spare` says whether threads are left over."""

    def __init__(
        self, links: Sequence[Link], replicas: slice, batch: int, sizes: tuple[int, ...], *, spare: bool
    ) -> None:
        self.replicas, self.count, self.batch = replicas, replicas.stop - replicas.start, batch
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
        self._counted: list[Lane | DropoutStage] = [*(array.lane for array in self.arrays), *self.dropouts]
        self.inputs = Form(self.count * batch, sizes).buffer()
        self._images = self.inputs.reshape(self.count, batch, *sizes)
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

    def begin(self) -> None:
        """Start from where the arrays and dropouts are."""
        for one in self._counted:
            one.begin()

    def settle(self) -> None:
        """Say for all lanes how far they have come."""
        for one in self._counted:
            one.settle()

    def ask(self, images: Floats, wanted: Tensor, loss: Loss, out: Floats) -> list[float]:
        """Forward, loss and backward; writes the lane's part of out (R, B, ...), and returns its replicas' losses."""
        np.copyto(self._images, images)
        for array in self.arrays:
            array.lane.prepare()
        for step in self._ahead:
            step()
        for array in self.arrays:
            array.lane.check(FORWARD)
        own = out[self.replicas]
        own[...] = self.out.reshape(own.shape)
        losses, errors = loss(own, wanted[self.replicas])
        np.copyto(self.errors, errors.reshape(self.errors.shape))
        for step in self._back:
            step()
        for array in reversed(self.arrays):  # the one that errors met first is to blame
            array.lane.check(BACKWARD)
        return losses

    def update(self, rates: Mapping[ArrayLayer, float]) -> None:
        moving = [array for array in self.arrays if rates[array.layer] != 0]
        for array in moving:
            array.lane.set_rate(rates[array.layer])
            array.lane.touch()
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

    def count_on(self, rates: Mapping[ArrayLayer, float]) -> None:
        """Number what a step has sent."""
        for array in self.arrays:
            numbers, vectors = array.lane.numbers, array.lane.outputs.shape[1]
            numbers[FORWARD] += vectors
            if array is not self.arrays[0]:
                numbers[BACKWARD] += vectors
            if rates[array.layer] != 0:
                numbers[UPDATE] += vectors
        for dropout in self.dropouts:
            dropout.count_on(self.batch)
