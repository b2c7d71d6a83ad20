"""The tensors of a checkpoint in megatron-core's format, read by torch alone: the independent view of what was saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def read_tensors(folder: Path | str) -> dict[str, Any]:
    """All tensors of the checkpoint in ``folder``, model and optimizer, by name; in this process, without ranks."""
    import torch
    from torch.distributed.checkpoint import FileSystemReader
    from torch.distributed.checkpoint.metadata import TensorStorageMetadata
    from torch.distributed.checkpoint.state_dict_loader import load

    reader = FileSystemReader(folder)
    entries = reader.read_metadata().state_dict_metadata
    state = {
        name: torch.empty(entry.size, dtype=entry.properties.dtype)
        for name, entry in entries.items()
        if isinstance(entry, TensorStorageMetadata)
    }
    load(state, storage_reader=reader, no_dist=True)
    return state
