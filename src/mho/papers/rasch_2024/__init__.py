"""M. J. Rasch et al.: Fast and robust analog in-memory deep neural network training, Nat. Commun. 15:7133 (2024)."""
