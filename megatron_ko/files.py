"""Files that are either complete or absent.

Owns atomic writing (temporary file, fsync, rename), JSON with readable errors, folder locks and hashes.
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

from megatron_ko.errors import DataError, UserError


def fsync_folder(folder: Path) -> None:
    """Makes renames inside ``folder`` survive a power failure."""
    fsync_file(folder)


def fsync_file(path: Path) -> None:
    """Makes the content of ``path`` survive a power failure."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def atomic_file(path: Path | str, mode: str = "wb") -> Iterator[IO[Any]]:
    """Opens a file that appears at ``path`` only if the block ends without an error."""
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
    """Writes indented JSON; keys keep their order."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(
    path: Path | str,
    *,
    error: type[UserError] = DataError,
    object_pairs_hook: Callable[[list[tuple[str, Any]]], Any] | None = None,
) -> Any:
    """Raises ``error``, a user error, if the file cannot be read or is not JSON."""
    path = Path(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=object_pairs_hook)
    except OSError as cause:
        message = f"{path}: cannot be read ({cause.strerror})"
        raise error(message, rule="unreadable-file", remedy="check the path") from None
    except (ValueError, RecursionError) as cause:
        message = f"{path}: is not valid JSON ({cause})"
        raise error(message, rule="invalid-json", remedy="write it again") from None


@contextlib.contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Creates ``folder`` if needed and locks it against other processes of this host.

    Raises DataError if another process has locked it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ".lock"
    with open(path, "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # another process may have removed the folder in its ``scratch_folder``
            is_locked = os.path.samestat(os.fstat(lock.fileno()), path.stat())
        except (BlockingIOError, FileNotFoundError):
            is_locked = False
        if not is_locked:
            message = f"{folder}: another process is using this folder; wait for it or choose another folder"
            raise DataError(message, rule="locked-folder")
        yield


@contextlib.contextmanager
def scratch_folder(work: Path) -> Iterator[Path]:
    """Creates an empty folder in ``work`` for one process at a time, and removes ``work`` at the end.

    Leftovers of a killed run are removed first.
    """
    with locked_folder(work):
        folder = work / "files"
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir()
        try:
            yield folder
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
