"""The standard library of the running Python as a small corpus of source code that is always available."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import xxhash

LEFT_OUT = {
    "test", "tests", "idle_test", "site-packages", "dist-packages", "idlelib", "lib2to3", "turtledemo", "ensurepip",
    "pydoc_data", "__pycache__", "__phello__", "config-3", "lib-dynload",
}  # fmt: skip


def standard_library(max_bytes: int, seed: int) -> list[Path]:
    """Modules of at most ``max_bytes`` together, chosen by the seed and sorted by name."""
    root = Path(sysconfig.get_paths()["stdlib"])
    modules = [p for p in sorted(root.rglob("*.py")) if not _is_left_out(p.relative_to(root))]
    modules.sort(key=lambda p: xxhash.xxh64_intdigest(str(p.relative_to(root)).encode(), seed))
    chosen, total = [], 0
    for module in modules:
        size = module.stat().st_size
        if size and total + size <= max_bytes:
            chosen.append(module)
            total += size
    return sorted(chosen)


def _is_left_out(path: Path) -> bool:
    return any(part in LEFT_OUT or part.startswith("config-") for part in path.parts)
