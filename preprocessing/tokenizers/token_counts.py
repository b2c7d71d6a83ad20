"""Counts the tokens that a tokenizer uses for the counted words of a text.

Owns the choice between the two ways: a kernel merges words of an optional blank and Korean letters (nearly all), and the
tokenizer itself encodes words with other characters, which its pre-tokenizer may split. Some words of every file are
counted both ways and compared.
"""

# pyarrow.compute creates its functions at import
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tokenizers

from megatron_ko.errors import DataError
from megatron_ko.files import read_json, sha256_file
from megatron_ko.formats.byte_alphabet import LETTERS
from megatron_ko.formats.tokenizer_json import is_byte_level, merges_in
from megatron_ko.formats.vocabulary import BLANK
from preprocessing.documents import utf8_buffer
from preprocessing.kernels.bpe_merge import Merges, new_pairs
from preprocessing.kernels.word_tokens import count_tokens
from preprocessing.running.worker_pool import WorkerPool
from preprocessing.tokenizers.counting import words_in
from preprocessing.tokenizers.cutting import is_korean_piece, tokenizer_of_words

PLAIN = r"\A ?[\x{AC00}-\x{D7A3}\x{3131}-\x{3163}\x{3165}-\x{318E}]+\z"
COMPARED_WORDS = 200


def tokens_of_text(files: Sequence[Path], tokenizer_json: Path, pool: WorkerPool, what: str) -> np.ndarray:
    """``[ids] int64``: occurrences of each token in the words, times the counts of the words. ``what``: for the progress."""
    content = sha256_file(tokenizer_json)
    items = [(path, tokenizer_json, content) for path in files]
    total: Any = 0
    for counts in pool.map(_tokens_of_file, items, what, [path.stat().st_size for path in files]):
        total = total + counts
    return total


def _tokens_of_file(path: Path, tokenizer_json: Path, content: str) -> np.ndarray:
    counter = _load(tokenizer_json, content)
    total = np.zeros(counter.size, np.int64)
    for number, (words, counts) in enumerate(words_in(path)):
        if not number:
            counter.compare(words[:COMPARED_WORDS], counts[:COMPARED_WORDS])
        counter.count(words, counts, total)
    return total


@functools.lru_cache(maxsize=1)
def _load(tokenizer_json: Path, content: str) -> TokenCounter:
    """Cached per process; ``content`` is the hash of the file."""
    return TokenCounter(read_json(tokenizer_json))


@dataclass
class TokenCounter:
    """Counts the tokens of words with the tokenizer of ``description``, a ``tokenizer.json``."""

    description: dict[str, Any]

    def __post_init__(self) -> None:
        self._tokenizer = tokenizer_of_words(self.description)
        self.size = max(self._tokenizer.get_vocab().values()) + 1  # number of ids, including gaps
        only_merges = _uses_only_merges(self.description, self._tokenizer)
        self._merges = _merges_of(self.description, self.size) if only_merges else None

    def count(self, words: pa.Array, counts: np.ndarray, total: np.ndarray) -> None:
        """Adds to ``total``: [ids] int64."""
        if self._merges is None:
            self._count_with_tokenizer(words.to_pylist(), counts, total)
            return
        plain = pc.match_substring_regex(words, PLAIN)
        merged = words.filter(plain)
        mask = plain.to_numpy(zero_copy_only=False)
        count_tokens(self._merges, *utf8_buffer(merged), np.ascontiguousarray(counts[mask]), total)
        self._count_with_tokenizer(words.filter(pc.invert(plain)).to_pylist(), counts[~mask], total)

    def compare(self, words: pa.Array, counts: np.ndarray) -> None:
        """Raises DataError unless both ways agree on these words."""
        merged, expected = np.zeros(self.size, np.int64), np.zeros(self.size, np.int64)
        self.count(words, counts, merged)
        self._count_with_tokenizer(words.to_pylist(), counts, expected)
        if not np.array_equal(merged, expected):
            token = self._tokenizer.id_to_token(int(np.flatnonzero(merged != expected)[0]))
            raise DataError(
                f"the token {token!r} has different counts from our merges and from 'tokenizers'; report this base",
                rule="counts-disagree",
            )

    def _count_with_tokenizer(self, words: list[str], counts: np.ndarray, total: np.ndarray) -> None:
        for row, count in zip(
            self._tokenizer.encode_batch_fast(words, add_special_tokens=False), counts.tolist()
        ):
            for number in row.ids:
                total[number] += count


def _uses_only_merges(description: dict[str, Any], tokenizer: tokenizers.Tokenizer) -> bool:
    """Whether merges alone determine the tokens of a word of Korean letters."""
    model = description["model"]
    settings = ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "ignore_merges")
    if model["type"] != "BPE" or any(model.get(name) for name in settings):
        return False
    if any(is_korean_piece(token["content"]) for token in description["added_tokens"]):
        return False
    if not is_byte_level(description):
        return all(f"<0x{byte:02X}>" in model["vocab"] for byte in range(256))
    split = tokenizer.pre_tokenizer
    samples = (" 가나다", "힣", " ㅋㅋ그래", "ㅎ가ㅠ", " 긴" + "말" * 60)
    return split is not None and all(len(split.pre_tokenize_str(sample)) == 1 for sample in samples)


def _merges_of(description: dict[str, Any], size: int) -> Merges:
    """The merge tables of the kernel; symbols are ids."""
    vocab, by_bytes = description["model"]["vocab"], is_byte_level(description)
    pairs = merges_in(description)
    lefts = np.array([vocab[left] for left, _ in pairs] or [0], np.int64)
    rights = np.array([vocab[right] for _, right in pairs] or [0], np.int64)
    unions = np.array([vocab[left + right] for left, right in pairs] or [0], np.int64)
    best = np.arange(len(unions), dtype=np.int64) << 32 | unions
    if by_bytes:
        symbols = np.array([vocab[letter] for letter in LETTERS], np.int32)
        byte_ids = np.zeros(256, np.int32)
    else:
        symbols = np.full(0x110000, -1, np.int32)
        for piece, number in vocab.items():
            if len(piece) == 1:
                symbols[ord(piece)] = number
        symbols[ord(" ")] = symbols[ord(BLANK)]
        byte_ids = np.array([vocab[f"<0x{byte:02X}>"] for byte in range(256)], np.int32)
    table = new_pairs(lefts, rights) if pairs else np.zeros(16, np.uint64)
    return Merges(
        by_bytes, symbols, table, best, np.arange(size, dtype=np.int32), np.zeros(1, np.int32), byte_ids
    )
