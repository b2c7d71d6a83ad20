"""Targets of a cache in the batches of a run, and the content of its records.

Owns the conversion between tensors and records. ``formats/teacher_cache.py`` owns the files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from megatron_ko.errors import DataError
from megatron_ko.formats.teacher_cache import TeacherCache, short_hash
from megatron_ko.training.documents import STARTS
from megatron_ko.training.soft_targets import IDS, LOG_PROBABILITIES

SIGN = 1 << 15
"""Bit of a float16 that a logarithm of a probability always has; the other bits, as a number, ascend from 0 to infinity."""


class CachedTargets(torch.utils.data.Dataset):
    """The samples of ``dataset`` by number, each with its targets: ids [S, k] int32, log-probabilities [S, k + 1] float16."""

    def __init__(self, dataset: Any, cache: TeacherCache) -> None:
        self._dataset, self._cache = dataset, cache

    def __getitem__(self, sample: int) -> dict[str, Tensor]:
        """Raises DataError if the cache has other tokens, or a damaged record."""
        content = self._dataset[sample]
        record = self._cache.read_sample(sample, hash_of_tokens(content))
        return {**content, **decode(record, self._cache)}


def hash_of_tokens(sample: Mapping[str, Tensor]) -> bytes:
    """Of everything that a teacher sees of a sample: its tokens and, where attention stays within documents, their beginnings."""
    parts = [sample[name] for name in ("tokens", STARTS) if name in sample]
    return short_hash(*(part.numpy().astype("<i4").tobytes() for part in parts))


def encode(ids: Tensor, log_probabilities: Tensor, cache: TeacherCache) -> bytes:
    """The content of a record from the targets of a sample: ids [S, k], and log-probabilities [S, k + 1] float16, of which the first k
    descend and all have the sign of negative numbers.

    Raises DataError if one is not a number.
    """
    if bool(log_probabilities.isnan().any()):
        message = f"{cache.teacher.folder}: the teacher's logits are not finite; check it with 'mko generate', or name another teacher"
        raise DataError(message, rule="teacher-not-finite")
    bits = np.ascontiguousarray(log_probabilities.numpy(), "<f2").view("<u2")
    chosen = bits[:, : cache.k]
    assert (bits >= SIGN).all() and (chosen[:, 1:] >= chosen[:, :-1]).all()
    parts = (
        cache.ids.pack(ids.numpy().astype(np.uint32)),
        cache.magnitudes.pack((chosen - SIGN).astype(np.uint32)),
        np.ascontiguousarray(bits[:, cache.k :]).view(np.uint8),
    )
    return np.concatenate(parts, axis=-1).tobytes()


def decode(content: bytes, cache: TeacherCache) -> dict[str, Tensor]:
    """Ids [S, k] int32 and log-probabilities [S, k + 1] float16 of a record, every bit as ``encode`` got it."""
    rows = np.frombuffer(content, np.uint8).reshape(cache.sequence_length, cache.bytes_per_token)
    ends = np.cumsum([cache.ids.row_bytes, cache.magnitudes.row_bytes])
    ids, magnitudes, others = np.split(rows, ends, axis=-1)
    bits = np.empty((len(rows), cache.k + 1), "<u2")
    bits[:, : cache.k] = cache.magnitudes.unpack(magnitudes) + SIGN
    bits[:, cache.k :] = np.ascontiguousarray(others).view("<u2")
    values = bits.view("<f2").astype(np.float16, copy=False)
    return {
        IDS: torch.from_numpy(cache.ids.unpack(ids).astype(np.int32)),
        LOG_PROBABILITIES: torch.from_numpy(values),
    }
