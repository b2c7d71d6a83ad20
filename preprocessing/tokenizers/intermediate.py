"""Trains the intermediate Korean tokenizer, whose pieces are the candidates of an extension.

Owns its training data: the counted Korean words of the whole text, not a sample. SentencePiece itself splits text at
blanks and between scripts into these words and counts them, so the pieces equal those of training on the text.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import sentencepiece

from megatron_ko.errors import DataError, first_line
from megatron_ko.formats.vocabulary import BLANK
from preprocessing.tokenizers.counting import WordCounts, words_in
from preprocessing.tokenizers.cutting import KOREAN

MAX_WORDS = 2_000_000  # distinct words; the most frequent are used
COVERAGE = 0.9995  # of characters; the rule for syllables handles rarer ones
MEMORY_BYTES_PER_WORD = 620
"""Peak of the trainer, measured with 0.27 and 1.0 million Korean words."""


def train_intermediate(counts: WordCounts, size: int) -> list[str]:
    """Korean surfaces in the order learned, single letters last; fewer than ``size`` if the text is small."""
    least = _least_count(counts)
    out = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=_lines(counts, least),
            input_format="tsv",
            model_writer=out,
            model_type="bpe",
            vocab_size=size,
            hard_vocab_limit=False,
            normalization_rule_name="identity",
            add_dummy_prefix=False,
            remove_extra_whitespaces=False,
            character_coverage=COVERAGE,
            num_threads=1,
            bos_id=-1,
            eos_id=-1,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise DataError(
            f"--intermediate-size {size:,}: SentencePiece cannot train on {counts.words:,} Korean words "
            f"({first_line(error)}); raise it above the number of different syllables, or add text",
            rule="sentencepiece-training",
        ) from None
    processor = sentencepiece.SentencePieceProcessor(model_proto=out.getvalue())
    pieces = [processor.id_to_piece(number) for number in range(processor.get_piece_size())]
    surfaces = [piece.replace(BLANK, " ") for piece in pieces]
    return [surface for surface in surfaces if KOREAN.fullmatch(surface)]


def _least_count(counts: WordCounts) -> int:
    """The smallest count with at most MAX_WORDS words that occur as often or more."""
    if counts.words <= MAX_WORDS:
        return 1
    words_by_count = np.zeros(1, np.int64)
    for path in counts.files:
        for _, occurrences in words_in(path):
            more = np.bincount(np.minimum(occurrences, 1 << 20))
            size = max(len(more), len(words_by_count))
            words_by_count = np.pad(words_by_count, (0, size - len(words_by_count)))
            words_by_count += np.pad(more, (0, size - len(more)))
    at_least = np.cumsum(words_by_count[::-1])[::-1]
    return int(np.flatnonzero(at_least <= MAX_WORDS)[0])


def _lines(counts: WordCounts, least: int) -> Iterator[str]:
    """``word TAB count``."""
    for path in counts.files:
        for words, occurrences in words_in(path):
            for word, count in zip(words.to_pylist(), occurrences.tolist()):
                if count >= least:
                    for korean in KOREAN.findall(word):
                        yield f"{korean}\t{count}"
