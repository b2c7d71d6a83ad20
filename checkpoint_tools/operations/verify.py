"""Operation ``verify``: compares the files of checkpoints with their checksums."""

from __future__ import annotations

from pathlib import Path

from checkpoint_tools.options import Verify
from megatron_ko.errors import CheckpointError
from megatron_ko.formats.checkpoint_folder import MARKER, Checkpoint, damage_error, damaged_files
from megatron_ko.formats.lora_record import find_base
from megatron_ko.formats.run_folder import checkpoints_of, is_run_folder
from megatron_ko.wording import format_count


def run(options: Verify) -> int:
    folder = Path(options.src).expanduser()
    of_run = is_run_folder(folder) and not (folder / MARKER).is_file()
    folders = checkpoints_of(folder) if of_run else [folder]
    if not folders:
        raise CheckpointError(
            f"{folder}: has no complete checkpoint yet; let the run save one first", rule="no-checkpoints"
        )
    problems = []
    for path in folders:
        try:
            print(f"{path}: {_verify(Checkpoint.read(path))}", flush=True)
        except CheckpointError as error:
            print(f"{path}: DAMAGED", flush=True)
            problems += error.problems
    if problems:
        raise CheckpointError(problems)
    return 0


def _verify(checkpoint: Checkpoint) -> str:
    """What was checked. Raises CheckpointError for a damaged file."""
    if damaged := damaged_files(checkpoint):
        raise damage_error(checkpoint, damaged)
    with_checksum = [facts for facts in checkpoint.files.values() if facts.checksum is not None]
    if not with_checksum:
        return "sizes only: it was written without checksums"
    beside = ""
    if checkpoint.lora is not None and checkpoint.lora.base is not None:
        base = find_base(checkpoint)
        if damaged := damaged_files(base):
            raise damage_error(base, damaged)
        beside = f", adapters beside {base.folder}, which is sound"
    total = sum(facts.size for facts in with_checksum)
    return f"sound, {format_count(len(with_checksum), 'file')}, {total / 2**30:.2f} GiB{beside}"
