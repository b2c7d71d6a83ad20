"""Finds the folder in which the relative paths of a configuration begin, where they match nothing in the working directory.

Looks at the folders above the configuration and at the beginnings of patterns only, so it never walks through a tree.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from megatron_ko.config.loading import Loaded

_MAGIC = frozenset("*?[{")


def folder_of_inputs(loaded: Loaded[Any]) -> Path | None:
    """The nearest folder at or above a file of the configuration that has the beginnings of all relative patterns of its inputs.

    None if there is none, if it is the working directory, or if no pattern names a folder or file.
    """
    beginnings = {
        beginning_of(pattern) for item in loaded.config.inputs.values() for pattern in _patterns(item)
    } - {""}
    files = sorted(
        {Path(place.rpartition(":")[0]).resolve() for place in loaded.places.values() if ":" in place}
    )
    here = Path.cwd()
    for file in files if beginnings else ():
        for folder in file.parents if file.is_file() else ():
            if all((folder / beginning).exists() for beginning in beginnings):
                return None if folder == here else folder
    return None


def hint_about_folder(loaded: Loaded[Any]) -> str:
    """A line of an error about files that are not found; empty where no other folder has the inputs."""
    folder = folder_of_inputs(loaded)
    return (
        f"relative paths begin in the working directory; these begin in {folder}: run the command there"
        if folder
        else ""
    )


@contextlib.contextmanager
def working_directory(folder: Path) -> Iterator[None]:
    """Changes the working directory for the duration of a block."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def starting_folder(run: Path, output: str) -> Path | None:
    """The folder in which a run was started, whose configuration has ``output`` as its output folder.

    None where that is not known: the folder was absolute, or the run was moved.
    """
    parts, ends = Path(output).parts, run.resolve().parts
    if not parts or Path(output).is_absolute() or {"..", "~"} & {*parts} or ends[-len(parts) :] != parts:
        return None
    return Path(*ends[: -len(parts)])


def _patterns(item: Any) -> list[str]:
    patterns = [*getattr(item, "paths", ()), *getattr(item, "roots", ())]
    return [pattern for pattern in patterns if not pattern.startswith(("/", "~"))]


def beginning_of(pattern: str) -> str:
    """The part of a pattern before the first name with a wildcard."""
    kept = []
    for name in Path(pattern).parts:
        if _MAGIC & {*name}:
            break
        kept.append(name)
    return "/".join(kept)
