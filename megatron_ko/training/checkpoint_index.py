"""The index of a distributed checkpoint (``.metadata``) and its objects, read without running code of a stranger.

torch writes both with pickle, and reads both back without looking. ``read_index`` unpickles the index with an
allow-list of the classes that describe tensors; ``check_objects`` unpickles what is no tensor (megatron-core 0.19 keeps
the optimizer's groups there, 0.16 in ``common.pt``) with torch's own. A checkpoint from elsewhere can be opened;
everything else in it raises.
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
    """Raises pickle.UnpicklingError when the index names anything but descriptions, a file outside the folder, or transformed content."""
    with open(folder / ".metadata", "rb") as file:
        metadata = _IndexUnpickler(file).load()
    if not isinstance(metadata, Metadata):
        raise pickle.UnpicklingError(f"it holds {type(metadata).__name__} instead of an index")
    for info in (metadata.storage_data or {}).values():
        _check_place(info)
    return metadata


def _check_place(info: Any) -> None:
    if not isinstance(info, _StorageInfo) or not isinstance(info.relative_path, str):
        raise pickle.UnpicklingError(f"it holds {type(info).__name__} instead of a place in a file")
    path = info.relative_path
    if path in ("", ".", "..") or "/" in path or os.sep in path:
        raise pickle.UnpicklingError(f"it points outside the folder, to {path!r}")
    if info.transform_descriptors:  # torch would unpickle what comes out, check_objects sees what goes in
        raise pickle.UnpicklingError(
            f"it holds transformed entries ({info.transform_descriptors}), only plain ones are read"
        )


def check_objects(folder: Path, index: Metadata) -> None:
    """Raises pickle.UnpicklingError when an object of the checkpoint is more than plain values and tensors."""
    places = index.storage_data or {}
    for name, entry in index.state_dict_metadata.items():
        if isinstance(entry, BytesStorageMetadata):
            place = places[MetadataIndex(name)]
            with open(folder / place.relative_path, "rb") as file:
                file.seek(place.offset)
                torch.load(io.BytesIO(file.read(place.length)), weights_only=True)


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
            return _enum_member  # how Python 3.11 pickles members of an enum
        if module == "torch" and isinstance(getattr(torch, name, None), torch.dtype):
            return getattr(torch, name)
        if (module, name) in self._NAMES:
            return super().find_class(module, name)
        if module in self._MODULES and "." not in name:
            found = super().find_class(module, name)
            if isinstance(found, type) and found.__module__ == module:
                return found
        raise pickle.UnpicklingError(f"it names {module}.{name}, which no index needs")


def _enum_member(owner: Any, name: str) -> Any:
    if isinstance(owner, enum.EnumMeta) and name in owner.__members__:
        return owner[name]
    raise pickle.UnpicklingError(f"it asks for the attribute {name!r} of {owner!r}")
