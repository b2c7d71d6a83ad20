"""Digests of tensors, taken as they are read, so that what was converted can be verified without reading the source again.

A conversion reads each tensor from the source and takes its digest, joins and writes it; the written folder is then read by its
own reader, which must give tensors with the same digests. So an error of joining, of names, positions or number formats is
found, and so is one of writing, while the source is read once.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from checkpoint_tools.formats.store import Store


def digest_of(tensor: Tensor) -> bytes:
    """xxh3 with 128 bits of the number format and the bytes of a tensor, in the order of its numbers."""
    import xxhash

    digest = xxhash.xxh3_128(str(tensor.dtype).encode())
    digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.digest()


def with_digests(store: Store, digests: dict[str, bytes]) -> Store:
    """The Store, which puts the digest of each tensor that it reads into ``digests``, by name."""

    def read(name: str) -> Tensor:
        tensor = store.tensor(name)
        digests[name] = digest_of(tensor)
        return tensor

    return replace(store, read=read)
