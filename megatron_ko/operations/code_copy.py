"""The code of a job: a copy of the packages, so that later edits do not reach a queued job.

Owns what is copied, the program that starts a module of the copy, and the revision that it came from.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from megatron_ko.files import fsync_folder, write_text

PACKAGES = ("megatron_ko", "preprocessing", "checkpoint_tools")
LAUNCHER = "start.py"
# Python puts the folder of a started file first on its path: neither the working folder nor an installed version comes
# before the copy.
_LAUNCHER_TEXT = '''"""Starts a module of the packages beside this file: python start.py MODULE [ARGUMENT ...]."""

import sys
from importlib import import_module

if __name__ == "__main__":
    raise SystemExit(import_module(sys.argv[1]).main(sys.argv[2:]))
'''


def sources() -> Path:
    """Folder that contains the packages of the running program: a checkout or site-packages."""
    return Path(__file__).resolve().parents[2]


def copy_code(target: Path) -> int:
    """Copies the packages to ``target`` and returns the number of files. Links become the files that they name."""
    root = sources()
    count = 0
    for package in PACKAGES:
        shutil.copytree(
            root / package, target / package, ignore=shutil.ignore_patterns("__pycache__", "*.pyc", ".*")
        )
        count += sum(path.is_file() for path in (target / package).rglob("*"))
    write_text(target / LAUNCHER, _LAUNCHER_TEXT)
    fsync_folder(target)
    return count + 1


def revision(root: Path | None = None) -> str:
    """Git revision of the sources, with ``-changed`` where files differ from it; ``unknown`` outside a repository."""
    root = root or sources()
    found = _git(root, "rev-parse", "HEAD")
    if found is None or not (root / ".git").exists():  # a repository above an installed package says nothing
        return "unknown"
    changed = _git(root, "status", "--porcelain", "--untracked-files=no", "--", *PACKAGES)
    return found.strip() + ("-changed" if changed else "")


def changes(root: Path | None = None) -> str:
    """Difference of the packages to the git revision; empty without any, or outside a repository."""
    root = root or sources()
    return (_git(root, "diff", "HEAD", "--", *PACKAGES) or "") if (root / ".git").exists() else ""


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
