"""Opens, checks, splits and joins pairs of token files, by document.

Owns the copy of runs of documents from pair to pair in large blocks. Merging, splitting and the joining of ``encode`` are
this copy; the result has the same bytes as when all documents are written at once. Never decodes tokens.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from megatron_ko.errors import DataError, Problem
from megatron_ko.files import atomic_file
from preprocessing.tokens.indexed_dataset import HashingFile, Index, read_index, write_index

BLOCK_TOKENS = 1 << 24


@dataclass(frozen=True)
class Pair:
    """An open pair; a document has one or more sequences."""

    prefix: Path
    index: Index

    @property
    def documents(self) -> int:
        return len(self.index.documents) - 1

    @property
    def tokens(self) -> int:
        return len(self.ids)

    @functools.cached_property
    def ids(self) -> np.ndarray:
        """All tokens, mapped from the file; read only a few this way, since mapped pages count as used memory."""
        path = Path(f"{self.prefix}.bin")
        return (
            np.memmap(path, self.index.dtype, "r") if path.stat().st_size else np.zeros(0, self.index.dtype)
        )

    def lengths(self) -> np.ndarray:
        """``[documents] int64``: tokens of each document."""
        return np.diff(self.starts())

    def starts(self) -> np.ndarray:
        """``[documents + 1] int64``: the token at which each document starts, and the end."""
        ends = np.zeros(len(self.index.lengths) + 1, np.int64)
        np.cumsum(self.index.lengths, out=ends[1:], dtype=np.int64)
        return ends[self.index.documents]

    def read(self, start: int, stop: int) -> np.ndarray:
        """Tokens ``start`` to ``stop - 1``."""
        width = np.dtype(self.index.dtype).itemsize
        with open(f"{self.prefix}.bin", "rb") as file:
            file.seek(start * width)
            return np.frombuffer(file.read((stop - start) * width), self.index.dtype)

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, np.ndarray]]:
        """All tokens from ``start`` to ``stop - 1`` in blocks, each with the number of its first token."""
        stop = self.tokens if stop is None else stop
        for at in range(start, stop, BLOCK_TOKENS):
            yield at, self.read(at, min(at + BLOCK_TOKENS, stop))


def prefix_of(name: str | Path) -> Path:
    """``PREFIX`` for PREFIX, PREFIX.bin or PREFIX.idx."""
    return Path(name).with_suffix("") if Path(name).suffix in (".bin", ".idx") else Path(name)


def open_pair(name: str | Path) -> Pair:
    """Opens a pair. Raises DataError unless both files are complete and consistent."""
    prefix = prefix_of(name)
    pair = Pair(prefix, read_index(Path(f"{prefix}.idx")))
    if problems := index_problems(pair):
        raise DataError(problems)
    return pair


def index_problems(pair: Pair) -> list[Problem]:
    """Contradictions within the index and with the size of the ``.bin``."""
    index, binary = pair.index, Path(f"{pair.prefix}.bin")
    width = np.dtype(index.dtype).itemsize
    where = f"{pair.prefix}.idx"
    if not binary.is_file():
        return [
            Problem(str(binary), "", f"no such file; put the tokens of {where} beside it", "missing-file")
        ]
    if len(index.lengths) and int(index.lengths.min()) < 0:
        number = int((index.lengths < 0).argmax())
        message = f"has {int(index.lengths[number])} tokens; write the pair again"
        return [Problem(where, f"sequence {number}", message, "negative-length")]
    ends = np.cumsum(index.lengths, dtype=np.int64) * width
    problems = []
    moved = index.offsets[1:] != ends[:-1]
    if moved.any() or index.offsets[:1].any():
        number = 0 if index.offsets[0] else int(moved.argmax()) + 1
        message = (
            f"byte offset {int(index.offsets[number]):,} does not match the lengths; write the pair again"
        )
        problems.append(Problem(where, f"sequence {number}", message, "wrong-offsets"))
    boundaries = index.documents
    if (
        not len(boundaries)
        or boundaries[0] != 0
        or boundaries[-1] != len(ends)
        or (np.diff(boundaries) < 0).any()
    ):
        message = f"documents do not cover its {len(ends):,} sequences; write the pair again"
        problems.append(Problem(where, "", message, "wrong-documents"))
    expected, size = int(ends[-1]) if len(ends) else 0, binary.stat().st_size
    if size != expected:
        message = f"has {size:,} bytes, but the index covers {expected:,}: truncated or replaced; write the pair again"
        problems.append(Problem(str(binary), "", message, "size-mismatch"))
    return problems


@dataclass(frozen=True)
class Extent:
    """Documents ``first`` to ``last - 1`` of a pair."""

    prefix: Path
    first: int
    last: int


def full_extent(pair: Pair) -> Extent:
    return Extent(pair.prefix, 0, pair.documents)


def copy_documents(extents: Sequence[Extent], target: Path) -> dict[str, Any]:
    """Writes the documents of all extents, in order, as one pair; returns its entry of a manifest.

    Uses the memory of a block and 20 bytes per document. Raises DataError for different token types or an empty result.
    """
    pairs = [open_pair(extent.prefix) for extent in extents]
    dtypes = sorted({pair.index.dtype for pair in pairs})
    if len(dtypes) > 1:
        names = ", ".join(f"{pair.prefix} {pair.index.dtype}" for pair in pairs)
        raise DataError(
            f"pairs of {' and '.join(dtypes)} cannot be joined ({names}); encode them with the same tokenizer",
            rule="different-token-types",
        )
    lengths, documents = [], []
    tokens, max_id = 0, -1
    with atomic_file(Path(f"{target}.bin")) as file:
        out = HashingFile(file)
        for pair, extent in zip(pairs, extents):
            bounds = pair.index.documents[extent.first : extent.last + 1]
            lengths.append(pair.index.lengths[bounds[0] : bounds[-1]])
            documents.append(bounds - bounds[0])
            starts = pair.starts()
            for _, block in pair.blocks(int(starts[extent.first]), int(starts[extent.last])):
                out.write(block.tobytes())
                tokens, max_id = tokens + len(block), max(max_id, int(block.max()))
        if not tokens:
            raise DataError(
                f"{target}: would contain no token, and no reader opens an empty pair", rule="empty-pair"
            )
    index = write_index(target, dtypes[0], lengths, documents)
    return {
        "documents": sum(len(bounds) - 1 for bounds in documents),
        "tokens": tokens,
        "max_id": max_id,
        "bin_bytes": out.size,
        "idx_bytes": index["idx_bytes"],
        "sha256": {"bin": out.sha256(), "idx": index["sha256"]},
    }


def cut_by_tokens(lengths: Sequence[np.ndarray], most: int) -> list[list[tuple[int, int, int]]]:
    """Splits documents into runs of about ``most`` tokens, each ``[(part, first, last), ...]``.

    A document belongs to the run in which it starts. ``lengths``: tokens of the documents of each part, in order.
    """
    every = np.concatenate([np.asarray(part, np.int64) for part in lengths])
    run = (np.cumsum(every) - every) // most
    cuts = [0, *(np.flatnonzero(np.diff(run)) + 1).tolist(), len(every)]
    return assign_cuts(cuts, [len(part) for part in lengths])


def assign_cuts(cuts: Sequence[int], sizes: Sequence[int]) -> list[list[tuple[int, int, int]]]:
    """Converts cuts between documents 0 ... sum(sizes) to runs ``[(part, first, last), ...]`` within the parts."""
    starts = np.concatenate([[0], np.cumsum(sizes)]).tolist()
    runs = []
    for begin, end in zip(cuts[:-1], cuts[1:]):
        run = []
        for part, size in enumerate(sizes):
            first, last = max(begin - starts[part], 0), min(end - starts[part], size)
            if first < last:
                run.append((part, first, last))
        if run:
            runs.append(run)
    return runs


def cut_by_shares(lengths: np.ndarray, shares: Sequence[float]) -> list[tuple[int, int]]:
    """Splits documents, in order, into runs whose tokens are closest to the shares; none is left out."""
    ends = np.cumsum(lengths, dtype=np.int64)
    total = int(ends[-1]) if len(ends) else 0
    marks = np.cumsum(np.asarray(shares, np.float64) / np.sum(shares))[:-1] * total
    middle = ends - np.asarray(lengths, np.int64) / 2
    cuts = [0, *np.searchsorted(middle, marks).tolist(), len(ends)]
    return list(zip(cuts[:-1], cuts[1:]))
