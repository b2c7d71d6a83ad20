"""The run folder, without torch: the names inside ``runs/NAME`` and which checkpoints it has (``docs/formats.md``).

Owns finding the newest complete checkpoint by looking, removing old ones, and cutting ``metrics.jsonl`` for a resumed run.
What a checkpoint says of itself is ``checkpoint_folder``'s.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

from megatron_ko.config.training import Config
from megatron_ko.errors import CheckpointError
from megatron_ko.files import atomic_file
from megatron_ko.formats.checkpoint_folder import MARKER, STEP, Checkpoint

log = logging.getLogger(__name__)


def checkpoints_of(run: Path | str) -> list[Path]:
    """Complete checkpoints of a run folder, oldest first."""
    parent = Path(run).expanduser() / "checkpoints"
    if not parent.is_dir():
        return []
    found = [
        (int(m.group(1)), p) for p in parent.iterdir() if (m := STEP.match(p.name)) and (p / MARKER).is_file()
    ]
    return [path for _, path in sorted(found)]


def folder_problem(run: Path | str) -> str | None:
    """Why nothing can be written to the run folder, or None."""
    folder = Path(run).expanduser().absolute()
    nearest = next(path for path in (folder, *folder.parents) if os.path.exists(path))
    if not nearest.is_dir():
        return f"{nearest} is a file, not a folder; choose another run.folder"
    if not os.access(nearest, os.W_OK | os.X_OK):
        return f"{nearest} cannot be written to by this user; choose another run.folder"
    for name in ("checkpoints", "logs", "index", "tokenizer"):
        if (folder / name).exists() and not (folder / name).is_dir():
            return f"{folder / name} is a file, not a folder; remove it or choose another run.folder"
    return None


def checkpoint_folder(run: Path | str, step: int) -> Path:
    return Path(run).expanduser() / "checkpoints" / f"step_{step:08d}"


def newest_checkpoint(path: Path | str) -> Checkpoint:
    """The checkpoint in ``path``, or the newest complete one when ``path`` is a run folder."""
    path = Path(path).expanduser()
    if (path / MARKER).is_file() or not (path / "checkpoints").is_dir():
        return Checkpoint.read(path)
    complete = checkpoints_of(path)
    if not complete:
        raise CheckpointError(f"{path}: holds no complete checkpoint; let the run save one first")
    return Checkpoint.read(complete[-1])


def start_of_run(config: Config) -> Checkpoint | None:
    """The checkpoint that this run continues from: the newest complete one of its folder, or None."""
    complete = checkpoints_of(config.run.folder)
    _warn_of_unfinished(Path(config.run.folder).expanduser() / "checkpoints", complete)
    if not complete:
        return None
    if config.checkpoint.resume == "never":
        raise CheckpointError(
            f"{complete[-1]}: exists, but checkpoint.resume is never; choose another run.folder or resume: auto"
        )
    newest = Checkpoint.read(complete[-1])
    if not newest.optimizer:
        raise CheckpointError(
            f"{newest.folder}: holds weights only, a run cannot continue from it; "
            "name it in checkpoint.initial_weights of a new run folder"
        )
    return newest


def _warn_of_unfinished(folder: Path, complete: list[Path]) -> None:
    """Says which half-written checkpoint is passed over; the run replaces it when it gets there."""
    found = (
        [p for p in folder.iterdir() if STEP.match(p.name) and p not in complete] if folder.is_dir() else []
    )
    newer = [p for p in found if not complete or _step_of(p) > _step_of(complete[-1])]
    for path in sorted(newer):
        log.warning(
            "%s is half-written and passed over; the run continues from %s",
            path, complete[-1].name if complete else "the beginning",
        )  # fmt: skip


def cut_metrics(path: Path, last_step: int) -> None:
    """Removes the lines of ``metrics.jsonl`` after ``last_step`` and a torn last line: a resumed run writes them again."""
    if not path.is_file():
        return
    kept = []
    for line in path.read_bytes().splitlines(keepends=True):
        try:
            record = json.loads(line)
        except ValueError:
            continue  # the line being written when the run was killed
        if record["step"] <= last_step and record["kind"] != "end":
            kept.append(line.rstrip(b"\n") + b"\n")
    with atomic_file(path) as file:
        file.writelines(kept)


def _step_of(folder: Path) -> int:
    match = STEP.match(folder.name)
    assert match is not None, folder
    return int(match[1])


def remove_old_checkpoints(run: Path | str, keep: int | None) -> list[Path]:
    """Deletes all but the newest ``keep`` complete checkpoints, and what killed saves left before the newest.

    The marker of a checkpoint goes first, so none is left half.
    """
    import shutil

    complete = checkpoints_of(run)
    if not complete:
        return []
    old = complete[:-keep] if keep is not None else []
    for folder in old:
        os.unlink(folder / MARKER)
    newest = complete[-1]
    unfinished = [
        path
        for path in newest.parent.iterdir()
        if (match := STEP.match(path.name))
        and not (path / MARKER).exists()
        and int(match[1]) < _step_of(newest)
    ]
    for folder in unfinished:
        shutil.rmtree(folder)
    return old
