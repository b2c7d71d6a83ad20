"""The tokenizer of a checkpoint: its files and its special ids. No torch.

Owns the list of files of a Hugging Face tokenizer; ``megatron_ko.formats.tokenizer_folder`` owns their content and the
fingerprint. The marker is not copied: other programs change the tokenizer in a Hugging Face folder, but not the marker.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from megatron_ko.errors import CheckpointError
from megatron_ko.files import atomic_file, read_json, write_json, write_text
from megatron_ko.formats.tokenizer_folder import (
    MARKER,
    TokenizerInfo,
    fingerprint_hf_folder,
    read_tokenizer_folder,
)

CONFIG = "tokenizer_config.json"
CHAT_TEMPLATE = "chat_template.jinja"
FILES = (
    "tokenizer.model", "tokenizer.json", CONFIG, "special_tokens_map.json", "added_tokens.json",
    "vocab.json", "merges.txt", CHAT_TEMPLATE, "chat_template.json",
)  # fmt: skip
_PATH_KEYS = ("name_or_path", "special_tokens_map_file", "tokenizer_file")
"""Keys that versions of transformers wrote, and that nothing needs."""
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


def publish_tokenizer(source: Path | None, target: Path, chat_template: str | None = None) -> None:
    """Copies the tokenizer for other programs: special tokens in a text are special, as chat templates expect.

    Tokenizers made here have ``split_special_tokens``, with which transformers encodes ``</s>`` in a text as text; a chat
    would never contain the id that ends an answer. ``chat_template`` replaces that of the tokenizer: as a file, and in
    ``tokenizer_config.json``, where older programs look for it. Paths of the machine that wrote the tokenizer are removed.
    """
    copy_tokenizer(source, target)
    path = target / CONFIG
    config = read_json(path, error=CheckpointError) if source is not None and path.is_file() else {}
    if not isinstance(config, dict):
        return
    machine_paths = [key for key in _PATH_KEYS if str(config.get(key)).startswith(("/", "~"))]
    is_changed = bool(config.pop("split_special_tokens", False) or machine_paths)
    for key in machine_paths:
        del config[key]
    if chat_template is not None:
        (target / "chat_template.json").unlink(missing_ok=True)
        write_text(target / CHAT_TEMPLATE, chat_template)
        config["chat_template"] = chat_template
        is_changed = True
    if is_changed:
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
