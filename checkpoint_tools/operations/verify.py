"""Operation ``verify``: compares the files of checkpoints and exports with their checksums, and models with their records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from checkpoint_tools.options.comparison import Verify
from megatron_ko.errors import CheckpointError
from megatron_ko.files import read_json
from megatron_ko.formats.checkpoint_folder import (
    MARKER,
    Checkpoint,
    damage_error,
    damaged_files,
    require_finished,
)
from megatron_ko.formats.checksums import FileFacts, hash_file, read_facts
from megatron_ko.formats.lora_record import find_base
from megatron_ko.formats.operations_record import RECORD, read_record
from megatron_ko.formats.run_folder import checkpoints_of, is_run_folder, require_folder
from megatron_ko.planning.weights import parameter_count
from megatron_ko.wording import format_bytes, format_count


def run(options: Verify) -> int:
    folder = Path(options.src).expanduser()
    require_folder(folder)
    require_finished(folder)
    of_run = is_run_folder(folder) and not (folder / MARKER).is_file()
    if not of_run and (folder / "config.json").is_file():  # of Hugging Face
        print(f"{folder}: {_verify_export(folder)}{_verify_record(folder, options.checks)}", flush=True)
        return 0
    folders = checkpoints_of(folder) if of_run else [folder]
    if not folders:
        raise CheckpointError(
            f"{folder}: has no complete checkpoint yet; let the run save one first", rule="no-checkpoints"
        )
    problems = []
    for path in folders:
        try:
            print(
                f"{path}: {_verify(Checkpoint.read(path))}{_verify_record(path, options.checks)}", flush=True
            )
        except CheckpointError as error:
            if not (path / MARKER).is_file():  # no checkpoint at all
                raise
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
    return f"sound, {format_count(len(with_checksum), 'file')}, {format_bytes(total)}{beside}"


def _verify_export(folder: Path) -> str:
    """What was checked of a Hugging Face folder. Raises CheckpointError for a damaged file, and where nothing is recorded."""
    path = folder / "verification.json"
    if not path.is_file():
        raise CheckpointError(
            f"{folder}: has no verification.json, so no checksum was recorded; mko checkpoint writes it with every export",
            rule="nothing-recorded",
        )
    recorded = read_json(path, error=CheckpointError).get("files") or {}
    facts = {name: read_facts(entry) for name, entry in recorded.items()}
    damaged = [name for name, fact in facts.items() if fact is None or not _is_unchanged(folder / name, fact)]
    if damaged or not facts:
        raise CheckpointError(
            f"{folder}: is damaged (content of {', '.join(damaged) or path.name} is not what was written); export it again",
            rule="wrong-checksum",
        )
    total = sum(fact.size for fact in facts.values() if fact is not None)
    return f"sound, {format_count(len(facts), 'file')}, {format_bytes(total)}"


def _is_unchanged(path: Path, facts: FileFacts) -> bool:
    return path.is_file() and path.stat().st_size == facts.size and hash_file(path) == facts.checksum


def _verify_record(folder: Path, runs_checks: bool) -> str:
    """The operations that made the model, after its number of parameters was compared with the record; empty without one.

    With ``runs_checks``, logits that the last operation compared are compared again.
    """
    entries = read_record(folder)
    if not entries:
        return ""
    from checkpoint_tools.verify import open_store

    store = open_store(str(folder), check_content=False)  # content was checked
    count, recorded = parameter_count(store.model, store.vocab_size), entries[-1]["parameters"]["after"]
    if count != recorded:
        raise CheckpointError(
            f"{folder}: has {count:,} parameters, but {RECORD} records {recorded:,} after {entries[-1]['operation']}; the record "
            "belongs to another model",
            rule="other-record",
        )
    failed = [
        check["name"]
        for entry in entries
        for check in entry["checks"]
        if not check["value"] <= check["bound"]
    ]
    if failed:
        raise CheckpointError(
            f"{folder}: {RECORD} has failed checks: {', '.join(failed)}; do not use it", rule="failed-check"
        )
    names = " -> ".join(entry["operation"] for entry in entries)
    again = "".join(f"\n  {line}" for line in _run_again(folder, entries[-1])) if runs_checks else ""
    return f"\n  made by {names}: {count:,} parameters, as recorded{again}"


def _run_again(folder: Path, entry: dict[str, Any]) -> list[str]:
    """What the logits that the operation compared with those of its source are today. Raises CheckpointError if they differ."""
    from checkpoint_tools.changes import LOGITS, compare_logits
    from checkpoint_tools.formats.store_fingerprint import fingerprint_store
    from checkpoint_tools.verify import is_model, open_store

    bounds = [check["bound"] for check in entry["checks"] if check["name"] == LOGITS]
    if not bounds or not isinstance(entry.get("source_fingerprint"), str):
        return []
    path = Path(entry["source"])
    if not path.is_dir() or not is_model(path):
        return [f"{LOGITS} are not compared again: the source {path} is gone"]
    source = open_store(str(path))
    if fingerprint_store(source) != entry["source_fingerprint"]:
        return [f"{LOGITS} are not compared again: the source {path} has other weights now"]
    check = compare_logits(source, folder, bounds[0])
    return [
        f"{LOGITS} compared again with",
        f"  {path}: {check.value:.3g} (tolerance {check.bound:.3g})",
    ]
