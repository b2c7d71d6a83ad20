"""Fields of a serialised protobuf message, to change a few of them and keep all others byte for byte.

Owns the wire format (varints, 4 and 8 bytes, lengths); knows no schema. ``sentencepiece`` needs no protobuf package and
neither do we.
"""

from __future__ import annotations

from collections.abc import Iterable

from megatron_ko.errors import DataError

VARINT, EIGHT_BYTES, LENGTH, FOUR_BYTES = 0, 1, 2, 5
Field = tuple[int, int, bytes]
"""Number, wire type, and the payload: of a varint its bytes, of a length-delimited field what follows the length."""


def fields_of(message: bytes) -> list[Field]:
    """The fields in order. Raises DataError when the bytes are no protobuf message."""
    found: list[Field] = []
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, wire = tag >> 3, tag & 7
        if wire == VARINT:
            start = at
            _, at = _varint(message, at)
        elif wire in (EIGHT_BYTES, FOUR_BYTES):
            start, at = at, at + (8 if wire == EIGHT_BYTES else 4)
        elif wire == LENGTH:
            size, start = _varint(message, at)
            at = start + size
        else:
            raise DataError(f"no protobuf message: wire type {wire} at byte {at}; is the file whole?")
        if at > len(message):
            raise DataError(f"no protobuf message: it ends within field {number}; is the file whole?")
        found.append((number, wire, message[start:at]))
    return found


def message_of(fields: Iterable[Field]) -> bytes:
    made = bytearray()
    for number, wire, payload in fields:
        made += varint(number << 3 | wire)
        if wire == LENGTH:
            made += varint(len(payload))
        made += payload
    return bytes(made)


def varint(value: int) -> bytes:
    made = bytearray()
    while value >= 0x80:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    made.append(value)
    return bytes(made)


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise DataError("no protobuf message: it ends within a number; is the file whole?")
        value |= (message[at] & 0x7F) << shift
        at += 1
        if message[at - 1] < 0x80:
            return value, at
    raise DataError(f"no protobuf message: the number before byte {at} is too long; is the file whole?")
