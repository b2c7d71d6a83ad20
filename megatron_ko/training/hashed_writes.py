"""Checksums of the files that megatron-core's writer writes, computed while the bytes pass, so that a save reads nothing again.

Owns the replacement of ``open`` in that writer's module for the time of a save. The bytes on disk stay the same. Files that
another writer wrote, or that of megatron-core 0.16 in processes of its own, have no checksum here and are read by
``describe_files``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from megatron_ko.formats.checksums import HashingFile


class _HashedFile(HashingFile):
    """A file for ``with``, whose checksum is in ``checksums`` by its name when it was closed without an error."""

    def __init__(self, path: Path, checksums: dict[str, str]) -> None:
        super().__init__(open(path, "wb"))  # noqa: SIM115 (closed by __exit__)
        self._name, self._checksums = path.name, checksums

    def __enter__(self) -> _HashedFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if kind is None:
            self._checksums[self._name] = self.checksum()


@contextlib.contextmanager
def hashed_writes(writer: Any) -> Iterator[dict[str, str]]:
    """Yields the checksums of the files that the module ``writer`` opens inside, by name; its threads share them."""
    checksums: dict[str, str] = {}

    def open_hashed(path: Any, mode: str) -> _HashedFile:
        assert mode == "wb", mode
        return _HashedFile(Path(path), checksums)

    writer.open = open_hashed  # found before the built-in function
    try:
        yield checksums
    finally:
        del writer.open
