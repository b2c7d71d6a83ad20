"""A SentencePiece model as ``tokenizer.json`` with the same ids.

Owns the conversion of BPE (merges follow from pieces and their scores) and Unigram models. There is no pre-tokenizer;
control tokens are not added tokens, so that text which spells ``</s>`` stays text. The proof is in ``proof.py``.
"""

from __future__ import annotations

from typing import Any

from megatron_ko.errors import DataError
from megatron_ko.formats.sentencepiece_model import SentencePieceModel, replacements_of
from megatron_ko.formats.vocabulary import BLANK, NORMAL, UNKNOWN, UNUSED, USER_DEFINED, Vocabulary
from preprocessing.tokenizers.escapes import DENORMALISED, NORMALISED, as_replacements

NEVER = -1e6
"""Score of a piece of a Unigram model that text must not become; every character of its name has a better piece."""


def to_tokenizer_json(model: SentencePieceModel) -> dict[str, Any]:
    """``tokenizer.json`` with the ids of the SentencePiece model (byte fallback, no dummy prefix, text not normalised).

    Its user-defined symbols become added tokens. Raises DataError for a model of words or characters and for one that
    normalises text.
    """
    vocabulary = model.vocabulary
    if vocabulary.algorithm not in ("bpe", "unigram"):
        raise DataError(
            "tokenizer.model: cuts text into words or characters; train a model of type bpe or unigram"
        )
    if len(vocabulary.numbers(UNKNOWN)) != 1:
        raise DataError("tokenizer.model: one piece must be marked unknown; train the model again")
    blank = {"type": "Replace", "pattern": {"String": " "}, "content": BLANK}
    decoders = [
        {"type": "Replace", "pattern": {"String": BLANK}, "content": " "},
        {"type": "ByteFallback"},
        {"type": "Fuse"},
    ]
    if model.charsmap:
        _check_escapes(model)
        blank = {"type": "Sequence", "normalizers": [*as_replacements(NORMALISED), blank]}
        decoders += as_replacements(DENORMALISED)
    symbols = vocabulary.numbers(USER_DEFINED)
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [added_token(vocabulary.pieces[number].text, number) for number in symbols],
        "normalizer": blank,
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": {"type": "Sequence", "decoders": decoders},
        "model": _bpe(vocabulary) if vocabulary.algorithm == "bpe" else _unigram(vocabulary),
    }


def _check_escapes(model: SentencePieceModel) -> None:
    """Raises DataError unless the normalizer does nothing but escape U+2581."""
    try:
        escapes = replacements_of(model.charsmap) == dict(NORMALISED)
    except ValueError:
        escapes = False
    if not escapes:
        raise DataError(
            "tokenizer.model: normalises text, which loses some; train with identity normalisation"
        )


def added_token(symbol: str, number: int) -> dict[str, Any]:
    """A text that is one token wherever it stands."""
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
    return {"id": number, "content": symbol, **flags}


def _unigram(vocabulary: Vocabulary) -> dict[str, Any]:
    ordinary = (NORMAL, USER_DEFINED, UNUSED)
    return {
        "type": "Unigram",
        "unk_id": vocabulary.numbers(UNKNOWN)[0],
        "vocab": [[p.text, p.score if p.kind in ordinary else NEVER] for p in vocabulary.pieces],
        "byte_fallback": True,
    }


def _bpe(vocabulary: Vocabulary) -> dict[str, Any]:
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": vocabulary.pieces[vocabulary.numbers(UNKNOWN)[0]].text,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": True,
        "byte_fallback": True,
        "ignore_merges": False,
        "vocab": {piece.text: number for number, piece in enumerate(vocabulary.pieces)},
        "merges": merges_of(vocabulary),
    }


def merges_of(vocabulary: Vocabulary) -> list[list[str]]:
    """All ways to make a piece of two others, best score first, ties by the ids of the halves."""
    pieces = vocabulary.pieces
    normal = {pieces[number].text: number for number in vocabulary.numbers(NORMAL, UNUSED)}
    found = []
    for piece, number in normal.items():
        score = pieces[number].score
        for cut in range(1, len(piece)):
            left, right = piece[:cut], piece[cut:]
            if left in normal and right in normal:
                found.append((-score, normal[left], normal[right], left, right))
    return [[left, right] for _, _, _, left, right in sorted(found)]
