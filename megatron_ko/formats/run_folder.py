"""The run folder and what a checkpoint says of itself, without torch.

Owns the names inside ``runs/NAME``, finding the newest complete checkpoint by looking, reading ``checkpoint.json``
and the comparison of a checkpoint with the model and tokenizer of a run (``docs/formats.md``).
Tensors are ``megatron_ko.training.checkpoint``'s.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import platform
import re
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from megatron_ko.config.fields import Flag, NonNegativeInt, PositiveInt
from megatron_ko.config.training import Config, ModelConfig, head_size
from megatron_ko.errors import CheckpointError
from megatron_ko.files import atomic_file, read_json

log = logging.getLogger(__name__)
FORMAT = "megatron_ko-checkpoint-1"
MARKER = "checkpoint.json"
_STEP = re.compile(r"^step_(\d{8,})$")
# What may differ between a checkpoint and the run that loads it without changing any weight's meaning.
_NOT_SHAPE = {"max_sequence_length", "vocab_size", "init_std", "extra"}


@dataclass(frozen=True)
class Checkpoint:
    """A complete checkpoint: its folder and its description."""

    folder: Path
    step: NonNegativeInt
    samples: NonNegativeInt
    tokens: NonNegativeInt
    model: ModelConfig
    vocab_size: PositiveInt
    padded_vocab_size: PositiveInt
    tokenizer_fingerprint: str | None
    dtype: str
    optimizer: Flag
    layout: dict[str, int] | None
    config: dict[str, Any] | None

    @staticmethod
    def read(folder: Path | str) -> Checkpoint:
        """Raises CheckpointError when ``folder`` is no checkpoint, half-written, or of another format."""
        folder = Path(folder).expanduser()
        marker = folder / MARKER
        if not folder.is_dir():
            raise CheckpointError(f"{folder}: no such checkpoint folder; check the path")
        if not marker.is_file() and not any(folder.glob("*.distcp")) and not _STEP.match(folder.name):
            raise CheckpointError(
                f"{folder}: is no checkpoint of this project (it has no {MARKER}); check the path"
            )
        if not marker.is_file():
            raise CheckpointError(
                f"{folder}: is half-written (its marker {MARKER} is missing); use an older checkpoint and delete this one"
            )
        data = read_json(marker, error=CheckpointError)
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise CheckpointError(
                f"{marker}: format is not {FORMAT!r}; it was written by another version, use that one or another checkpoint"
            )
        _check_files(folder, data.get("files") or {})
        missing = [
            name for name in (".metadata", "common.pt", "metadata.json") if not (folder / name).is_file()
        ]
        if missing:
            raise CheckpointError(
                f"{folder}: {', '.join(missing)} is missing; the checkpoint was damaged, use another one"
            )
        try:
            return TypeAdapter(Checkpoint).validate_python({**data, "folder": folder})
        except ValidationError as error:
            item = error.errors()[0]
            where = ".".join(map(str, item["loc"]))
            raise CheckpointError(
                f"{marker}: {where}: {item['msg']}; it was damaged or edited, use another one"
            ) from None

    def description(self) -> dict[str, Any]:
        """The content of ``checkpoint.json``."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "folder"}
        return {"format": FORMAT, **fields, "model": dataclasses.asdict(self.model), "versions": versions()}


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide what a checkpoint means, as far as they are installed."""
    found = {"python": platform.python_version()}
    for package in ("torch", "megatron-core", "transformer-engine"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def sizes_of_files(folder: Path) -> dict[str, int]:
    """Bytes of every file of the tensors, for ``checkpoint.json``: a cut file is found before anything starts."""
    return {path.name: path.stat().st_size for path in sorted(folder.glob("*.distcp"))}


def _check_files(folder: Path, sizes: dict[str, int]) -> None:
    found = sizes_of_files(folder)
    for name, size in sizes.items():
        if found.get(name) != size:
            now = f"{found[name]:,} bytes" if name in found else "missing"
            raise CheckpointError(
                f"{folder / name}: {now} where {MARKER} says {size:,} bytes: damaged; use another checkpoint"
            )


def checkpoints_of(run: Path | str) -> list[Path]:
    """Complete checkpoints of a run folder, oldest first."""
    parent = Path(run).expanduser() / "checkpoints"
    if not parent.is_dir():
        return []
    found = [
        (int(m.group(1)), p)
        for p in parent.iterdir()
        if (m := _STEP.match(p.name)) and (p / MARKER).is_file()
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
        [p for p in folder.iterdir() if _STEP.match(p.name) and p not in complete] if folder.is_dir() else []
    )
    newer = [p for p in found if not complete or _step_of(p) > _step_of(complete[-1])]
    for path in sorted(newer):
        log.warning(
            "%s is half-written and passed over; the run continues from %s",
            path, complete[-1].name if complete else "the beginning",
        )  # fmt: skip


def check_fits(
    checkpoint: Checkpoint, model: ModelConfig, vocab_size: int, tokenizer_fingerprint: str
) -> None:
    """Raises CheckpointError listing every difference that makes the weights mean something else."""
    ours, theirs = ({**dataclasses.asdict(m), "head_size": head_size(m)} for m in (model, checkpoint.model))
    problems = [
        f"model.{name} is {theirs[name]} in the checkpoint and {ours[name]} in the configuration"
        for name in ours
        if name not in _NOT_SHAPE and ours[name] != theirs[name]
    ]
    if checkpoint.vocab_size != vocab_size:
        problems.append(
            f"the vocabulary has {checkpoint.vocab_size} tokens in the checkpoint and {vocab_size} in the data"
        )
    if checkpoint.tokenizer_fingerprint not in (None, tokenizer_fingerprint):
        problems.append(
            f"the tokenizer is {checkpoint.tokenizer_fingerprint[:19]} in the checkpoint and "
            f"{tokenizer_fingerprint[:19]} in the data"
        )
    if problems:
        raise CheckpointError(
            f"{checkpoint.folder}: does not fit this run; use its configuration and data or another run.folder\n  "
            + "\n  ".join(problems)
        )


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
    match = _STEP.match(folder.name)
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
        if (match := _STEP.match(path.name))
        and not (path / MARKER).exists()
        and int(match[1]) < _step_of(newest)
    ]
    for folder in unfinished:
        shutil.rmtree(folder)
    return old
