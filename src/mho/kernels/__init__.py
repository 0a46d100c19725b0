"""Arithmetic only: the NumPy reference, the compiled kernels, and the operations that choose between them."""
