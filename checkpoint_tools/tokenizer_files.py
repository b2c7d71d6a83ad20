"""The tokenizer that travels with a checkpoint: its files, its special ids, its fingerprint. No torch.

Owns which files make a tokenizer folder; what is inside ``tokenizer.model`` and ``tokenizer.json`` is
``megatron_ko.tokenizer``'s.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from megatron_ko.errors import CheckpointError
from megatron_ko.files import atomic_file, read_json

FILES = (
    "tokenizer.model", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "vocab.json", "merges.txt", "chat_template.jinja", "chat_template.json", "fingerprint.json",
)  # fmt: skip
_VOCABULARIES = ("tokenizer.model", "tokenizer.json", "vocab.json")


def tokenizer_in(folder: Path) -> Path | None:
    """``folder`` when it holds a tokenizer."""
    return folder if any((folder / name).is_file() for name in _VOCABULARIES) else None


def copy_tokenizer(source: Path | None, target: Path) -> list[str]:
    """Copies the tokenizer's files byte by byte, ``fingerprint.json`` last; returns their names."""
    names = [name for name in FILES if source is not None and (source / name).is_file()]
    for name in names:
        assert source is not None
        with open(source / name, "rb") as read, atomic_file(target / name) as written:
            shutil.copyfileobj(read, written, 1 << 20)
    return names


def special_ids(folder: Path | None) -> dict[str, Any]:
    """``bos_token_id``, ``eos_token_id``, ``pad_token_id`` of a tokenizer folder; None where it has none."""
    names = {"bos_token_id": "bos", "eos_token_id": "eos", "pad_token_id": "pad"}
    if folder is None:
        return dict.fromkeys(names)
    marker = folder / "fingerprint.json"
    if marker.is_file():
        ours = read_json(marker, error=CheckpointError)
        return {key: ours.get(f"{short}_id") for key, short in names.items()}
    config_file, ids_file = folder / "tokenizer_config.json", folder / "tokenizer.json"
    if not (config_file.is_file() and ids_file.is_file()):
        return dict.fromkeys(names)
    config = read_json(config_file, error=CheckpointError)
    added = {
        t["content"]: t["id"] for t in read_json(ids_file, error=CheckpointError).get("added_tokens", [])
    }
    found = {key: config.get(f"{short}_token") for key, short in names.items()}
    return {
        key: added.get(token["content"] if isinstance(token, dict) else token) for key, token in found.items()
    }


def fingerprint(folder: Path | None) -> str | None:
    """Fingerprint of ``docs/formats.md``; None when there is no tokenizer."""
    if folder is None:
        return None
    marker = folder / "fingerprint.json"
    if marker.is_file():
        return read_json(marker, error=CheckpointError).get("fingerprint")
    from megatron_ko.tokenizer import fingerprint_hf_folder

    return fingerprint_hf_folder(folder)
