"""Targets of a cache in the batches of a run, and the content of its records.

Owns the conversion between tensors and records. ``formats/teacher_cache.py`` owns the files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from megatron_ko.formats.teacher_cache import TeacherCache, short_hash
from megatron_ko.training.documents import STARTS
from megatron_ko.training.soft_targets import IDS, LOG_PROBABILITIES


class CachedTargets(torch.utils.data.Dataset):
    """The samples of ``dataset`` by number, each with its targets: ids [S, k] int32, log-probabilities [S, k + 1] float16."""

    def __init__(self, dataset: Any, cache: TeacherCache) -> None:
        self._dataset, self._cache = dataset, cache

    def __getitem__(self, sample: int) -> dict[str, Tensor]:
        """Raises DataError if the cache has other tokens, or a damaged record."""
        content = self._dataset[sample]
        record = self._cache.read_sample(sample, hash_of_tokens(content))
        return {**content, **_decode(record, self._cache)}


def hash_of_tokens(sample: Mapping[str, Tensor]) -> bytes:
    """Of everything that a teacher sees of a sample: its tokens and, where attention stays within documents, their beginnings."""
    parts = [sample[name] for name in ("tokens", STARTS) if name in sample]
    return short_hash(*(part.numpy().astype("<i4").tobytes() for part in parts))


def encode(ids: Tensor, log_probabilities: Tensor, cache: TeacherCache) -> bytes:
    """The content of a record from ids [S, k] and log-probabilities [S, k + 1] float16."""
    kind = "<u2" if cache.id_bytes == 2 else "<u4"
    return ids.numpy().astype(kind).tobytes() + log_probabilities.numpy().astype("<f2").tobytes()


def _decode(record: bytes, cache: TeacherCache) -> dict[str, Tensor]:
    size = cache.sequence_length * cache.k
    ids = np.frombuffer(record, "<u2" if cache.id_bytes == 2 else "<u4", size)
    values = np.frombuffer(record, "<f2", offset=size * cache.id_bytes)
    shape = (cache.sequence_length, -1)
    return {
        IDS: torch.from_numpy(ids.astype(np.int32).reshape(shape)),
        LOG_PROBABILITIES: torch.from_numpy(values.astype(np.float16).reshape(shape)),
    }
