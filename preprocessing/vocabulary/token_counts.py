"""How often a tokenizer uses each of its tokens for the counted words of a text."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tokenizers

from megatron_ko.files import read_json, sha256_file
from preprocessing.vocabulary.counting import words_in
from preprocessing.vocabulary.cutting import tokenizer_of_words
from preprocessing.vocabulary.worker_pool import WorkerPool


def count_tokens(files: Sequence[Path], tokenizer_json: Path, pool: WorkerPool, what: str) -> np.ndarray:
    """``[ids] int64``: each token of the words, as often as the word stands in the text."""
    content = sha256_file(tokenizer_json)
    items = [(path, tokenizer_json, content) for path in files]
    sizes = [path.stat().st_size for path in files]
    total = np.zeros(0, np.int64)
    for found in pool.map(_tokens_of_file, items, what, sizes):
        total = found if not len(total) else total + found
    return total


def tokens_of_words(tokenizer: tokenizers.Tokenizer, words: list[str], counts: np.ndarray) -> np.ndarray:
    """``[ids] int64``."""
    rows = [row.ids for row in tokenizer.encode_batch_fast(words, add_special_tokens=False)]
    ids = np.fromiter((number for row in rows for number in row), np.int64)
    weights = np.repeat(counts, [len(row) for row in rows])
    out = np.zeros(_size(tokenizer), np.int64)
    np.add.at(out, ids, weights)
    return out


def _tokens_of_file(path: Path, tokenizer_json: Path, content: str) -> np.ndarray:
    tokenizer = _loaded(tokenizer_json, content)
    total = np.zeros(_size(tokenizer), np.int64)
    for words, counts in words_in(path):
        total += tokens_of_words(tokenizer, words.to_pylist(), counts)
    return total


def _size(tokenizer: tokenizers.Tokenizer) -> int:
    """Ids, counting those of gaps."""
    return max(tokenizer.get_vocab().values()) + 1


@functools.lru_cache(maxsize=1)
def _loaded(tokenizer_json: Path, content: str) -> tokenizers.Tokenizer:
    """A process keeps the last one; ``content`` is the hash of the file."""
    return tokenizer_of_words(read_json(tokenizer_json))
