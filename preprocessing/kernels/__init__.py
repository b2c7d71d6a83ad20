"""Numba kernels over Arrow buffers; every file that defines one takes ``njit`` from ``kernels.compiled``."""
