"""Replicas of a model as a diagnosis names them, and which of them have arrays of equal values."""

from __future__ import annotations

from typing import cast

from torch import nn

from mho.arrays import Array
from mho.nn import array_layers
from mho.per_replica import lists, replica_labels, value_names


def names_and_groups(model: nn.Module) -> tuple[tuple[str, ...], dict[str, tuple[int, ...]]]:
    """Return the name of each replica, and the replicas of equal values by these.

    Args:
        model: with at least one array layer.

    Returns:
        Names such as "forward.noise = 0.06", or "seed 2" where replicas do not differ in a value; and the numbers of
        the replicas of each set of values, by their name: one entry, "", where all arrays are alike.
    """
    arrays = [
        (path, array) for path, layer in array_layers(model).items() for array in cast(list[Array], list(layer.arrays))
    ]
    main = lists(arrays[0][1].rpu)
    values = dict(main)
    for path, array in arrays[1:]:
        own = {name: given for name, given in lists(array.rpu).items() if given != main.get(name)}
        values |= {f"layers.{path}.{name}": given for name, given in own.items()}
    values = {name: given for name, given in values.items() if len(set(given)) > 1}
    seeds = [int(seed) for seed in arrays[0][1].seeds.tolist()]
    groups: dict[str, tuple[int, ...]] = {}
    for replica, name in enumerate(value_names(values, len(seeds))):
        groups[name] = (*groups.get(name, ()), replica)
    return tuple(replica_labels(values, seeds)), groups
