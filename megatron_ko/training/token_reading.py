"""Reads tokens and document numbers of a set from its files, with ``pread`` and a bounded number of open files.

A memory map would be simpler, but reads ahead: 1,000 sets of 10 million documents took 56 s and 75 GiB of resident memory to
open and sample, against about a second. Owns reading alone: ``megatron_ko.formats.manifest`` has checked the files.
"""

from __future__ import annotations

import os
import weakref
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from itertools import accumulate

import numpy as np

from megatron_ko.errors import DataError
from megatron_ko.formats.manifest import DTYPES, HEADER, TokenPair, TokenSet

OPEN_FILES = 256
"""Files open at once per process: limits are often 1,024."""


class OpenFiles:
    """Descriptors of the files read last; each process that inherits or unpickles it opens its own on demand."""

    def __init__(self, limit: int = OPEN_FILES) -> None:
        self._limit = limit
        self._descriptors: OrderedDict[str, int] = OrderedDict()
        weakref.finalize(self, _close_all, self._descriptors)

    def __reduce__(self) -> tuple[type, tuple[int]]:
        return OpenFiles, (self._limit,)

    def read(self, path: str, offset: int, count: int) -> bytes:
        """``count`` bytes at ``offset``. Raises DataError if the file has become shorter."""
        descriptor = self._descriptors.get(path)
        if descriptor is None:
            while len(self._descriptors) >= self._limit:
                os.close(self._descriptors.popitem(last=False)[1])
            descriptor = self._descriptors[path] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        else:
            self._descriptors.move_to_end(path)
        data = os.pread(descriptor, count, offset)
        while len(data) < count and (more := os.pread(descriptor, count - len(data), offset + len(data))):
            data += more
        if len(data) < count:
            raise DataError(
                f"{path}: ends at byte {offset + len(data):,}, but {count:,} bytes at {offset:,} are needed; it has changed during "
                "the run: restore the file, then start the run again",
                rule="wrong-size",
            )
        return data


def _close_all(descriptors: OrderedDict[str, int]) -> None:
    while descriptors:
        os.close(descriptors.popitem()[1])


class SetReader:
    """The tokens of a set as a circle: all pairs of files in order, then from the beginning."""

    def __init__(self, tokens: TokenSet, files: OpenFiles) -> None:
        self._pairs, self._files = tokens.pairs, files
        self._bins = [f"{pair.prefix}.bin" for pair in tokens.pairs]
        self._dtype = np.dtype(tokens.dtype)
        self._width = DTYPES[tokens.dtype][1]
        self._ends = list(accumulate(pair.tokens for pair in tokens.pairs))

    def read(self, start: int, count: int) -> np.ndarray:
        """``count`` tokens from ``start``: [count] in the type of the files."""
        parts = [
            np.frombuffer(
                self._files.read(self._bins[pair], first * self._width, taken * self._width), self._dtype
            )
            for pair, first, taken in self._runs(start, count)
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def documents(self, start: int, count: int) -> Iterator[tuple[str, range]]:
        """Prefix and document numbers of each run of ``count`` tokens from ``start``."""
        for number, first, taken in self._runs(start, count):
            pair = self._pairs[number]
            starts = _DocumentStarts(pair, self._files)
            begin = bisect_right(starts, first * self._width) - 1
            end = bisect_left(starts, (first + taken) * self._width)
            yield str(pair.prefix), range(begin, end)

    def _runs(self, start: int, count: int) -> Iterator[tuple[int, int, int]]:
        """Number of the pair, first token in it, and tokens of each run."""
        start %= self._ends[-1]
        pair = bisect_right(self._ends, start)
        while count:
            begin = self._ends[pair - 1] if pair else 0
            taken = min(count, self._ends[pair] - start)
            yield pair, start - begin, taken
            count -= taken
            pair = (pair + 1) % len(self._ends)
            start = self._ends[pair - 1] if pair else 0


class _DocumentStarts:
    """First byte of each document of a pair, from its index."""

    def __init__(self, pair: TokenPair, files: OpenFiles) -> None:
        self._path, self._files, self._count = f"{pair.prefix}.idx", files, pair.documents

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> int:
        offset = HEADER.size + 4 * self._count + 8 * number
        return int.from_bytes(self._files.read(self._path, offset, 8), "little")
