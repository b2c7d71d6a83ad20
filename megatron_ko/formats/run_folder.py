"""The run folder ``runs/NAME`` and its checkpoints, without torch (``docs/formats.md``).

Owns the names inside, the search for the checkpoint from which a run continues, and the truncation of ``metrics.jsonl`` for a
resumed run. ``checkpoint_folder`` owns the description of a checkpoint, ``retention`` which ones stay.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from megatron_ko.config.training import AverageConfig, Config
from megatron_ko.errors import CheckpointError
from megatron_ko.files import atomic_file, write_text
from megatron_ko.formats.checkpoint_folder import MARKER, STEP, Checkpoint, Origin, damage_error

log = logging.getLogger(__name__)
WANDB_ID = "wandb_id"
"""File in a run folder: the id of the run in Weights & Biases."""
INITIAL_WEIGHTS = "initial_weights"
"""Checkpoint in a run folder: initial weights that were converted from a Hugging Face folder."""
TEACHERS = "teachers"
"""Folder in a run folder: checkpoints of teachers that were converted from Hugging Face folders."""
SET_ASIDE = "set_aside"
"""Folder in a run folder: checkpoints behind the one to which ``checkpoint.resume`` went back."""
AVERAGES = "averages"
"""Folder in a run folder: averages of checkpoints (``checkpoint.average``), which are checkpoints of weights alone."""
_OWN_FOLDERS = ("checkpoints", "logs", "index", "tokenizer", SET_ASIDE)
"""Folders in a run folder into which only its training writes."""
DAMAGE = frozenset(
    ("missing-file", "wrong-size", "damaged-marker", "invalid-json", "unreadable-file", "wrong-checksum")
)
"""Rules of errors about a checkpoint that was complete once."""
RESUME_WORDS = ("auto", "never")
"""Values of ``checkpoint.resume`` that are not folders."""


def checkpoints_of(run: Path | str) -> list[Path]:
    """Complete checkpoints of a run folder, oldest first."""
    parent = Path(run).expanduser() / "checkpoints"
    if not parent.is_dir():
        return []
    complete = [
        (int(m.group(1)), p) for p in parent.iterdir() if (m := STEP.match(p.name)) and (p / MARKER).is_file()
    ]
    return [path for _, path in sorted(complete)]


def folder_problem(run: Path | str) -> str | None:
    """Why the run folder is not writable, or None if it is."""
    folder = Path(run).expanduser().absolute()
    nearest = next(path for path in (folder, *folder.parents) if os.path.exists(path))
    if not nearest.is_dir():
        return f"{nearest} is a file and not a folder; choose another run.folder"
    if not os.access(nearest, os.W_OK | os.X_OK):
        return f"this user may not write to {nearest}; choose another run.folder"
    for name in ("checkpoints", "logs", "index", "tokenizer", INITIAL_WEIGHTS, TEACHERS, SET_ASIDE, AVERAGES):
        if (folder / name).exists() and not (folder / name).is_dir():
            return f"{folder / name} is a file and not a folder; remove it or choose another run.folder"
    return None


def checkpoint_folder(run: Path | str, step: int) -> Path:
    return Path(run).expanduser() / "checkpoints" / f"step_{step:08d}"


def average_folder(run: Path | str, step: int) -> Path:
    return Path(run).expanduser() / AVERAGES / f"step_{step:08d}"


def steps_of_average(settings: AverageConfig, every_steps: int, step: int) -> list[int]:
    """Steps of the checkpoints in the next average at or after ``step``, oldest first; saves on request are not among them."""
    end = -(-step // settings.every_steps) * settings.every_steps
    return [end - number * every_steps for number in reversed(range(settings.last))]


def is_run_folder(path: Path) -> bool:
    """Whether a run has started in ``path``: before its first checkpoint, only its configuration and plan are there."""
    started = (path / "config.yaml").is_file() and (path / "plan.txt").is_file()
    return started or (path / "checkpoints").is_dir()


def run_that_owns(path: Path) -> Path | None:
    """The run folder that ``path`` is, or into whose checkpoints or other own folders it leads; None if there is none.

    A folder that merely has a folder ``checkpoints`` is not a run, and other folders beside it, such as ``hf``, are free.
    """
    path = path.expanduser().resolve()
    candidates = [path, *(parent.parent for parent in (path, *path.parents) if parent.name in _OWN_FOLDERS)]
    return next((run for run in candidates if is_run_folder(run) and _has_run(run)), None)


def _has_run(folder: Path) -> bool:
    return (folder / "plan.txt").is_file() or bool(checkpoints_of(folder))


def require_folder(path: Path, what: str = "the path") -> None:
    """Raises CheckpointError unless ``path`` is a folder; ``what`` is what the user has to check."""
    if not path.is_dir():
        found = "is a file, not a folder" if path.exists() else "no such folder"
        raise CheckpointError(f"{path}: {found}; check {what}", rule="missing-folder")


def suggest_run_folder(path: Path) -> str:
    """What to do about ``path``, which is not a run folder: name the run folder in it, such as that of a job."""
    return f"did you mean {path / 'train'}?" if is_run_folder(path / "train") else "check the path"


def newest_checkpoint(path: Path | str) -> Checkpoint:
    """Reads the checkpoint in ``path``, or the newest complete one if ``path`` is a run folder."""
    path = Path(path).expanduser()
    if (path / MARKER).is_file() or not is_run_folder(path):
        return Checkpoint.read(path)
    complete = checkpoints_of(path)
    if not complete:
        message = f"{path}: has no complete checkpoint yet; let the run save one first"
        raise CheckpointError(message, rule="no-checkpoints")
    return Checkpoint.read(complete[-1])


def start_of_run(config: Config) -> tuple[Checkpoint | None, Origin | None]:
    """Checkpoint from which this run continues: that of ``checkpoint.resume``, else the newest complete one, or None.

    And what the run's checkpoints record as ``resumed_from``: it differs from that of the start where the run goes back to
    (or branches off) a checkpoint that was chosen now.
    """
    complete = checkpoints_of(config.run.folder)
    _warn_about_incomplete(Path(config.run.folder).expanduser() / "checkpoints", complete)
    resume = config.checkpoint.resume
    if resume not in RESUME_WORDS:
        start, origin = _chosen_start(resume, Path(config.run.folder).expanduser(), complete)
        return _check_optimizer(start), origin
    if not complete:
        return None, None
    if resume == "never":
        raise CheckpointError(
            f"{complete[-1]}: exists, but checkpoint.resume is never; choose another run.folder or set "
            "checkpoint.resume: auto",
            rule="resume-never",
        )
    start = _check_optimizer(newest_undamaged(complete))
    return start, start.resumed_from


def _check_optimizer(start: Checkpoint) -> Checkpoint:
    if not start.optimizer:
        raise CheckpointError(
            f"{start.folder}: contains only weights, so no run can continue from it; set checkpoint.initial_weights to "
            "it and choose a new run.folder",
            rule="no-optimizer-state",
        )
    return start


def _chosen_start(resume: str, run: Path, complete: list[Path]) -> tuple[Checkpoint, Origin]:
    """The checkpoint ``resume``, or the newest of the run if that was trained from it: the same command goes on.

    And the origin of the run's checkpoints.

    Raises CheckpointError if the run folder contains checkpoints and the chosen one is not one of them.
    """
    newest = _newest_readable(complete)
    if newest and newest.resumed_from and _is_same_folder(newest.resumed_from.folder, resume):
        log.info("%s was trained from %s, the run continues with it", newest.folder, resume)
        return newest, newest.resumed_from
    if not Path(resume).expanduser().exists():
        raise CheckpointError(
            f"checkpoint.resume: {resume!r} does not exist; write auto, never, or the folder of a checkpoint or a run",
            rule="missing-checkpoint",
        )
    chosen = newest_checkpoint(resume)
    if newest and newest.resumed_from and _is_origin(newest.resumed_from, chosen):  # the folders have moved
        return newest, newest.resumed_from
    if complete and not _is_same_folder(chosen.folder.parent, run / "checkpoints"):
        raise CheckpointError(
            f"{run}: has checkpoints of its own ({complete[-1].name}) that were not trained from {chosen.folder}; choose a new "
            "run.folder to continue from there",
            rule="resume-foreign",
        )
    earlier = chosen.resumed_from
    if earlier and _is_same_folder(earlier.folder, resume):
        return chosen, earlier
    return chosen, Origin(str(Path(resume).expanduser().resolve()), chosen.step, chosen.short_hash)


def _is_same_folder(left: Path | str, right: Path | str) -> bool:
    return Path(left).expanduser().resolve() == Path(right).expanduser().resolve()


def _is_origin(origin: Origin, checkpoint: Checkpoint) -> bool:
    return (origin.step, origin.hash) == (checkpoint.step, checkpoint.short_hash)


def newest_readable(run: Path | str) -> Checkpoint | None:
    """The newest complete checkpoint of a run folder that is not damaged, by its file names and sizes."""
    return _newest_readable(checkpoints_of(run))


def _newest_readable(complete: list[Path]) -> Checkpoint | None:
    """The newest of the checkpoints (oldest first) that is not damaged, or None."""
    try:
        return newest_undamaged(complete) if complete else None
    except CheckpointError as error:
        if error.rule not in DAMAGE:
            raise
        return None


def newest_undamaged(
    folders: Sequence[Path],
    find_damage: Callable[[Checkpoint], list[str]] = lambda _: [],
    *,
    resumable: bool = False,
    warns: bool = True,
) -> Checkpoint:
    """The newest of the checkpoints (oldest first) that is not damaged: whose marker, file names and sizes are right, and in which
    ``find_damage`` names no file. Logs what is damaged unless ``warns`` is false. ``resumable``: passes over weights alone.

    Raises CheckpointError if all are damaged: a run never starts again from the beginning because of damage.
    """
    errors: list[CheckpointError] = []
    for folder in reversed(folders):
        try:
            checkpoint = Checkpoint.read(folder)
            if resumable and not checkpoint.optimizer:
                continue
            if names := find_damage(checkpoint):
                raise damage_error(checkpoint, names)
            return checkpoint
        except CheckpointError as error:
            if error.rule not in DAMAGE:
                raise
            errors.append(error)
            if warns and folder != folders[0]:
                log.warning("%s; trying an older checkpoint", error.problems[0].cause)
    others = (
        "so is every older checkpoint of the run" if len(folders) > 1 else "the run has no other checkpoint"
    )
    raise CheckpointError(
        f"{errors[0].problems[0].cause}, and {others}; restore one from a copy, or begin again in a new run.folder",
        rule=errors[0].rule,
    )


def _warn_about_incomplete(folder: Path, complete: list[Path]) -> None:
    """Warns about incomplete checkpoints after the newest complete one; the run replaces them at their steps."""
    names = folder.iterdir() if folder.is_dir() else ()
    incomplete = [path for path in names if STEP.match(path.name) and path not in complete]
    newer = [p for p in incomplete if not complete or step_of(p) > step_of(complete[-1])]
    for path in sorted(newer):
        start = complete[-1].name if complete else "the beginning"
        log.warning("%s is incomplete and ignored; the run continues from %s", path, start)


def cut_metrics(path: Path, last_step: int) -> None:
    """Removes lines of ``metrics.jsonl`` after ``last_step``, which a resumed run writes again, and a truncated last line.

    Records of a divergence stay.
    """
    if not path.is_file():
        return
    lines = []
    for line in path.read_bytes().splitlines(keepends=True):
        try:
            record = json.loads(line)
        except ValueError:
            continue  # truncated: the run was killed while it wrote this line
        written_again = record["kind"] == "valid" and record["step"] == last_step == 0  # the baseline
        happened = record["step"] <= last_step and record["kind"] != "end" and not written_again
        if happened or record["kind"] == "divergence":  # a resumed run may pass its step without another one
            lines.append(line.rstrip(b"\n") + b"\n")
    with atomic_file(path) as file:
        file.writelines(lines)


def read_metrics(path: Path) -> Iterator[dict[str, Any]]:
    """The complete records of ``metrics.jsonl``; a running training may be writing the last line, a killed one has left half."""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            yield record


def last_metrics(path: Path, most_bytes: int = 1 << 20) -> list[dict[str, Any]]:
    """The last complete records of ``metrics.jsonl``, oldest first: those of a long run are too many to read again and again."""
    if not path.is_file():
        return []
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - most_bytes))
        lines = file.read().split(b"\n")
    records = []
    for line in lines[1:] if size > most_bytes else lines:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            records.append(record)
    return records


def lacks_validation(path: Path, step: int) -> bool:
    """Whether a run whose ``metrics.jsonl`` is at ``path`` saved after ``step`` without a validation there."""
    if not path.is_file():
        return False
    kinds = {record["kind"] for record in read_metrics(path) if record["step"] == step}
    return "save" in kinds and "valid" not in kinds


def wandb_id(run: Path, resumed_step: int) -> str:
    """The id of the run in Weights & Biases: made when the run starts from its beginning, kept when it resumes."""
    path = run / WANDB_ID
    if resumed_step == 0 or not path.is_file():
        write_text(path, f"{secrets.token_hex(8)}\n")
    return path.read_text(encoding="utf-8").strip()


def step_of(folder: Path) -> int:
    """Step of the checkpoint in ``folder``, by its name."""
    match = STEP.match(folder.name)
    assert match is not None, folder
    return int(match[1])
