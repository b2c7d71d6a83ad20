"""The intermediate Korean tokenizer, whose pieces are the candidates of an extension.

Owns what it is trained on: the counted Korean words of the whole text instead of a sample of it. SentencePiece would cut
text at blanks and between scripts into these very words and count them, so the pieces are those of training on the text.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import sentencepiece

from megatron_ko.errors import DataError, first_line
from megatron_ko.formats.vocabulary import BLANK
from preprocessing.tokenizers.counting import Counted, words_in
from preprocessing.tokenizers.cutting import KOREAN

MAX_WORDS = 2_000_000  # distinct, the most frequent ones
COVERAGE = 0.9995  # of characters; rarer syllables are left to the rule for syllables
MEMORY_BYTES_PER_WORD = 620
"""Peak of the trainer, measured with 0.27 and 1.0 million Korean words."""


def train_intermediate(counted: Counted, size: int) -> list[str]:
    """Korean surfaces in the order in which they were learned, single letters last; fewer than ``size`` of little text."""
    least = _least_count(counted)
    out = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=_lines(counted, least),
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
            f"--intermediate-size {size:,}: SentencePiece cannot train on {counted.words:,} Korean words "
            f"({first_line(error)}); raise it above the number of different syllables, or give more text"
        ) from None
    processor = sentencepiece.SentencePieceProcessor(model_proto=out.getvalue())
    pieces = [processor.id_to_piece(number) for number in range(processor.get_piece_size())]
    surfaces = [piece.replace(BLANK, " ") for piece in pieces]
    return [surface for surface in surfaces if KOREAN.fullmatch(surface)]


def _least_count(counted: Counted) -> int:
    """The count from which on words are read, so that at most MAX_WORDS are."""
    if counted.words <= MAX_WORDS:
        return 1
    how_many = np.zeros(1, np.int64)  # words by count
    for path in counted.files:
        for _, counts in words_in(path):
            found = np.bincount(np.minimum(counts, 1 << 20))
            size = max(len(found), len(how_many))
            how_many = np.pad(how_many, (0, size - len(how_many))) + np.pad(found, (0, size - len(found)))
    at_least = np.cumsum(how_many[::-1])[::-1]
    return int(np.flatnonzero(at_least <= MAX_WORDS)[0])


def _lines(counted: Counted, least: int) -> Iterator[str]:
    """``word TAB count``."""
    for path in counted.files:
        for words, counts in words_in(path):
            for word, count in zip(words.to_pylist(), counts.tolist()):
                if count >= least:
                    for korean in KOREAN.findall(word):
                        yield f"{korean}\t{count}"
