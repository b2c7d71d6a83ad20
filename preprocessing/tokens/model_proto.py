"""A SentencePiece ``.model`` as its pieces and the settings that decide about ids.

Owns the reading of the file, which is a protocol buffer; its package is not needed, and the Python interface of
SentencePiece does not say which pieces are user symbols. Field numbers: sentencepiece_model.proto of SentencePiece.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from megatron_ko.errors import DataError

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
BPE = 2
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True)
class ModelProto:
    """Pieces in the order of their ids."""

    pieces: list[str]
    scores: list[float]
    kinds: list[int]
    type: int
    byte_fallback: bool
    blank_behind: bool  # treat_whitespace_as_suffix
    charsmap: bytes  # of the normaliser; empty for identity
    add_dummy_prefix: bool
    remove_extra_whitespaces: bool
    escape_whitespaces: bool


def read_model(content: bytes, name: str) -> ModelProto:
    """Raises DataError when the bytes are not a model."""
    pieces, scores, kinds = [], [], []
    trainer: dict[int, int | bytes] = {}
    normalizer: dict[int, int | bytes] = {}
    try:
        for number, value in _fields(content):
            if number == 1:
                piece = dict(_fields(_bytes(value)))
                pieces.append(_bytes(piece[1]).decode("utf-8"))
                scores.append(struct.unpack("<f", _bytes(piece[2]))[0] if 2 in piece else 0.0)
                kinds.append(piece.get(3, NORMAL))
            elif number == 2:
                trainer = dict(_fields(_bytes(value)))
            elif number == 3:
                normalizer = dict(_fields(_bytes(value)))
    except (IndexError, KeyError, struct.error, TypeError, UnicodeDecodeError, ValueError):
        raise DataError(f"{name}: not a whole SentencePiece model; write it again") from None
    return ModelProto(
        pieces,
        scores,
        kinds,
        type=int(trainer.get(3, 1)),
        byte_fallback=bool(trainer.get(35, 0)),
        blank_behind=bool(trainer.get(24, 0)),
        charsmap=_bytes(normalizer.get(2, b"")),
        add_dummy_prefix=bool(normalizer.get(3, 1)),
        remove_extra_whitespaces=bool(normalizer.get(4, 1)),
        escape_whitespaces=bool(normalizer.get(5, 1)),
    )


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise TypeError
    return value


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field numbers and their values; numbers of fixed width as bytes."""
    at, end = 0, len(message)
    while at < end:
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == _VARINT:
            value, at = _varint(message, at)
        else:
            if kind == _BYTES:
                size, at = _varint(message, at)
            else:
                size = {_FIXED32: 4, _FIXED64: 8}[kind]
            if at + size > end:
                raise IndexError
            value = message[at : at + size]
            at += size
        yield tag >> 3, value


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
