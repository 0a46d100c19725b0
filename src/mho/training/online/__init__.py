"""Training without autograd: a model as a static chain of stages over buffers made once."""

from mho.training.online.chain import Chain
from mho.training.online.losses import loss_of
from mho.training.online.trace import NoChain, links_of

__all__ = ["Chain", "NoChain", "links_of", "loss_of"]
