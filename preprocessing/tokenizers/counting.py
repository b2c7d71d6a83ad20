"""Counts each Korean word of a text once, so that every round of a selection takes seconds.

Owns the table on disk. A word is a stretch with Hangul between two points that no piece spans (``cutting``), so the
tokens of the words times their counts are the tokens of the text. Each part of the text becomes a run, a table by hash
of the word, and the runs are merged by hash: memory is bounded for any text, and a killed command resumes.
"""

# pyarrow.compute creates its functions at import
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from megatron_ko.errors import DataError
from megatron_ko.files import atomic_file
from megatron_ko.wording import format_count
from preprocessing.config.languages import KOREAN
from preprocessing.documents import text_bytes, utf8_buffer
from preprocessing.kernels import word_counts
from preprocessing.running.markers import Marker, key_of
from preprocessing.running.worker_pool import WorkerPool
from preprocessing.tokenizers.cutting import Cut
from preprocessing.tokenizers.text_files import TextPart, batches_of

VERSION = 1
"""Increase when the bytes this module writes change for the same text and tokenizers, also through shared code."""
WORDS = pa.schema([("word", pa.large_string()), ("count", pa.int64())])
MAX_WORDS = 2_000_000  # in memory; a larger table is written as a run
PARTITION_BYTES = 128 << 20


@dataclass(frozen=True)
class WordCounts:
    """The merged table, in files by hash, and facts about the text."""

    files: list[Path]
    documents: int
    bytes: int
    korean_bytes: int  # of documents whose language is Korean, or Korean and English
    words: int  # distinct
    words_seen: int
    syllables: np.ndarray  # [11172] int64: how often each occurs in the text

    @property
    def korean_gigabytes(self) -> float:
        return self.korean_bytes / 1e9


# --- one part --------------------------------------------------------------------------------------------


class WordTable:
    """Words and their counts in memory."""

    def __init__(self, cut: Cut, places: int = 1 << 16):
        self._cut = cut
        self._table = np.zeros((places, 4), np.uint64)
        self._letters = np.zeros(8 * places, np.uint8)
        self.size = self._letters_used = 0

    def add(self, column: pa.Array) -> None:
        """Counts the words of a large_string column."""
        data, offsets = utf8_buffer(self._cut.normalize(column))
        pairs, row, at = (self._cut.bits, self._cut.byte_pairs), 0, 0
        while True:
            row, at, self.size, self._letters_used = word_counts.count_words(
                data, offsets, row, at, *pairs, self._table, self._letters, self.size, self._letters_used
            )
            if row == len(offsets) - 1:
                return
            if 2 * (self.size + 1) > len(self._table):
                self._table = word_counts.grow_table(self._table)
            else:
                self._letters = np.concatenate([self._letters, np.zeros_like(self._letters)])

    def take(self) -> pa.RecordBatch:
        """Returns the words in the order of their first occurrence and empties the table."""
        records = self._table[self._table[:, word_counts.KEY] != 0]
        records = records[np.argsort(records[:, word_counts.FIRST])]
        ends = np.concatenate([[0], np.cumsum(records[:, word_counts.LENGTH].astype(np.int64))])
        words = pa.LargeStringArray.from_buffers(
            len(records), pa.py_buffer(ends), pa.py_buffer(self._letters[: self._letters_used].copy())
        )
        counts = pa.array(records[:, word_counts.COUNT].astype(np.int64))
        self.__init__(self._cut)
        return pa.RecordBatch.from_arrays([words, counts], schema=WORDS)


def count_part(
    folder: Path, number: int, key: str, part: TextPart, cut: Cut, partitions: int
) -> dict[str, Any]:
    """Writes the runs of a part and its marker; returns the summary."""
    marker = Marker(folder, f"runs/{number:05d}")
    marker.remove()
    table, runs = WordTable(cut), []
    summary = {"documents": 0, "bytes": 0, "korean_bytes": 0}

    def write() -> None:
        path = folder / "runs" / f"{number:05d}-{len(runs):03d}.arrow"
        _write_run(path, table.take(), partitions)
        runs.append(path)

    for batch in batches_of(part):
        korean = pc.is_in(batch["lang"], pa.array(KOREAN))
        summary["documents"] += batch.num_rows
        summary["bytes"] += text_bytes(batch["text"])
        summary["korean_bytes"] += text_bytes(batch["text"].filter(korean))
        table.add(batch["text"])
        if table.size > MAX_WORDS:
            write()
    if table.size or not runs:
        write()
    marker.write(key, runs, summary)
    return summary


def _write_run(path: Path, words: pa.RecordBatch, partitions: int) -> None:
    """One record batch for each partition."""
    places = word_counts.keys_of_words(*utf8_buffer(words["word"])) >> np.uint64(40)
    partition = (places % np.uint64(partitions)).astype(np.int64)
    order = np.argsort(partition, kind="stable")
    bounds = np.searchsorted(partition[order], np.arange(partitions + 1))
    sorted_words = words.take(pa.array(order))
    with atomic_file(path) as file, _writer(file) as writer:
        for start, end in zip(bounds[:-1], bounds[1:]):
            writer.write_batch(sorted_words.slice(start, end - start))


def _writer(file: Any) -> Any:
    return pa.ipc.new_file(file, WORDS, options=pa.ipc.IpcWriteOptions(compression="lz4"))


# --- merging ---------------------------------------------------------------------------------------------


def merge_partition(folder: Path, partition: int, key: str, runs: Sequence[Path]) -> dict[str, int]:
    """Sums the counts of a partition over all runs, sorted by the bytes of the word. Returns the summary."""
    marker = Marker(folder, f"words/{partition:04d}")
    marker.remove()
    batches = []
    for run in runs:
        with pa.memory_map(str(run)) as source:
            batches.append(pa.ipc.open_file(source).get_batch(partition))
    grouped = pa.Table.from_batches(batches, WORDS).group_by("word", use_threads=False)
    merged = grouped.aggregate([("count", "sum")]).sort_by("word")
    words = pa.Table.from_arrays([merged["word"], merged["count_sum"]], schema=WORDS).combine_chunks()
    syllables = np.zeros(word_counts.LAST_SYLLABLE - word_counts.FIRST_SYLLABLE + 1, np.int64)
    path = folder / "words" / f"{partition:04d}.arrow"
    with atomic_file(path) as file, _writer(file) as writer:
        for batch in words.to_batches():
            writer.write_batch(batch)
            syllables += word_counts.count_syllables(*utf8_buffer(batch["word"]), batch["count"].to_numpy())
    counts = path.with_suffix(".npy")
    with atomic_file(counts) as file:
        np.save(file, syllables)
    summary = {"words": words.num_rows, "seen": int(pc.sum(words["count"]).as_py() or 0)}
    marker.write(key, [path, counts], summary)
    return summary


def words_in(path: Path, rows: int = 1 << 16) -> Iterator[tuple[pa.Array, np.ndarray]]:
    """``(words, counts)`` of a file of the merged table, at most ``rows`` at a time."""
    with pa.memory_map(str(path)) as source:
        file = pa.ipc.open_file(source)
        for number in range(file.num_record_batches):
            batch = file.get_batch(number)
            for start in range(0, batch.num_rows, rows):
                block = batch.slice(start, rows)
                yield block["word"], block["count"].to_numpy()


# --- all parts -------------------------------------------------------------------------------------------


def count_words(parts: Sequence[TextPart], cut: Cut, folder: Path, pool: WorkerPool) -> WordCounts:
    """Writes the word table of the parts to ``folder``, reusing results of an earlier run.

    Raises DataError when no word contains Hangul.
    """
    total = sum(part.size for part in parts)
    partitions = 8
    while partitions < 1024 and partitions * PARTITION_BYTES < total:
        partitions *= 2
    shared = [cut.key(), partitions, VERSION]
    keys = [key_of(shared, part.identity()) for part in parts]
    whole = key_of(shared, keys)
    summaries = _read_or_count(parts, keys, cut, folder, partitions, whole, pool)
    merged = _read_or_merge(folder, partitions, whole, keys, pool)
    files = [folder / "words" / f"{partition:04d}.arrow" for partition in range(partitions)]
    counts = WordCounts(
        files,
        documents=sum(summary["documents"] for summary in summaries),
        bytes=sum(summary["bytes"] for summary in summaries),
        korean_bytes=sum(summary["korean_bytes"] for summary in summaries),
        words=sum(summary["words"] for summary in merged),
        words_seen=sum(summary["seen"] for summary in merged),
        syllables=np.sum([np.load(path.with_suffix(".npy")) for path in files], axis=0),
    )
    if not counts.words:
        raise DataError(
            f"no Hangul in {format_count(counts.documents, 'document')} ({counts.bytes / 1e6:,.1f} MB); name Korean text in --text",
            rule="no-korean-text",
        )
    return counts


def _read_or_count(
    parts: Sequence[TextPart],
    keys: list[str],
    cut: Cut,
    folder: Path,
    partitions: int,
    whole: str,
    pool: WorkerPool,
) -> list[dict[str, Any]]:
    finished = Marker(folder, "counted").read(whole)
    if finished is not None and None not in _read_merged(folder, partitions, whole):
        return finished["parts"]
    summaries = [Marker(folder, f"runs/{number:05d}").read(key) for number, key in enumerate(keys)]
    missing = [number for number, summary in enumerate(summaries) if summary is None]
    items = [(folder, number, keys[number], parts[number], cut, partitions) for number in missing]
    new = pool.map(count_part, items, "count words", [parts[number].size for number in missing])
    for number, summary in zip(missing, new):
        summaries[number] = summary
    return [summary for summary in summaries if summary is not None]


def _read_merged(folder: Path, partitions: int, whole: str) -> list[dict[str, int] | None]:
    """The summary of each partition, None where it is not merged yet."""
    return [Marker(folder, f"words/{partition:04d}").read(whole) for partition in range(partitions)]


def _read_or_merge(
    folder: Path, partitions: int, whole: str, keys: Sequence[str], pool: WorkerPool
) -> list[dict[str, int]]:
    """Merges the runs of ``_read_or_count``, records the summaries of all parts, and deletes the runs."""
    merged = _read_merged(folder, partitions, whole)
    missing = [partition for partition, summary in enumerate(merged) if summary is None]
    markers = [Marker(folder, f"runs/{number:05d}") for number in range(len(keys))]
    if missing:
        runs = [path for marker in markers for path in marker.outputs()]
        items = [(folder, partition, whole, runs) for partition in missing]
        for partition, summary in zip(missing, pool.map(merge_partition, items, "merge counts")):
            merged[partition] = summary
    if Marker(folder, "counted").read(whole) is None:
        summaries = [marker.read(key) for marker, key in zip(markers, keys)]
        Marker(folder, "counted").write(whole, [], {"parts": summaries})
    shutil.rmtree(folder / "runs", ignore_errors=True)
    return [summary for summary in merged if summary is not None]
