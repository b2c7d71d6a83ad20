"""What a folder of weights contains, from headers and indexes alone: no tensor is read, and no family need be supported.

Owns the list of stored tensors, with their own names. ``hf`` and ``mcore`` check them and read them.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from checkpoint_tools.formats import torch_dist
from megatron_ko.errors import CheckpointError

_NUMBER = re.compile(r"(?<=\.)\d+(?=\.)")
_BYTES = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2, "I16": 2, "U8": 1, "I8": 1, "BOOL": 1,
          "F8_E4M3": 1, "F8_E5M2": 1}  # fmt: skip
_STATE = ("optimizer.", "chained_", "random.")
"""Beginnings of the names of state beside weights; that of random numbers is ``rng_state`` in Megatron-LM."""


@dataclass(frozen=True)
class StoredTensor:
    """A tensor of a folder. ``place``: its file, or the number of pieces that it is stored in."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    place: str
    itemsize: int

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def is_weight(self) -> bool:
        """False for the state of an optimizer and of random numbers."""
        return not self.name.startswith(_STATE) and "rng_state" not in self.name


def contents_of_hf(folder: Path) -> list[StoredTensor]:
    """Tensors of all safetensors files of a folder, by file and position. Raises CheckpointError for a damaged file."""
    return [tensor for path in sorted(folder.glob("*.safetensors")) for tensor in _contents_of_file(path)]


def _contents_of_file(path: Path) -> Iterator[StoredTensor]:
    for name, entry in sorted(_header(path).items(), key=lambda item: item[1]["data_offsets"]):
        code = entry["dtype"]
        yield StoredTensor(name, tuple(entry["shape"]), code, path.name, _BYTES.get(code, 0))


def _header(path: Path) -> dict[str, Any]:
    """The header of a safetensors file: 8 bytes with its length, then JSON."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > path.stat().st_size:
                raise ValueError(f"a header of {length:,} bytes")
            header = json.loads(file.read(length))
            return {name: entry for name, entry in header.items() if name != "__metadata__"}
    except (OSError, struct.error, ValueError, AttributeError) as error:
        message = f"{path}: is not a complete safetensors file ({error}); copy it again"
        raise CheckpointError(message, rule="damaged-safetensors") from None


def contents_of_checkpoint(folder: Path) -> list[StoredTensor]:
    """Tensors of a distributed checkpoint, optimizer state included; layers are stacked along dim 0."""
    reader = torch_dist.SliceReader(folder)
    tensors = []
    for name, shape in reader.shapes().items():
        dtype, pieces = reader.dtype(name), reader.pieces(name)
        code = str(dtype).removeprefix("torch.")
        tensors.append(StoredTensor(name, shape, code, str(pieces), dtype.itemsize))
    return tensors


@dataclass(frozen=True)
class Group:
    """Tensors that differ in the number of their layer alone. ``name`` has ``0-31`` in its place."""

    name: str
    tensors: tuple[StoredTensor, ...]

    @property
    def first(self) -> StoredTensor:
        return self.tensors[0]

    @property
    def places(self) -> list[str]:
        return list(dict.fromkeys(tensor.place for tensor in self.tensors))


def group_layers(tensors: Iterable[StoredTensor]) -> list[Group]:
    """Groups tensors of consecutive layers that have the same shape and number format."""
    groups: dict[tuple[Any, ...], list[StoredTensor]] = {}
    for tensor in tensors:
        pattern = _NUMBER.sub("{}", tensor.name, count=1)
        groups.setdefault((pattern, tensor.shape, tensor.dtype), []).append(tensor)
    return [Group(_name(pattern, members), tuple(members)) for (pattern, _, _), members in groups.items()]


def _name(pattern: str, tensors: list[StoredTensor]) -> str:
    if "{}" not in pattern:
        return pattern
    found = (_NUMBER.search(tensor.name) for tensor in tensors)
    numbers = sorted(int(match.group()) for match in found if match)
    return pattern.replace("{}", ",".join(_ranges(numbers)))


def _ranges(numbers: list[int]) -> Iterator[str]:
    """``0-3`` and ``7`` for 0, 1, 2, 3, 7."""
    start = end = numbers[0]
    for number in [*numbers[1:], None]:
        if number is not None and number == end + 1:
            end = number
            continue
        yield f"{start}-{end}" if end > start else f"{start}"
        if number is not None:
            start = end = number
