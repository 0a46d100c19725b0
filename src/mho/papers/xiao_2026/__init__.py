"""Xiao et al.: learning on devices whose symmetry points are tracked while training, arXiv 2602.21321 (2026)."""
