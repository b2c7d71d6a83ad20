"""Finds the files of the inputs and splits them into units, each of which one task reads.

Owns units and their names. ``file_patterns`` owns patterns of paths, ``input_hashes`` hashes of file contents, ``file_ranges``
the places where a format may be split.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import sysconfig
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from megatron_ko.config.loading import Loaded
from megatron_ko.errors import DataError, Problem
from megatron_ko.wording import format_count
from preprocessing.config.inputs import (
    HtmlInput,
    HuggingfaceInput,
    JsonInput,
    JsonlInput,
    ParquetInput,
    SourceTreeInput,
    StdlibInput,
    TextInput,
    WikiDumpInput,
)
from preprocessing.config.pipeline import Config
from preprocessing.readers.file_patterns import expand_braces, find_files, is_broken_link
from preprocessing.readers.file_ranges import Range, group_sizes, split_bzip2, split_evenly, split_row_groups
from preprocessing.readers.input_hashes import InputHashes
from preprocessing.readers.other_files import describe_other_files, type_of
from preprocessing.readers.source_trees import find_license_file, find_tree_files
from preprocessing.readers.standard_library import standard_library
from preprocessing.readers.starting_folder import beginning_of, hint_about_folder

log = logging.getLogger(__name__)
__all__ = ["InputHashes", "Unit", "expand_braces", "find_files", "find_units", "standard_library"]
UNCUT_SUFFIXES = (".gz", ".bz2", ".xz")  # files of lines whose starts cannot be located without reading all
Report = Callable[..., None]  # field, message, rule, and the remedy where the message does not end with it
RECORD_SUFFIXES = tuple(f".jsonl{packed}" for packed in ("", ".gz", ".zst", ".bz2", ".xz"))


@dataclass(frozen=True)
class Unit:
    """The part of the inputs that one task reads: a file of records, a part of one, or several whole files."""

    name: str  # unique; names the shards
    input_name: str
    files: tuple[Path, ...]
    labels: tuple[str, ...]  # names of the files in ids and reports
    ranges: tuple[Range | None, ...] = ()  # the part of each file; () for whole files
    size: int = 0  # bytes on disk
    root: Path | None = None  # of a source tree
    watched: tuple[Path, ...] = ()  # files that are not documents but affect them: licenses of a source tree
    # indices of the files that an earlier input reads, too: ids get the name of the input
    shared: tuple[int, ...] = ()

    def parts(self) -> Iterator[tuple[Path, str, Range | None]]:
        """Files with their labels and ranges."""
        return zip(self.files, self.labels, self.ranges or (None,) * len(self.files))


def find_units(loaded: Loaded[Config], hashes: InputHashes | None = None) -> list[Unit]:
    """Every unit in the order of the configuration; ``hashes`` caches where large files are split.

    Raises DataError with a problem for each pattern that matches no file.
    """
    hashes = hashes or InputHashes()
    units: list[Unit] = []
    problems: list[Problem] = []
    for name, item in loaded.config.inputs.items():

        def report(field: str, message: str, rule: str, remedy: str = "", name: str = name) -> None:
            problems.append(loaded.problem(f"inputs.{name}.{field}", message, rule, remedy))

        units += _find_units_of(name, item, hashes, loaded.config.seed, report)
    if problems:
        is_elsewhere = all(problem.rule == "no-match" for problem in problems)
        raise DataError(problems, hint=hint_about_folder(loaded) if is_elsewhere else "")
    return _mark_shared(units)


def _mark_shared(units: list[Unit]) -> list[Unit]:
    """Sets ``shared`` and warns: without it two documents would have one id."""
    first: dict[tuple[int, int], str] = {}  # the input that reads a file first, by device and inode
    pairs: Counter[tuple[str, str]] = Counter()
    marked = []
    for unit in units:
        shared = []
        for index, file in enumerate(unit.files):
            status = file.stat()
            other = first.setdefault((status.st_dev, status.st_ino), unit.input_name)
            if other != unit.input_name:
                shared.append(index)
                pairs[other, unit.input_name] += 1
        marked.append(dataclasses.replace(unit, shared=tuple(shared)) if shared else unit)
    for (other, name), count in pairs.items():
        log.warning(
            "inputs.%s reads %s that inputs.%s reads, too; the ids of its documents begin with '%s/'",
            *(name, format_count(count, "file"), other, name),
        )
    return marked


def _find_units_of(name: str, item: Any, hashes: InputHashes, seed: int, report: Report) -> list[Unit]:
    if isinstance(item, StdlibInput):
        files = standard_library(item.max_bytes, seed)
        root = Path(sysconfig.get_paths()["stdlib"])
        return [_unit_of_files(name, name, files, [label_of(f.relative_to(root)) for f in files])]
    if isinstance(item, HuggingfaceInput):
        return _split_data_set(name, item, hashes, report)
    if isinstance(item, SourceTreeInput):
        roots, missing = find_files(item.roots, Path.is_dir)
        for pattern in missing:
            report("roots", f"{pattern!r} matches no folder", "no-match", "check the path")
        return [unit for number, root in enumerate(roots) for unit in _split_tree(name, number, root, item)]
    files, missing = find_files(item.paths)
    for pattern in missing:
        path = Path(pattern).expanduser()
        if is_broken_link(path):
            message = f"{pattern!r} is a link to {os.readlink(path)!r}, which does not exist"
            report("paths", message, "broken-link", "repair the link, or check whether a disk is mounted")
        elif path.exists() and not path.is_dir():
            message = f"{pattern!r} is a pipe, a socket or a device, not a file"
            report("paths", message, "no-file", "write its content to a file")
        elif path.is_dir():
            remedy = f"is a folder; write {pattern.rstrip('/')}/**/* for the files in it, or end the pattern with a suffix"
            report("paths", f"{pattern!r} {remedy}", "is-folder")
        else:
            folder = Path(beginning_of(pattern) or ".").expanduser()
            others = describe_other_files(folder)
            remedy = f"check the path; {folder} has {others}" if others else "check the path"
            report("paths", f"{pattern!r} matches no file", "no-match", remedy)
    if isinstance(item, TextInput) and item.lang != "code":
        _warn_of_records(name, files)
    return _split_files(name, item, files, hashes)


def _warn_of_records(name: str, files: list[Path]) -> None:
    """Warns of files with many records that a text input reads as one document each."""
    types = Counter(kind for file in files if (kind := type_of(file.name)) in ("csv", "json"))
    for kind, count in types.items():
        log.warning(
            "inputs.%s reads %s of %s as one document each; type: %s reads the records in them",
            *(name, format_count(count, "file"), kind.upper(), kind),
        )


def label_of(path: Path) -> str:
    """The path as text for ids and reports; bytes of a name that are not UTF-8 become ``\\xNN``."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


# --- units of files --------------------------------------------------------------------------------------


def _split_files(name: str, item: Any, files: list[Path], hashes: InputHashes) -> list[Unit]:
    is_grouped = {file: isinstance(item, JsonInput) or not has_records(file, item) for file in files}
    alone = [file for file in files if not is_grouped[file]]
    grouped = [file for file in files if is_grouped[file]]
    units = []
    for i, file in enumerate(alone):
        parts = _split_file(file, item, hashes)
        for k, part in enumerate(parts):
            unit_name = f"{name}-{i:05d}" if part is None else f"{name}-{i:05d}-{k:05d}"
            size = file.stat().st_size // len(parts)
            units.append(Unit(unit_name, name, (file,), (label_of(file),), (part,), size))
    return units + _group_files(f"{name}-files", name, item, grouped, [label_of(f) for f in grouped])


def _group_files(
    prefix: str, name: str, item: Any, files: list[Path], labels: list[str], root: Path | None = None
) -> list[Unit]:
    """Units of whole files in their order, each of at most ``split_bytes`` or of one file."""
    runs = group_sizes([f.stat().st_size for f in files], item.split_bytes)
    return [
        _unit_of_files(f"{prefix}-{i:05d}" if len(runs) > 1 else prefix, name, files[a:b], labels[a:b], root)
        for i, (a, b) in enumerate(runs)
    ]


def _unit_of_files(
    name: str, input_name: str, files: list[Path], labels: list[str], root: Path | None = None
) -> Unit:
    size = sum(f.stat().st_size for f in files)
    return Unit(name, input_name, tuple(files), tuple(labels), (), size, root)


def _split_tree(name: str, number: int, root: Path, item: SourceTreeInput) -> list[Unit]:
    files = find_tree_files(root, item)
    labels = [label_of(f.relative_to(root)) for f in files]
    units = _group_files(f"{name}-{number:05d}-files", name, item, files, labels, root)
    return [dataclasses.replace(unit, watched=_find_licenses(root, unit.files)) for unit in units]


def _find_licenses(root: Path, files: Iterable[Path]) -> tuple[Path, ...]:
    names = {find_license_file(root, str(file.relative_to(root))) for file in files}
    return tuple(root / name for name in sorted(filter(None, names)))


def has_records(file: Path, item: Any) -> bool:
    """Whether a file contains many documents."""
    if isinstance(item, TextInput):
        return file.name.endswith(RECORD_SUFFIXES)
    return not isinstance(item, (HtmlInput, SourceTreeInput, StdlibInput))


def _split_file(file: Path, item: Any, hashes: InputHashes) -> list[Range | None]:
    """The parts of a file; [None] where one task reads it whole."""
    if file.stat().st_size <= item.split_bytes:
        return [None]
    parts: list[Range] = []
    if isinstance(item, (ParquetInput, HuggingfaceInput)):
        parts = _split_parquet(file, item.split_bytes)
    elif isinstance(item, (JsonlInput, TextInput)) and file.suffix not in UNCUT_SUFFIXES:
        parts = hashes.line_ranges(file, item.split_bytes)
    elif isinstance(item, WikiDumpInput) and file.suffix == ".xml":
        parts = split_evenly(file.stat().st_size, item.split_bytes)
    elif isinstance(item, WikiDumpInput) and file.suffix == ".bz2":
        parts = split_bzip2(file, item.split_bytes)
    return [*parts] if len(parts) > 1 else [None]


def _split_parquet(file: Path, split_bytes: int) -> list[Range]:
    if file.suffix != ".parquet":
        return []
    try:
        return split_row_groups(file, split_bytes)
    except (OSError, ValueError):
        return []  # damaged: the reader reports the damage


def _split_data_set(name: str, item: HuggingfaceInput, hashes: InputHashes, report: Report) -> list[Unit]:
    from preprocessing.readers.huggingface import find_local_files

    folder = Path(item.path).expanduser()
    if not folder.exists():
        if item.revision is None:
            report(
                "revision",
                f"{item.path!r} is not a local folder, and a Hugging Face Hub data set needs a commit; set revision",
                "missing-revision",
            )
        return [Unit(f"{name}-00000", name, (), ())]
    files = find_local_files(folder, item.split)
    if not files:
        report(
            "path",
            f"{item.path!r} contains no .arrow or .parquet file of split {item.split!r}; check path and split",
            "no-files-of-split",
        )
    return _split_files(name, item, files, hashes)
