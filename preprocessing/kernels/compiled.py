"""Compilation of the kernels: ``njit`` and ``inner``, with a cache on disk that is as fresh as all kernels together.

Numba's cache notices changes of the file a function stands in only, not of the files it calls into. Here the folder
of the cache is named by the sources of every kernel, so kernels may share functions across files.
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
# For functions that only kernels call; ``_nrt`` is what numba itself uses for such ones. Arrays are lent to them without
# counting references, which would cost two locked instructions a call and array: a quarter of the time of a kernel that
# calls once per word. Numba refuses to compile one that makes or returns an array, makes a string, or assigns an array to a
# slice.
inner = functools.partial(numba.njit, cache=True, _nrt=False)  # pyright: ignore[reportCallIssue]
