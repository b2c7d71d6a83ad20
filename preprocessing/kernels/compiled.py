"""Compiles the kernels: ``njit`` and ``inner``, with a cache on disk that a change of any kernel invalidates.

Numba's own cache detects changes in the file of a function, but not in the files of the functions that it calls. Here the
name of the cache folder is a hash of the sources of all kernels, so kernels may share functions across files.
"""

from __future__ import annotations

import functools
import hashlib
import os
from pathlib import Path

import numba


def _cache_folder() -> Path:
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.name.encode())
        digest.update(file.read_bytes())
    home = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return home / "megatron_ko" / "kernels" / digest.hexdigest()[:16]


if not os.environ.get("NUMBA_CACHE_DIR"):
    numba.config.CACHE_DIR = str(_cache_folder())  # type: ignore[attr-defined]
njit = functools.partial(numba.njit, cache=True, _nrt=True)  # pyright: ignore[reportCallIssue]
# For functions that only kernels call; numba uses ``_nrt`` for its own such functions. They borrow arrays without counting
# references, which would cost two locked instructions per call and array: a quarter of the time of a kernel that calls once
# per word. Numba refuses to compile one that allocates or returns an array, builds a string, or assigns an array to a slice.
inner = functools.partial(numba.njit, cache=True, _nrt=False)  # pyright: ignore[reportCallIssue]
