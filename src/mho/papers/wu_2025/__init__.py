"""Z. Wu et al.: Analog in-memory training on general non-ideal resistive elements, arXiv 2502.06309 (2025)."""
