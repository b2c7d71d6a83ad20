"""Compiles kernels in advance: announced, counted, once on a machine.

Owns groups of kernels and the note in the cache that a group is compiled. Worker processes start afterwards and load the
kernels from the cache, so none is compiled twice. One process compiles at a time, because numba does not lock its cache:
two could write the code of different types to one file. Numba is imported when it is needed, not before.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib
import logging
import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from megatron_ko.files import write_text
from megatron_ko.progress import ProgressBar
from preprocessing.kernels.cache_folder import LOCK

log = logging.getLogger(__name__)
KERNEL_S = 0.6  # time of one kernel, on average


@dataclass(frozen=True)
class Group:
    """``call`` calls the kernels of ``modules`` (of ``preprocessing.kernels``) once, with arguments of the types in use."""

    name: str
    modules: tuple[str, ...]
    call: Callable[[], None]

    @property
    def is_compiled(self) -> bool:
        return self._note.is_file()

    @property
    def _note(self) -> Path:
        from preprocessing.kernels import compiled

        return compiled.CACHE / f"{self.name}-{_environment()}.compiled"

    def kernels(self) -> list[Any]:
        from preprocessing.kernels.compiled import called_by

        modules = [f"preprocessing.kernels.{name}" for name in self.modules]
        for module in modules:
            importlib.import_module(module)
        return called_by(modules)


@lru_cache
def _environment() -> str:
    """What numba's cache depends on: the sources, the versions, the processor."""
    import numba
    from llvmlite import binding

    from preprocessing.kernels import compiled

    facts = (
        compiled.SOURCES,
        numba.__version__,
        platform.python_version(),
        binding.get_host_cpu_name(),
        binding.get_host_cpu_features().flatten(),
    )
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


def compile_groups(groups: Sequence[Group]) -> None:
    """Compiles the groups that are not in the cache, with progress."""
    if all(group.is_compiled for group in groups):
        return
    with _locked_cache():
        groups = [
            group for group in groups if not group.is_compiled
        ]  # another process may have compiled some
        if groups:
            _compile(groups)


@contextlib.contextmanager
def _locked_cache() -> Iterator[None]:
    from preprocessing.kernels import compiled

    compiled.CACHE.mkdir(parents=True, exist_ok=True)
    if compiled.WHY_TEMPORARY:
        log.warning("kernels are compiled into %s (%s)", compiled.CACHE, compiled.WHY_TEMPORARY)
    with open(compiled.CACHE / LOCK, "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("another process compiles kernels; waiting for it")
            with ProgressBar("waiting for the kernels of another process"):
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _compile(groups: Sequence[Group]) -> None:
    from preprocessing.kernels.compiled import COMPILATIONS

    waiting = {id(kernel) for group in groups for kernel in group.kernels()}
    names = ", ".join(group.name for group in groups)
    expected_s = max(10, round(KERNEL_S * len(waiting), -1))
    log.info("compiling %d kernels, once on this machine, about %.0f s: %s", len(waiting), expected_s, names)
    COMPILATIONS.announced = True
    with ProgressBar("compiling kernels", len(waiting), "kernel") as bar:

        def count(kernel: Any) -> None:
            if id(kernel) in waiting:
                waiting.remove(id(kernel))
                bar.update()

        COMPILATIONS.on_kernel = count
        try:
            for group in groups:
                group.call()
                write_text(group._note, "")
        finally:
            COMPILATIONS.on_kernel = lambda kernel: None
    log.info("compiled the kernels in %.0f s", bar.elapsed_s)
