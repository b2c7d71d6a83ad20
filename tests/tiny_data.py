"""A tiny valid data folder: token files of three domains, their manifest and a tokenizer folder.

Deterministic and written with numpy alone, so that tests of training need no preprocessing.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from megatron_ko.files import write_json
from megatron_ko.formats.tokenizer_folder import TokenizerInfo, write_tokenizer_folder

DOMAINS = {"ko": 0.4, "en": 0.3, "code": 0.3}
DOCUMENTS = {"train": 60, "valid": 8}
SPECIAL = {"unk": "<unk>", "bos": "<s>", "eos": "</s>", "pad": "<pad>"}
BYTES_PER_TOKEN = 3


def write_tiny_data(folder: Path | str, vocab_size: int = 1001, seed: int = 0) -> Path:
    """Writes ``folder`` and returns its ``manifest.json``. Documents are arithmetic sequences: easy to learn."""
    folder = Path(folder)
    tokenizer = _write_tokenizer(folder / "tokenizer", vocab_size)
    random = np.random.default_rng(seed)
    (folder / "tokens").mkdir(parents=True, exist_ok=True)
    sets = [
        write_set(folder, name, split, _documents(random, DOCUMENTS[split], tokenizer))
        for split in DOCUMENTS
        for name in DOMAINS
    ]
    manifest = {
        "format": "megatron_ko-data-1",
        "tokenizer": {
            "folder": "tokenizer",
            "fingerprint": tokenizer.fingerprint,
            "vocab_size": vocab_size,
            "eod_id": tokenizer.eos_id,
        },
        "sets": sets,
        "mixture": dict(DOMAINS),
    }
    write_json(folder / "manifest.json", manifest)
    return folder / "manifest.json"


def _write_tokenizer(folder: Path, vocab_size: int) -> TokenizerInfo:
    """A word-level tokenizer of ``w4``, ``w5``, ... after the special tokens."""
    pieces = [*SPECIAL.values(), *(f"w{i}" for i in range(len(SPECIAL), vocab_size))]
    special = [
        {"id": i, "content": piece, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        for i, piece in enumerate(SPECIAL.values())
    ]  # fmt: skip
    description = {
        "version": "1.0",
        "added_tokens": special,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "model": {
            "type": "WordLevel",
            "vocab": {piece: i for i, piece in enumerate(pieces)},
            "unk_token": SPECIAL["unk"],
        },
    }
    return write_tokenizer_folder(folder, description, SPECIAL)


def _documents(random: np.random.Generator, count: int, tokenizer: TokenizerInfo) -> list[np.ndarray]:
    """20 to 199 ordinary ids with a constant step, then EOD."""
    first = len(SPECIAL)
    documents = []
    for _ in range(count):
        length, start, step = (
            int(random.integers(20, 200)),
            int(random.integers(50)),
            int(random.integers(1, 4)),
        )
        ids = (start + step * np.arange(length)) % (tokenizer.vocab_size - first) + first
        documents.append(np.append(ids, tokenizer.eos_id).astype(np.uint16))
    return documents


def write_set(
    folder: Path, name: str, split: str, documents: list[np.ndarray], text_bytes: int | None = None
) -> dict:
    """Writes token files in megatron-core's format; returns their entry of the manifest."""
    prefix = f"tokens/{name}_{split}"
    tokens = np.concatenate(documents)
    tokens.tofile(folder / f"{prefix}.bin")
    write_index(folder / f"{prefix}.idx", [len(document) for document in documents])
    return {
        "name": name,
        "split": split,
        "prefix": prefix,
        "dtype": "uint16",
        "documents": len(documents),
        "tokens": len(tokens),
        "text_bytes": len(tokens) * BYTES_PER_TOKEN if text_bytes is None else text_bytes,
        "max_id": int(tokens.max()),
        "bin_bytes": tokens.nbytes,
        "idx_bytes": (folder / f"{prefix}.idx").stat().st_size,
        "sha256": {},
    }


def write_index(
    path: Path, lengths: list[int], *, magic: bytes = b"MMIDIDX\0\0", code: int = 8, width: int = 2
) -> None:
    """Writes ``.idx``: magic, version 1, dtype code, counts, lengths in tokens, byte offsets, document boundaries."""
    count = len(lengths)
    ends = np.cumsum([0, *lengths], dtype=np.int64) * width
    with open(path, "wb") as file:
        file.write(magic + struct.pack("<QBQQ", 1, code, count, count + 1))
        file.write(np.array(lengths, dtype=np.int32).tobytes())
        file.write(ends[:-1].tobytes())
        file.write(np.arange(count + 1, dtype=np.int64).tobytes())
