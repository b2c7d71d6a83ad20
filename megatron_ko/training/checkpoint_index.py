"""The index of a distributed checkpoint (``.metadata``) and its objects, read without executing foreign code.

torch pickles both and unpickles both without checks. ``read_index`` unpickles the index with an allow-list of the classes
that describe tensors; ``check_objects`` unpickles objects other than tensors (megatron-core 0.19 stores the optimizer's
groups there, 0.16 in ``common.pt``) with torch's allow-list. So a checkpoint from elsewhere is safe to open; any other
content raises.
"""

from __future__ import annotations

import enum
import io
import os
import pickle
from pathlib import Path
from typing import Any

import torch
from torch.distributed.checkpoint.filesystem import _StorageInfo
from torch.distributed.checkpoint.metadata import BytesStorageMetadata, Metadata, MetadataIndex


def read_index(folder: Path) -> Metadata:
    """Reads the index. Raises pickle.UnpicklingError for foreign classes, files outside the folder and transformed content."""
    with open(folder / ".metadata", "rb") as file:
        metadata = _IndexUnpickler(file).load()
    if not isinstance(metadata, Metadata):
        raise pickle.UnpicklingError(f"it contains {type(metadata).__name__} instead of an index")
    for info in (metadata.storage_data or {}).values():
        _check_location(info)
    return metadata


def _check_location(info: Any) -> None:
    if not isinstance(info, _StorageInfo) or not isinstance(info.relative_path, str):
        raise pickle.UnpicklingError(f"it contains {type(info).__name__} instead of a location in a file")
    path = info.relative_path
    if path in ("", ".", "..") or "/" in path or os.sep in path:
        raise pickle.UnpicklingError(f"it points outside the folder, to {path!r}")
    if info.transform_descriptors:  # torch would unpickle their output, but check_objects reads their input
        raise pickle.UnpicklingError(
            f"it contains transformed entries ({info.transform_descriptors}), which are not supported"
        )


def check_objects(folder: Path, index: Metadata) -> None:
    """Raises pickle.UnpicklingError if an object of the checkpoint contains more than plain values and tensors."""
    for name, entry in index.state_dict_metadata.items():
        if isinstance(entry, BytesStorageMetadata):
            torch.load(io.BytesIO(read_object(folder, index, name)), weights_only=True)


def read_object(folder: Path, index: Metadata, name: str) -> bytes:
    """The bytes of the object ``name``, as they are stored. Raises KeyError if there is none."""
    location = (index.storage_data or {})[MetadataIndex(name)]
    with open(folder / location.relative_path, "rb") as file:
        file.seek(location.offset)
        return file.read(location.length)


class _IndexUnpickler(pickle.Unpickler):
    _MODULES = (
        "torch.distributed.checkpoint.metadata",
        "torch.distributed.checkpoint.planner",
        "megatron.core.dist_checkpointing.strategies.torch",
    )
    _NAMES = frozenset(
        {
            ("torch", "Size"),
            ("torch.serialization", "_get_layout"),
            ("torch.distributed.checkpoint.filesystem", "_StorageInfo"),
            ("pathlib", "PosixPath"),
            ("pathlib", "Path"),
            ("collections", "OrderedDict"),
        }
    )

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("builtins", "getattr"):
            return _enum_member  # Python 3.11 pickles members of an enum as calls of getattr
        if module == "torch" and isinstance(getattr(torch, name, None), torch.dtype):
            return getattr(torch, name)
        if (module, name) in self._NAMES:
            return super().find_class(module, name)
        if module in self._MODULES and "." not in name:
            candidate = super().find_class(module, name)
            if isinstance(candidate, type) and candidate.__module__ == module:
                return candidate
        raise pickle.UnpicklingError(f"it uses {module}.{name}, which an index does not need")


def _enum_member(owner: Any, name: str) -> Any:
    if isinstance(owner, enum.EnumMeta) and name in owner.__members__:
        return owner[name]
    raise pickle.UnpicklingError(f"it requests attribute {name!r} of {owner!r}")
