"""A checkpoint as all operations use it: a configuration plus a lazy mapping from canonical name to tensor.

Owns ``Store`` and its number formats. An operation is a function from Store to Store; ``hf`` and ``mcore`` open and
write Stores.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from megatron_ko.config.model import ModelConfig
from megatron_ko.errors import CheckpointError
from megatron_ko.planning.weights import Entry, entries
from megatron_ko.wording import format_count

BLOCK = 1 << 22
"""Numbers that are examined at one time."""
DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32, "fp16": torch.float16}


@dataclass(frozen=True)
class Store:
    """``read(name)`` returns one tensor and caches nothing; ``entries`` has its shape.

    ``vocab_size`` is the number of tokens without padding and of the embedding's rows. ``dtype`` is ``bf16``, ``fp32``,
    ``fp16`` or, in a folder that mixes them, ``mixed``. ``special_ids`` contains ``bos_token_id``, ``eos_token_id``
    and ``pad_token_id``. ``generation`` is the content of ``generation_config.json``, empty if there is none.
    ``chat_template``: replaces that of the tokenizer in an export. ``warnings``: what the user should know about the
    source. ``family``: the ``model_type`` that an export has if it expresses the model. ``adapter``: the folder of the
    LoRA adapter that is merged into the weights.
    """

    origin: str
    model: ModelConfig
    vocab_size: int
    dtype: str
    read: Callable[[str], Tensor]
    tokenizer: Path | None = None
    tokenizer_fingerprint: str | None = None
    special_ids: dict[str, Any] = field(default_factory=dict)
    generation: dict[str, Any] = field(default_factory=dict)
    chat_template: str | None = None
    warnings: tuple[str, ...] = ()
    family: str | None = None
    adapter: str | None = None

    @cached_property
    def entries(self) -> dict[str, Entry]:
        return entries(self.model, self.vocab_size)

    def names(self) -> list[str]:
        """Canonical names, layer by layer; reading in this order reads each stored tensor once."""
        return list(self.entries)

    def names_with_row_per_token(self) -> list[str]:
        """Names of the weights that grow with the vocabulary: one matrix where embeddings are tied, otherwise two; a bias."""
        return [name for name, entry in self.entries.items() if entry.weight.has_row_per_token]

    def shape(self, name: str) -> tuple[int, ...]:
        return self.entries[name].shape

    def size(self, name: str) -> int:
        """Bytes of one tensor in ``dtype``; in a folder that mixes formats, as if it were fp32."""
        return math.prod(self.shape(name)) * DTYPES.get(self.dtype, torch.float32).itemsize

    def tensor(self, name: str) -> Tensor:
        """Reads one tensor. Raises CheckpointError when its shape differs from the configuration."""
        tensor = self.read(name)
        if tuple(tensor.shape) != self.shape(name):
            raise CheckpointError(
                f"{self.origin}: {name} has the shape {list(tensor.shape)}, but the configuration requires "
                f"{list(self.shape(name))}; the folder mixes files of two models",
                rule="wrong-shape",
            )
        return tensor


def with_dtype(store: Store, dtype: str | None) -> Store:
    """The Store in the number format ``dtype``; None keeps that of ``store``."""
    if dtype is None or dtype == store.dtype:
        return store
    target = DTYPES[dtype]
    return replace(store, dtype=dtype, read=lambda name: store.tensor(name).to(target))


def without_token_ids(generation: dict[str, Any]) -> dict[str, Any]:
    """The settings of ``generation_config.json`` that hold for another vocabulary, too."""
    with_ids = ("suppress_tokens", "begin_suppress_tokens", "bad_words_ids", "force_words_ids", "sequence_bias",
                "forced_decoder_ids", "constraints")  # fmt: skip
    return {
        name: value
        for name, value in generation.items()
        if not name.endswith("token_id") and name not in with_ids
    }


def require_finite(store: Store) -> Store:
    """The Store, whose tensors raise CheckpointError when they contain NaN or infinity."""

    def read(name: str) -> Tensor:
        tensor = store.tensor(name)
        if not _is_finite(tensor):
            bad = sum(int((~part.isfinite()).sum()) for part in tensor.reshape(-1).split(BLOCK))
            raise CheckpointError(
                f"{store.origin}: {name} contains NaN or infinity ({format_count(bad, 'number')}); the weights are damaged; "
                "copy them again, or keep them with --allow-nonfinite of from-hf and to-hf",
                rule="not-finite",
            )
        return tensor

    return replace(store, read=read)


def _is_finite(tensor: Tensor) -> bool:
    """Whether smallest and largest number are finite: NaN is both of them, and one pass finds them fastest."""
    return not tensor.numel() or all(bool(extreme.isfinite()) for extreme in tensor.aminmax())


def loses_digits(source: str, target: str) -> bool:
    """True when ``target`` cannot represent every value of ``source``."""
    return target != source and target != "fp32"


def require_space(folder: Path, need: int) -> None:
    """Raises CheckpointError unless the disk of ``folder``, which need not exist, has ``need`` bytes free."""
    free = free_bytes(folder)
    if need > free:
        raise CheckpointError(
            f"{folder}: needs {need:,} bytes, but the disk has only {free:,} bytes free; make room",
            rule="disk-full",
        )


def free_bytes(folder: Path) -> int:
    """Free bytes of the disk on which ``folder`` is or will be."""
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(existing).free


def check_names(
    origin: str, expected: dict[str, tuple[int, ...]], actual: dict[str, tuple[int, ...]]
) -> None:
    """Raises CheckpointError listing all missing names, unexpected names and wrong shapes."""
    missing = [name for name in expected if name not in actual]
    unexpected = [name for name in actual if name not in expected]
    wrong = [
        f"{name} {list(actual[name])}, expected {list(expected[name])}"
        for name in expected
        if name in actual and actual[name] != expected[name]
    ]
    lines = _format_list("missing", missing) + _format_list("unexpected", unexpected)
    if lines := lines + _format_list("wrong shape", wrong):
        message = f"{origin}: the tensors do not match the configuration; use the configuration of this model"
        raise CheckpointError("\n".join([message, *lines]), rule="tensors-do-not-match")


def _format_list(title: str, items: list[str], limit: int = 12) -> list[str]:
    if not items:
        return []
    more = [f"    ... and {len(items) - limit:,} more"] if len(items) > limit else []
    return [f"  {title} ({len(items):,}):", *(f"    {item}" for item in items[:limit]), *more]
