"""Replicas of a model as a diagnosis names them, and which of them have arrays of equal values."""

from __future__ import annotations

from collections import Counter
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
    given_to = Counter(pair for _, array in arrays for pair in lists(array.rpu).items())
    # a model does not know which description its layers share, so it is the description that most of them have
    main = {name: given for (name, given), count in given_to.items() if count > len(arrays) / 2}
    values = dict(main)
    for path, array in arrays:
        own = {name: given for name, given in lists(array.rpu).items() if given != main.get(name)}
        values |= {f"layers.{path}.{name}": given for name, given in own.items()}
    values = {name: given for name, given in values.items() if len(set(given)) > 1}
    seeds = [int(seed) for seed in arrays[0][1].seeds.tolist()]
    groups: dict[str, tuple[int, ...]] = {}
    for replica, name in enumerate(value_names(values, len(seeds))):
        groups[name] = (*groups.get(name, ()), replica)
    return tuple(replica_labels(values, seeds)), groups
