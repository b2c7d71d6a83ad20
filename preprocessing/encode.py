"""Step ``encode``: the corpus to token files and the manifest.

Owns one pair of files per domain and split, EOD after each document, and ``manifest.json``, written last.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import numpy as np

from megatron_ko.errors import DataError
from megatron_ko.files import write_json
from megatron_ko.manifest import FORMAT
from megatron_ko.progress import progress
from megatron_ko.tokenizer import Tokenizer, TokenizerInfo
from preprocessing import corpus
from preprocessing.balance import SPLITS, epochs_of, mixture_of
from preprocessing.context import Context, Outcome
from preprocessing.indexed_dataset import dtype_for, new_bin, write_index

log = logging.getLogger(__name__)
STEP = "encode"
MANIFEST = "manifest.json"


def run(context: Context) -> Outcome:
    """Raises DataError when a domain has no training token."""
    (context.folder / MANIFEST).unlink(missing_ok=True)
    tokenizer = Tokenizer(context.folder / "tokenizer")
    entries = {(e["name"], e["split"]): e for e in context.summary_of("balance")["domains"]}
    order = [(name, split) for name in context.config.domains for split in SPLITS if (name, split) in entries]
    sets = [_encode_set(context, tokenizer, *key) for key in progress(order, "encode", unit="sets")]
    sets = [entry for entry in sets if entry is not None]
    tokens = {entry["name"]: entry["tokens"] for entry in sets if entry["split"] == "train"}
    for name in context.config.domains:
        if name not in tokens:
            raise DataError(
                f"domains.{name}: has no training token; see dropped/*.parquet, or remove the domain"
            )
    mixture = mixture_of(context.config.domains, tokens, context.config.balance)
    outputs = [context.folder / f"{entry['prefix']}{suffix}" for entry in sets for suffix in (".bin", ".idx")]
    for path in (context.folder / "tokens").iterdir():
        if path not in outputs:
            path.unlink()
    write_json(context.folder / MANIFEST, manifest_of(tokenizer.info, sets, mixture))
    epochs = epochs_of(mixture, tokens, context.config.balance)
    _warn(epochs, context.config.balance.max_epochs)
    return Outcome(
        [*outputs, context.folder / MANIFEST], {"sets": sets, "mixture": mixture, "epochs": epochs}
    )


def manifest_of(info: TokenizerInfo, sets: list[dict[str, Any]], mixture: dict[str, float]) -> dict[str, Any]:
    tokenizer = {
        "folder": "tokenizer",
        "fingerprint": info.fingerprint,
        "vocab_size": info.vocab_size,
        "eod_id": info.eos_id,
    }
    return {"format": FORMAT, "tokenizer": tokenizer, "sets": sets, "mixture": mixture}


def _encode_set(context: Context, tokenizer: Tokenizer, name: str, split: str) -> dict[str, Any] | None:
    """The manifest's entry of one pair of files; None, and no files, when there is no token."""
    eod, prefix = tokenizer.info.eos_id, f"tokens/{name}_{split}"
    assert eod is not None, "train-tokenizer always sets it"
    dtype = dtype_for(tokenizer.info.vocab_size)
    text_bytes = empty = 0
    with new_bin(context.folder / prefix, dtype) as writer:
        for batch in corpus.batches(context.folder, name, split, ["text"]):
            texts = [text for text in batch["text"].to_pylist() if text]
            empty += batch.num_rows - len(texts)
            text_bytes += sum(len(text.encode("utf-8")) for text in texts)
            writer.add(*with_eod(*tokenizer.encode_batch(texts, os.cpu_count() or 1), eod))
    if empty:
        log.warning("%s %s: %s documents without text were skipped", name, split, f"{empty:,}")
    if not writer.tokens:
        Path(f"{context.folder / prefix}.bin").unlink()
        return None
    binary, index = writer.facts(), write_index(context.folder / prefix, writer)
    return {
        "name": name,
        "split": split,
        "prefix": prefix,
        "dtype": dtype,
        "documents": len(writer.lengths),
        "tokens": writer.tokens,
        "text_bytes": text_bytes,
        "max_id": writer.max_id,
        "bin_bytes": binary["bin_bytes"],
        "idx_bytes": index["idx_bytes"],
        "sha256": {"bin": binary["sha256"], "idx": index["sha256"]},
    }


def with_eod(ids: np.ndarray, offsets: np.ndarray, eod: int) -> tuple[np.ndarray, np.ndarray]:
    """Tokens with ``eod`` after each document, and the new lengths."""
    lengths = np.diff(offsets)
    ended = np.full(len(ids) + len(lengths), eod, np.int64)
    ended[np.arange(len(ids)) + np.repeat(np.arange(len(lengths)), lengths)] = ids
    return ended, lengths + 1


def _warn(epochs: dict[str, float], max_epochs: float) -> None:
    for name, seen in epochs.items():
        if seen > max_epochs:
            log.warning(
                "domain %s is seen %.1f times within the token budget, more than balance.max_epochs = %g; "
                "lower its share, or add text",
                name, seen, max_epochs,
            )  # fmt: skip
