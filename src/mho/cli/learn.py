"""mho learn: procedures of learning other than backpropagation, one verb each."""

from __future__ import annotations

import typer

from mho.cli.learn_boltzmann import boltzmann
from mho.cli.learn_conntra import conntra
from mho.cli.learn_spectral import spectral
from mho.cli.verbs import as_verb

learn = typer.Typer(help="Learn by procedures other than backpropagation.", no_args_is_help=True)
learn.command("boltzmann")(as_verb(boltzmann, progress=True))
learn.command("conntra")(as_verb(conntra, progress=True))
learn.command("spectral")(as_verb(spectral, progress=True))
