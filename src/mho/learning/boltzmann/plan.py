"""Parameters of a machine, checked together."""

from __future__ import annotations

import dataclasses
from typing import Any, final

import torch
from torch import Tensor

from mho.config import RPU
from mho.errors import Faults, InvalidValue, nearest
from mho.learning.boltzmann.couplings import Couplings
from mho.learning.boltzmann.data import log_odds
from mho.learning.boltzmann.dense import DenseCouplings
from mho.learning.boltzmann.draws import Draws, Purpose
from mho.learning.boltzmann.network import Network
from mho.learning.boltzmann.on_arrays import KINDS, ArrayCouplings, check_links
from mho.learning.boltzmann.rules import Rule, make_rule
from mho.learning.boltzmann.structure import Structure, make_structure

BIASES = ("zero", "data")
TYPES = {"float32": torch.float32, "float64": torch.float64}


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """Plan of a machine: what it is and how it learns; `make_plan` makes it of the parameters.

    Attributes:
        structure: layers and blocks.
        rule: rule of learning.
        dtype: type of states, drives and biases.
        rpu: RPU of the arrays; None: floating point.
        coupling: "symmetric" or "asymmetric" arrays.
        lr: learning rate.
        lr_end: learning rate at the end of the last epoch; None: `lr`.
        batch_size: examples per step.
        epochs: passes over the data.
        weight_std: standard deviation of the initial couplings.
        visible_bias: where the biases of visible units begin.
        seed: seed of all draws.
    """

    structure: Structure
    rule: Rule
    dtype: torch.dtype
    rpu: RPU | None
    coupling: str
    lr: float
    lr_end: float | None
    batch_size: int
    epochs: int
    weight_std: float
    visible_bias: str
    seed: int

    def rate(self, share: float) -> float:
        """Return the learning rate where this share of all epochs is done."""
        return self.lr if self.lr_end is None else self.lr + (self.lr_end - self.lr) * share

    def network(self, v: Tensor | None = None) -> Network:
        """Return a new network: normal couplings of standard deviation `weight_std`, biases as `visible_bias` says.

        On arrays each coupling is clipped to the bounds of its device.

        Args:
            v: the examples (n, visible) to begin from; None: all biases are 0.
        """
        couplings: Couplings
        if self.rpu is None:
            couplings = DenseCouplings(self.structure, self.dtype)
        else:
            couplings = ArrayCouplings(self.structure, self.rpu, seed=self.seed, kind=self.coupling)
        sizes, matrices = self.structure.sizes, []
        for place, block in enumerate(self.structure.blocks):
            draws = Draws(self.seed, Purpose.WEIGHTS, place)
            matrix = self.weight_std * draws.normal((sizes[block.lower], sizes[block.upper]), self.dtype)
            if block.inside:
                matrix = matrix.triu(1)
                matrix = matrix + matrix.T
            matrices.append(matrix)
        couplings.write(matrices)
        biases = [torch.zeros(size, dtype=self.dtype) for size in sizes]
        if v is not None and self.visible_bias == "data":
            biases[0] = log_odds(v)
        return Network(couplings, biases)


def make_plan(parameters: dict[str, Any], visible: int | None = None) -> Plan:
    """Check the parameters of a machine and return its plan.

    Args:
        parameters: as `BoltzmannMachine.get_params` returns them.
        visible: units of the data, where the first of `layers` is None.

    Raises:
        InvalidValue: naming every fault at once, but those that hide others.
    """
    p = dict(parameters)
    layers = p["layers"]
    if isinstance(layers, (list, tuple)) and layers and layers[0] is None:
        if visible is None:
            raise InvalidValue(
                "BoltzmannMachine: the first of layers is None, to be the width of the data: fit the machine first, or "
                "give the number of visible units"
            )
        layers = [visible, *layers[1:]]
    structure = make_structure(layers, p["intra_layer"], p["mask"])
    faults = Faults("BoltzmannMachine")
    rule = make_rule(
        structure,
        method=p["method"],
        k=p["k"],
        sweeps=p["sweeps"],
        temperature=p["temperature"],
        on_arrays=p["rpu"] is not None,
        faults=faults,
    )
    if not isinstance(p["dtype"], str) or p["dtype"] not in TYPES:
        faults.add(f"dtype is {p['dtype']!r}{nearest(str(p['dtype']), TYPES)}")
    _check_arrays(p, structure, faults)
    faults.number("lr", p["lr"], above=0.0, high=1e6)
    faults.number("lr_end", p["lr_end"], low=0.0, high=1e6, optional=True)
    faults.number("batch_size", p["batch_size"], low=1, integer=True)
    faults.number("epochs", p["epochs"], low=1, integer=True)
    faults.number("weight_std", p["weight_std"], low=0.0, high=1e3)
    if not isinstance(p["visible_bias"], str) or p["visible_bias"] not in BIASES:
        faults.add(f"visible_bias is {p['visible_bias']!r}{nearest(str(p['visible_bias']), BIASES)}")
    faults.number("seed", p["seed"], low=0, high=2**63 - 1, integer=True)
    faults.number("threshold", p["threshold"], low=-1e30, high=1e30, optional=True)
    faults.flag("verbose", p["verbose"])
    faults.raise_any()
    assert rule is not None
    return Plan(
        structure=structure,
        rule=rule,
        dtype=TYPES[p["dtype"]],
        rpu=p["rpu"],
        coupling=p["coupling"],
        lr=float(p["lr"]),
        lr_end=None if p["lr_end"] is None else float(p["lr_end"]),
        batch_size=p["batch_size"],
        epochs=p["epochs"],
        weight_std=float(p["weight_std"]),
        visible_bias=p["visible_bias"],
        seed=p["seed"],
    )


def _check_arrays(p: dict[str, Any], structure: Structure, faults: Faults) -> None:
    """Note what is wrong with the parameters of arrays."""
    if not isinstance(p["coupling"], str) or p["coupling"] not in KINDS:
        faults.add(f"coupling is {p['coupling']!r}{nearest(str(p['coupling']), KINDS)}")
    if p["rpu"] is None:
        if p["coupling"] == "asymmetric":
            faults.add("coupling 'asymmetric' has no effect without arrays: both directions would be equal; give rpu=")
        return
    if not isinstance(p["rpu"], RPU):
        faults.add(f"rpu is {p['rpu']!r}; give a mho.RPU, for example mho.presets.gokmen_2017()")
        return
    if p["rpu"].replicas is not None:
        faults.add("rpu has lists of one value per replica, and a machine has a single replica; give rpu.of_replica(0)")
    if p["dtype"] != "float32":
        faults.add(f"dtype is {p['dtype']!r}, and arrays compute in float32; leave it out")
    try:
        check_links(structure)
    except InvalidValue as error:
        faults.add(str(error))
