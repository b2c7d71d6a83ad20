"""The checkpoint folder and what it says of itself (``checkpoint.json``, ``docs/formats.md``), without torch.

Owns the marker's fields, what makes a checkpoint complete, and the comparison of a checkpoint with the model and
tokenizer of a run. Which checkpoints a run has is ``run_folder``'s; tensors are ``megatron_ko.training.checkpoint``'s.
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
from megatron_ko.config.training import ModelConfig, head_size
from megatron_ko.errors import CheckpointError
from megatron_ko.files import read_json

FORMAT = "megatron_ko-checkpoint-1"
MARKER = "checkpoint.json"
STEP = re.compile(r"^step_(\d{8,})$")
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
        if not marker.is_file() and not any(folder.glob("*.distcp")) and not STEP.match(folder.name):
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
        missing = [name for name in (".metadata", "metadata.json") if not (folder / name).is_file()]
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

    @property
    def state_in_index(self) -> bool:
        """True when what is no tensor is an object of the index (megatron-core 0.19), not in ``common.pt`` (0.16)."""
        return not (self.folder / "common.pt").is_file()

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
    """Bytes of every file of the state, for ``checkpoint.json``: a cut file is found before anything starts."""
    files = sorted([*folder.glob("*.distcp"), *folder.glob("common.pt")])
    return {path.name: path.stat().st_size for path in files}


def _check_files(folder: Path, sizes: dict[str, int]) -> None:
    found = sizes_of_files(folder)
    for name, size in sizes.items():
        if found.get(name) != size:
            now = f"{found[name]:,} bytes" if name in found else "missing"
            raise CheckpointError(
                f"{folder / name}: {now} where {MARKER} says {size:,} bytes: damaged; use another checkpoint"
            )


def check_fits(
    checkpoint: Checkpoint, model: ModelConfig, vocab_size: int, tokenizer_fingerprint: str | None
) -> None:
    """Raises CheckpointError listing every difference that makes the weights mean something else.

    Without ``tokenizer_fingerprint``, because the data is not there yet, the tokenizer is not compared.
    """
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
    if tokenizer_fingerprint and checkpoint.tokenizer_fingerprint not in (None, tokenizer_fingerprint):
        problems.append(
            f"the tokenizer is {checkpoint.tokenizer_fingerprint[:19]} in the checkpoint and "
            f"{tokenizer_fingerprint[:19]} in the data"
        )
    if problems:
        raise CheckpointError(
            f"{checkpoint.folder}: does not fit this run; use its configuration and data or another run.folder\n  "
            + "\n  ".join(problems)
        )
