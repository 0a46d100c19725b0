"""`python -m mho`: the command line."""

from mho.cli import main

main()
