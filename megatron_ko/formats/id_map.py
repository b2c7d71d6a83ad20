"""``id_map.json``: what became of the ids of a pruned tokenizer (``docs/tokenizers.md``).

Owns the file. Whether it fits a checkpoint is checked by who uses it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from megatron_ko.errors import CheckpointError
from megatron_ko.files import read_json, write_json

FORMAT = "megatron_ko-id-map-1"
NAME = "id_map.json"


@dataclass(frozen=True)
class IdMap:
    """``old_ids[new]``: the id that a token of the pruned tokenizer had in the source; fingerprints of both."""

    source_fingerprint: str
    target_fingerprint: str
    old_ids: list[int]


def write_id_map(path: Path, found: IdMap) -> None:
    write_json(path, {"format": FORMAT, **vars(found)})


def read_id_map(path: Path, source_size: int) -> IdMap:
    """Raises CheckpointError for another file, and for ids that are not below the size of the source's vocabulary."""
    content = read_json(path, error=CheckpointError)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise CheckpointError(f"{path}: format is not {FORMAT!r}; give the {NAME} of prune-tokenizer")
    ids = content.get("old_ids")
    if not isinstance(ids, list) or not all(
        type(number) is int and 0 <= number < source_size for number in ids
    ):
        raise CheckpointError(
            f"{path}: old_ids is not a list of ids below {source_size:,}; write the map again with prune-tokenizer"
        )
    return IdMap(str(content.get("source_fingerprint")), str(content.get("target_fingerprint")), ids)
