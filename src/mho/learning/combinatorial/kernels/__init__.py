"""Arithmetic of CoNNTrA: templates, from which `mho.compiler` writes one module with all that is in it."""
