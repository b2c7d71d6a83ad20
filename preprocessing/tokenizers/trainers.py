"""Trains SentencePiece BPE and Unigram models; ``byte_level.py`` trains byte-level BPE.

Owns the settings of the trainer, the preparation of the texts, and the changes to the model afterwards. Training uses
one thread, so the same texts give the same bytes. Does not own the source of the texts.
"""

from __future__ import annotations

import io
import itertools
import re
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import sentencepiece

from megatron_ko.errors import DataError
from megatron_ko.formats.sentencepiece_model import parse_model
from megatron_ko.formats.vocabulary import NORMAL, USER_DEFINED
from preprocessing.config.tokens import TokenizerConfig
from preprocessing.pii.masking import PLACEHOLDERS
from preprocessing.tokenizers.escapes import ESCAPES, UNESCAPES, as_rules
from preprocessing.tokenizers.morphemes import MORPHEME_END, segmenter

SPECIAL_TOKENS = {"unk": "<unk>", "bos": "<s>", "eos": "</s>", "pad": "<pad>"}
MAX_CHUNK_CHARACTERS = 8_000
PRINTABLE_ASCII = "".join(map(chr, range(33, 127)))
SCORE_STEP = 1 / 16
"""Scores of a Unigram model are multiples of this: sums up to 2^24 units (about 100,000 tokens) are then exact in the
32-bit floats of SentencePiece and the 64-bit floats of ``tokenizers``, so that both choose the same path."""
# SentencePiece silently skips a sentence with U+2585; NUL ends a sentence
_SKIPPED = "\u2585\0"
# the trainer reserves tabs and learns no piece of several, so vertical tabs replace them during training
_TAB, _STAND_IN = "\t", "\v"


class TooLarge(DataError):
    """The text yields fewer pieces; ``largest`` is the largest possible size."""

    def __init__(self, message: str, largest: int):
        super().__init__(message, rule="vocab-too-large")
        self.largest = largest

    def __reduce__(self) -> tuple[Any, ...]:  # needed to return from a worker process
        return TooLarge, (str(self), self.largest)


def train(texts: Iterable[str], settings: TokenizerConfig) -> bytes:
    """Trains a SentencePiece model of type ``bpe`` or ``unigram``; ignores the settings of sample and comparison.

    Raises DataError when there is no text or the size does not fit it.
    """
    assert settings.type != "byte_bpe", "byte_level.train makes those"
    out = io.BytesIO()
    texts = prepare(texts, settings)
    first = next(texts, None)
    if first is None:
        raise DataError(
            "there is no text to train a tokenizer on; funnel.json shows where the documents were dropped",
            rule="no-text",
        )
    with tempfile.TemporaryDirectory() as folder:
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=itertools.chain([first], texts),
                model_writer=out,
                **_options(settings, Path(folder)),
            )
        except RuntimeError as error:
            raise _explain(error, settings.vocab_size) from None
    return _finish(out.getvalue(), settings)


def user_symbols(settings: TokenizerConfig) -> list[str]:
    """Texts that are one token wherever they occur: placeholders of personal data, then the configured symbols."""
    return list(dict.fromkeys([*PLACEHOLDERS.values(), *settings.symbols]))


def _options(settings: TokenizerConfig, folder: Path) -> dict[str, Any]:
    (folder / "normalize.tsv").write_text(as_rules(ESCAPES), encoding="ascii")
    (folder / "denormalize.tsv").write_text(as_rules(UNESCAPES), encoding="ascii")
    names = {f"{role}_piece": piece for role, piece in SPECIAL_TOKENS.items()}
    return {
        "model_type": settings.type,
        "vocab_size": settings.vocab_size,
        "character_coverage": settings.character_coverage,
        "required_chars": required_characters(settings),
        "byte_fallback": True,
        "normalization_rule_tsv": str(folder / "normalize.tsv"),
        "denormalization_rule_tsv": str(folder / "denormalize.tsv"),
        "add_dummy_prefix": False,
        "remove_extra_whitespaces": False,
        "allow_whitespace_only_pieces": True,
        "split_digits": settings.split_digits,
        "split_by_number": settings.split_digits,
        "split_by_unicode_script": settings.split_scripts,
        "max_sentencepiece_length": settings.max_piece_characters,
        "max_sentence_length": 4 * MAX_CHUNK_CHARACTERS + 1,
        "pretokenization_delimiter": MORPHEME_END if settings.morphemes != "none" else "",
        "num_threads": 1,
        **{"unk_id": 0, "bos_id": 1, "eos_id": 2, "pad_id": 3},
        **names,
        "control_symbols": settings.control_tokens,
        "user_defined_symbols": user_symbols(settings),
        "minloglevel": 2,
    }


def required_characters(settings: TokenizerConfig) -> str:
    """Characters that get their own piece whether or not they occur in the text.

    In a Unigram model these are the characters in the names of special tokens and bytes: without them, ``tokenizers``
    would encode text that spells such a name to the special piece.
    """
    if settings.type != "unigram":
        return ""
    return "".join(sorted(set(PRINTABLE_ASCII).union(*settings.control_tokens)))


def prepare(texts: Iterable[str], settings: TokenizerConfig) -> Iterator[str]:
    """The input of the trainer: chunks of at most MAX_CHUNK_CHARACTERS, split at special tokens so that none is learned."""
    excluded = [*SPECIAL_TOKENS.values(), *settings.control_tokens, *_SKIPPED, MORPHEME_END]
    split = re.compile("|".join(map(re.escape, sorted(excluded, key=len, reverse=True)))).split
    segment = segmenter(settings.morphemes)
    for text in texts:
        for chunk in itertools.chain.from_iterable(map(chunks, split(text.replace(_STAND_IN, " ")))):
            yield segment(chunk).replace(_TAB, _STAND_IN)


def chunks(text: str, longest: int = MAX_CHUNK_CHARACTERS) -> Iterator[str]:
    """Splits a text into chunks of at most ``longest`` characters, after a line feed if possible; loses nothing."""
    start = 0
    while start < len(text):
        stop = start + longest
        if stop < len(text):
            line_end = text.rfind("\n", start, stop) + 1
            stop = line_end if line_end > start else stop
        yield text[start:stop]
        start = stop


def _finish(content: bytes, settings: TokenizerConfig) -> bytes:
    """The model with tabs restored, without the paths of the rule files, and with exact scores."""
    model = parse_model(content, "the trained model")
    for piece in model.pieces:
        piece.piece = piece.piece.replace(_STAND_IN, _TAB)
    for rules in (model.normalizer_spec, model.denormalizer_spec):
        rules.ClearField("normalization_rule_tsv")
    if settings.type == "unigram":
        _make_exact(model.pieces)
    return model.SerializeToString()


def _make_exact(pieces: Any) -> None:
    """Rounds scores to multiples of SCORE_STEP, and makes symbols pieces with a score that beats any other split.

    SentencePiece adds a bonus to user-defined symbols of a Unigram model that ``tokenizers`` does not know, and that is
    too small for long symbols against frequent pieces.
    """
    normal = [piece for piece in pieces if piece.type == NORMAL]
    worst = max(-piece.score for piece in normal)
    longest = max(len(piece.piece) for piece in normal)
    for piece in pieces:
        if piece.type == NORMAL:
            piece.score = round(piece.score / SCORE_STEP) * SCORE_STEP
        elif piece.type == USER_DEFINED:
            # overlapping pieces on both sides replace at most this many single characters
            piece.score, piece.type = float(-(-2 * longest * worst // 1)), NORMAL


def _explain(error: RuntimeError, vocab_size: int) -> Exception:
    too_high = re.search(r"too high.*<= (\d+)", str(error))
    if too_high:
        return TooLarge(
            f"tokenizer.vocab_size: {vocab_size} is too large for this corpus; the largest possible size is {too_high[1]}; "
            f"lower it, or add text",
            int(too_high[1]),
        )
    too_low = re.search(r"smaller than required_chars. \d+ vs (\d+)", str(error))
    if too_low:
        return DataError(
            f"tokenizer.vocab_size: {vocab_size} is too small: the characters of this corpus alone need {too_low[1]}; "
            f"raise it, or lower tokenizer.character_coverage",
            rule="vocab-too-small",
        )
    return error
