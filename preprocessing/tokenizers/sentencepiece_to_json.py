"""Converts a SentencePiece model to a ``tokenizer.json`` with the same ids.

Owns the conversion of BPE models, whose merges follow from pieces and scores, and of Unigram models. The result has no
pre-tokenizer. Control tokens are not added tokens, so text that spells ``</s>`` stays text. ``proof.py`` has the proof.
"""

from __future__ import annotations

from typing import Any

from megatron_ko.errors import DataError
from megatron_ko.formats.sentencepiece_model import SentencePieceModel, replacements_of
from megatron_ko.formats.vocabulary import BLANK, NORMAL, UNKNOWN, UNUSED, USER_DEFINED, Vocabulary
from preprocessing.tokenizers.escapes import ESCAPES, UNESCAPES, as_replacements

NEVER = -1e6
"""Score of Unigram pieces to which no text is encoded; every character of their names has a piece with a better score."""


def to_tokenizer_json(model: SentencePieceModel) -> dict[str, Any]:
    """``tokenizer.json`` with the ids of a SentencePiece model (byte fallback, no dummy prefix, no normalization).

    User-defined symbols become added tokens. Raises DataError for a word or character model, and for a model that
    normalizes text.
    """
    vocabulary = model.vocabulary
    if vocabulary.algorithm not in ("bpe", "unigram"):
        raise DataError(
            "tokenizer.model: is a word or character model; use a model of type bpe or unigram",
            rule="not-bpe-or-unigram",
        )
    if len(vocabulary.numbers(UNKNOWN)) != 1:
        raise DataError(
            "tokenizer.model: exactly one piece must be of type unknown; use another model",
            rule="no-unknown-piece",
        )
    blank = {"type": "Replace", "pattern": {"String": " "}, "content": BLANK}
    decoders = [
        {"type": "Replace", "pattern": {"String": BLANK}, "content": " "},
        {"type": "ByteFallback"},
        {"type": "Fuse"},
    ]
    if model.charsmap:
        _check_escapes(model)
        blank = {"type": "Sequence", "normalizers": [*as_replacements(ESCAPES), blank]}
        decoders += as_replacements(UNESCAPES)
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
    """Raises DataError unless the normalizer only escapes U+2581."""
    try:
        only_escapes = replacements_of(model.charsmap) == dict(ESCAPES)
    except ValueError:
        only_escapes = False
    if not only_escapes:
        raise DataError(
            "tokenizer.model: normalizes text, which is lossy; use a model with identity normalization, or a folder with its "
            "tokenizer.json",
            rule="normalizing-model",
        )


def added_token(symbol: str, number: int) -> dict[str, Any]:
    """The entry of a text that is one token wherever it occurs."""
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
    """All merges of two pieces into a third, best score first, ties by the ids of the halves."""
    pieces = vocabulary.pieces
    normal = {pieces[number].text: number for number in vocabulary.numbers(NORMAL, UNUSED)}
    merges = []
    for piece, number in normal.items():
        score = pieces[number].score
        for cut in range(1, len(piece)):
            left, right = piece[:cut], piece[cut:]
            if left in normal and right in normal:
                merges.append((-score, normal[left], normal[right], left, right))
    return [[left, right] for _, _, _, left, right in sorted(merges)]
