"""``operations.json``, the record beside weights that operations on checkpoints made: what each of them did (docs/formats.md).

Owns its name and reading; ``checkpoint_tools.changes`` writes it. No torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from megatron_ko.errors import CheckpointError
from megatron_ko.files import read_json

RECORD = "operations.json"


def read_record(folder: Path) -> list[dict[str, Any]]:
    """Entries of the operations that made the model in ``folder``, oldest first; none without a record.

    Raises CheckpointError if the record is not one.
    """
    path = folder / RECORD
    if not path.is_file():
        return []
    content = read_json(path, error=CheckpointError)
    entries = content.get("operations") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not entries or not all(map(_is_entry, entries)):
        raise CheckpointError(
            f"{path}: is not a record of operations; copy it again with the model, or remove it",
            rule="not-a-record",
        )
    return entries


def _is_entry(entry: Any) -> bool:
    if not isinstance(entry, dict) or not isinstance(entry.get("operation"), str):
        return False
    parameters, checks = entry.get("parameters"), entry.get("checks")
    return (
        isinstance(parameters, dict)
        and type(parameters.get("after")) is int
        and isinstance(checks, list)
        and all(isinstance(check, dict) and {"name", "value", "bound"} <= set(check) for check in checks)
    )
