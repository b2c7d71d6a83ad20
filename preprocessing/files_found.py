"""Which files an input means, and whether they changed.

Owns patterns (``**``, ``*``, ``{a,b}``), the choice of standard-library modules, and content hashes that are
remembered by size and modification time.
"""

from __future__ import annotations

import glob
import json
import re
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import xxhash

from megatron_ko.config.loading import Loaded
from megatron_ko.errors import ConfigError, DataError, Problem
from megatron_ko.files import sha256_file, write_text
from preprocessing.schema import Config, JsonlInput, StdlibInput, TextInput

RECORD_SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst")
LEFT_OUT = {
    "test", "tests", "idle_test", "site-packages", "dist-packages", "idlelib", "lib2to3", "turtledemo", "ensurepip",
    "pydoc_data", "__pycache__", "__phello__", "config-3", "lib-dynload",
}  # fmt: skip


@dataclass(frozen=True)
class Unit:
    """The piece of work that is finished as a whole: one file of records, or all plain files of an input."""

    name: str  # unique; names the shards
    input_name: str
    files: tuple[Path, ...]
    labels: tuple[str, ...]  # how the files are called in ids and reports


def find_units(loaded: Loaded[Config]) -> list[Unit]:
    """Every unit in the order of the configuration. Raises DataError naming each pattern without a file."""
    units, problems = [], []
    for name, item in loaded.config.inputs.items():
        if isinstance(item, StdlibInput):
            files = standard_library(item.max_bytes, loaded.config.seed)
            root = Path(sysconfig.get_paths()["stdlib"])
            units.append(Unit(name, name, tuple(files), tuple(str(f.relative_to(root)) for f in files)))
            continue
        found, missing = find_files(item.paths)
        problems += [
            loaded.problem(f"inputs.{name}.paths", f"{p!r} matches no file; check the path") for p in missing
        ]
        units += _units_of(name, item, found)
    if problems:
        raise _no_files(problems)
    return units


def _no_files(problems: list[Problem]) -> DataError:
    return DataError(str(ConfigError(problems)))


def _units_of(name: str, item: JsonlInput | TextInput, files: list[Path]) -> list[Unit]:
    records = [f for f in files if isinstance(item, JsonlInput) or f.name.endswith(RECORD_SUFFIXES)]
    plain = [f for f in files if f not in set(records)]
    units = [Unit(f"{name}-{i:05d}", name, (f,), (str(f),)) for i, f in enumerate(records)]
    if plain:
        units.append(Unit(f"{name}-files", name, tuple(plain), tuple(map(str, plain))))
    return units


def find_files(patterns: list[str]) -> tuple[list[Path], list[str]]:
    """Files in the order of the patterns, each once, sorted within a pattern; and patterns without a file."""
    files: dict[Path, None] = {}
    missing = []
    for pattern in patterns:
        plain = Path(pattern).expanduser()
        if plain.is_file():
            found = [plain]
        else:
            found = sorted(
                {Path(p) for one in expand_braces(str(plain)) for p in glob.glob(one, recursive=True)}
            )
            found = [path for path in found if path.is_file()]
        if not found:
            missing.append(pattern)
        files.update(dict.fromkeys(found))
    return list(files), missing


def expand_braces(pattern: str) -> list[str]:
    """``a.{b,c}`` -> ``a.b``, ``a.c``."""
    match = re.search(r"\{([^{}]*)\}", pattern)
    if not match:
        return [pattern]
    head, tail = pattern[: match.start()], pattern[match.end() :]
    return [made for choice in match[1].split(",") for made in expand_braces(head + choice + tail)]


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


class KnownHashes:
    """SHA-256 of files, remembered as long as size and modification time stay the same."""

    def __init__(self, path: Path):
        self._path = path
        self._known: dict[str, list] = {}
        if path.is_file():
            try:
                self._known = json.loads(path.read_text(encoding="utf-8"))
            except ValueError:
                self._known = {}  # only a memory: a damaged one is made again

    def of(self, file: Path) -> list:
        """``[size in bytes, SHA-256]``."""
        status = file.stat()
        stamp = [status.st_size, status.st_mtime_ns]
        kept = self._known.get(str(file.absolute()))
        if kept is None or kept[:2] != stamp:
            kept = [*stamp, sha256_file(file)]
            self._known[str(file.absolute())] = kept
        return [kept[0], kept[2]]

    def save(self) -> None:
        write_text(self._path, json.dumps(self._known, indent=0, sort_keys=True))
