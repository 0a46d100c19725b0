"""The part of CIFAR-10 with which mho's own results are trained."""

from mho.data.cifar10 import cifar10_is_here, cifar10_part
from mho.data.source import Source

DATA_SET = Source(load=cifar10_part, example=(3, 32, 32), folder=True, here=cifar10_is_here)
