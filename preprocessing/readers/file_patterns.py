"""Expands patterns of paths: ``**``, ``*``, ``?``, ``[...]`` as in ``glob``, and ``{a,b}``.

Unlike ``glob``, which skips a folder that it cannot read, raises DataError: the files of that folder would be missing.
Letters that look the same are the same, composed (as most programs write Hangul) or decomposed (as macOS does).
"""

from __future__ import annotations

import fnmatch
import glob
import os
import re
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

from megatron_ko.errors import DataError


def find_files(
    patterns: list[str], wanted: Callable[[Path], bool] = Path.is_file
) -> tuple[list[Path], list[str]]:
    """``(files, missing)``: files in the order of the patterns, each once, sorted within a pattern; patterns without a match,
    and links that match but lead nowhere.

    Two spellings of a path, such as ``a`` and ``./a``, are one file. Raises DataError for a folder that cannot be read.
    """
    files: dict[str, Path] = {}
    missing = []
    for pattern in patterns:
        plain = Path(pattern).expanduser()
        try:
            found = [plain] if wanted(plain) else _expand(str(plain))
            matches = [path for path in found if wanted(path)]
            broken = [str(path) for path in found if is_broken_link(path)]
        except PermissionError as error:
            raise _unreadable(error) from None
        missing += broken or ([] if matches else [pattern])
        for path in matches:
            files.setdefault(os.path.abspath(path), path)
    return list(files.values()), missing


def is_broken_link(path: Path) -> bool:
    return path.is_symlink() and not path.exists()


def _expand(pattern: str) -> list[Path]:
    """Existing paths that match, sorted; composed and decomposed names have the same place."""
    found = {Path(path) for one in expand_braces(pattern) for path in _match(one)}
    return sorted(found, key=lambda path: ([*map(_compose, path.parts)], path.parts))


def expand_braces(pattern: str) -> list[str]:
    """``a.{b,c}`` -> ``a.b``, ``a.c``."""
    match = re.search(r"\{([^{}]*)\}", pattern)
    if not match:
        return [pattern]
    head, tail = pattern[: match.start()], pattern[match.end() :]
    return [path for choice in match[1].split(",") for path in expand_braces(head + choice + tail)]


def _match(pattern: str) -> Iterator[str]:
    """The same paths as ``glob.glob(pattern, recursive=True)``, if all names are composed."""
    root = os.sep if pattern.startswith(os.sep) else ""
    parts = [part for part in pattern.split(os.sep) if part]
    return _match_parts(root, parts)


def _match_parts(folder: str, parts: list[str]) -> Iterator[str]:
    """Paths below ``folder`` ("" is the working directory) that match the ``parts`` of a pattern."""
    if not parts:
        yield folder
        return
    part, rest = parts[0], parts[1:]
    if part == "**":
        if folder and not os.path.isdir(folder):
            return
        for below in _folders_from(folder, ()):
            yield from _match_parts(below, rest) if rest else _all_in(folder, below)
    elif not glob.has_magic(part):
        for name in _spellings(folder, part):
            yield from _match_parts(os.path.join(folder, name), rest)
    else:
        names = (name for name in _names_in(folder) if part.startswith(".") or not name.startswith("."))
        matches = re.compile(fnmatch.translate(_compose(part))).match
        for name in names:
            if matches(_compose(name)):
                yield from _match_parts(os.path.join(folder, name), rest)


def _spellings(folder: str, name: str) -> list[str]:
    """The name itself if it exists in the folder, else the names there that look the same."""
    if os.path.lexists(os.path.join(folder, name)):
        return [name]
    return [] if name.isascii() else [one for one in _names_in(folder) if _compose(one) == _compose(name)]


def _compose(name: str) -> str:
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def _all_in(start: str, folder: str) -> Iterator[str]:
    """What ``**`` at the end of a pattern matches: ``start`` and everything below it."""
    if folder == start and start:
        yield start
    yield from (os.path.join(folder, name) for name in _names_in(folder) if not name.startswith("."))


def _folders_from(folder: str, above: tuple[str, ...]) -> Iterator[str]:
    """``folder`` and the visible folders below it; links are followed, except in a cycle (``above``: real paths)."""
    yield folder
    above = (*above, os.path.realpath(folder))
    for entry in _entries_in(folder):
        if entry.name.startswith(".") or not entry.is_dir():
            continue
        if not (entry.is_symlink() and os.path.realpath(entry.path) in above):
            yield from _folders_from(os.path.join(folder, entry.name), above)


def _names_in(folder: str) -> list[str]:
    return [entry.name for entry in _entries_in(folder)]


def _entries_in(folder: str) -> list[os.DirEntry[str]]:
    """Entries of a folder; none where it is a file or does not exist."""
    try:
        with os.scandir(folder or os.curdir) as entries:
            return list(entries)
    except (NotADirectoryError, FileNotFoundError):
        return []
    except OSError as error:
        raise _unreadable(error) from None


def _unreadable(error: OSError) -> DataError:
    return DataError(
        f"{error.filename}: {error.strerror}, so its files would be missing; make it readable, or choose patterns that do not "
        "reach it",
        rule="unreadable-folder",
    )
