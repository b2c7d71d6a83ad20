"""A SentencePiece model as ``tokenizer.json`` with the same ids.

Owns the conversion of BPE (merges follow from pieces and their scores) and Unigram models. There is no pre-tokenizer;
control tokens are not added tokens, so that text which spells ``</s>`` stays text. The proof is in ``proof.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sentencepiece

from megatron_ko.errors import DataError
from preprocessing.tokenizers.escapes import DENORMALISED, MARK, NORMALISED, SPACE, as_replacements
from preprocessing.tokenizers.hard_texts import HARD_TEXTS
from preprocessing.tokenizers.protobuf_fields import fields_of

__all__ = ["HARD_TEXTS", "SPACE", "load_sentencepiece", "merges_of", "to_tokenizer_json"]
NEVER = -1e6
"""Score of a piece of a Unigram model that text must not become; every character of its name has a better piece."""
_TRAINER, _NORMALIZER, _MODEL_TYPE, _CHARSMAP = 2, 3, 3, 2
_KINDS = {1: "unigram", 2: "bpe"}


def load_sentencepiece(model: bytes) -> Any:
    return sentencepiece.SentencePieceProcessor(model_proto=model)


def to_tokenizer_json(processor: Any, user_symbols: Sequence[str]) -> dict[str, Any]:
    """``tokenizer.json`` with the ids of the SentencePiece model (byte fallback, no dummy prefix, text not normalised).

    ``user_symbols`` are its user-defined symbols; those of a Unigram model of ours are ordinary pieces. Raises DataError
    for a model of words or characters and for one that normalises text.
    """
    kind, escaped = _nature(processor)
    pieces = [processor.id_to_piece(i) for i in range(processor.get_piece_size())]
    symbols = [symbol for symbol in user_symbols if _is_symbol(processor, symbol)]
    blank = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
    decoders = [
        {"type": "Replace", "pattern": {"String": SPACE}, "content": " "},
        {"type": "ByteFallback"},
        {"type": "Fuse"},
    ]
    if escaped:
        blank = {"type": "Sequence", "normalizers": [*as_replacements(NORMALISED), blank]}
        decoders += as_replacements(DENORMALISED)
    model = _bpe(processor, pieces, symbols) if kind == "bpe" else _unigram(processor, pieces)
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [added_token(symbol, pieces.index(symbol)) for symbol in symbols],
        "normalizer": blank,
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": {"type": "Sequence", "decoders": decoders},
        "model": model,
    }


def added_token(symbol: str, number: int) -> dict[str, Any]:
    """A text that is one token wherever it stands."""
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
    return {"id": number, "content": symbol, **flags}


def _nature(processor: Any) -> tuple[str, bool]:
    """Kind of the model, and whether it escapes U+2581."""
    sections = {
        number: payload for number, _, payload in fields_of(processor.serialized_model_proto()) if number != 1
    }
    trainer = {number: payload for number, _, payload in fields_of(sections.get(_TRAINER, b""))}
    normalizer = {number: payload for number, _, payload in fields_of(sections.get(_NORMALIZER, b""))}
    number = trainer.get(_MODEL_TYPE, b"\1")[0]
    if number not in _KINDS:
        raise DataError(
            "tokenizer.model: cuts text into words or characters; train a model of type bpe or unigram"
        )
    if not normalizer.get(_CHARSMAP):
        return _KINDS[number], False
    if _text_of(processor, SPACE) != MARK + "1" or _text_of(processor, MARK) != MARK + "0":
        raise DataError(
            "tokenizer.model: normalises text, which loses some; train with identity normalisation"
        )
    return _KINDS[number], True


def _text_of(processor: Any, text: str) -> str:
    """What the pieces of a text without blanks say, bytes included."""
    numbers = processor.encode(text)
    said = (
        bytes([int(processor.id_to_piece(i)[3:5], 16)])
        if processor.is_byte(i)
        else processor.id_to_piece(i).encode()
        for i in numbers
    )
    return b"".join(said).decode("utf-8", "replace")


def _is_symbol(processor: Any, text: str) -> bool:
    """Whether it is a user-defined symbol: all other kinds can be asked for."""
    number = processor.piece_to_id(text)
    if processor.id_to_piece(number) != text:
        raise DataError(f"tokenizer.model: has no piece {text!r}; give the symbols it was trained with")
    return processor.get_score(number) <= 0


def _ordinary(processor: Any, number: int) -> bool:
    return not (processor.is_control(number) or processor.is_unknown(number) or processor.is_byte(number))


def _unigram(processor: Any, pieces: list[str]) -> dict[str, Any]:
    scores = [
        processor.get_score(number) if _ordinary(processor, number) else NEVER
        for number in range(len(pieces))
    ]
    return {
        "type": "Unigram",
        "unk_id": processor.unk_id(),
        "vocab": [list(pair) for pair in zip(pieces, scores)],
        "byte_fallback": True,
    }


def _bpe(processor: Any, pieces: list[str], symbols: Sequence[str]) -> dict[str, Any]:
    normal = {
        piece: number
        for number, piece in enumerate(pieces)
        if _ordinary(processor, number) and piece not in symbols
    }
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": pieces[processor.unk_id()],
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": True,
        "byte_fallback": True,
        "ignore_merges": False,
        "vocab": {piece: number for number, piece in enumerate(pieces)},
        "merges": [list(pair) for pair in merges_of(normal, processor)],
    }


def merges_of(normal: dict[str, int], processor: Any) -> list[tuple[str, str]]:
    """All ways to make a piece of two others, best score first, ties by the ids of the halves."""
    found = []
    for piece, number in normal.items():
        score = processor.get_score(number)
        for cut in range(1, len(piece)):
            left, right = piece[:cut], piece[cut:]
            if left in normal and right in normal:
                found.append((-score, normal[left], normal[right], left, right))
    return [(left, right) for _, _, _, left, right in sorted(found)]
