"""Operation ``export-lora``: writes the adapters of a LoRA run as an adapter in PEFT's format."""

from __future__ import annotations

from pathlib import Path

import torch

from checkpoint_tools.endpoints import clear_destination
from checkpoint_tools.formats import lora, lora_checkpoint, mcore
from checkpoint_tools.formats.hf_config import exported_family
from checkpoint_tools.formats.lora_settings import CONFIG, WEIGHTS
from checkpoint_tools.options.conversion import ExportLora
from megatron_ko.errors import CheckpointError, ConfigError, Problem
from megatron_ko.files import write_json
from megatron_ko.formats.checkpoint_folder import UNFINISHED, Checkpoint, damage_error, damaged_files
from megatron_ko.formats.checksums import describe_files
from megatron_ko.formats.run_folder import (
    INITIAL_WEIGHTS,
    newest_checkpoint,
    require_folder,
    suggest_run_folder,
)
from megatron_ko.wording import format_count


def run(options: ExportLora) -> int:
    path = Path(options.src).expanduser()
    require_folder(path)
    if not mcore.is_mcore(path):
        raise CheckpointError(
            f"{path}: is not a checkpoint or run folder (checkpoint.json); {suggest_run_folder(path)}",
            rule="wrong-format",
        )
    checkpoint = newest_checkpoint(path)
    if damaged := damaged_files(checkpoint):
        raise damage_error(checkpoint, damaged)
    adapter = lora_checkpoint.open_adapters(checkpoint)
    if checkpoint.lora is not None and checkpoint.lora.base is None:
        raise CheckpointError(
            f"{checkpoint.folder}: contains the adapters of a stage, whose weights have been trained, too, so they fit no published "
            "model; write both with 'mko checkpoint to-hf' or 'mko checkpoint merge-lora'",
            rule="adapters-of-a-stage",
        )
    family = exported_family(str(checkpoint.folder), checkpoint.model, options.family)
    if options.family not in (None, family.model_type):
        message = f"{options.family} does not express this model, but {family.model_type} does; leave it out"
        raise ConfigError([Problem("", "--family", message, "family-without-model")])
    base = lora_checkpoint.shapes_of_base(checkpoint, family.model_type)
    folder = clear_destination(options.dst, base, options.overwrite, lora_checkpoint.clear_peft, "an adapter")
    name = options.base_name or _name_of_base(checkpoint)
    lora_checkpoint.write_peft(checkpoint, adapter, family, folder, name)
    written = lora.open_adapter(folder, base)
    for weight, update in adapter.updates.items():
        copy = written.updates[weight]
        same = torch.equal(adapter.read(update.a), written.read(copy.a)) and copy.scale == update.scale
        if not (same and torch.equal(adapter.read(update.b), written.read(copy.b))):
            raise CheckpointError(
                f"{folder}: the adapter of {weight} read back differs from the one written; do not use it",
                rule="verification-failed",
            )
    report = {"adapter": str(checkpoint.folder), "files": describe_files(folder, [CONFIG, WEIGHTS])}
    write_json(folder / "verification.json", report)
    (folder / UNFINISHED).unlink(missing_ok=True)
    print(
        f"verified {format_count(len(adapter.updates), 'adapter')}, read back as written; base {name or 'without a name'}"
    )
    if name is None:
        print("  name the model of Hugging Face that it belongs to with --base-name")
    print(f"wrote {folder}")
    return 0


def _name_of_base(checkpoint: Checkpoint) -> str | None:
    """The model of Hugging Face whose conversion is the base of the run, if it was one."""
    assert checkpoint.lora is not None and checkpoint.lora.base is not None
    if Path(checkpoint.lora.base.folder).name != INITIAL_WEIGHTS:
        return None
    settings = (checkpoint.config or {}).get("checkpoint") or {}
    return settings.get("initial_weights")
