"""Counts how often each token of a tokenizer occurs in a text, and how many tokens each language takes.

Owns one pass over the text in worker processes; the sums do not depend on their number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from megatron_ko.formats.tokenizer_folder import read_tokenizer_folder
from preprocessing.config.languages import LANGUAGES
from preprocessing.running.worker_pool import WorkerPool
from preprocessing.tokenizers import encoders
from preprocessing.tokenizers.text_files import TextPart, batches_of


@dataclass
class Amount:
    """Documents of one language, their bytes and tokens."""

    documents: int = 0
    bytes: int = 0
    tokens: int = 0

    def add(self, other: Amount) -> None:
        self.documents += other.documents
        self.bytes += other.bytes
        self.tokens += other.tokens


@dataclass
class Use:
    """``counts`` [vocab_size] int64: how often each id occurs; ``languages``: amounts by language, in a fixed order."""

    counts: np.ndarray
    languages: dict[str, Amount] = field(default_factory=dict)

    def add(self, other: Use) -> None:
        self.counts += other.counts
        for lang, amount in other.languages.items():
            self.languages.setdefault(lang, Amount()).add(amount)


def use_of(folder: Path, parts: Sequence[TextPart], pool: WorkerPool, what: str) -> Use:
    """Counts the tokens of the text with a tokenizer folder of ours. ``what``: for the progress."""
    size = read_tokenizer_folder(folder).vocab_size
    engine = encoders.choose(folder, "auto", ())
    total = Use(np.zeros(size, np.int64))
    items = [(folder, engine, size, part) for part in parts]
    for use in pool.map(_use_in_part, items, what, [part.size for part in parts]):
        total.add(use)
    total.languages = {lang: total.languages[lang] for lang in LANGUAGES if lang in total.languages}
    return total


def _use_in_part(folder: Path, engine: str, size: int, part: TextPart) -> Use:
    encoder = encoders.encoder_of(folder, engine)
    use = Use(np.zeros(size, np.int64))
    for batch in batches_of(part):
        texts = batch["text"].to_pylist()
        ids, offsets = encoder.encode_batch(texts)
        use.counts += np.bincount(np.asarray(ids, np.int64), minlength=size)
        tokens = np.diff(np.asarray(offsets, np.int64)).tolist()
        for text, lang, count in zip(texts, batch["lang"].to_pylist(), tokens):
            amount = use.languages.setdefault(lang, Amount())
            amount.add(Amount(1, len(text.encode("utf-8")), count))
    return use
