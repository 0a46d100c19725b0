"""One pass over a sequence, in order and in bounded memory: blocks of equal size, whatever the pieces that come."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, final

import numpy as np

from mho.errors import InvalidValue
from mho.learning.spectral.arrays import Floats, symmetric_power
from mho.learning.spectral.moments import GROUPS, Moments
from mho.learning.spectral.scores import Scores
from mho.learning.spectral.statistics import InputStatistics
from mho.learning.spectral.tensors import subspace

BLOCK = 2048
"""Times that are summed at once. Sums are made block by block, so results do not depend on how a sequence is cut."""
HELD = 16
"""Blocks that wait for a basis of the mixed moments, if a basis is needed: it is found from their main moments."""
FULL = 3
"""Directions of the mixed moments for each hidden unit: with as many inputs or fewer, all inputs are directions."""
CHANGE = 25.0
"""Factor by which the variance of an output in a block may differ from that of all blocks before it."""


@final
@dataclasses.dataclass(frozen=True)
class Setting:
    """Setting of a stream: the network and its inputs.

    Attributes:
        inputs: d_x.
        outputs: d_y.
        units: hidden units of all directions.
        quadratic: whether the network is quadratic, and not linear.
        bidirectional: whether it runs backward too.
        density: "gaussian" or "markov", to be estimated, or known score functions.
    """

    inputs: int
    outputs: int
    units: int
    quadratic: bool
    bidirectional: bool
    density: str | Scores

    @property
    def reach(self) -> int:
        """Neighbours of an input that its score depends on."""
        return self.density.reach if isinstance(self.density, Scores) else int(self.density == "markov")

    @property
    def before(self) -> int:
        """Inputs before the first time of a block that its moments need."""
        return 1 + self.reach

    @property
    def after(self) -> int:
        """Inputs after the last time of a block that its moments need."""
        return self.reach + int(self.bidirectional)


@final
class Stream:
    """Statistics and moments of a sequence, and its last rows, which belong to the next block.

    Args:
        setting: setting of the network.

    Attributes:
        seen: rows so far.
        blocks: finished blocks.
        moments: sums over the finished blocks.
        statistics: statistics of their inputs; None where the density is known.
        rows: x and y of the last times, not yet in a finished block.
        held: blocks (x, y) that wait for a basis.
        y_sums: count, sum and sum of squares of the outputs in finished blocks, (1 + 2·d_y,).
    """

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.seen, self.blocks = 0, 0
        lags = (-1, 1) if setting.bidirectional else (-1,)
        self.moments = Moments(setting.inputs, setting.outputs, quadratic=setting.quadratic, lags=lags)
        if setting.quadratic and setting.inputs <= FULL * setting.units:
            self.moments.set_basis(np.eye(setting.inputs))
        known = isinstance(setting.density, Scores)
        self.statistics = None if known else InputStatistics(markov=setting.density == "markov")
        self.rows: tuple[Floats, Floats] = np.empty((0, setting.inputs)), np.empty((0, setting.outputs))
        self.held: list[tuple[Floats, Floats]] = []
        self.y_sums = np.zeros(1 + 2 * setting.outputs)

    def copy(self) -> Stream:
        """Return a stream that goes on from here by itself."""
        made = Stream(self.setting)
        made.seen, made.blocks, made.rows, made.held = self.seen, self.blocks, self.rows, list(self.held)
        made.moments, made.y_sums = self.moments.copy(), self.y_sums.copy()
        made.statistics = None if self.statistics is None else self.statistics.copy()
        return made

    def add(self, x: Floats, y: Floats, on_block: Callable[[int], Any] = lambda rows: None) -> None:
        """Take in the next inputs (n, d_x) and outputs (n, d_y); `on_block` sees the number of rows after each block.

        Raises:
            InvalidValue: for outputs of a state that diverges or latches, or inputs without a density; the stream is
                then of no more use.
        """
        s = self.setting
        check_outputs(y, self.seen)
        self.seen += len(x)
        x, y = np.concatenate([self.rows[0], x]), np.concatenate([self.rows[1], y])
        place = 0
        while place + s.before + BLOCK + s.after <= len(x):
            self._block(x[place : place + s.before + BLOCK + s.after], y[place + s.before : place + s.before + BLOCK])
            place += BLOCK
            on_block(self.seen - (len(x) - place))
        self.rows = x[place:].copy(), y[place:].copy()

    def finished(self) -> Stream:
        """Return a copy in which the last rows are summed too; sums there are for reading, not for going on."""
        made, s = self.copy(), self.setting
        x, y = made.rows
        times = len(x) - s.before - s.after
        if times > s.inputs and self.blocks:
            made._block(x, y[s.before : s.before + times])
        if made.moments.basis is None and made.held:
            made._find_basis()
        return made

    def _block(self, x: Floats, y: Floats) -> None:
        s, group = self.setting, self.blocks % GROUPS
        self._check_steady(y)
        self.y_sums += np.concatenate([[len(y)], y.sum(axis=0), (y**2).sum(axis=0)])
        centred = y - self.y_sums[1 : 1 + s.outputs] / self.y_sums[0]
        if self.statistics is not None:
            self.statistics.add(x[: s.before + len(y)])
        scores = self._scores()
        self.moments.add(group, x, centred, scores)
        self.blocks += 1
        if self.moments.basis is not None:
            self.moments.add_mixed(group, x, centred, scores)
            return
        self.held.append((x.copy(), centred))
        if len(self.held) == HELD:
            self._find_basis()

    def _scores(self) -> Scores:
        if isinstance(self.setting.density, Scores):
            return self.setting.density
        assert self.statistics is not None
        return self.statistics.scores()

    def _find_basis(self) -> None:
        """Sum the mixed moments of held blocks in the directions that their main moments have most of."""
        means = self.moments.means()
        root = symmetric_power(means.fisher, -0.5)
        strongest, _ = subspace(root @ means.main @ root, FULL * self.setting.units)
        self.moments.set_basis(root @ strongest)
        scores = self._scores()
        for group, (x, y) in enumerate(self.held):
            self.moments.add_mixed(group, x, y, scores)
        self.held = []

    def _check_steady(self, y: Floats) -> None:
        """Raise InvalidValue if an output has become constant, or its variance is not what it was."""
        if not self.blocks or len(y) < BLOCK:
            return
        d = self.setting.outputs
        mean = self.y_sums[1 : 1 + d] / self.y_sums[0]
        before, now = self.y_sums[1 + d :] / self.y_sums[0] - mean**2, ((y - mean) ** 2).mean(axis=0)
        k = int(np.argmax(np.abs(np.log((now + 1e-300) / (before + 1e-300)))))
        if CHANGE * now[k] < before[k] or now[k] > CHANGE * before[k]:
            first = self.setting.before + self.blocks * BLOCK
            what = "latches" if y[:, k].var() < before[k] / CHANGE else "diverges"
            raise InvalidValue(
                f"the state {what}: output {k} had a mean of {mean[k]:.3g} and a standard deviation of "
                f"{before[k] ** 0.5:.3g}, and a mean of {y[:, k].mean():.3g} and a standard deviation of "
                f"{y[:, k].std():.3g} in the {BLOCK} times from {first} on; spectral learning needs a steady state, as "
                "of a recurrent matrix small enough: fit the part of the sequence before it"
            )


def check_outputs(y: Floats, seen: int) -> None:
    """Raise InvalidValue for outputs (n, d_y) that are NaN or infinite, naming the first time after `seen` others."""
    bad = np.flatnonzero(~np.isfinite(y).all(axis=1))
    if bad.size:
        raise InvalidValue(
            f"the state diverges: outputs are NaN or infinite from time {seen + int(bad[0])} on; fit the part of the "
            "sequence before it"
        )
