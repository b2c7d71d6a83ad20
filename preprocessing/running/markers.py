"""Markers of finished tasks and steps, with a key of everything a result depends on.

Owns keys (version of the step, configuration, content of the files read) and markers, which list the outputs with sizes
and hashes and are written last. A marker is valid only while its outputs have the listed sizes.

A key contains the content of the files a task reads, not how they were produced: a task that runs again and writes the
same bytes leaves later tasks valid.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from megatron_ko.errors import DataError
from megatron_ko.files import write_json
from megatron_ko.formats.checksums import hash_file

FORMAT = 2
"""A marker of another format counts as not finished."""

_QUOTED_PATH = re.compile(r"'([^']+)'")
_HIGHEST_FOLDERS = 4  # an output is at most so many folders below the output folder

Outputs = dict[str, tuple[int, str]]
"""Size in bytes and xxh3_128 of each file, by its path relative to the output folder."""


def key_of(*parts: Any) -> str:
    """Hash of JSON values."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=False).encode("utf-8")).hexdigest()


class Marker:
    """``steps/NAME.json`` in the output folder."""

    def __init__(self, folder: Path, name: str):
        self._folder = folder
        self.path = folder / "steps" / f"{name}.json"

    def read(self, key: str | None = None) -> dict[str, Any] | None:
        """The summary if the marker has ``key`` (None: any key) and every output exists with its size, else None."""
        data = self._finished(key)
        return None if data is None else data["summary"]

    def read_with_content(self, key: str) -> tuple[dict[str, Any], str] | None:
        """The summary as ``read`` returns it, and the hash of the bytes that the task or step wrote."""
        data = self._finished(key)
        return None if data is None else (data["summary"], data["content"])

    def shared_summary(self) -> dict[str, Any] | None:
        """Entries of the summary that count as content."""
        data = self._finished()
        return None if data is None else {name: data["summary"][name] for name in data["shared"]}

    def key(self) -> str | None:
        data = self._data()
        return None if data is None else data["key"]

    def content(self) -> str | None:
        """Hash of the bytes that the task or step wrote; None if it is not finished."""
        data = self._data()
        return None if data is None else data["content"]

    def outputs(self) -> list[Path]:
        """Files listed in the marker; empty if it is not finished."""
        return [self._folder / name for name in self.contents()]

    def contents(self) -> Outputs:
        """Size and hash of the files listed in the marker."""
        outputs = (self._data() or {"outputs": {}})["outputs"]
        return {name: (size, digest) for name, (size, digest) in outputs.items()}

    def is_of_other_format(self) -> bool:
        """Whether another version of the program wrote the marker."""
        return self.path.is_file() and self._data() is None

    def write(
        self,
        key: str,
        outputs: Iterable[Path],
        summary: dict[str, Any],
        known: Mapping[str, tuple[int, str]] | None = None,
        content: str | None = None,
        shared: Sequence[str] = (),
    ) -> None:
        """Writes the marker. Hashes the outputs except the ``known`` ones; ``content`` defaults to the hash of the outputs.

        ``shared``: entries of the summary that ``shared_summary`` returns.
        """
        listed: Outputs = {}
        for path in outputs:
            name = str(path.relative_to(self._folder))
            listed[name] = (known or {}).get(name) or (path.stat().st_size, hash_file(path))
        data = {"format": FORMAT, "key": key, "content": content or key_of(listed)}
        write_json(self.path, {**data, "shared": list(shared), "outputs": listed, "summary": summary})

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)

    def _finished(self, key: str | None = None) -> dict[str, Any] | None:
        """The content of the file if it has ``key`` (None: any key) and every output exists with its size."""
        data = self._data()
        if data is None or key not in (None, data["key"]):
            return None
        is_complete = all(self._size(name) == size for name, (size, _) in data["outputs"].items())
        return data if is_complete else None

    def _data(self) -> dict[str, Any] | None:
        try:
            data = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return data if isinstance(data, dict) and data.get("format") == FORMAT else None

    def _size(self, name: str) -> int | None:
        try:
            return (self._folder / name).stat().st_size
        except OSError:
            return None


# --- outputs that someone removed ------------------------------------------------------------------------


def error_of_removed_output(error: FileNotFoundError) -> DataError | None:
    """The error to report when the missing file is one that a marker lists; None for any other file."""
    path = _path_of(error)
    marker = None if path is None else _find_marker(path)
    if marker is None:
        return None
    return DataError(
        f"{path}: does not exist, although the step that wrote it is finished; remove {marker} and run 'mko data run' again, "
        "which repeats only what is missing",
        rule="removed-output",
    )


def _path_of(error: FileNotFoundError) -> Path | None:
    """The missing file. Arrow names it in the message only."""
    text = str(error)
    quoted = _QUOTED_PATH.search(text)
    name = error.filename or (quoted[1] if quoted else text)
    return Path(name) if isinstance(name, str) and name else None


def _find_marker(path: Path) -> Path | None:
    """The marker of the step that wrote ``path``; None if no marker lists it."""
    path = path.absolute()
    for folder in list(path.parents)[:_HIGHEST_FOLDERS]:
        steps, name = folder / "steps", str(path.relative_to(folder))
        for file in sorted(steps.rglob("*.json")):
            marker = file.relative_to(steps).with_suffix("")
            if name in Marker(folder, str(marker)).contents():
                return steps / f"{marker.parts[0]}.json"
    return None
