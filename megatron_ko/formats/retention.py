"""Which checkpoints of a run stay, which are removed, and which are set aside; without torch.

Owns every removal and move of checkpoints in a run folder, except the replacement of one by a new one of the same step.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Collection
from pathlib import Path

from megatron_ko.errors import CheckpointError
from megatron_ko.files import atomic_file, fsync_folder
from megatron_ko.formats.checkpoint_folder import MARKER, STEP, Checkpoint
from megatron_ko.formats.run_folder import SET_ASIDE, checkpoints_of, step_of

log = logging.getLogger(__name__)
RISE = 0.3
"""Nats per token: a loss that exceeds the lowest of the checkpoints by more is a rise, and may be a divergence."""


def remove_old_checkpoints(
    run: Path | str,
    keep: int | None,
    *,
    keep_every: int | None = None,
    newest_step: int | None = None,
    needed: Collection[int] = (),
) -> list[Path]:
    """Deletes old checkpoints and returns them; call it after a save, when the marker of the new one is durable.

    Kept are the newest ``keep`` undamaged ones up to ``newest_step`` (that of the save), multiples of ``keep_every`` and those of
    the steps ``needed``, which do not count, and the newest one before a rise of the loss. Those after ``newest_step`` are
    damaged ones that the run skipped:
    they neither count nor go. Deletes markers first, so that a partly deleted checkpoint never counts as complete.
    """
    if keep is None:
        return []
    waiting = set(needed) - {newest_step}  # the newest one stays in any case, and counts
    temporary = [
        folder
        for folder in checkpoints_of(run)
        if (newest_step is None or step_of(folder) <= newest_step)
        and not (keep_every and step_of(folder) % keep_every == 0)
        and step_of(folder) not in waiting
    ]
    sound = [checkpoint for folder in temporary if (checkpoint := _read_if_sound(folder))]
    kept = {checkpoint.folder for checkpoint in sound[-keep:]}
    before_rise = _newest_before_rise(sound)
    if before_rise and before_rise.folder not in kept:
        kept.add(before_rise.folder)
        log.warning(
            "the training loss (%.4f) is above that of %s (%.4f) by more than %s, so checkpoint.keep does not remove that one",
            sound[-1].loss, before_rise.folder.name, before_rise.loss, RISE,
        )  # fmt: skip
    oldest_kept = min((step_of(folder) for folder in kept), default=0)
    old = [
        folder
        for folder in temporary
        if folder not in kept and (folder in {c.folder for c in sound} or step_of(folder) < oldest_kept)
    ]
    for folder in old:
        os.unlink(folder / MARKER)
    for folder in old:
        shutil.rmtree(folder)
    return old


def _read_if_sound(folder: Path) -> Checkpoint | None:
    """The checkpoint, or None if its marker, file names or sizes are wrong."""
    try:
        return Checkpoint.read(folder)
    except CheckpointError:
        return None  # it was reported when the run skipped it; here it only does not count


def _newest_before_rise(sound: list[Checkpoint]) -> Checkpoint | None:
    """The newest of the checkpoints (oldest first) whose loss is near the lowest of the run, if losses are recorded."""
    lowest = sound[-1].lowest_loss if sound else None
    near = [c for c in sound if lowest is not None and c.loss is not None and c.loss <= lowest + RISE]
    return near[-1] if near else None


def remove_leftovers(run: Path | str) -> list[Path]:
    """Deletes incomplete checkpoints, which killed or failed saves left; call it before a save, which needs the room."""
    folder = Path(run).expanduser() / "checkpoints"
    names = sorted(folder.iterdir()) if folder.is_dir() else []
    leftovers = [path for path in names if STEP.match(path.name) and not (path / MARKER).exists()]
    for path in leftovers:
        shutil.rmtree(path)
    return leftovers


def set_aside_newer(run: Path | str, step: int) -> Path | None:
    """Moves checkpoints after ``step`` to ``set_aside/after_step_N/``, with a copy of the metrics; returns that folder.

    It is a run folder, so that all commands read it; nothing removes it, and no run continues from it by itself.
    """
    run = Path(run).expanduser()
    newer = [folder for folder in checkpoints_of(run) if step_of(folder) > step]
    if not newer:
        return None
    target = _new_folder(run / SET_ASIDE, f"after_step_{step:08d}")
    metrics = run / "metrics.jsonl"
    if metrics.is_file():
        with open(metrics, "rb") as source, atomic_file(target / metrics.name) as copy:
            shutil.copyfileobj(source, copy)
    (target / "checkpoints").mkdir()
    for folder in reversed(newer):  # killed in between, the newest ones are away
        folder.rename(target / "checkpoints" / folder.name)
    for folder in (target / "checkpoints", target, target.parent, run / "checkpoints"):
        fsync_folder(folder)
    log.warning(
        "the run goes back to step %s: %s newer checkpoints (%s to %s) were moved to %s",
        f"{step:,}", len(newer), newer[0].name, newer[-1].name, target,
    )  # fmt: skip
    return target


def _new_folder(parent: Path, name: str) -> Path:
    """Creates ``name``, ``name-2``, ... in ``parent``, whichever does not exist yet."""
    parent.mkdir(parents=True, exist_ok=True)
    number, target = 1, parent / name
    while target.exists():
        number += 1
        target = parent / f"{name}-{number}"
    target.mkdir()
    return target
