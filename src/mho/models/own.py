"""A network by name: one of mho's, or a user's `module:Net`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from mho.errors import Faults, InvalidValue, an, nearest
from mho.imports import import_own, is_own
from mho.models.network import Sizes

MOST = 65_536
"""Largest value of an option of a network."""


def find_builder(name: str, *, built: bool = False) -> Callable[[], nn.Module]:
    """Return what builds a network: its class, or a function without arguments.

    Args:
        name: name of a network in `NETWORKS`, or `module:Net`, a class or a function in a user's module.
        built: take a model that is built already, too, which nobody may train: no seed decides its weights.

    Raises:
        InvalidValue: for an unknown name, or a module or object that is none of these.
    """
    from mho.models import NETWORKS  # the registry, which imports this file

    if not is_own(name):
        if name not in NETWORKS:
            raise InvalidValue(f"no model {name!r}{nearest(name, NETWORKS)} (your own is module:Net)")
        return NETWORKS[name].build
    found: Any = import_own(name)
    wanted = "give a class or a function without arguments that returns a torch.nn.Module"
    if isinstance(found, nn.Module):
        if built:
            return lambda: found
        raise InvalidValue(f"{name!r} is a model already, whose weights no seed decides; {wanted}")
    if not callable(found):
        raise InvalidValue(f"{name!r} is {found!r}; {wanted}")
    builder: Callable[[], nn.Module] = found
    return builder


def check_options(name: str, options: Mapping[str, object], faults: Faults) -> None:
    """Note options that a network does not have, and values out of range.

    Args:
        name: name of the network.
        options: from a config's section [model].
        faults: gets the faults.
    """
    from mho.models import NETWORKS  # the registry, which imports this file

    known = NETWORKS[name].options if name in NETWORKS else {}
    for option, value in options.items():
        if option in known:
            faults.number(option, value, low=1, high=MOST, integer=True)
        elif known:
            faults.add(f"{option}: {name} has no such option{nearest(option, known)}")
        else:
            faults.add(f"{option}: the model {name} has no options; leave the section [model] out")


def build_model(name: str, sizes: Sizes | None = None, options: Mapping[str, int] | None = None) -> nn.Module:
    """Return a new network by name, with its initial weights drawn from torch's generator.

    Args:
        name: as of `find_builder`.
        sizes: sizes of the data that the network is for; None: those of the network's paper. A user's own has its own.
        options: options of a network of mho's, where they are not their defaults; they need sizes.

    Raises:
        InvalidValue: for an unknown name, a network that is not for such data, or if building raises or returns
            something else than a module.
    """
    from mho.models import NETWORKS  # the registry, which imports this file

    builder = find_builder(name)
    if sizes is not None and name in NETWORKS:
        return NETWORKS[name].build_for(name, sizes, options or {})
    try:
        model: Any = builder()
    except Exception as error:  # it runs the user's code, which may raise anything
        raise InvalidValue(
            f"model {name!r} cannot be built without arguments: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(model, nn.Module):
        raise InvalidValue(f"model {name!r} is {an(type(model).__name__)} when built; return a torch.nn.Module")
    return model
