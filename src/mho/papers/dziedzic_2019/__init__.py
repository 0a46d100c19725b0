"""Dziedzic et al. 2019: band-limited training."""
