"""The checkpoint folder and its description (``checkpoint.json``, ``docs/formats.md``), without torch.

Owns the fields of the marker, the conditions of a complete checkpoint, and the comparison of a checkpoint with the model
and tokenizer of a run. ``run_folder`` lists the checkpoints of a run; ``megatron_ko.training.checkpoint`` owns tensors.
"""

from __future__ import annotations

import dataclasses
import platform
import re
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from megatron_ko.config.fields import Flag, NonNegativeInt, PositiveInt
from megatron_ko.config.loading import problem_of
from megatron_ko.config.training import ModelConfig, head_size
from megatron_ko.errors import CheckpointError, Problem
from megatron_ko.files import read_json
from megatron_ko.wording import format_count

FORMAT = "megatron_ko-checkpoint-1"
MARKER = "checkpoint.json"
STEP = re.compile(r"^step_(\d{8,})$")
# Fields that may differ between a checkpoint and the run that loads it: they change no weight's meaning.
_NOT_SHAPE = {"max_sequence_length", "vocab_size", "init_std", "extra"}


@dataclass(frozen=True)
class Checkpoint:
    """A complete checkpoint: its folder and description."""

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
        """Raises CheckpointError if ``folder`` is not a checkpoint, is incomplete, or has another format."""
        folder = Path(folder).expanduser()
        marker = folder / MARKER
        if not folder.is_dir():
            message = f"{folder}: there is no such checkpoint folder; check the path"
            raise CheckpointError(message, rule="missing-checkpoint")
        if not marker.is_file() and not any(folder.glob("*.distcp")) and not STEP.match(folder.name):
            raise CheckpointError(
                f"{folder}: is not a megatron_ko checkpoint (no {MARKER}); check the path",
                rule="not-a-checkpoint",
            )
        if not marker.is_file():
            raise CheckpointError(
                f"{folder}: is incomplete (its marker {MARKER} is missing); use an older checkpoint and delete this one",
                rule="incomplete-checkpoint",
            )
        data = read_json(marker, error=CheckpointError)
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise CheckpointError(
                f"{marker}: its format is not {FORMAT!r}; another version of megatron_ko wrote it, use that version or "
                "another checkpoint",
                rule="unknown-format",
            )
        _check_files(folder, data.get("files") or {})
        missing = [name for name in (".metadata", "metadata.json") if not (folder / name).is_file()]
        if missing:
            raise CheckpointError(
                f"{folder}: is damaged ({', '.join(missing)} is missing); use another checkpoint",
                rule="missing-file",
            )
        try:
            return TypeAdapter(Checkpoint).validate_python({**data, "folder": folder})
        except ValidationError as error:
            raise CheckpointError(
                [
                    problem_of(
                        str(marker),
                        item,
                        f"{item['msg'][0].lower()}{item['msg'][1:]}; the file was damaged or edited, use another checkpoint",
                    )
                    for item in error.errors()
                ]
            ) from None

    @property
    def state_in_index(self) -> bool:
        """Whether state other than tensors is in the index (megatron-core 0.19) and not in ``common.pt`` (0.16)."""
        return not (self.folder / "common.pt").is_file()

    def description(self) -> dict[str, Any]:
        """Content of ``checkpoint.json``, except the sizes of its files."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "folder"}
        return {"format": FORMAT, **fields, "model": dataclasses.asdict(self.model), "versions": versions()}


def versions() -> dict[str, str]:
    """Versions of Python and of those installed packages that determine the meaning of a checkpoint."""
    result = {"python": platform.python_version()}
    for package in ("torch", "megatron-core", "transformer-engine"):
        try:
            result[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return result


def sizes_of_files(folder: Path) -> dict[str, int]:
    """Size in bytes of each state file, for ``checkpoint.json``: reveals truncated files before anything starts."""
    files = sorted([*folder.glob("*.distcp"), *folder.glob("common.pt")])
    return {path.name: path.stat().st_size for path in files}


def _check_files(folder: Path, sizes: dict[str, int]) -> None:
    on_disk = sizes_of_files(folder)
    for name, size in sizes.items():
        if name not in on_disk:
            raise CheckpointError(
                f"{folder / name}: is missing, but {MARKER} lists it; use another checkpoint",
                rule="missing-file",
            )
        if on_disk[name] != size:
            raise CheckpointError(
                f"{folder / name}: has {on_disk[name]:,} bytes, but {MARKER} lists {size:,}; it is damaged, use another "
                "checkpoint",
                rule="wrong-size",
            )


def check_fits(
    checkpoint: Checkpoint, model: ModelConfig, vocab_size: int, tokenizer_fingerprint: str | None
) -> None:
    """Raises CheckpointError with every difference that changes the meaning of the weights.

    Without ``tokenizer_fingerprint`` (the data does not exist yet), the tokenizer is not compared.
    """
    ours, theirs = ({**dataclasses.asdict(m), "head_size": head_size(m)} for m in (model, checkpoint.model))
    remedy = "use the configuration and data of the checkpoint, or another run.folder"
    problems = [
        Problem(
            str(checkpoint.folder),
            f"model.{name}",
            f"is {theirs[name]} in the checkpoint but {ours[name]} in the configuration; {remedy}",
            "model-mismatch",
        )
        for name in ours
        if name not in _NOT_SHAPE and ours[name] != theirs[name]
    ]
    if checkpoint.vocab_size != vocab_size:
        message = f"the vocabulary has {format_count(checkpoint.vocab_size, 'token')} in the checkpoint but {vocab_size:,} in the data; {remedy}"
        problems.append(Problem(str(checkpoint.folder), "vocab_size", message, "vocabulary-mismatch"))
    if tokenizer_fingerprint and checkpoint.tokenizer_fingerprint not in (None, tokenizer_fingerprint):
        message = (
            f"the tokenizer is {checkpoint.tokenizer_fingerprint[:19]} in the checkpoint but "
            f"{tokenizer_fingerprint[:19]} in the data; {remedy}"
        )
        problems.append(
            Problem(str(checkpoint.folder), "tokenizer_fingerprint", message, "tokenizer-mismatch")
        )
    if problems:
        raise CheckpointError(problems)
