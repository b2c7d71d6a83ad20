"""Slices of a ``torch.distributed.checkpoint`` folder, read and written one at a time in one process.

Owns the storage only; ``mcore`` interprets the tensors. Needs no process group and no megatron. A read touches only the
chunks that overlap the slice; a write requests one tensor after the other. The index (``.metadata``) is a pickle and
is unpickled with an allow-list, so a folder from a stranger cannot run code.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import pickle
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.distributed._shard._utils import narrow_tensor_by_index
from torch.distributed.checkpoint.default_planner import DefaultSavePlanner
from torch.distributed.checkpoint.filesystem import FileSystem, FileSystemWriter
from torch.distributed.checkpoint.metadata import (
    BytesStorageMetadata,
    ChunkStorageMetadata,
    MetadataIndex,
    TensorProperties,
    TensorStorageMetadata,
)
from torch.distributed.checkpoint.planner import (
    ReadItem,
    SavePlan,
    TensorWriteData,
    WriteItem,
    WriteItemType,
)
from torch.distributed.checkpoint.planner_helpers import create_read_items_for_chunk_list

from checkpoint_tools.prefetch import map_ahead
from megatron_ko.errors import CheckpointError, first_line
from megatron_ko.formats.checksums import HashingFile
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
        try:
            self._metadata = read_index(folder)
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

    def pieces(self, name: str) -> int:
        """Number of pieces that a tensor is stored in: one for each rank's part."""
        return len(self._tensors[name].chunks)

    def read(self, name: str, offset: tuple[int, ...], shape: tuple[int, ...]) -> Tensor:
        """The block of ``shape`` at ``offset`` of the global tensor ``name``."""
        chunk = ChunkStorageMetadata(torch.Size(offset), torch.Size(shape))
        items = create_read_items_for_chunk_list(name, self._tensors[name], [chunk])
        if sum(math.prod(item.lengths) for item in items) != math.prod(shape):
            raise CheckpointError(
                f"{self.folder}: the chunks of {name} do not cover it exactly once; the checkpoint {_DAMAGED}",
                rule="damaged-checkpoint",
            )
        try:
            if len(items) == 1:  # covers the block, so that nothing is copied
                return self._part(items[0], self.dtype(name))
            target = torch.empty(shape, dtype=self.dtype(name))
            for item in items:
                part = narrow_tensor_by_index(target, item.dest_offsets, item.lengths)
                part.copy_(self._part(item, self.dtype(name)))
        except _READ_ERRORS as error:
            raise CheckpointError(
                f"{self.folder}: {name} {_DAMAGED} ({first_line(error)})", rule="damaged-checkpoint"
            ) from None
        return target

    def _part(self, item: ReadItem, dtype: torch.dtype) -> Tensor:
        """The part of one chunk that ``item`` describes; only tensors are unpickled."""
        location = (self._metadata.storage_data or {})[item.storage_index]
        with open(self.folder / location.relative_path, "rb", buffering=0) as file:
            section: Any = _Section(file, location.offset, location.length)
            stored = torch.load(section, map_location="cpu", weights_only=True)
        part = narrow_tensor_by_index(stored, item.storage_offsets, item.lengths)
        if part.dtype != dtype or tuple(part.shape) != tuple(item.lengths):
            raise ValueError(f"it contains {part.dtype} {list(part.shape)}, not {dtype} {list(item.lengths)}")
        return part


class _Section(io.RawIOBase):
    """A section of a file as a file of its own, read without a copy in between."""

    def __init__(self, file: io.FileIO, offset: int, length: int) -> None:
        self._file, self._offset, self._length, self._position = file, offset, length, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._length}[whence]
        self._position = start + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        view = view[: max(0, self._length - self._position)]
        self._file.seek(self._offset + self._position)
        done = 0
        while done < len(view) and (count := self._file.readinto(view[done:])):
            done += count
        self._position += done
        return done


def read_object(folder: Path, name: str) -> bytes:
    """The bytes of an object other than a tensor, as they are stored. Raises an error of ``pickle`` or KeyError."""
    index = read_index(folder)
    for key, entry in index.state_dict_metadata.items():
        if key.partition("/")[0] == name and isinstance(entry, BytesStorageMetadata):
            return checkpoint_index.read_object(folder, index, key)
    raise KeyError(f"the index has no object {name}")


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


def write(folder: Path, chunks: Iterable[Chunk]) -> dict[str, str]:
    """Writes chunks one by one, then ``.metadata``; returns the checksum of each file of tensors by name."""
    planner = _OneByOne(list(chunks), f"writing {folder.name}")
    writer = FileSystemWriter(folder)
    files = writer.fs = _HashingFileSystem()
    writer.set_up_storage_writer(is_coordinator=True)
    # The steps of ``torch.distributed.checkpoint.save`` for one process; that function wraps errors and Ctrl-C in its own exception.
    plan = writer.prepare_local_plan(planner.create_local_plan())
    (plan,), index = planner.create_global_plan([plan])
    (plan,) = writer.prepare_global_plan([plan])
    with _without_crc32():
        writer.finish(index, [writer.write_data(plan, planner).wait()])
    return files.checksums


class _HashingFileSystem(FileSystem):
    """torch's file system, which remembers the checksum of each file of tensors that it wrote."""

    def __init__(self) -> None:
        self.checksums: dict[str, str] = {}

    @contextlib.contextmanager
    def create_stream(self, path: Any, mode: str) -> Iterator[Any]:
        stream: Any
        with super().create_stream(path, mode) as stream:
            if Path(path).suffix != ".distcp" or mode != "wb":
                yield stream
                return
            file = HashingFile(stream)
            yield file
            self.checksums[Path(path).name] = file.checksum()


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
    """A plan from descriptions, in whose order torch writes; a tensor and the next one exist at a time."""

    def __init__(self, chunks: list[Chunk], title: str) -> None:
        super().__init__(flatten_state_dict=False)
        self._chunks = {MetadataIndex(chunk.name, chunk.offset): chunk for chunk in chunks}
        shown = progress_bytes(chunks, title, [chunk.size for chunk in chunks])
        self._ahead = zip(shown, map_ahead(lambda chunk: chunk.produce().contiguous(), chunks), strict=True)

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
        chunk, tensor = next(self._ahead)
        assert chunk is self._chunks[write_item.index], write_item.index
        assert tuple(tensor.shape) == chunk.shape and tensor.dtype == chunk.dtype, write_item.index
        return tensor
