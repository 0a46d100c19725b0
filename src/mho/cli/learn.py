"""mho learn: procedures of learning other than backpropagation, one verb each."""

from __future__ import annotations

import typer

from mho.cli.learn_boltzmann import boltzmann
from mho.cli.learn_conntra import conntra
from mho.cli.learn_spectral import spectral

learn = typer.Typer(help="Learn by procedures other than backpropagation.", no_args_is_help=True)
learn.command("boltzmann")(boltzmann)
learn.command("conntra")(conntra)
learn.command("spectral")(spectral)
