"""The checkpoint folder and its description (``checkpoint.json``, ``docs/formats.md``), without torch.

Owns the fields of the marker, the conditions of a complete checkpoint, and the comparison of a checkpoint with the model
and tokenizer of a run. ``run_folder`` lists the checkpoints of a run; ``megatron_ko.training.checkpoint`` owns tensors.
"""

from __future__ import annotations

import dataclasses
import json
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

from pydantic import TypeAdapter, ValidationError

from megatron_ko.config.fields import Flag, NonNegativeInt, PositiveInt
from megatron_ko.config.fp8 import Fp8
from megatron_ko.config.loading import in_plain_words, problem_of
from megatron_ko.config.model import ModelConfig, head_size
from megatron_ko.config.yaml_tree import format_value
from megatron_ko.errors import CheckpointError, Problem
from megatron_ko.files import read_json, sha256_text
from megatron_ko.formats.checksums import FileFacts, hash_file, read_facts
from megatron_ko.formats.data_record import DataRecord
from megatron_ko.wording import format_count

FORMAT = "megatron_ko-checkpoint-1"
MARKER = "checkpoint.json"
UNFINISHED = ".unfinished"
"""File in a folder that a tool writes, from the first byte until the result is verified."""
STEP = re.compile(r"^step_(\d{8,})$")
# Fields that may differ between a checkpoint and the run that loads it: they change no weight's meaning.
_NOT_SHAPE = {"max_sequence_length", "vocab_size", "init_std", "extra"}


@dataclass(frozen=True)
class Origin:
    """A checkpoint that another one was trained from: its absolute path, step and ``short_hash``."""

    folder: str
    step: NonNegativeInt
    hash: str


@dataclass(frozen=True)
class StepWindow:
    """The last accepted steps of a run that skips steps, oldest first (``training.skip``)."""

    losses: list[float]
    gradient_norms: list[float]
    skipped_in_a_row: NonNegativeInt


@dataclass(frozen=True)
class LoraRecord:
    """The adapters of a checkpoint: their settings, and the weights that they were trained beside.

    ``targets``: names of single weights, such as ``q`` and ``fc2``. ``base``: None if those weights are in the checkpoint, too,
    as in a stage that trains adapters; otherwise the checkpoint contains nothing but adapters.
    """

    rank: PositiveInt
    alpha: float
    targets: tuple[str, ...]
    base: Origin | None


@dataclass(frozen=True)
class StageMark:
    """The stage that a checkpoint was saved in, and the position within it."""

    number: NonNegativeInt
    name: str
    step: NonNegativeInt
    samples: NonNegativeInt
    partial: Flag
    """Whether only weights that train in the stage have moments; those of each layer have their own names then."""


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
    loss: float | None = None
    """Mean training loss of the steps since the previous checkpoint; None in weights alone and in earlier versions."""
    lowest_loss: float | None = None
    """The lowest ``loss`` of the run's checkpoints on this data, those included that are gone."""
    data: DataRecord | None = None
    """The training data and the position in each set; None in weights alone and in earlier versions."""
    resumed_from: Origin | None = None
    """The checkpoint that ``checkpoint.resume`` named last in the history of the run."""
    window: StepWindow | None = None
    """The steps that the next ones are compared with; None if the run skips no steps."""
    lora: LoraRecord | None = None
    """The adapters of a LoRA run, or of a stage; None where the checkpoint contains only the model's weights."""
    stage: StageMark | None = None
    """The stage of training; None in a run without stages, in weights alone and in earlier versions."""
    fp8: Fp8 | None = None
    """The FP8 recipe of the run (``precision.fp8``); None in weights alone and in earlier versions."""
    teacher: Origin | None = None
    """The teacher of the stage in which it was saved (``distillation``), whose weights it does not contain; None without one."""
    projections: dict[str, tuple[PositiveInt, PositiveInt]] = field(default_factory=dict)
    """Shapes of the projections of hidden states that train beside the model in the stage, by name; conversions leave them out."""
    files: dict[str, FileFacts] = field(default_factory=dict, compare=False)
    """Size and checksum of each file, by its name in the folder."""

    @staticmethod
    def read(folder: Path | str) -> Checkpoint:
        """Raises CheckpointError if ``folder`` is not a checkpoint, is incomplete, or has another format."""
        folder = Path(folder).expanduser()
        marker = folder / MARKER
        if not folder.is_dir():
            found = "is a file, not a checkpoint folder" if folder.exists() else "no such checkpoint folder"
            message = f"{folder}: {found}; check the path"
            raise CheckpointError(message, rule="missing-checkpoint")
        if not marker.is_file() and not any(folder.glob("*.distcp")) and not STEP.match(folder.name):
            raise CheckpointError(
                f"{folder}: is not a megatron_ko checkpoint (no {MARKER}); check the path",
                rule="not-a-checkpoint",
            )
        if not marker.is_file():
            foreign = re.match(r"^(iter_\d+|release)$", folder.name) is not None
            way_out = (
                f"if Megatron-LM wrote it, convert it with 'mko checkpoint from-megatron {folder} DST --tokenizer FOLDER'"
                if foreign
                else "use an older checkpoint and delete this one"
            )
            raise CheckpointError(
                f"{folder}: is incomplete (its marker {MARKER} is missing); {way_out}",
                rule="incomplete-checkpoint",
            )
        data = _read_marker(marker)
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise CheckpointError(
                f"{marker}: its format is not {FORMAT!r}; another version of megatron_ko wrote it, use that version or "
                "another checkpoint",
                rule="unknown-format",
            )
        files = _facts_of_files(marker, data.get("files") or {})
        _check_files(folder, files)
        missing = [name for name in (".metadata", "metadata.json") if not (folder / name).is_file()]
        if missing:
            raise _damage(folder, f"{missing[0]} is missing", "missing-file")
        try:
            return TypeAdapter(Checkpoint).validate_python({**data, "folder": folder, "files": files})
        except ValidationError as error:
            raise CheckpointError(
                [
                    problem_of(
                        str(marker),
                        item,
                        f"{in_plain_words(item['msg'])}; the file was damaged or edited, use another checkpoint",
                    )
                    for item in error.errors()
                ]
            ) from None

    @property
    def state_in_index(self) -> bool:
        """Whether state other than tensors is in the index (megatron-core 0.19) and not in ``common.pt`` (0.16)."""
        return not (self.folder / "common.pt").is_file()

    @property
    def stage_number(self) -> int:
        """Number of the stage that it was saved in; 0 in a run without stages."""
        return self.stage.number if self.stage else 0

    @property
    def short_hash(self) -> str:
        """Identifies the tensors: 12 digits of the hash of their checksums. The index differs from save to save."""
        files = ((name, f.size, f.checksum) for name, f in self.files.items() if name.endswith(".distcp"))
        facts = sorted(files, key=lambda file: file[0])
        return sha256_text(json.dumps(facts))[:12]

    def description(self) -> dict[str, Any]:
        """Content of ``checkpoint.json``, except its files."""
        names = [f.name for f in dataclasses.fields(self) if f.name not in ("folder", "files")]
        fields = {name: getattr(self, name) for name in names}
        nested = {
            name: dataclasses.asdict(fields[name])
            for name in ("model", "data", "resumed_from", "window", "lora", "stage", "fp8", "teacher")
            if fields[name] is not None
        }
        return {"format": FORMAT, **fields, **nested, "versions": versions()}


def versions() -> dict[str, str]:
    """Versions of Python and of those installed packages that determine the meaning of a checkpoint."""
    result = {"python": platform.python_version()}
    for package in ("torch", "megatron-core", "transformer-engine"):
        try:
            result[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return result


def _check_files(folder: Path, files: dict[str, FileFacts]) -> None:
    """Checks presence and size of each file, which costs nothing; ``damaged_files`` reads them."""
    for name, facts in files.items():
        path = folder / name
        if not path.is_file():
            raise _damage(folder, f"{name} is missing", "missing-file")
        if (size := path.stat().st_size) != facts.size:
            content = f"{name} has {format_count(size, 'byte')}, but {MARKER} lists {facts.size:,}"
            raise _damage(folder, content, "wrong-size")


def _read_marker(marker: Path) -> Any:
    try:
        return read_json(marker, error=CheckpointError)
    except CheckpointError as error:
        if error.rule == "invalid-json":
            raise _damage(marker.parent, f"{MARKER} is not valid JSON", error.rule) from None
        raise


def _facts_of_files(marker: Path, entries: Any) -> dict[str, FileFacts]:
    """The entry ``files`` of a marker. Raises CheckpointError if it is damaged or names files outside the folder."""
    files = {}
    for name, entry in (entries if isinstance(entries, dict) else {"files": None}).items():
        facts = read_facts(entry)
        if facts is None or Path(name).is_absolute() or ".." in Path(name).parts:
            raise _damage(marker.parent, f"the entry {name!r} of files in {MARKER}", "damaged-marker")
        files[name] = facts
    return files


def require_finished(folder: Path) -> None:
    """Raises CheckpointError for the result of a tool that was killed or whose checks failed."""
    if (folder / UNFINISHED).is_file():
        raise CheckpointError(
            f"{folder}: was not finished: the command that wrote it was killed, or a check failed ({UNFINISHED}); run that command "
            "again with the same arguments",
            rule="unfinished-folder",
        )


def damaged_files(checkpoint: Checkpoint, part: int = 0, parts: int = 1) -> list[str]:
    """Files whose content is not the one that was written, among every ``parts``-th file from ``part`` on.

    Reads them whole. Files without a checksum (earlier versions wrote none) are skipped.
    """
    names = sorted(name for name, facts in checkpoint.files.items() if facts.checksum is not None)
    return [
        name
        for name in names[part::parts]
        if not (path := checkpoint.folder / name).is_file()
        or hash_file(path) != checkpoint.files[name].checksum
    ]


def damage_error(checkpoint: Checkpoint, names: Sequence[str]) -> CheckpointError:
    """The error that names files whose content has changed."""
    shown = ", ".join(names[:4]) + (f" and {len(names) - 4:,} more" if len(names) > 4 else "")
    return _damage(checkpoint.folder, f"content of {shown} is not what was written", "wrong-checksum")


def _damage(folder: Path, what: str, rule: str) -> CheckpointError:
    return CheckpointError(f"{folder}: is damaged ({what})", rule=rule, remedy="use another checkpoint")


class Weights(Protocol):
    """What is compared with a run: a checkpoint, or a model of Hugging Face."""

    @property
    def folder(self) -> Path: ...
    @property
    def model(self) -> ModelConfig: ...
    @property
    def vocab_size(self) -> int: ...
    @property
    def tokenizer_fingerprint(self) -> str | None: ...


def check_fits(
    checkpoint: Weights, model: ModelConfig, vocab_size: int, tokenizer_fingerprint: str | None
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
            f"is {format_value(theirs[name])} in the checkpoint but {format_value(ours[name])} in the configuration; {remedy}",
            "model-mismatch",
        )
        for name in ours
        if name not in _NOT_SHAPE and ours[name] != theirs[name]
    ]
    rows = checkpoint.vocab_size
    if rows != vocab_size:
        way_out = (
            f"add rows with 'mko checkpoint expand-vocab {checkpoint.folder} TOKENIZER DST', or {remedy}"
            if rows < vocab_size
            else f"set model.vocab_size: {rows} to keep the rows, or {remedy}"
        )
        message = f"the embedding has {format_count(rows, 'row')} in the checkpoint but {vocab_size:,} in the run; {way_out}"
        problems.append(Problem(str(checkpoint.folder), "vocab_size", message, "vocabulary-mismatch"))
    if tokenizer_fingerprint and checkpoint.tokenizer_fingerprint not in (None, tokenizer_fingerprint):
        message = (
            f"the tokenizer is {checkpoint.tokenizer_fingerprint[:19]} in the checkpoint but "
            f"{tokenizer_fingerprint[:19]} in the data; {remedy}; 'mko checkpoint expand-vocab' makes a checkpoint for an "
            "extended tokenizer"
        )
        problems.append(
            Problem(str(checkpoint.folder), "tokenizer_fingerprint", message, "tokenizer-mismatch")
        )
    if problems:
        raise CheckpointError(problems)
