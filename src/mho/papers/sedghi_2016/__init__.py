"""Sedghi & Anandkumar 2016: input-output recurrent networks by spectral methods."""
