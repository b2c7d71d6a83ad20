"""The file of a SentencePiece model: its pieces, the options that matter for text, and the same model with other pieces.

Owns the numbers of its fields. Everything but pieces is kept byte for byte.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from megatron_ko.errors import DataError
from preprocessing.tokenizers.protobuf_fields import (
    FOUR_BYTES,
    LENGTH,
    VARINT,
    Field,
    fields_of,
    message_of,
    varint,
)

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
"""Kinds of pieces, as the file numbers them."""
BLANK = "\u2581"
_PIECES, _TRAINER, _NORMALIZER, _SELF_TEST = 1, 2, 3, 4
_MODEL_TYPE, _VOCAB_SIZE, _SUFFIX_BLANKS = 3, 4, 24  # of the trainer
_DUMMY_PREFIX, _REMOVE_BLANKS, _ESCAPE_BLANKS = 3, 4, 5  # of the normaliser
_KINDS_OF_MODELS = {1: "unigram", 2: "bpe", 3: "word", 4: "char"}
_YES, _NO = b"\x01", b"\x00"


@dataclass(frozen=True)
class SentencePiecePiece:
    text: str
    score: float
    kind: int


@dataclass(frozen=True)
class SentencePieceFile:
    """``dummy_prefix``: a blank goes before every text; ``removes_blanks``: runs of blanks become one, outer ones none."""

    model_type: str
    pieces: list[SentencePiecePiece]
    dummy_prefix: bool
    removes_blanks: bool
    plain_blanks: bool  # blanks are not written as U+2581, or at the end of words: unusual, and not supported


def read_model(model: bytes, place: Path) -> SentencePieceFile:
    """Raises DataError when the bytes are no SentencePiece model; ``place`` is for that message."""
    try:
        fields = fields_of(model)
        pieces = [
            _piece_of(payload) for number, wire, payload in fields if (number, wire) == (_PIECES, LENGTH)
        ]
        sections = {number: payload for number, wire, payload in fields if wire == LENGTH}
        trainer = _values(sections.get(_TRAINER, b""))
        normalizer = _values(sections.get(_NORMALIZER, b""))
    except (DataError, UnicodeDecodeError, struct.error, IndexError) as error:
        raise DataError(f"{place}: is no SentencePiece model or damaged ({error}); copy it again") from None
    if not pieces:
        raise DataError(f"{place}: is no SentencePiece model: it holds no piece; copy it again")
    number = trainer.get(_MODEL_TYPE, _YES)[0]
    return SentencePieceFile(
        _KINDS_OF_MODELS.get(number, f"type {number}"),
        pieces,
        normalizer.get(_DUMMY_PREFIX, _YES) != _NO,
        normalizer.get(_REMOVE_BLANKS, _YES) != _NO,
        normalizer.get(_ESCAPE_BLANKS, _YES) == _NO or trainer.get(_SUFFIX_BLANKS, _NO) != _NO,
    )


def _values(message: bytes) -> dict[int, bytes]:
    return {number: payload for number, _, payload in fields_of(message)}


def _piece_of(message: bytes) -> SentencePiecePiece:
    values = _values(message)
    score = struct.unpack("<f", values[2])[0] if 2 in values else 0.0
    return SentencePiecePiece(values.get(1, b"").decode("utf-8"), score, values.get(3, _YES)[0])


def with_pieces(model: bytes, pieces: Iterable[SentencePiecePiece]) -> bytes:
    """The model with these pieces; samples of its own test, which name old ids, are left out."""
    made = [(_PIECES, LENGTH, _message_of(piece)) for piece in pieces]
    rest = [field for field in fields_of(model) if field[0] not in (_PIECES, _SELF_TEST)]
    return message_of([*made, *(_resized(field, len(made)) for field in rest)])


def _message_of(piece: SentencePiecePiece) -> bytes:
    score = struct.pack("<f", piece.score)
    return message_of(
        [(1, LENGTH, piece.text.encode("utf-8")), (2, FOUR_BYTES, score), (3, VARINT, varint(piece.kind))]
    )


def _resized(field: Field, size: int) -> Field:
    """The section of the trainer says how many pieces there are."""
    number, wire, payload = field
    if number != _TRAINER:
        return field
    kept = [entry for entry in fields_of(payload) if entry[0] != _VOCAB_SIZE]
    return number, wire, message_of([*kept, (_VOCAB_SIZE, VARINT, varint(size))])


def without_dummy_prefix(model: bytes) -> bytes:
    """The model that puts no blank before a text."""
    fields = []
    for number, wire, payload in fields_of(model):
        if number == _NORMALIZER:
            kept = [entry for entry in fields_of(payload) if entry[0] != _DUMMY_PREFIX]
            payload = message_of([*kept, (_DUMMY_PREFIX, VARINT, _NO)])
        fields.append((number, wire, payload))
    return message_of(fields)
