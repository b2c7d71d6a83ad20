"""Files that are either whole or not there.

Owns atomic writing (temporary file, fsync, rename), JSON with readable errors, and hashes.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from megatron_ko.errors import DataError


def fsync_folder(folder: Path) -> None:
    """Makes a rename inside ``folder`` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def atomic_file(path: Path | str, mode: str = "wb") -> Iterator[IO[Any]]:
    """A file that appears under ``path`` only when the block ends without an error."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        encoding = None if "b" in mode else "utf-8"
        with os.fdopen(descriptor, mode, encoding=encoding) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
        fsync_folder(path.parent)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path: Path | str, text: str) -> None:
    with atomic_file(path, "w") as file:
        file.write(text)


def write_json(path: Path | str, value: Any) -> None:
    """Sorted keys nowhere: the order given is the order a person reads."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(
    path: Path | str,
    *,
    error: type[Exception] = DataError,
    object_pairs_hook: Callable[[list[tuple[str, Any]]], Any] | None = None,
) -> Any:
    """Raises ``error`` (what, where, what to do) when the file cannot be read or is not JSON."""
    path = Path(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=object_pairs_hook)
    except OSError as problem:
        raise error(f"{path}: cannot be read ({problem.strerror}); check the path") from None
    except (ValueError, RecursionError) as problem:
        raise error(f"{path}: not valid JSON ({problem}); write it again") from None


@contextlib.contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """``folder``, made if needed, for one process at a time on this host. Raises DataError when another holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ".lock"
    with open(path, "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            gone = not os.path.samestat(
                os.fstat(lock.fileno()), path.stat()
            )  # by ``scratch_folder`` of another
        except (BlockingIOError, FileNotFoundError):
            gone = True
        if gone:
            raise DataError(f"{folder}: another process is working here; wait, or use another folder")
        yield


@contextlib.contextmanager
def scratch_folder(work: Path) -> Iterator[Path]:
    """An empty folder in ``work`` for one process at a time; ``work`` goes at the end, and what a killed run left goes first."""
    with locked_folder(work):
        place = work / "files"
        if place.exists():
            shutil.rmtree(place)
        place.mkdir()
        try:
            yield place
        finally:
            shutil.rmtree(work)


def sha256_file(path: Path | str) -> str:
    digest = hashlib.sha256()  # Python 3.10 has no hashlib.file_digest
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def sha256_text(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
