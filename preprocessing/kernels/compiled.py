"""Compiles the kernels: ``njit`` and ``inner``, with a cache on disk that a change of any kernel invalidates.

Numba's own cache detects changes in the file of a function, but not in the files of the functions that it calls. Here the
name of the cache folder is a hash of the sources of all kernels, so kernels may share functions across files, and copies of the
package, such as that of a submitted job, share what is compiled. Also owns the
list of kernels and the log line when one is compiled; ``preprocessing.running.compilation`` compiles them in advance.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numba
from numba.core import caching, event

from preprocessing.kernels.cache_folder import choose_folder

log = logging.getLogger(__name__)
KERNELS: list[Any] = []
"""Every function that was decorated with ``njit`` or ``inner`` so far."""


def _hash_sources() -> str:
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.name.encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


SOURCES = _hash_sources()
CACHE, WHY_TEMPORARY = choose_folder(SOURCES)
numba.config.CACHE_DIR = str(CACHE)  # type: ignore[attr-defined]


def _share_between_copies() -> None:
    """Numba's folder for a file depends on the path of the file; for kernels, CACHE says enough."""
    plain = caching._CacheLocator.get_suitable_cache_subpath

    def subpath(cls: Any, file: str) -> str:
        return "shared" if Path(file).resolve().parent == Path(__file__).resolve().parent else plain(file)

    caching._CacheLocator.get_suitable_cache_subpath = classmethod(subpath)  # type: ignore[assignment]


_share_between_copies()


def njit(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Decorates a function that Python calls."""
    return _kernel(_nrt=True, **options)


def inner(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Decorates a function that only kernels call; numba uses ``_nrt`` for its own such functions.

    They borrow arrays without counting references, which would cost two locked instructions per call and array: a quarter
    of the time of a kernel that calls once per word. Numba refuses to compile one that allocates or returns an array, builds
    a string, or assigns an array to a slice.
    """
    return _kernel(_nrt=False, **options)


def _kernel(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    def decorate(function: Callable[..., Any]) -> Any:
        KERNELS.append(numba.njit(cache=True, **options)(function))
        return KERNELS[-1]

    return decorate


def called_by(modules: Iterable[str]) -> list[Any]:
    """The kernels of the modules and those they call, directly or through others."""
    names = set(modules)
    waiting = [kernel for kernel in KERNELS if kernel.py_func.__module__ in names]
    known = {id(kernel): kernel for kernel in KERNELS}
    called: dict[int, Any] = {}
    while waiting:
        kernel = waiting.pop()
        if id(kernel) in called:
            continue
        called[id(kernel)] = kernel
        variables = kernel.py_func.__globals__
        waiting += [
            variables[name] for name in kernel.py_func.__code__.co_names if id(variables.get(name)) in known
        ]
    return list(called.values())


class _Compilations(event.Listener):
    """Logs that kernels are compiled, and calls ``on_kernel`` after each of them. Numba loads from the cache silently."""

    def __init__(self) -> None:
        self.announced = False
        self.on_kernel: Callable[[Any], None] = lambda kernel: None

    def on_start(self, event: Any) -> None:
        if not self.announced and _is_ours(event.data["dispatcher"]):
            self.announced = True
            log.info("compiling a kernel, once on this machine (some seconds)")

    def on_end(self, event: Any) -> None:
        if _is_ours(event.data["dispatcher"]):
            self.on_kernel(event.data["dispatcher"])


def _is_ours(function: Any) -> bool:
    return any(kernel is function for kernel in KERNELS)


COMPILATIONS = _Compilations()
event.register("numba:compile", COMPILATIONS)
