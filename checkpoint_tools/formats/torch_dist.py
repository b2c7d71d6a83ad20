"""Slices of a ``torch.distributed.checkpoint`` folder, read and written one at a time in one process.

Owns the storage only; ``mcore`` interprets the tensors. Needs no process group and no megatron. A read touches only the
chunks that overlap the slice; a write requests one tensor after the other. The index (``.metadata``) is a pickle and
is unpickled with an allow-list, so a folder from a stranger cannot run code.
"""

from __future__ import annotations

import contextlib
import io
import math
import pickle
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.distributed._shard._utils import narrow_tensor_by_index
from torch.distributed.checkpoint.default_planner import DefaultSavePlanner
from torch.distributed.checkpoint.filesystem import FileSystemReader, FileSystemWriter
from torch.distributed.checkpoint.metadata import (
    BytesStorageMetadata,
    ChunkStorageMetadata,
    Metadata,
    MetadataIndex,
    TensorProperties,
    TensorStorageMetadata,
)
from torch.distributed.checkpoint.planner import (
    LoadItemType,
    LoadPlan,
    LoadPlanner,
    ReadItem,
    SavePlan,
    TensorWriteData,
    WriteItem,
    WriteItemType,
)
from torch.distributed.checkpoint.planner_helpers import create_read_items_for_chunk_list

from megatron_ko.errors import CheckpointError, first_line
from megatron_ko.progress import progress_bytes
from megatron_ko.training import checkpoint_index
from megatron_ko.training.checkpoint_index import read_index

_DAMAGED = "is damaged or incomplete; use another checkpoint"
# Raised inside torch, pickle and zip for a truncated or foreign file.
_READ_ERRORS = (
    OSError, EOFError, RuntimeError, AssertionError, AttributeError, ImportError, IndexError, KeyError, TypeError,
    ValueError, pickle.UnpicklingError,
)  # fmt: skip


# --- reading ---------------------------------------------------------------------------------------------


class SliceReader:
    """Reads tensors of one folder by stored name, whole or in part. Raises CheckpointError for a damaged folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._reader = _SafeReader(folder)
        try:
            self._metadata = self._reader.read_metadata()
            self._reader.set_up_storage_reader(self._metadata, is_coordinator=True)
        except _READ_ERRORS as error:
            raise CheckpointError(
                f"{folder / '.metadata'}: {_DAMAGED} ({first_line(error)})", rule="damaged-index"
            ) from None
        self._tensors: dict[str, TensorStorageMetadata] = {
            name: entry
            for name, entry in self._metadata.state_dict_metadata.items()
            if isinstance(entry, TensorStorageMetadata)
        }

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Global shape of every tensor of the folder."""
        return {name: tuple(entry.size) for name, entry in self._tensors.items()}

    def dtype(self, name: str) -> torch.dtype:
        return self._tensors[name].properties.dtype

    def read(self, name: str, offset: tuple[int, ...], shape: tuple[int, ...]) -> Tensor:
        """The block of ``shape`` at ``offset`` of the global tensor ``name``."""
        target = torch.empty(shape, dtype=self.dtype(name))
        chunk = ChunkStorageMetadata(torch.Size(offset), torch.Size(shape))
        items = create_read_items_for_chunk_list(name, self._tensors[name], [chunk])
        if sum(math.prod(item.lengths) for item in items) != target.numel():
            raise CheckpointError(
                f"{self.folder}: the chunks of {name} do not cover it exactly once; the checkpoint {_DAMAGED}",
                rule="damaged-checkpoint",
            )
        try:
            self._reader.read_data(LoadPlan(items), _IntoTensor(target))
        except _READ_ERRORS as error:
            raise CheckpointError(
                f"{self.folder}: {name} {_DAMAGED} ({first_line(error)})", rule="damaged-checkpoint"
            ) from None
        return target


def read_object(folder: Path, name: str) -> bytes:
    """The bytes of an object other than a tensor, as they are stored. Raises an error of ``pickle`` or KeyError."""
    index = read_index(folder)
    for key, entry in index.state_dict_metadata.items():
        if key.partition("/")[0] == name and isinstance(entry, BytesStorageMetadata):
            return checkpoint_index.read_object(folder, index, key)
    raise KeyError(f"the index has no object {name}")


class _SafeReader(FileSystemReader):
    """torch's reader, which unpickles only descriptions from the index."""

    def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
        return read_index(Path(self.path))


class _IntoTensor(LoadPlanner):
    """Copies the read items into one tensor."""

    def __init__(self, target: Tensor) -> None:
        self.target = target

    def resolve_tensor(self, read_item: ReadItem) -> Tensor:
        assert read_item.type == LoadItemType.TENSOR
        return narrow_tensor_by_index(self.target, read_item.dest_offsets, read_item.lengths)

    def commit_tensor(self, read_item: ReadItem, tensor: Tensor) -> None:
        pass

    def set_up_planner(self, *args: Any, **kwargs: Any) -> None: ...
    def create_local_plan(self) -> LoadPlan:
        raise NotImplementedError

    def create_global_plan(self, global_plan: list[LoadPlan]) -> list[LoadPlan]:
        raise NotImplementedError

    def finish_plan(self, central_plan: LoadPlan) -> LoadPlan:
        raise NotImplementedError

    def load_bytes(self, read_item: ReadItem, value: io.BytesIO) -> None:
        raise NotImplementedError


# --- writing ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Chunk:
    """A block of a global tensor; ``produce`` computes it just before it is written."""

    name: str
    global_shape: tuple[int, ...]
    offset: tuple[int, ...]
    shape: tuple[int, ...]
    dtype: torch.dtype
    produce: Callable[[], Tensor]

    @property
    def size(self) -> int:
        """Bytes."""
        return math.prod(self.shape) * self.dtype.itemsize


def write(folder: Path, chunks: Iterable[Chunk]) -> None:
    """Writes chunks one by one, then ``.metadata``."""
    planner = _OneByOne(list(chunks), f"writing {folder.name}")
    writer = FileSystemWriter(folder)
    writer.set_up_storage_writer(is_coordinator=True)
    # The steps of ``torch.distributed.checkpoint.save`` for one process; that function wraps errors and Ctrl-C in its own exception.
    plan = writer.prepare_local_plan(planner.create_local_plan())
    (plan,), index = planner.create_global_plan([plan])
    (plan,) = writer.prepare_global_plan([plan])
    with _without_crc32():
        writer.finish(index, [writer.write_data(plan, planner).wait()])


@contextlib.contextmanager
def _without_crc32() -> Iterator[None]:
    """torch computes a CRC-32 of each tensor, which it does not check; a checkpoint has checksums of its files."""
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        yield
    finally:
        torch.serialization.set_crc32_options(before)


class _OneByOne(DefaultSavePlanner):
    """A plan from descriptions; tensors exist only between ``resolve_data`` and their write."""

    def __init__(self, chunks: list[Chunk], title: str) -> None:
        super().__init__(flatten_state_dict=False)
        self._chunks = {MetadataIndex(chunk.name, chunk.offset): chunk for chunk in chunks}
        self._progress = progress_bytes(chunks, title, [chunk.size for chunk in chunks])

    def create_local_plan(self) -> SavePlan:
        items = []
        for index, chunk in self._chunks.items():
            data = TensorWriteData(
                chunk=ChunkStorageMetadata(torch.Size(chunk.offset), torch.Size(chunk.shape)),
                properties=TensorProperties(dtype=chunk.dtype),
                size=torch.Size(chunk.global_shape),
            )
            items.append(WriteItem(index, WriteItemType.SHARD, tensor_data=data))
        self.plan = SavePlan(items)
        return self.plan

    def resolve_data(self, write_item: WriteItem) -> Tensor:
        next(self._progress)
        chunk = self._chunks[write_item.index]
        tensor = chunk.produce().contiguous()
        assert tuple(tensor.shape) == chunk.shape and tensor.dtype == chunk.dtype, write_item.index
        return tensor
