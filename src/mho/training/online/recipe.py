"""Recipe of a graph for batches of one shape: which operations are compiled nodes, and which torch runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import final

from torch import fx, nn

from mho.nn import ArrayLayer, Dropout
from mho.training.online.known import Known, known
from mho.training.online.survey import Survey, inputs_of
from mho.training.online.trace import NoGraph


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Item:
    """A compiled node.

    Attributes:
        operation: operation of the traced model.
        inputs: operations whose values it takes.
        module: a layer on arrays or a dropout, or None.
        known: what makes any other node.
    """

    operation: fx.Node
    inputs: list[fx.Node]
    module: ArrayLayer | Dropout | None
    known: Known | None


@final
class Recipe:
    """The nodes of a model for batches of one shape.

    Args:
        graph: graph of the traced model.
        model: as `mho.convert` returned it.
        replicas: R.
        shape: shape of the batch with the replicas folded into it, (R·B, ...).

    Attributes:
        survey: survey of the model.
        phases: compiled nodes, in order; between two phases torch runs.
        runs: the operations of these runs: one fewer than phases.
        outputs: operations of each run whose values other nodes take.
        shown: operations whose values must lie in memory of all replicas, for torch.

    Raises:
        NoGraph: if the model cannot be driven online with such batches.
    """

    def __init__(self, graph: fx.Graph, model: nn.Module, replicas: int, shape: Sequence[int]) -> None:
        self.survey, self.replicas = Survey(graph, model, shape), replicas
        self.phases: list[list[Item]] = [[]]
        self.runs: list[list[fx.Node]] = []
        for node in graph.nodes:
            if node.op.startswith("call") and node not in self.survey.constants:
                self._add(node)
        self.outputs = [self._outputs(run) for run in self.runs]
        self.shown = {node for outputs in self.outputs for node in outputs if self.survey.facts[node].shape is not None}
        for run in self.runs:
            outside = {source for node in run for source in inputs_of(node)}.difference(run)
            self.shown |= {source for source in outside if self._is_value(source)}
        for node in self.shown | {self.survey.result}:
            sizes = self.survey.facts[node].shape
            if not sizes or sizes[0] % replicas:
                raise NoGraph(f"{node.name} has shape {sizes}, which {replicas} replicas cannot share")

    def _outputs(self, run: list[fx.Node]) -> list[fx.Node]:
        """Return the operations of a run whose values others take."""
        survey = self.survey
        found = [
            node
            for node in run
            if node is survey.result or any(u not in run and u not in survey.constants for u in node.users)
        ]
        for node in found:
            if survey.facts[node].shape is None and survey.facts[node].grad:
                raise NoGraph(f"{node.name} hands on something else than one tensor of float32")
        return found

    def _is_value(self, node: fx.Node) -> bool:
        return node.op != "get_attr" and self.survey.facts[node].shape is not None

    def _add(self, node: fx.Node) -> None:
        module = self.survey.module(node)
        inputs = [source for source in inputs_of(node) if source not in self.survey.constants]
        if isinstance(module, (ArrayLayer, Dropout)):
            if any(source.op == "get_attr" for source in inputs):
                raise NoGraph(f"{module.name} takes a parameter as its input")
            self.phases[-1].append(Item(node, inputs, module, None))
            return
        make = known(node, self.survey)
        if make is not None:
            if self.survey.uses[node] or node is self.survey.result:
                self.phases[-1].append(Item(node, inputs, None, make))
        elif self.runs and not self.phases[-1]:
            self.runs[-1].append(node)
        else:
            self.runs.append([node])
            self.phases.append([])
