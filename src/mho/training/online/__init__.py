"""Training without autograd of the whole: a model as a graph of nodes over buffers made once."""

from mho.training.online.graph import Graph
from mho.training.online.losses import loss_of
from mho.training.online.recipe import Recipe
from mho.training.online.trace import NoGraph, trace

__all__ = ["Graph", "NoGraph", "Recipe", "loss_of", "trace"]
