"""Real tokens without a network: the bytes of this repository's Korean, English and source code as token files.

A token is a byte: ids are 4 above it, after the special ones. Owns the data folder (``docs/formats.md``) and batches that
need no data loader.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from megatron_ko.files import write_json
from megatron_ko.formats.manifest import read_manifest
from megatron_ko.formats.tokenizer_folder import TokenizerInfo, write_tokenizer_folder
from tests.gpu.shapes import ROOT
from tests.tiny_data import SPECIAL, write_set

MIXTURE = {"ko": 0.4, "en": 0.3, "code": 0.3}
VALID_EVERY = 20
"""One document of so many is for validation."""
SHORTEST = 200
"""Bytes of the shortest document that is taken."""


def write_real_tokens(folder: Path) -> Path:
    """Writes the data folder and returns its ``manifest.json``."""
    tokenizer = _write_tokenizer(folder / "tokenizer")
    (folder / "tokens").mkdir(parents=True, exist_ok=True)
    sets = []
    for name in MIXTURE:
        documents = [text for text in map(str.encode, _documents(name)) if len(text) >= SHORTEST]
        valid, train = documents[::VALID_EVERY], [d for n, d in enumerate(documents) if n % VALID_EVERY]
        sets += [
            _write_set(folder, name, split, part, tokenizer)
            for split, part in (("train", train), ("valid", valid))
        ]
    named = {"folder": "tokenizer", "fingerprint": tokenizer.fingerprint, "vocab_size": tokenizer.vocab_size}
    write_json(
        folder / "manifest.json",
        {
            "format": "megatron_ko-data-1",
            "tokenizer": {**named, "eod_id": tokenizer.eos_id},
            "sets": sets,
            "mixture": MIXTURE,
        },
    )
    return folder / "manifest.json"


def read_batches(manifest: Path, length: int, batch: int) -> Iterator[dict[str, Any]]:
    """Batches of the set ``ko``, [batch, length], on the CPU; the same on every machine."""
    import torch

    tokens = read_manifest(manifest).of_split("train")["ko"]
    stream = np.fromfile(f"{tokens.prefix}.bin", dtype=tokens.dtype).astype(np.int64)
    for start in range(0, len(stream) - batch * (length + 1), batch * (length + 1)):
        rows = torch.from_numpy(stream[start : start + batch * (length + 1)].reshape(batch, length + 1))
        yield {
            "tokens": rows[:, :-1].contiguous(),
            "labels": rows[:, 1:].contiguous(),
            "loss_mask": torch.ones(batch, length),
            "position_ids": torch.arange(length).expand(batch, -1).contiguous(),
        }


def _documents(name: str) -> Iterator[str]:
    corpus = ROOT / "examples" / "quickstart" / "corpus"
    if name == "code":
        paths = [
            p
            for package in ("megatron_ko", "preprocessing", "checkpoint_tools")
            for p in (ROOT / package).rglob("*.py")
        ]
        yield from (path.read_text(encoding="utf-8") for path in sorted(paths))
        return
    for path in sorted(corpus.glob(f"{name}_*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                yield json.loads(line)["text"]
            except (json.JSONDecodeError, KeyError, TypeError):
                continue  # the corpus contains broken lines on purpose
    pages = sorted(
        page for page in (ROOT / "docs").glob("*.md") if page.name.endswith(".ko.md") == (name == "ko")
    )
    for page in pages:
        yield from page.read_text(encoding="utf-8").split("\n## ")


def _write_tokenizer(folder: Path) -> TokenizerInfo:
    pieces = [*SPECIAL.values(), *(f"<0x{byte:02X}>" for byte in range(256))]
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    special = [
        {"id": i, "content": piece, **flags, "special": True} for i, piece in enumerate(SPECIAL.values())
    ]
    model = {
        "type": "WordLevel",
        "vocab": {piece: i for i, piece in enumerate(pieces)},
        "unk_token": SPECIAL["unk"],
    }
    description = {
        "version": "1.0",
        "added_tokens": special,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "model": model,
    }
    return write_tokenizer_folder(folder, description, SPECIAL)


def _write_set(
    folder: Path, name: str, split: str, documents: list[bytes], tokenizer: TokenizerInfo
) -> dict[str, Any]:
    end = np.array([tokenizer.eos_id], np.uint16)
    texts = (np.frombuffer(text, np.uint8).astype(np.uint16) + len(SPECIAL) for text in documents)
    ids = [np.concatenate([text, end]) for text in texts]
    return write_set(folder, name, split, ids, text_bytes=sum(map(len, documents)))
