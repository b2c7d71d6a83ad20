"""The base of a LoRA run: the checkpoint whose weights its adapters were trained beside. No torch.

Owns the search for the base and the comparison of adapters with the configuration. A checkpoint of adapters names its base by
folder and content; a folder with other content is never taken for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from megatron_ko.config.training import AdapterConfig, LoraConfig
from megatron_ko.errors import CheckpointError, Problem
from megatron_ko.formats.checkpoint_folder import Checkpoint, LoraRecord, Origin
from megatron_ko.formats.run_folder import INITIAL_WEIGHTS

W = TypeVar("W")


def record_of(lora: AdapterConfig, targets: Sequence[str], base: Checkpoint | None) -> LoraRecord:
    """What the checkpoints of a run record; ``targets`` are the names of single weights. Those of a stage have no ``base``."""
    origin = Origin(str(base.folder.resolve()), base.step, base.short_hash) if base else None
    return LoraRecord(lora.rank, lora.alpha, tuple(targets), origin)


def find_base(checkpoint: Checkpoint, folder: Path | str | None = None) -> Checkpoint:
    """The base of a checkpoint of adapters: ``folder``, or else where it was or in ``initial_weights/`` of its run folder. A
    checkpoint that contains both is its own base.

    Raises CheckpointError if it is missing or its content has changed.
    """
    assert checkpoint.lora is not None
    if checkpoint.lora.base is None:
        if folder is None:
            return checkpoint
        raise CheckpointError(
            f"{checkpoint.folder}: contains the weights beside its adapters, so no other base fits; leave out --base",
            rule="base-inside",
        )
    recorded = Path(checkpoint.lora.base.folder)
    places = [recorded, _in_run_folder(checkpoint)] if folder is None else [Path(folder).expanduser()]
    bases = [Checkpoint.read(place) for place in places if place.is_dir()]
    if not bases:
        raise CheckpointError(
            f"{checkpoint.folder}: contains adapters only, and the weights that they were trained beside are missing "
            f"({places[0]}); restore that folder, or name it where it is now (checkpoint.initial_weights of a run, --base of "
            "merge-lora)",
            rule="missing-base",
        )
    same = [base for base in bases if base.short_hash == checkpoint.lora.base.hash]
    if not same:
        check_base(checkpoint, bases[0])
    return same[0]


def _in_run_folder(checkpoint: Checkpoint) -> Path:
    return checkpoint.folder.resolve().parent.parent / INITIAL_WEIGHTS


def check_base(checkpoint: Checkpoint, base: Checkpoint) -> None:
    """Raises CheckpointError unless the adapters of ``checkpoint`` were trained beside ``base``."""
    assert checkpoint.lora is not None and checkpoint.lora.base is not None
    if base.short_hash != checkpoint.lora.base.hash:
        raise CheckpointError(
            f"{base.folder}: its content is {base.short_hash}, but the adapters of {checkpoint.folder} were trained beside "
            f"{checkpoint.lora.base.hash} ({checkpoint.lora.base.folder}); use the unchanged base",
            rule="base-changed",
        )


def base_of_start(start: Checkpoint, read_configured: Callable[[], Checkpoint | W]) -> Checkpoint | W:
    """The base for a run that continues from ``start``: where it was, or else what ``checkpoint.initial_weights`` names.

    A model of Hugging Face is returned as it is; ``check_base`` follows after its conversion.
    """
    try:
        return find_base(start)
    except CheckpointError:
        configured = read_configured()
    if isinstance(configured, Checkpoint):
        check_base(start, configured)
    return configured


def check_adapters(start: Checkpoint, lora: LoraConfig | None, targets: Sequence[str]) -> None:
    """Raises CheckpointError with every difference between the adapters of ``start`` and the configuration.

    Those of a stage are part of the stages, which ``planning.stages`` compares.
    """
    record = start.lora if start.lora and start.lora.base else None
    remedy = "use the section lora of the checkpoint, or another run.folder"
    if (record is None) != (lora is None):
        has, wants = ("adapters", "none") if record else ("no adapters of the whole run", "some (lora)")
        message = f"the checkpoint has {has}, but the configuration wants {wants}; {remedy}"
        raise CheckpointError([Problem(str(start.folder), "lora", message, "adapter-mismatch")])
    if record is None or lora is None:
        return
    pairs = {
        "rank": (record.rank, lora.rank),
        "alpha": (record.alpha, lora.alpha),
        "targets": (sorted(record.targets), sorted(targets)),
    }
    problems = [
        Problem(
            str(start.folder),
            f"lora.{name}",
            f"is {theirs} in the checkpoint but {ours} in the configuration; {remedy}",
            "adapter-mismatch",
        )
        for name, (theirs, ours) in pairs.items()
        if theirs != ours
    ]
    if problems:
        raise CheckpointError(problems)


def require_weights(checkpoint: Checkpoint) -> None:
    """Raises CheckpointError if ``checkpoint`` contains adapters, instead of weights or beside them."""
    if checkpoint.lora is not None:
        what = "only adapters, no weights" if checkpoint.lora.base else "adapters beside its weights"
        raise CheckpointError(
            f"{checkpoint.folder}: contains {what}; merge them with 'mko checkpoint merge-lora "
            f"{checkpoint.folder} DST' and use DST",
            rule="adapters-not-merged",
        )
