"""The standard library of the running Python as a small corpus of source code that is always available."""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import xxhash

LEFT_OUT = {
    "test", "tests", "idle_test", "site-packages", "dist-packages", "idlelib", "lib2to3", "turtledemo", "ensurepip",
    "pydoc_data", "__pycache__", "__phello__", "config-3", "lib-dynload",
}  # fmt: skip


def standard_library(max_bytes: int, seed: int) -> list[Path]:
    """Modules of at most ``max_bytes`` together, chosen by the seed and sorted by name."""
    root = sysconfig.get_paths()["stdlib"]
    modules = sorted(_modules_in(root), key=lambda name: Path(name).parts)
    modules.sort(key=lambda name: xxhash.xxh64_intdigest(name.encode(), seed))
    chosen, total = [], 0
    for name in modules:
        size = os.path.getsize(os.path.join(root, name))
        if size and total + size <= max_bytes:
            chosen.append(Path(root, name))
            total += size
    return sorted(chosen)


def _modules_in(root: str) -> Iterator[str]:
    """Paths relative to ``root``, without installed packages and tests, which may be many times as many."""
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not _is_left_out(name)]
        for name in files:
            if name.endswith(".py") and not _is_left_out(name):
                yield os.path.relpath(os.path.join(folder, name), root)


def _is_left_out(name: str) -> bool:
    return name in LEFT_OUT or name.startswith("config-")
