"""Training a tokenizer from texts: SentencePiece BPE and Unigram; byte-level BPE is in ``byte_level.py``.

Owns the settings of the trainer, what the texts look like to it, and what is changed in the model afterwards. The same
texts give the same bytes (one thread). Where the texts come from is the caller's.
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
from preprocessing.tokenizers.escapes import DENORMALISED, NORMALISED, as_rules
from preprocessing.tokenizers.morphemes import MORPHEME_END, segmenter

SPECIAL_TOKENS = {"unk": "<unk>", "bos": "<s>", "eos": "</s>", "pad": "<pad>"}
MAX_CHUNK_CHARACTERS = 8_000
PRINTABLE_ASCII = "".join(map(chr, range(33, 127)))
SCORE_STEP = 1 / 16
"""Scores of a Unigram model are multiples of it: sums are exact in the 32 bits of SentencePiece and the 64 of
``tokenizers`` up to 2^24 steps, about 100,000 tokens, so that both choose the same path."""
# SentencePiece skips a sentence with one of them, without a word; NUL ends it
_SKIPPED = "\u2585\0"
# the trainer keeps tabs for itself and would learn no piece of several: they are vertical tabs meanwhile
_TAB, _STAND_IN = "\t", "\v"


class TooLarge(DataError):
    """The text gives fewer pieces; ``largest`` is the size that is possible."""

    def __init__(self, message: str, largest: int):
        super().__init__(message)
        self.largest = largest

    def __reduce__(self) -> tuple[Any, ...]:  # or it could not come back from a worker process
        return TooLarge, (str(self), self.largest)


def train(texts: Iterable[str], settings: TokenizerConfig) -> bytes:
    """A SentencePiece model of kind ``bpe`` or ``unigram``; of the settings the sample and the comparison are ignored.

    Raises DataError when there is no text or the size does not fit.
    """
    assert settings.type != "byte_bpe", "byte_level.train makes those"
    out = io.BytesIO()
    texts = prepared(texts, settings)
    first = next(texts, None)
    if first is None:
        raise DataError("no text to train a tokenizer on; see funnel.json for where the documents went")
    with tempfile.TemporaryDirectory() as folder:
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=itertools.chain([first], texts),
                model_writer=out,
                **_options(settings, Path(folder)),
            )
        except RuntimeError as error:
            raise _explained(error, settings.vocab_size) from None
    return _finished(out.getvalue(), settings)


def user_symbols(settings: TokenizerConfig) -> list[str]:
    """Texts that are one token wherever they stand: the placeholders of personal data, then the configured ones."""
    return list(dict.fromkeys([*PLACEHOLDERS.values(), *settings.symbols]))


def _options(settings: TokenizerConfig, folder: Path) -> dict[str, Any]:
    (folder / "normalise.tsv").write_text(as_rules(NORMALISED), encoding="ascii")
    (folder / "denormalise.tsv").write_text(as_rules(DENORMALISED), encoding="ascii")
    names = {f"{role}_piece": piece for role, piece in SPECIAL_TOKENS.items()}
    return {
        "model_type": settings.type,
        "vocab_size": settings.vocab_size,
        "character_coverage": settings.character_coverage,
        "required_chars": required_characters(settings),
        "byte_fallback": True,
        "normalization_rule_tsv": str(folder / "normalise.tsv"),
        "denormalization_rule_tsv": str(folder / "denormalise.tsv"),
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
    """Characters with a piece of their own, seen or not.

    In a Unigram model those that names of special tokens and bytes are written with: ``tokenizers`` would take such a
    name in a text for the piece where that is the only way to write it.
    """
    if settings.type != "unigram":
        return ""
    return "".join(sorted(set(PRINTABLE_ASCII).union(*settings.control_tokens)))


def prepared(texts: Iterable[str], settings: TokenizerConfig) -> Iterator[str]:
    """What the trainer reads: parts of at most MAX_CHUNK_CHARACTERS without special tokens, so that none is learned."""
    left_out = [*SPECIAL_TOKENS.values(), *settings.control_tokens, *_SKIPPED, MORPHEME_END]
    split = re.compile("|".join(map(re.escape, sorted(left_out, key=len, reverse=True)))).split
    segment = segmenter(settings.morphemes)
    for text in texts:
        for chunk in itertools.chain.from_iterable(map(chunks, split(text.replace(_STAND_IN, " ")))):
            yield segment(chunk).replace(_TAB, _STAND_IN)


def chunks(text: str, longest: int = MAX_CHUNK_CHARACTERS) -> Iterator[str]:
    """Parts of at most ``longest`` characters, cut after a line feed where there is one; nothing is lost."""
    start = 0
    while start < len(text):
        stop = start + longest
        if stop < len(text):
            line_end = text.rfind("\n", start, stop) + 1
            stop = line_end if line_end > start else stop
        yield text[start:stop]
        start = stop


def _finished(content: bytes, settings: TokenizerConfig) -> bytes:
    """The model with tabs instead of their stand-ins, without the paths of the rules, and with exact scores."""
    model = parse_model(content, "the trained model")
    for piece in model.pieces:
        piece.piece = piece.piece.replace(_STAND_IN, _TAB)
    for rules in (model.normalizer_spec, model.denormalizer_spec):
        rules.ClearField("normalization_rule_tsv")
    if settings.type == "unigram":
        _make_exact(model.pieces)
    return model.SerializeToString()


def _make_exact(pieces: Any) -> None:
    """Scores become multiples of SCORE_STEP, a symbol a piece with a score that outweighs any way around it.

    SentencePiece adds a bonus of its own to user-defined symbols of a Unigram model, which ``tokenizers`` does not know,
    and which long symbols lose against frequent pieces.
    """
    normal = [piece for piece in pieces if piece.type == NORMAL]
    worst = max(-piece.score for piece in normal)
    longest = max(len(piece.piece) for piece in normal)
    for piece in pieces:
        if piece.type == NORMAL:
            piece.score = round(piece.score / SCORE_STEP) * SCORE_STEP
        elif piece.type == USER_DEFINED:
            # crossing pieces on both sides replace at most this many single characters
            piece.score, piece.type = float(-(-2 * longest * worst // 1)), NORMAL


def _explained(error: RuntimeError, vocab_size: int) -> Exception:
    too_high = re.search(r"too high.*<= (\d+)", str(error))
    if too_high:
        return TooLarge(
            f"tokenizer.vocab_size: {vocab_size} is too large for this corpus, the largest possible size is {too_high[1]}; "
            f"lower it, or add text",
            int(too_high[1]),
        )
    too_low = re.search(r"smaller than required_chars. \d+ vs (\d+)", str(error))
    if too_low:
        return DataError(
            f"tokenizer.vocab_size: {vocab_size} is too small: the characters of this corpus alone need {too_low[1]}; "
            f"raise it, or lower tokenizer.character_coverage"
        )
    return error
