"""Cells of several banks against the text of their papers: float64, plain Python, one vector and one event at a time.

Nothing here is taken from `mho.cells`: devices, signs, buffers and references are written anew, cell by cell. Noise is
off, and gains are so large that every vector gives each cell one pulse of the sign of x·d; what is drawn at random
(the flips of a chopper) is read from the array.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import mho
from mho.cells import AGAD, Cell, ERider, MixedPrecision, PeriodicCarry, Residual, TikiTaka

QUIET = mho.Read.exact()
ONE_PULSE = mho.Pulses(length=1, x_gain=1e9, d_gain=1e9)
"""Every line of a value other than 0 pulses with probability 1, once."""
LR = 0.3
ROUNDING = 2e-6
"""States below 1.5 that have passed a hundred float32 operations; the least pulse is 0.02."""
SOFT = mho.devices.SoftBounds(
    dw_min=mho.per_cell(0.05, spread=0.2),
    up_down=mho.per_cell(1.1, spread=0.2),
    c2c=0.0,
    w_max=mho.per_cell(1.0, spread=0.1),
    w_min=mho.per_cell(-0.8, spread=0.1),
)
SHAPES = [(1, 1), (3, 5)]


class Devices:
    """A bank of soft-bound devices as section 1.1 has them, without noise."""

    def __init__(self, array: mho.Crossbar, bank: str) -> None:
        self.rows, self.columns = array.out_features, array.in_features
        fields = array.cell_parameters()
        before = "" if array.banks[bank] is array.first else f"{bank}."
        self.of = {
            name: fields[before + name][0, 0].double().tolist() for name in ("dw_min", "up_down", "w_max", "w_min")
        }
        self.w = array.banks[bank].state[0].double().tolist()

    def pulse(self, i: int, j: int, sign: float) -> None:
        step, ratio = self.of["dw_min"][i][j], self.of["up_down"][i][j]
        high, low, w = self.of["w_max"][i][j], self.of["w_min"][i][j], self.w[i][j]
        up, down = 2 * step * ratio / (1 + ratio), 2 * step / (1 + ratio)
        moved = w + up * (1 - w / high) if sign > 0 else w - down * (1 - w / low)
        self.w[i][j] = min(max(moved, low), high)

    def pulses(self, i: int, j: int, count: int) -> None:
        for _ in range(abs(count)):
            self.pulse(i, j, count)

    def outer(self, x: list[float], d: list[float]) -> None:
        for i in range(self.rows):
            for j in range(self.columns):
                if x[j] * d[i] != 0:
                    self.pulse(i, j, x[j] * d[i])

    def symmetry_point(self, i: int, j: int) -> float:
        ratio, high, low = self.of["up_down"][i][j], self.of["w_max"][i][j], self.of["w_min"][i][j]
        return (ratio - 1) / (ratio / high - 1 / low)


def matrix(rows: int, columns: int, value: Callable[[int, int], float]) -> list[list[float]]:
    return [[value(i, j) for j in range(columns)] for i in range(rows)]


def same(found: torch.Tensor, wanted: Any, what: str) -> None:
    error = float((found.double() - torch.tensor(wanted, dtype=torch.float64)).abs().max())
    assert error < ROUNDING * max(1.0, float(torch.tensor(wanted).abs().max())), f"{what} differs by {error:.2g}"


class TwoTiles:
    """Sections 2 to 5 and 7: A gathers, C learns. `transfer` is what a rule does with a reading."""

    gamma = 0.0

    def __init__(self, array: mho.Crossbar, **rule: Any) -> None:
        self.array, self.rule = array, rule
        self.A, self.C = Devices(array, "fast"), Devices(array, "slow")
        self.m, self.n = array.out_features, array.in_features
        fixed = array.banks["fast"].fixed if rule.get("reference") else torch.zeros(1, self.m, self.n)
        self.r = fixed[0].double().tolist()
        self.c = [1.0] * self.n
        self.seen, self.sweep = 0, 0
        self.delta = array.banks["slow"].spec.device.mean_step()

    def vector(self, x: list[float], d: list[float]) -> None:
        self.A.outer([self.c[j] * x[j] for j in range(self.n)], d)
        self.seen += 1
        if self.seen % self.rule["every"] == 0:
            k = (self.seen // self.rule["every"] - 1) % self.n
            omega = [self.A.w[i][k] - self.r[i][k] for i in range(self.m)]
            self.transfer(k, omega)
            if k == self.n - 1:
                self.sweep += 1

    def transfer(self, k: int, omega: list[float]) -> None:
        raise NotImplementedError

    def weight(self) -> list[list[float]]:
        return matrix(self.m, self.n, lambda i, j: self.C.w[i][j] + self.gamma * self.seen_of_a(i, j))

    def seen_of_a(self, i: int, j: int) -> float:
        return self.c[j] * (self.A.w[i][j] - self.r[i][j])

    def compare(self) -> None:
        same(self.array.banks["fast"].state[0], self.A.w, "A")
        same(self.array.banks["slow"].state[0], self.C.w, "C")
        same(self.array.weight[0], self.weight(), "the visible weight")
        x = torch.linspace(-1, 0.5, self.n)
        wanted = (torch.tensor(self.weight(), dtype=torch.float64) @ x.double()).tolist()
        same(self.array.forward(x[None])[0], wanted, "a forward read")


class FirstVersion(TwoTiles):
    """Section 2 with gains so large that each row of the slice gets one pulse of the sign of its reading."""

    def transfer(self, k: int, omega: list[float]) -> None:
        for i in range(self.m):
            if omega[i] != 0:
                self.C.pulse(i, k, omega[i])


class SecondVersion(TwoTiles):
    """Sections 3 and 4: a digital buffer H between the tiles, and choppers on the columns."""

    def __init__(self, array: mho.Crossbar, **rule: Any) -> None:
        super().__init__(array, **rule)
        self.gamma = rule.get("visible", 0.0)
        self.H = matrix(self.m, self.n, lambda i, j: 0.0)
        self.reads = [0] * self.n
        self.flips = 0
        gamma0 = rule["buffer_scale"]
        self.rate = rule.get("transfer_lr", 1.0) * LR * rule["every"] * self.n / (gamma0 * self.delta)

    def transfer(self, k: int, omega: list[float]) -> None:
        self.reads[k] += 1
        rate = self.rate / self.reads[k] if self.rule.get("weigh_reads") else self.rate
        for i in range(self.m):
            self.add(i, k, rate * self.c[k] * self.signal(i, k, omega[i]))
            self.after(i, k, omega[i])
        if self.changes(k):
            self.c[k] = -self.c[k]
            self.reads[k] = 0
            self.flips += 1
            self.flipped(k)

    def add(self, i: int, k: int, amount: float) -> None:
        theta, most, m = self.rule.get("threshold", 1.0), self.rule.get("max_pulses", 1), self.rule.get("momentum", 0.0)
        self.H[i][k] += amount
        n = math.trunc(self.H[i][k] / theta)
        n = max(-most, min(most, n))
        if n != 0:
            self.C.pulses(i, k, n)
            self.H[i][k] = m * self.H[i][k] if self.rule.get("forget", True) else self.H[i][k] - (1 - m) * n * theta

    def signal(self, i: int, k: int, omega: float) -> float:
        return omega

    def after(self, i: int, k: int, omega: float) -> None:
        pass

    def flipped(self, k: int) -> None:
        pass

    def changes(self, k: int) -> bool:
        rho = self.rule.get("chopper", 0.0)
        if rho == 0:
            return False
        if self.rule.get("random_chopper"):  # drawn by the array; its sign says how
            return bool(self.array.buffer("sign")[0, k] != self.c[k])
        period = max(math.ceil(round(1 / rho, 9)), 2)
        return self.sweep % period == period - 1

    def compare(self) -> None:
        super().compare()
        same(self.array.buffer("buffer")[0], self.H, "H")
        assert self.array.buffer("sign")[0].tolist() == self.c


class DynamicReference(SecondVersion):
    """Section 5: a running mean P, and P_ref taken over at the first reading after a flip, before P moves."""

    def __init__(self, array: mho.Crossbar, **rule: Any) -> None:
        super().__init__(array, **rule)
        self.P, self.P_ref = (matrix(self.m, self.n, lambda i, j: 0.0) for _ in range(2))
        self.flag = [False] * self.n
        self.beta = rule["smoothing"]

    def transfer(self, k: int, omega: list[float]) -> None:
        if self.flag[k]:
            for i in range(self.m):
                self.P_ref[i][k] = self.P[i][k]
            self.flag[k] = False
        super().transfer(k, omega)

    def signal(self, i: int, k: int, omega: float) -> float:
        return omega - self.P_ref[i][k]

    def after(self, i: int, k: int, omega: float) -> None:
        self.P[i][k] = (1 - self.beta) * self.P[i][k] + self.beta * omega

    def flipped(self, k: int) -> None:
        self.flag[k] = True

    def compare(self) -> None:
        super().compare()
        same(self.array.buffer("mean")[0], self.P, "P")


class Rider(SecondVersion):
    """Section 7: Q tracks the symmetry point; W moves by P⁺ - Q before Q does, and with a chopper Q̃ ← Q at flips."""

    def __init__(self, array: mho.Crossbar, **rule: Any) -> None:
        super().__init__(array, **rule)
        self.Q, self.Q_held = (matrix(self.m, self.n, lambda i, j: 0.0) for _ in range(2))

    def used(self, i: int, k: int) -> float:
        return self.Q_held[i][k] if self.rule["chopper"] else self.Q[i][k]

    def signal(self, i: int, k: int, omega: float) -> float:
        return omega - self.used(i, k)

    def after(self, i: int, k: int, omega: float) -> None:
        eta = self.rule["tracking"]
        self.Q[i][k] = (1 - eta) * self.Q[i][k] + eta * omega

    def flipped(self, k: int) -> None:
        for i in range(self.m):
            self.Q_held[i][k] = self.Q[i][k]

    def seen_of_a(self, i: int, j: int) -> float:
        return self.c[j] * (self.A.w[i][j] - self.r[i][j] - self.used(i, j))

    def compare(self) -> None:
        super().compare()
        same(self.array.buffer("tracked")[0], self.Q, "Q")


def array_of(cell: Cell, shape: tuple[int, int], device: mho.Device = SOFT, **options: Any) -> mho.Crossbar:
    update = options.pop("update", ONE_PULSE)
    rpu = mho.RPU(device=device, cell=cell, forward=QUIET, backward=QUIET, update=update)
    return mho.Crossbar(rpu, *shape, **{"seed": 3} | options)


def vectors(shape: tuple[int, int], count: int, *, drift: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs and errors, a tenth of which are 0; with `drift` the signs of x·d lean to one side."""
    generator = torch.Generator().manual_seed(11)
    x = torch.randn(count, shape[1], generator=generator) + drift
    d = torch.randn(count, shape[0], generator=generator) + drift
    for values in (x, d):
        values[torch.rand(values.shape, generator=generator) < 0.1] = 0
    return x, d


def follow(array: mho.Crossbar, text: Any, count: int, *, drift: float = 0.5) -> None:
    """Give array and text the same vectors, and compare after each; the slow bank must have moved."""
    x, d = vectors((array.out_features, array.in_features), count, drift=drift)
    slow = array.banks[next(reversed(array.banks.keys()))]
    start, moved = slow.state.clone(), 0.0
    text.compare()
    for t in range(count):
        array.update(x[t : t + 1], d[t : t + 1], LR)
        text.vector(x[t].double().tolist(), d[t].double().tolist())
        text.compare()
        moved = max(moved, float((slow.state - start).abs().max()))
    assert moved > 0.01, "the text has sent no pulses"
    whole = mho.Crossbar(array.rpu, array.out_features, array.in_features, seed=3)
    whole.update(x, d, LR)  # the same events within one call
    for name, value in array.state_dict().items():
        if not name.endswith("vectors"):  # reads were counted
            assert torch.equal(value, whole.state_dict()[name]), name


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rule", [{"every": 1}, {"every": 3, "visible": 0.3}], ids=str)
def test_the_first_version_of_tiki_taka(shape: tuple[int, int], rule: dict[str, Any]) -> None:
    array = array_of(TikiTaka(buffer=False, auto_scale=False, transfer=QUIET, **rule), shape)
    text = FirstVersion(array, reference=True, **rule)
    text.gamma = rule.get("visible", 0.0)
    text.seen_of_a = lambda i, j: text.A.w[i][j] - text.r[i][j]  # no chopper
    follow(array, text, 40)


BUFFERED: list[dict[str, Any]] = [
    {"every": 1, "buffer_scale": 5.0},
    {"every": 2, "buffer_scale": 3.0, "momentum": 0.3, "max_pulses": 4, "threshold": 0.7},
    {"every": 3, "buffer_scale": 2.0, "forget": False, "max_pulses": 3, "transfer_lr": 0.4},
    {"every": 2, "buffer_scale": 2.0, "forget": False, "momentum": 0.25, "max_pulses": 2},
    {"every": 1, "buffer_scale": 2.0, "chopper": 0.3},
    {"every": 1, "buffer_scale": 2.0, "chopper": 1.0, "weigh_reads": True},
    {"every": 2, "buffer_scale": 2.0, "chopper": 0.1, "visible": 0.3},
    {"every": 1, "buffer_scale": 1.0, "chopper": 0.4, "random_chopper": True, "visible": 0.2, "weigh_reads": True},
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rule", BUFFERED, ids=str)
def test_the_buffered_and_chopped_versions(shape: tuple[int, int], rule: dict[str, Any]) -> None:
    array = array_of(TikiTaka(auto_scale=False, transfer=QUIET, **rule), shape)
    text = SecondVersion(array, reference=True, **rule)
    follow(array, text, 60)
    assert (text.flips > 0) == ("chopper" in rule and rule["chopper"] * 60 / rule["every"] / shape[1] > 1)


@pytest.mark.parametrize("reference", ["symmetry_point", "zero"])
def test_the_reference_of_the_fast_bank_stands_where_it_should(reference: str) -> None:
    cell = TikiTaka(reference=reference, reference_mean=0.1, transfer=QUIET, auto_scale=False, slow_reference=reference)
    array = array_of(cell, (3, 5))
    for bank, mean in (("fast", 0.1), ("slow", 0.0)):
        devices = Devices(array, bank)
        at = matrix(3, 5, devices.symmetry_point if reference == "symmetry_point" else lambda i, j: 0.0)
        if bank == "slow" and reference == "zero":
            assert array.banks[bank].spec.fixed is None
            continue
        same(array.banks[bank].fixed[0], (np.array(at) + mean).tolist(), "the reference")
    same(array.banks["fast"].state[0], array.banks["fast"].fixed[0].tolist(), "the start of the fast bank")


def test_the_error_of_references_has_its_mean_and_spread() -> None:
    cell = TikiTaka(reference="zero", reference_mean=0.2, reference_std=0.1, auto_scale=False)
    array = array_of(cell, (40, 50))
    fixed = array.banks["fast"].fixed
    assert float(fixed.mean()) == pytest.approx(0.2, abs=5 * 0.1 / math.sqrt(2000))
    assert float(fixed.std()) == pytest.approx(0.1, abs=5 * 0.1 / math.sqrt(4000))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "rule",
    [
        {"every": 1, "buffer_scale": 2.0, "chopper": 0.3, "smoothing": 0.5, "weigh_reads": True},
        {"every": 2, "buffer_scale": 2.0, "chopper": 0.5, "smoothing": 1.0, "weigh_reads": False, "momentum": 0.2},
        {
            "every": 1, "buffer_scale": 2.0, "chopper": 0.3, "smoothing": 0.25, "weigh_reads": False,
            "random_chopper": True, "visible": 0.3,
        },
    ],
    ids=str,
)  # fmt: skip
def test_agad(shape: tuple[int, int], rule: dict[str, Any]) -> None:
    array = array_of(AGAD(auto_scale=False, transfer=QUIET, **rule), shape)
    text = DynamicReference(array, **rule)
    follow(array, text, 60)
    assert text.flips > 1


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "rule",
    [
        {"every": 1, "buffer_scale": 1.0, "chopper": 0.0, "tracking": 0.2, "visible": 0.2},
        {"every": 1, "buffer_scale": 1.0, "chopper": 0.3, "tracking": 0.2, "visible": 0.2},
        {"every": 2, "buffer_scale": 1.0, "chopper": 0.6, "tracking": 1.0, "visible": 0.5, "random_chopper": True},
    ],
    ids=str,
)
def test_rider_and_e_rider(shape: tuple[int, int], rule: dict[str, Any]) -> None:
    array = array_of(ERider(auto_scale=False, transfer=QUIET, **rule), shape)
    follow(array, Rider(array, **rule), 60)


class ResidualText:
    """Section 6: W̄ = Σ γᵏ W⁽ᵏ⁾; the gradient moves one tile, and tile k a column of tile k - 1 every T_k vectors."""

    def __init__(self, array: mho.Crossbar, n: int, **rule: Any) -> None:
        self.array, self.n, self.rule = array, n, rule
        self.m, self.columns = array.out_features, array.in_features
        self.W = [Devices(array, f"bank_{k}") for k in range(n)]
        self.r = [matrix(self.m, self.columns, lambda i, j: 0.0)] + [
            array.banks[f"bank_{k}"].fixed[0].double().tolist() for k in range(1, n)
        ]
        self.H = [matrix(self.m, self.columns, lambda i, j: 0.0) for _ in range(n)]
        self.seen, self.stage = 0, 0 if rule.get("warm_start") else n - 1

    def above(self, k: int, i: int, j: int) -> float:
        return self.W[k].w[i][j] - self.r[k][i][j]

    def vector(self, x: list[float], d: list[float]) -> None:
        self.W[self.stage].outer(x, d)
        self.seen += 1
        for k in range(self.n - 1, 0, -1):  # the finest first
            period = self.rule["every"] * self.rule["slower"] ** (self.n - 1 - k)
            if self.seen % period == 0 and k <= self.stage:
                column = (self.seen // period - 1) % self.columns
                for i in range(self.m):
                    self.move(k, i, column, self.above(k, i, column))

    def move(self, k: int, i: int, j: int, omega: float) -> None:
        if not self.rule.get("buffer"):
            if omega != 0:
                self.W[k - 1].pulse(i, j, omega)
            return
        beta, asked = self.rule["smoothing"], self.rule["transfer_lr"] * omega
        self.H[k][i][j] = (1 - beta) * self.H[k][i][j] + beta * asked
        limit = self.rule.get("threshold", 1.0) * self.array.banks[f"bank_{k - 1}"].spec.device.mean_step()
        if abs(self.H[k][i][j]) >= limit:
            sign = 1 if self.H[k][i][j] > 0 else -1
            self.W[k - 1].pulse(i, j, sign)
            self.H[k][i][j] -= sign * limit

    def compare(self) -> None:
        gamma = self.rule["visible"]
        for k in range(self.n):
            same(self.array.banks[f"bank_{k}"].state[0], self.W[k].w, f"bank {k}")
            if k and self.rule.get("buffer"):
                same(self.array.buffer(f"mean_{k}")[0], self.H[k], f"H of bank {k}")
        wanted = matrix(self.m, self.columns, lambda i, j: sum(gamma**k * self.above(k, i, j) for k in range(self.n)))
        same(self.array.weight[0], wanted, "the visible weight")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "rule",
    [
        {"n": 2, "every": 1, "slower": 1, "visible": 0.4},
        {"n": 3, "every": 2, "slower": 2, "visible": 0.3},
        {"n": 2, "every": 1, "slower": 3, "visible": 0.4, "buffer": True, "smoothing": 0.5, "transfer_lr": 2.0},
        {
            "n": 3, "every": 1, "slower": 3, "visible": 0.4, "buffer": True, "smoothing": 0.3, "transfer_lr": 1.5,
            "threshold": 0.6,
        },
    ],
    ids=str,
)  # fmt: skip
def test_residual_learning(shape: tuple[int, int], rule: dict[str, Any]) -> None:
    array = array_of(Residual(transfer=QUIET, reference_mean=0.05, **rule), shape)
    text = ResidualText(array, **rule)
    for k in range(1, rule["n"]):
        at = matrix(*shape, text.W[k].symmetry_point)
        same(array.banks[f"bank_{k}"].fixed[0], (np.array(at) + 0.05).tolist(), "the reference")
    follow(array, text, 60)


def test_a_warm_start_moves_on_where_the_loss_rises() -> None:
    rule: dict[str, Any] = {"n": 6, "every": 1, "slower": 2, "visible": 0.5, "warm_start": True}
    array = array_of(Residual(transfer=QUIET, **rule), (3, 5))
    text = ResidualText(array, **rule)
    x, d = vectors((3, 5), 40, drift=0.5)
    #              any rise in the first three stages               two rises in five epochs after that
    losses = [2.0, 1.5, 1.6, 1.4, 1.5, 1.5, 1.6, 1.5, 1.7, 1.6, 1.5, 1.4, 1.3, 1.5, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9]
    stages = [0, 0, 1, 1, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 4, 4, 5, 5, 5]
    for t, (loss, stage) in enumerate(zip(losses, stages, strict=True)):
        for q in (2 * t, 2 * t + 1):
            array.update(x[q : q + 1], d[q : q + 1], LR)
            text.vector(x[q].double().tolist(), d[q].double().tolist())
            text.compare()
        array.advance(loss)
        text.stage = stage
        assert int(array.buffer("stage")[0]) == stage, f"after epoch {t}"


def test_banks_that_wait_for_their_stage_send_nothing() -> None:
    """Noise of readings alone would pulse the next coarser bank."""
    array = array_of(
        Residual(n=3, every=1, slower=1, warm_start=True, transfer=mho.Read(noise=1.0, bound=None)), (3, 5)
    )
    before = array.weight.clone()
    array.update(torch.zeros(30, 5), torch.zeros(30, 3), LR)
    assert torch.equal(array.weight, before)
    array.advance(1.0)
    array.advance(2.0)
    array.update(torch.zeros(30, 5), torch.zeros(30, 3), LR)
    assert not torch.equal(array.banks["bank_0"].state, before)
    assert torch.equal(array.banks["bank_1"].state, array.banks["bank_1"].fixed)


class MixedText:
    """Section 8: χ += λ d xᵀ digitally; every few vectors n = trunc(χ/ε) single pulses, χ -= n ε."""

    def __init__(self, array: mho.Crossbar, every: int, most: int = 32) -> None:
        self.array, self.every, self.most = array, every, most
        self.W = Devices(array, "devices")
        self.m, self.n = array.out_features, array.in_features
        self.chi = matrix(self.m, self.n, lambda i, j: 0.0)
        self.epsilon, self.seen = array.first.spec.device.mean_step(), 0

    def vector(self, x: list[float], d: list[float]) -> None:
        self.seen += 1
        for i in range(self.m):
            for j in range(self.n):
                self.chi[i][j] += LR * d[i] * x[j]
                if self.seen % self.every == 0:
                    n = max(-self.most, min(self.most, math.trunc(self.chi[i][j] / self.epsilon)))
                    self.chi[i][j] -= n * self.epsilon
                    self.W.pulses(i, j, n)

    def compare(self) -> None:
        same(self.array.buffer("gradient")[0], self.chi, "χ")
        same(self.array.weight[0], self.W.w, "W")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("every", [1, 4])
def test_mixed_precision(shape: tuple[int, int], every: int) -> None:
    array = array_of(MixedPrecision(every=every, max_pulses=6), shape)
    follow(array, MixedText(array, every, most=6), 30)


@pytest.mark.parametrize("threshold", [1.0, 2.0, 3.5])
def test_mixed_precision_keeps_its_sum_on_an_ideal_array(threshold: float) -> None:
    """14.10: |χ| < ε after a writing, and w + χ is the sum of all gradients, exactly but for rounding."""
    step = 2.0**-10
    even = mho.devices.ConstantStep(dw_min=step, up_down=1.0, c2c=0.0, w_max=8.0, w_min=-8.0)
    array = array_of(MixedPrecision(every=5, threshold=threshold), (3, 5), device=even)
    x, d = (values * 0.1 for values in vectors((3, 5), 200))
    start = array.weight[0].double()
    array.update(x, d, LR)
    wanted = LR * d.double().T @ x.double()
    chi = array.buffer("gradient")[0].double()
    assert chi.abs().max() < threshold * step * (1 + 1e-5)
    rounding = 200 * 2**-24  # 200 additions to numbers below 1
    assert (array.weight[0].double() - start + chi - wanted).abs().max() < rounding
    assert wanted.abs().max() > 20 * step


class CarryText:
    """Section 9: digits to a base; the lowest learns, and digits that are full are carried by pulses and set to 0."""

    def __init__(self, array: mho.Crossbar, n: int, base: float, every: int, slower: int, carry_at: float) -> None:
        self.array, self.n, self.base, self.every, self.slower, self.at = array, n, base, every, slower, carry_at
        self.W = [Devices(array, f"digit_{k}") for k in range(n)]
        self.m, self.columns = array.out_features, array.in_features
        device = array.first.spec.device
        self.delta, self.range, self.seen, self.carries = device.mean_step(), 0.8, 0, 0

    def vector(self, x: list[float], d: list[float]) -> None:
        self.W[-1].outer(x, d)
        self.seen += 1
        for k in range(self.n - 1, 0, -1):
            if self.seen % (self.every * self.slower ** (self.n - 1 - k)) == 0:
                for i in range(self.m):
                    for j in range(self.columns):
                        self.carry(k, i, j)

    def carry(self, k: int, i: int, j: int) -> None:
        value = self.W[k].w[i][j]
        if abs(value) >= self.at * self.range:
            self.W[k - 1].pulses(
                i, j, math.floor(abs(value) / (self.base * self.delta) + 0.5) * (1 if value > 0 else -1)
            )
            self.W[k].w[i][j] = 0.0
            self.carries += 1

    def compare(self) -> None:
        for k in range(self.n):
            same(self.array.banks[f"digit_{k}"].state[0], self.W[k].w, f"digit {k}")
        wanted = matrix(self.m, self.columns, lambda i, j: sum(self.W[k].w[i][j] / self.base**k for k in range(self.n)))
        same(self.array.weight[0], wanted, "the visible weight")
        assert int(self.array.counters()["carries"][0]) == self.carries


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "rule",
    [
        {"n": 2, "base": 2.0, "every": 4, "slower": 3, "carry_at": 0.3},
        {"n": 3, "base": 1.5, "every": 3, "slower": 2, "carry_at": 0.1},
    ],
    ids=str,
)
def test_periodic_carry(shape: tuple[int, int], rule: dict[str, Any]) -> None:
    array = array_of(PeriodicCarry(transfer=QUIET, **rule), shape)
    text = CarryText(array, **rule)
    follow(array, text, 60)
    assert text.carries > 0


# Rates: what moves in the mean ---------------------------------------------------------------------------------

LINEAR = mho.devices.ConstantStep(dw_min=0.001, up_down=1.0, c2c=0.0, w_max=1e3, w_min=-1e3)
REPLICAS = 400


def moved(cell: Cell, bank: str, x: torch.Tensor, d: torch.Tensor, lr: float, update: mho.Pulses) -> torch.Tensor:
    """What one call moves a bank by, over replicas (R, M, N)."""
    array = array_of(cell, (d.shape[1], x.shape[1]), device=LINEAR, replicas=REPLICAS, update=update)
    before = array.banks[bank].state.clone()
    array.update(x.expand(REPLICAS, -1, -1), d.expand(REPLICAS, -1, -1), lr)
    return (array.banks[bank].state - before).double()


def close(values: torch.Tensor, wanted: torch.Tensor) -> None:
    """Five standard errors of a mean over replicas, which one cell in two million exceeds by chance."""
    error = values.std(dim=0) / math.sqrt(len(values))
    assert ((values.mean(dim=0) - wanted).abs() <= 5 * error + 1e-7).all(), (values.mean(dim=0), wanted)


X = torch.tensor([[1.0, -0.5, 0.25], [0.5, 0.5, -0.25]])
D = torch.tensor([[0.4, -0.8], [0.1, 0.3]])
TEN = mho.Pulses(length=10)


def test_the_rate_of_the_fast_bank_without_automatic_scaling() -> None:
    cell = TikiTaka(reference="zero", auto_scale=False, fast_lr=0.5)
    close(moved(cell, "fast", X, D, 0.01, TEN), 0.5 * 0.01 * D.double().T @ X.double())


@pytest.mark.parametrize("size", [1.0, 20.0, 0.05])
@pytest.mark.parametrize("managed", [False, True])
def test_the_rate_of_the_fast_bank_with_automatic_scaling(size: float, managed: bool) -> None:
    """λ_A = fast_lr·BL·Δ/(μ_x·μ_δ), whatever the learning rate and however large x and δ are."""
    update = mho.Pulses(length=10, update_management=managed)
    mean_x, mean_d = [1.0, 0.75], [0.8, 0.55]  # of the largest |x| and |δ|, after each vector
    wanted = torch.zeros(2, 3, dtype=torch.float64)
    for t in range(2):
        rate = 0.5 * 10 * 0.001 / (mean_x[t] * mean_d[t])
        wanted += rate * D[t].double()[:, None] * X[t].double()[None]
    cell = TikiTaka(reference="zero", fast_lr=0.5)
    close(moved(cell, "fast", size * X, 0.01 * D, 0.01, update), wanted)
    array = array_of(cell, (2, 3), device=LINEAR, update=update)
    array.update(size * X, 0.01 * D, 0.01)
    assert float(array.buffer("mean_x")[0]) == pytest.approx(size * mean_x[1], rel=1e-6)
    assert float(array.buffer("mean_d")[0]) == pytest.approx(0.01 * mean_d[1], rel=1e-6)


def test_the_running_means_of_automatic_scaling() -> None:
    """Plain means at first, 1/average of each difference later; a vector without x or δ is none."""
    array = array_of(TikiTaka(reference="zero", average=4), (2, 3), device=LINEAR, update=TEN)
    x, d = vectors((2, 3), 30)
    x[3], d[7] = 0, 0
    seen, mean_x, mean_d = 0, 0.0, 0.0
    for t in range(30):
        array.update(x[t : t + 1], d[t : t + 1], 0.01)
        largest_x, largest_d = float(x[t].abs().max()), float(d[t].abs().max())
        if largest_x and largest_d:
            seen = min(seen + 1, 4)
            mean_x += (largest_x - mean_x) / seen
            mean_d += (largest_d - mean_d) / seen
        assert float(array.buffer("mean_x")[0]) == pytest.approx(mean_x, rel=1e-5)
        assert float(array.buffer("mean_d")[0]) == pytest.approx(mean_d, rel=1e-5)


def test_the_rate_of_transfers_without_a_buffer() -> None:
    """The column that is read moves the slow bank by transfer_lr·η·ω in the mean, and no other column."""
    cell = TikiTaka(
        buffer=False, reference="zero", auto_scale=False, transfer=QUIET, every=2, transfer_lr=3.0,
        slow_update=mho.Pulses(length=20),
        fast=mho.devices.ConstantStep(dw_min=0.05, up_down=1.0, c2c=0.0),
    )  # fmt: skip
    array = array_of(cell, (2, 3), device=LINEAR, replicas=REPLICAS, update=ONE_PULSE)
    before = array.banks["slow"].state.clone()
    array.update(X.expand(REPLICAS, -1, -1), D.expand(REPLICAS, -1, -1), 0.04)
    steps = array.banks["slow"].state - before
    omega = 0.05 * (torch.sign(D).T @ torch.sign(X)).double()[:, 0]  # of column 0, after two vectors
    assert not steps[:, :, 1:].any()
    close(steps[:, :, 0].double(), 3.0 * 0.04 * omega)


@pytest.mark.parametrize("scaled", [False, True])
def test_the_rate_of_transfers_of_residual_learning(scaled: bool) -> None:
    cell = Residual(reference="zero", every=2, transfer_lr=0.2, scale_transfer_lr=scaled, transfer=QUIET, fast_lr=2.0)
    pulses = mho.Pulses(length=20)
    fine = moved(cell, "bank_1", X, D, 0.01, pulses)
    close(fine, 2.0 * 0.01 * D.double().T @ X.double())
    coarse = moved(cell, "bank_0", X, D, 0.01, pulses)
    assert not coarse[:, :, 1:].any()
    rate = 0.2 * (0.01 if scaled else 1.0)
    close(coarse[:, :, 0] - rate * fine[:, :, 0], torch.zeros(2, dtype=torch.float64))
