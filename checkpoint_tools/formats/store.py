"""A checkpoint as every tool sees it: a configuration plus a lazy mapping from canonical name to tensor.

Owns ``Store`` and its change of number format. A tool is a function from Store to Store; ``hf`` and ``mcore`` open and
write it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from megatron_ko.config.training import ModelConfig
from megatron_ko.errors import CheckpointError
from megatron_ko.planning.weights import Entry, entries

DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32, "fp16": torch.float16}


@dataclass(frozen=True)
class Store:
    """``read(name)`` returns one tensor of the shape in the table; nothing is kept.

    ``vocab_size`` is the number of tokens without padding and of the embedding's rows. ``dtype`` is ``bf16``, ``fp32``,
    ``fp16`` or, in a folder that mixes them, ``mixed``. ``special_ids`` has ``bos_token_id``, ``eos_token_id``,
    ``pad_token_id``.
    """

    origin: str
    model: ModelConfig
    vocab_size: int
    dtype: str
    read: Callable[[str], Tensor]
    tokenizer: Path | None = None
    tokenizer_fingerprint: str | None = None
    special_ids: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def entries(self) -> dict[str, Entry]:
        return entries(self.model, self.vocab_size)

    def names(self) -> list[str]:
        """Canonical names, layer by layer: reading in this order touches each stored tensor once."""
        return list(self.entries)

    def names_with_row_per_token(self) -> list[str]:
        """The matrices that grow and shrink with the vocabulary: one where embeddings are tied, otherwise two."""
        return [name for name, entry in self.entries.items() if entry.weight.has_row_per_token]

    def shape(self, name: str) -> tuple[int, ...]:
        return self.entries[name].shape

    def tensor(self, name: str) -> Tensor:
        """One tensor. Raises CheckpointError when the file does not hold what its header promised."""
        tensor = self.read(name)
        if tuple(tensor.shape) != self.shape(name):
            raise CheckpointError(
                f"{self.origin}: {name} has shape {list(tensor.shape)} where the configuration asks for "
                f"{list(self.shape(name))}; the folder mixes files of two models"
            )
        return tensor


def with_dtype(store: Store, dtype: str | None) -> Store:
    """The same checkpoint in another number format; None keeps it."""
    if dtype is None or dtype == store.dtype:
        return store
    target = DTYPES[dtype]
    return replace(store, dtype=dtype, read=lambda name: store.tensor(name).to(target))


def loses_digits(source: str, target: str) -> bool:
    """True when ``target`` cannot hold every value of ``source``."""
    return target != source and target != "fp32"


def check_names(origin: str, expected: dict[str, tuple[int, ...]], found: dict[str, tuple[int, ...]]) -> None:
    """Raises CheckpointError that lists missing names, left-over names and wrong shapes, all at once."""
    missing = [name for name in expected if name not in found]
    left_over = [name for name in found if name not in expected]
    wrong = [
        f"{name} {list(found[name])} instead of {list(expected[name])}"
        for name in expected
        if name in found and found[name] != expected[name]
    ]
    lines = _listed("missing", missing) + _listed("left over", left_over) + _listed("wrong shape", wrong)
    if lines:
        rule = (
            "the tensors must be exactly those of the configuration; is it the configuration of this model?"
        )
        raise CheckpointError(f"{origin}: {rule}\n" + "\n".join(lines))


def _listed(what: str, items: list[str], limit: int = 12) -> list[str]:
    if not items:
        return []
    more = [f"    ... and {len(items) - limit} more"] if len(items) > limit else []
    return [f"  {what} ({len(items)}):", *(f"    {item}" for item in items[:limit]), *more]
