"""What is finished: markers with a key of everything a result depends on.

Owns keys (version of the step, configuration, content of what is read), and markers that name the outputs with their
sizes and hashes and are written last. A marker counts only while its outputs have the sizes it names.

Keys hold the content of what a task reads, not how it was made: a task that runs again and writes the same bytes makes
no later task stale.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import xxhash

from megatron_ko.files import write_json

FORMAT = 2
"""Markers of another format count as not finished."""
_BLOCK_BYTES = 4 << 20

Outputs = dict[str, tuple[int, str]]
"""Size in bytes and xxh3_128 of each file, by its path relative to the output folder."""


def key_of(*parts: Any) -> str:
    """Hash of JSON values."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=False).encode("utf-8")).hexdigest()


def content_of(path: Path) -> str:
    """xxh3_128 of a file: as fast as it can be read. Finds changes, not forgeries."""
    digest = xxhash.xxh3_128()
    with open(path, "rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


class Marker:
    """``steps/NAME.json`` in the output folder."""

    def __init__(self, folder: Path, name: str):
        self._folder = folder
        self.path = folder / "steps" / f"{name}.json"

    def read(self, key: str | None = None) -> dict[str, Any] | None:
        """The summary, when the marker is of ``key`` (or any) and every output is there with its size."""
        data = self._data()
        if data is None or (key is not None and data["key"] != key):
            return None
        whole = all(self._size(name) == size for name, (size, _) in data["outputs"].items())
        return data["summary"] if whole else None

    def shared_summary(self) -> dict[str, Any] | None:
        """The entries of the summary that count as content."""
        data, summary = self._data(), self.read()
        return None if data is None or summary is None else {name: summary[name] for name in data["shared"]}

    def key(self) -> str | None:
        data = self._data()
        return None if data is None else data["key"]

    def content(self) -> str | None:
        """Hash of what the task or the step wrote: the same for the same bytes. None when it is not finished."""
        data = self._data()
        return None if data is None else data["content"]

    def outputs(self) -> list[Path]:
        """The files that the marker names; none when it is not finished."""
        return [self._folder / name for name in self.contents()]

    def contents(self) -> Outputs:
        """Size and hash of the files that the marker names."""
        data = self._data()
        return {} if data is None else {name: (size, seen) for name, (size, seen) in data["outputs"].items()}

    def is_of_other_format(self) -> bool:
        """Whether another version of the program wrote it."""
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
        """Hashes the outputs, but for those that are ``known``; ``content`` is theirs unless it is given.

        ``shared``: entries of the summary that ``shared_summary`` returns.
        """
        named: Outputs = {}
        for path in outputs:
            name = str(path.relative_to(self._folder))
            seen = (known or {}).get(name)
            named[name] = seen or (path.stat().st_size, content_of(path))
        written = {"format": FORMAT, "key": key, "content": content or key_of(named)}
        write_json(self.path, {**written, "shared": list(shared), "outputs": named, "summary": summary})

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)

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
