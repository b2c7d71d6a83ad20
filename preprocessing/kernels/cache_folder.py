"""The folder of compiled kernels: one that this user can write and lock, also on a node of a cluster.

Owns the choice. Numba loads code from the folder, so a folder that others can write is refused.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from pathlib import Path

from megatron_ko.errors import UserError

LOCK = ".lock"


def choose_folder(name: str) -> tuple[Path, str]:
    """The folder for kernels of the version ``name``, and why it is a temporary one; empty if it is not.

    The choice: NUMBA_CACHE_DIR as it is, else XDG_CACHE_HOME or ``~/.cache``, else the temporary folder of the machine, which
    serves tasks of one node. Raises UserError if none can be used.
    """
    if own := os.environ.get("NUMBA_CACHE_DIR"):
        return Path(own), ""
    usual = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    try:
        usual = usual.expanduser() / "megatron_ko" / "kernels" / name
        _check_usable(usual)
        return usual, ""
    except (OSError, RuntimeError) as error:  # no permission or room, no locks, no home
        reason = f"{usual}: {error}"
    temporary = Path(tempfile.gettempdir()) / f"megatron_ko-{os.geteuid()}"
    try:
        temporary.mkdir(mode=0o700, exist_ok=True)
        status = temporary.lstat()
        if status.st_uid != os.geteuid() or status.st_mode & 0o077 or temporary.is_symlink():
            raise PermissionError("others can write to it")
        _check_usable(temporary / "kernels" / name)
    except OSError as error:
        raise UserError(
            f"no folder for compiled kernels can be written and locked ({reason}; {temporary}: {error}); set XDG_CACHE_HOME "
            "to a folder of yours",
            rule="no-cache-folder",
        ) from None
    return temporary / "kernels" / name, reason


def _check_usable(folder: Path) -> None:
    """Raises OSError unless files in ``folder`` can be written and locked; some shared disks have no locks."""
    folder.mkdir(parents=True, exist_ok=True)
    # another process may compile
    with open(folder / LOCK, "a") as lock, contextlib.suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
