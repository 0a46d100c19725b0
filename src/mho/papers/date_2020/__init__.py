"""Date et al. 2020: CoNNTrA."""
