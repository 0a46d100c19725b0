"""T. Gokmen, W. Haensch: Training neural networks on resistive device arrays, Front. Neurosci. 14:103 (2020)."""
