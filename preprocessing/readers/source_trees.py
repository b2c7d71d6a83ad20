"""Files of a repository, and the license file that governs each.

Hidden folders and links are not followed: a link could lead outside the repository or form a cycle.
"""

from __future__ import annotations

import functools
import os
import re
from pathlib import Path, PurePosixPath

from megatron_ko.errors import DataError
from preprocessing.config.inputs import SourceTreeInput

SUFFIXES = frozenset((
    ".py", ".pyi", ".pyx", ".ipynb", ".c", ".h", ".cc", ".cpp", ".cxx", ".hh", ".hpp", ".cu", ".cuh", ".java",
    ".kt", ".kts", ".scala", ".groovy", ".js", ".mjs", ".jsx", ".ts", ".tsx", ".vue", ".go", ".rs", ".rb",
    ".php", ".pl", ".pm", ".lua", ".r", ".jl", ".m", ".swift", ".cs", ".fs", ".vb", ".dart", ".ex", ".exs",
    ".erl", ".hs", ".ml", ".mli", ".clj", ".lisp", ".el", ".scm", ".sh", ".bash", ".ps1", ".sql", ".css",
    ".scss", ".less", ".html", ".proto", ".thrift", ".cmake", ".mk", ".f90", ".f95", ".f", ".asm", ".s", ".v",
    ".sv", ".vhd", ".vhdl", ".zig", ".nim", ".sol", ".tf", ".gradle", ".md", ".rst", ".tex",
))  # fmt: skip
PROSE_SUFFIXES = frozenset((".md", ".markdown", ".mdx", ".rst", ".adoc", ".org", ".tex", ".txt", ".ipynb"))
NAMES = frozenset(("makefile", "dockerfile", "cmakelists.txt", "rakefile", "gemfile", "jenkinsfile"))
_LICENSE = re.compile(r"(?:licen[cs]e|copying|unlicense|notice)(?:[-_.][\w.-]*)?", re.IGNORECASE)
_ORDER = ("license", "licence", "copying", "unlicense", "notice")


def find_tree_files(root: Path, item: SourceTreeInput) -> list[Path]:
    """The files to read below ``root``, sorted by their path."""
    suffixes = frozenset(suffix.lower() for suffix in item.suffixes)
    left_out = frozenset(item.leave_out)
    files = []
    for folder, folders, names in os.walk(root, onerror=_refuse, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in left_out)
        for name in names:
            path = Path(folder, name)
            if _has_suffix(name, suffixes) and path.is_file() and not path.is_symlink():
                files.append(path)
    return sorted(files)


def _refuse(error: OSError) -> None:
    raise DataError(
        f"{error.filename}: {error.strerror}, so its files would be missing; make it readable, or add it to leave_out",
        rule="unreadable-folder",
    )


def _has_suffix(name: str, suffixes: frozenset[str]) -> bool:
    """Whether a file has one of ``suffixes``; where these are empty, whether its name is that of source code."""
    suffix = PurePosixPath(name).suffix.lower()
    if suffixes:
        return suffix in suffixes or any(name.lower().endswith(ending) for ending in suffixes)
    return suffix in SUFFIXES or name.lower() in NAMES


def language_of_tree_file(name: str, lang: str) -> str:
    """The configured language; empty, to be detected, for ``detect`` and for files of prose and notebooks among source code."""
    is_prose = lang == "code" and PurePosixPath(name).suffix.lower() in PROSE_SUFFIXES
    return "" if is_prose or lang == "detect" else lang


def find_license_file(root: Path, label: str) -> str | None:
    """Path of the nearest license file above ``label``, relative to ``root``; None without one."""
    for folder in PurePosixPath(label).parents:
        path = _find_license_in(root, folder)
        if path is not None:
            return path
    return None


@functools.lru_cache(maxsize=65_536)
def _find_license_in(root: Path, folder: PurePosixPath) -> str | None:
    try:
        entries = [entry.name for entry in os.scandir(root / folder) if entry.is_file(follow_symlinks=False)]
    except OSError:
        return None  # removed meanwhile: the reader of its files reports it
    names = sorted((name for name in entries if _LICENSE.fullmatch(name)), key=_license_order)
    return str(folder / names[0]) if names else None


def _license_order(name: str) -> tuple[int, str]:
    """Sorts names by _ORDER, then by name."""
    rank = next(i for i, start in enumerate(_ORDER) if name.lower().startswith(start))
    return rank, name
