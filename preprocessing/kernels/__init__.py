"""Numba kernels over Arrow buffers; every file takes ``njit`` and ``inner`` from ``kernels.compiled``."""
