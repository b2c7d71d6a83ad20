"""``id_map.json``: old and new ids of a pruned tokenizer (``docs/tokenizers.md``).

Owns the file. Its users check whether it matches a checkpoint.
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
    """``old_ids[new]`` is the id that token ``new`` of the pruned tokenizer had in the source; fingerprints of both."""

    source_fingerprint: str
    target_fingerprint: str
    old_ids: list[int]


def write_id_map(path: Path, id_map: IdMap) -> None:
    write_json(path, {"format": FORMAT, **vars(id_map)})


def read_id_map(path: Path, source_size: int) -> IdMap:
    """Raises CheckpointError for a file of another format and for ids outside the source's vocabulary."""
    content = read_json(path, error=CheckpointError)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        message = f"{path}: its format is not {FORMAT!r}; use the {NAME} that 'mko tokenizer prune' wrote"
        raise CheckpointError(message, rule="unknown-format")
    ids = content.get("old_ids")
    if not isinstance(ids, list) or not all(
        type(number) is int and 0 <= number < source_size for number in ids
    ):
        raise CheckpointError(
            f"{path}: old_ids is not a list of ids below {source_size:,}; write the map again with 'mko tokenizer prune'",
            rule="invalid-id-map",
        )
    return IdMap(str(content.get("source_fingerprint")), str(content.get("target_fingerprint")), ids)
