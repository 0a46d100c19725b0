"""Names of the replicas of an experiment, and replicas that share their seeds."""

from __future__ import annotations

import dataclasses
import re

from mho.errors import InvalidValue
from mho.per_replica import lists, replica_labels
from mho.runs.experiment import Experiment

SEED = re.compile(r"(^|, )seed \d+$")
"""What `replica_names` adds where values alone do not tell replicas apart."""


def replica_values(experiment: Experiment) -> dict[str, tuple[float, ...]]:
    """Return the fields in which the replicas of an experiment differ, by dotted name, one value per replica."""
    main = lists(experiment.rpu)
    found = dict(main)
    for pattern, rpu in experiment.layers.items():
        own = {name: values for name, values in lists(rpu).items() if values != main.get(name)}
        found |= {f"layers.{pattern}.{name}": values for name, values in own.items()}
    return {name: values for name, values in found.items() if len(set(values)) > 1}


def replica_names(experiment: Experiment) -> list[str]:
    """Return a name for each replica: the values in which it differs from the others, else its seed.

    Replicas with equal values have their seeds too: "forward.noise = 0.06, seed 1".
    """
    return replica_labels(replica_values(experiment), experiment.training.seeds)


def values_in_name(name: str) -> str:
    """Return the part of a replica's name that has its values; "" for a name that has a seed only."""
    return SEED.sub("", name)


def unpaired(experiment: Experiment) -> str:
    """Return in a sentence that replicas differ in values and seeds at once; "" where they do not."""
    values = replica_values(experiment)
    if not values or len(set(experiment.training.seeds)) == 1:
        return ""
    return (
        f"replicas differ in {' and '.join(values)}, and in their seeds too, of devices, weights and noise: "
        "differences between them hold both; --paired gives all of them the first seed"
    )


def paired(experiment: Experiment) -> Experiment:
    """Return an experiment whose replicas all have the first replica's seed, so that they differ in their values only.

    Each replica has the bits of its own run with that seed.

    Raises:
        InvalidValue: where replicas do not differ in a value, and would be one network many times.
    """
    training = experiment.training
    if not replica_values(experiment):
        raise InvalidValue(
            "--paired has no effect: it gives replicas that differ in a value the same seed, and these differ in none; "
            "give such, for example --replicas 2 --set forward.noise=[0,0.06], or leave it out"
        )
    seeds = (training.seeds[0],) * training.replicas
    return dataclasses.replace(experiment, training=dataclasses.replace(training, seed=seeds))
