"""The running Python's standard library as a small corpus of source code that is always there."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import xxhash

LEFT_OUT = {
    "test", "tests", "idle_test", "site-packages", "dist-packages", "idlelib", "lib2to3", "turtledemo", "ensurepip",
    "pydoc_data", "__pycache__", "__phello__", "config-3", "lib-dynload",
}  # fmt: skip


def standard_library(max_bytes: int, seed: int) -> list[Path]:
    """Modules in an order given by the seed until ``max_bytes``, then sorted by name."""
    root = Path(sysconfig.get_paths()["stdlib"])
    modules = [p for p in sorted(root.rglob("*.py")) if not _left_out(p.relative_to(root))]
    modules.sort(key=lambda p: xxhash.xxh64_intdigest(str(p.relative_to(root)).encode(), seed))
    chosen, taken = [], 0
    for module in modules:
        size = module.stat().st_size
        if size and taken + size <= max_bytes:
            chosen.append(module)
            taken += size
    return sorted(chosen)


def _left_out(path: Path) -> bool:
    return any(part in LEFT_OUT or part.startswith("config-") for part in path.parts)
