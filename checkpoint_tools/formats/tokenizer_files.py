"""The tokenizer of a checkpoint: its files and its special ids. No torch.

Owns the list of files of a Hugging Face tokenizer; ``megatron_ko.formats.tokenizer_folder`` owns their content and the
fingerprint. The marker is not copied: other programs change the tokenizer in a Hugging Face folder, but not the marker.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from megatron_ko.errors import CheckpointError
from megatron_ko.files import atomic_file, read_json, write_json
from megatron_ko.formats.tokenizer_folder import (
    MARKER,
    TokenizerInfo,
    fingerprint_hf_folder,
    read_tokenizer_folder,
)

CONFIG = "tokenizer_config.json"
FILES = (
    "tokenizer.model", "tokenizer.json", CONFIG, "special_tokens_map.json", "added_tokens.json",
    "vocab.json", "merges.txt", "chat_template.jinja", "chat_template.json",
)  # fmt: skip
_VOCABULARIES = ("tokenizer.model", "tokenizer.json", "vocab.json")


def tokenizer_in(folder: Path) -> Path | None:
    """Returns ``folder`` if it contains a tokenizer, otherwise None."""
    return folder if any((folder / name).is_file() for name in _VOCABULARIES) else None


def copy_tokenizer(source: Path | None, target: Path) -> None:
    """Copies the tokenizer's files byte by byte."""
    for name in FILES:
        if source is not None and (source / name).is_file():
            with open(source / name, "rb") as read, atomic_file(target / name) as written:
                shutil.copyfileobj(read, written, 1 << 20)


def publish_tokenizer(source: Path | None, target: Path) -> None:
    """Copies the tokenizer for other programs: special tokens in a text are special, as chat templates expect.

    Tokenizers made here have ``split_special_tokens``, with which transformers encodes ``</s>`` in a text as text; a chat
    would never contain the id that ends an answer.
    """
    copy_tokenizer(source, target)
    path = target / CONFIG
    if source is not None and path.is_file():
        config = read_json(path, error=CheckpointError)
        if isinstance(config, dict) and config.pop("split_special_tokens", False):
            write_json(path, config)


def remove_tokenizer(folder: Path) -> None:
    """Removes the tokenizer's files and the marker."""
    for name in (*FILES, MARKER):
        (folder / name).unlink(missing_ok=True)


def info_of(folder: Path | None, like: str | None = None) -> TokenizerInfo | None:
    """Describes a megatron_ko or Hugging Face tokenizer; None for None. Raises DataError when it is damaged.

    ``like`` is a fingerprint to compare with; it selects how the fingerprint is computed, as older checkpoints differ.
    """
    if folder is None:
        return None
    return (
        read_tokenizer_folder(folder) if (folder / MARKER).is_file() else fingerprint_hf_folder(folder, like)
    )


def special_ids(folder: Path | None) -> dict[str, Any]:
    """``bos_token_id``, ``eos_token_id``, ``pad_token_id`` of a tokenizer folder; None where it has none."""
    info = info_of(folder)
    return {f"{role}_token_id": info and info.special_ids[f"{role}_id"] for role in ("bos", "eos", "pad")}
