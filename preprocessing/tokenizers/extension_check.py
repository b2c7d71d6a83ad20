"""Checks an extended tokenizer against its base on a sample of documents.

Owns the comparison: all readers give the same ids, documents without Hangul keep their ids, and the new tokens of whole
documents equal those counted word by word. Also counts tokens and bytes by language.
"""

# pyarrow.compute creates its functions at import
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from megatron_ko.errors import DataError
from megatron_ko.files import read_json
from megatron_ko.formats.tokenizer_folder import Tokenizer
from preprocessing.documents import utf8_buffer
from preprocessing.tokenizers.counting import WordTable
from preprocessing.tokenizers.cutting import Cut
from preprocessing.tokenizers.hangul import HANGUL
from preprocessing.tokenizers.hard_texts import HARD_TEXTS
from preprocessing.tokenizers.text_files import TextPart, batches_of
from preprocessing.tokenizers.token_counts import TokenCounter

SAMPLE_BYTES, SAMPLE_FILES = 16 << 20, 256


@dataclass
class Usage:
    """Documents, bytes and tokens of one language, with the base and with the extended tokenizer."""

    documents: int = 0
    bytes: int = 0
    base_tokens: int = 0
    tokens: int = 0


@dataclass
class SampleCheck:
    """The checked sample, by language; ``texts``: all texts, the fixed ones included."""

    languages: dict[str, Usage] = field(default_factory=dict)
    unchanged: int = 0  # documents without Hangul; all have the ids of the base
    texts: int = 0  # on which all readers agree


def sample(parts: Sequence[TextPart], sample_bytes: int = SAMPLE_BYTES) -> Iterator[pa.RecordBatch]:
    """Documents from the beginning of at most SAMPLE_FILES evenly spaced files, about ``sample_bytes`` in total.

    Every file contributes the same number of bytes, or all it has.
    """
    files = [TextPart((file,), file.stat().st_size, part.range) for part in parts for file in part.files]
    chosen = [files[number] for number in np.unique(np.linspace(0, len(files) - 1, SAMPLE_FILES).astype(int))]
    left = sample_bytes
    for number, part in enumerate(sorted(chosen, key=lambda part: part.size)):
        each = left // (len(chosen) - number)
        taken = 0
        for batch in batches_of(part):
            sizes = np.cumsum(np.diff(utf8_buffer(batch["text"])[1]))
            rows = min(batch.num_rows, int(np.searchsorted(sizes, each - taken)) + 1)
            yield batch.slice(0, rows)
            taken += int(sizes[rows - 1])
            if taken >= each:
                break
        left -= taken


def check(
    base_folder: Path, folder: Path, base_size: int, cut: Cut, parts: Sequence[TextPart]
) -> SampleCheck:
    """Raises DataError at the first failure, with the text."""
    base = Tokenizer(base_folder)
    readers = [Tokenizer(folder), Tokenizer(folder, prefer_json=True)]
    counter = TokenCounter(read_json(folder / "tokenizer.json"))
    result = SampleCheck()
    in_words = np.zeros(counter.size, np.int64)
    in_documents = np.zeros(counter.size, np.int64)
    table = WordTable(cut)
    for texts, langs in itertools.chain([(list(HARD_TEXTS), None)], _texts(parts)):
        (ids, ends), (others, other_ends) = (reader.encode_batch(texts) for reader in readers)
        if not (np.array_equal(ids, others) and np.array_equal(ends, other_ends)):
            row = next(
                r for r, text in enumerate(texts) if readers[0].encode(text) != readers[1].encode(text)
            )
            raise DataError(
                f"{folder}: tokenizer.json and tokenizer.model give different ids for {texts[row][:80]!r}; report this base",
                rule="readers-disagree",
            )
        old_ids, old_ends = base.encode_batch(texts)
        for row, text in enumerate(texts):
            if HANGUL.search(text) is None:
                mine, before = ids[ends[row] : ends[row + 1]], old_ids[old_ends[row] : old_ends[row + 1]]
                if not np.array_equal(mine, before):
                    raise DataError(
                        f"{folder}: text without Hangul has other ids than with the base: {text[:80]!r}; report this base",
                        rule="other-text-changed",
                    )
                result.unchanged += langs is not None
        result.texts += len(texts)
        if langs is not None:
            table.add(pa.array(texts, pa.large_string()))
            in_documents += np.bincount(ids, minlength=counter.size)
            _add(result, langs, texts, np.diff(old_ends), np.diff(ends))
    words = table.take()
    counter.count(words["word"], words["count"].to_numpy(), in_words)
    if not np.array_equal(in_words[base_size:], in_documents[base_size:]):
        number = base_size + int(np.flatnonzero(in_words[base_size:] != in_documents[base_size:])[0])
        raise DataError(
            f"{folder}: token {number} occurs {in_documents[number]:,} times in documents and {in_words[number]:,} times in "
            "their separate words: the tokens of this base depend on the text around a word, so it cannot be extended by "
            "counting words",
            rule="context-dependent-base",
        )
    return result


def _texts(parts: Sequence[TextPart]) -> Iterator[tuple[list[str], list[str]]]:
    for batch in sample(parts):
        yield batch["text"].to_pylist(), batch["lang"].to_pylist()


def _add(
    result: SampleCheck, langs: list[str], texts: list[str], before: np.ndarray, after: np.ndarray
) -> None:
    for lang, text, old, new in zip(langs, texts, before.tolist(), after.tolist()):
        usage = result.languages.setdefault(lang, Usage())
        usage.documents += 1
        usage.bytes += len(text.encode("utf-8"))
        usage.base_tokens += old
        usage.tokens += new
