"""Z. Liu, J. Quek, S. Lin: Variational probability flow for biologically plausible training of deep networks (2018)."""
