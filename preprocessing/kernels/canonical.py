"""The bytes that identify exact duplicates: collapses whitespace and checks whether composition (NFC) changes a text.

Owns also which documents are written in decomposed Hangul (NFD), as macOS names files and some editors write.
"""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.characters import begins_syllable, decode
from preprocessing.kernels.compiled import inner, njit


@njit()
def is_white(c):
    """Whether ``str.split()`` splits at this character."""
    return (
        c == 32 or (9 <= c <= 13) or (0x1C <= c <= 0x1F) or c == 0x85 or c == 0xA0 or c == 0x1680
        or (0x2000 <= c <= 0x200A) or c == 0x2028 or c == 0x2029 or c == 0x202F or c == 0x205F or c == 0x3000
    )  # fmt: skip


@njit()
def is_composed(c):
    """True only for characters that composition never changes in any context; covers the common ranges."""
    return (
        c < 0x300 or (0xAC00 <= c <= 0xD7A3) or (0x388 <= c <= 0x482) or (0x48A <= c <= 0x590) or (0x1E00 <= c <= 0x1F70)
        or (0x2002 <= c <= 0x20CF) or (0x2100 <= c <= 0x2125) or (0x212C <= c <= 0x2328) or (0x2400 <= c <= 0x2ADB)
        or (0x2E80 <= c <= 0x3029) or (0x3030 <= c <= 0x3098) or (0x309B <= c <= 0xA4CF) or (0xFE00 <= c <= 0xFE0F)
        or (0xFE30 <= c <= 0xFFEE) or (0x1F000 <= c <= 0x1FAFF) or (0x20000 <= c <= 0x2F7FF)
    )  # fmt: skip


_WHITE, _INK, _DECODE = np.uint8(0), np.uint8(1), np.uint8(2)
_EA, _ED, _9E, _A3, _B0 = np.array([0xEA, 0xED, 0x9E, 0xA3, 0xB0], np.uint8)
_TAB, _RETURN, _1C, _1F, _BLANK, _C2, _CC, _EE = np.array([9, 13, 0x1C, 0x1F, 32, 0xC2, 0xCC, 0xEE], np.uint8)
_ONE, _STRETCH = np.uint64(1), np.uint64(64)  # a stretch of bytes is checked at once
_BEGINNING = 16 << 10  # bytes of a document in which decomposed Hangul is found


@inner()
def _is_white_byte(b):
    """Whether a byte is ASCII whitespace; an expression without a table, so that it vectorizes."""
    return (b == _BLANK) | ((b >= _TAB) & (b <= _RETURN)) | ((b >= _1C) & (b <= _1F))


@inner()
def _must_decode(b):
    """Whether a byte begins a character that may be whitespace or composable.

    0xEA and 0xED begin almost only Hangul, see ``_is_hangul_only``.
    """
    return (b == _C2) | ((b >= _CC) & (b < _EA)) | (b >= _EE)


def _byte_classes() -> np.ndarray:
    """Class of each byte: whitespace, ink, or to be decoded. Bytes inside a character are ink."""
    every_byte = np.arange(256, dtype=np.uint8)
    classes = np.full(256, _INK)
    classes[_is_white_byte.py_func(every_byte)] = _WHITE
    classes[_must_decode.py_func(every_byte)] = _DECODE
    return classes


_CLASS = _byte_classes()
_BLANK_FOR_WHITE = np.where(_CLASS == _WHITE, 32, np.arange(256)).astype(np.uint8)


@inner()
def _is_hangul_only(data):
    """Whether all characters that begin with 0xEA or 0xED are syllables; one expression per byte, so that it vectorizes."""
    size = len(data)
    other = False
    first, second, third = data[: size - 2], data[1 : size - 1], data[2:]
    for i in range(size - 2):
        below = (first[i] == _EA) & (second[i] < _B0)
        above = (first[i] == _ED) & ((second[i] > _9E) | ((second[i] == _9E) & (third[i] > _A3)))
        other |= below | above
    return not other


@inner()
def _is_simple(data, start):
    """Whether no byte of a stretch must be decoded and no whitespace follows whitespace."""
    other = False
    for i in range(start, start + _STRETCH):
        b = data[i]
        other |= _must_decode(b) | (_is_white_byte(b) & _is_white_byte(data[i + _ONE]))
    return not other


@inner()
def _copy_simple(data, start, out, size):
    """Copies a stretch, whitespace as a blank."""
    for i in range(_STRETCH):
        b = data[start + i]
        out[size + i] = _BLANK if _is_white_byte(b) else b


@inner()
def _collapse_row(data, start, end, out, size):
    """Writes a row at ``out[size]``; returns its end, and whether it is certain that composition changes nothing."""
    settled = _is_hangul_only(data[start:end])
    first = size
    i, last = np.uint64(start), np.uint64(end)  # unsigned, as ``size``: no index counts from the end
    after = _WHITE
    while i < last:
        stop = min(i + _STRETCH, last)
        if i + _STRETCH < last and (after or not _is_white_byte(data[i])) and _is_simple(data, i):
            _copy_simple(data, i, out, size)
            after = _WHITE if _is_white_byte(data[stop - _ONE]) else _INK
            size += _STRETCH
            i = stop
        while i < stop:
            byte = data[i]
            byte_class = _CLASS[byte]
            if byte_class == _DECODE:
                c, length = decode(data, np.int64(i))
                byte_class = _WHITE if is_white(c) else _INK
                settled &= is_composed(c)
                for k in range(np.uint64(length)):
                    out[size + k] = data[i + k] if byte_class else _BLANK
                size += np.uint64(length) if byte_class else np.uint64(after)
                i += np.uint64(length)
            else:
                out[size] = _BLANK_FOR_WHITE[byte]
                size += np.uint64(byte_class | after)
                i += np.uint64(1)
            after = byte_class
    if not after and size > first:
        size -= np.uint64(1)
    return size, settled


@njit()
def collapse(data, offsets):
    """``(bytes: uint8, starts: [rows + 1] int64, settled: [rows] bool)`` of a UTF-8 column.

    The words of a row are joined by one space; ``settled``: rows that composition certainly does not change.
    """
    rows = len(offsets) - 1
    out = np.empty(offsets[rows] - offsets[0] + 4, np.uint8)
    starts = np.zeros(rows + 1, np.int64)
    settled = np.ones(rows, np.bool_)
    size = np.uint64(0)
    for r in range(rows):
        size, settled[r] = _collapse_row(data, offsets[r], offsets[r + 1], out, size)
        starts[r + 1] = np.int64(size)
    return out[: starts[rows]], starts, settled


@njit()
def with_decomposed_hangul(data, offsets):
    """``[rows] bool``: rows whose first Hangul, in their first 16 KiB, is decomposed: an initial followed by a vowel."""
    out = np.zeros(len(offsets) - 1, np.bool_)
    for r in range(len(out)):
        for i in range(offsets[r], min(offsets[r + 1] - 5, offsets[r] + _BEGINNING)):
            if data[i] == 0xE1 and data[i + 1] == 0x84 and data[i + 3] == 0xE1 and data[i + 4] == 0x85:
                out[r] = True
                break
            if begins_syllable(data, i):
                break
    return out
