"""A checkpoint of random weights with the tokenizer of the tiny data, written without transformers and megatron-core."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from checkpoint_tools.formats import mcore
from checkpoint_tools.formats.store import Store
from megatron_ko.config.model import ModelConfig
from megatron_ko.formats.tokenizer_folder import read_tokenizer_folder
from tests.tiny_data import write_tiny_data

MODEL = ModelConfig(
    layers=2,
    hidden_size=64,
    ffn_hidden_size=96,
    heads=4,
    kv_groups=2,
    max_sequence_length=64,
    vocab_multiple=8,
)


def write_tiny_checkpoint(folder: Path, model: ModelConfig = MODEL) -> Path:
    """Writes ``data/`` and ``checkpoint/`` into ``folder``; returns the latter."""
    write_tiny_data(folder / "data")
    tokenizer = read_tokenizer_folder(folder / "data" / "tokenizer")

    def read(name: str) -> Tensor:
        seed = torch.Generator().manual_seed(sum(name.encode()))
        return torch.randn(store.shape(name), generator=seed) * 0.1

    store = Store(
        origin="random weights",
        model=model,
        vocab_size=tokenizer.vocab_size,
        dtype="fp32",
        read=read,
        tokenizer=tokenizer.folder,
        tokenizer_fingerprint=tokenizer.fingerprint,
        special_ids={
            f"{role}_token_id": tokenizer.special_ids[f"{role}_id"] for role in ("bos", "eos", "pad")
        },
    )
    mcore.write_mcore(store, folder / "checkpoint")
    return folder / "checkpoint"
