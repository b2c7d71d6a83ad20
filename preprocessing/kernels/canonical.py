"""The bytes by which exact duplicates are recognised: whitespace collapsed, and whether composition (NFC) changes them."""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.characters import decode
from preprocessing.kernels.compiled import inner, njit


@njit()
def is_white(c):
    """What ``str.split()`` splits at."""
    return (
        c == 32 or (9 <= c <= 13) or (0x1C <= c <= 0x1F) or c == 0x85 or c == 0xA0 or c == 0x1680
        or (0x2000 <= c <= 0x200A) or c == 0x2028 or c == 0x2029 or c == 0x202F or c == 0x205F or c == 0x3000
    )  # fmt: skip


@njit()
def is_composed(c):
    """True only of characters that composition leaves alone whatever stands around them; ranges in common use here."""
    return (
        c < 0x300 or (0xAC00 <= c <= 0xD7A3) or (0x388 <= c <= 0x482) or (0x48A <= c <= 0x590) or (0x1E00 <= c <= 0x1F70)
        or (0x2002 <= c <= 0x20CF) or (0x2100 <= c <= 0x2125) or (0x212C <= c <= 0x2328) or (0x2400 <= c <= 0x2ADB)
        or (0x2E80 <= c <= 0x3029) or (0x3030 <= c <= 0x3098) or (0x309B <= c <= 0xA4CF) or (0xFE00 <= c <= 0xFE0F)
        or (0xFE30 <= c <= 0xFFEE) or (0x1F000 <= c <= 0x1FAFF) or (0x20000 <= c <= 0x2F7FF)
    )  # fmt: skip


_WHITE, _INK, _DECODE = np.uint8(0), np.uint8(1), np.uint8(2)
_EA, _ED, _9E, _A3, _B0 = np.array([0xEA, 0xED, 0x9E, 0xA3, 0xB0], np.uint8)
_TAB, _RETURN, _1C, _1F, _BLANK, _C2, _CC, _EE = np.array([9, 13, 0x1C, 0x1F, 32, 0xC2, 0xCC, 0xEE], np.uint8)
_STRETCH = 64  # bytes that are looked at together


def _kinds() -> np.ndarray:
    """What a byte says: whitespace, ink, or only its character does. Bytes inside a character are ink.

    0xEA and 0xED begin little else than Hangul, see ``_is_hangul_only``.
    """
    made = np.full(256, _INK)
    made[[c for c in range(128) if chr(c).isspace()]] = _WHITE
    made[[0xC2, *range(0xCC, 0xEA), *range(0xEE, 0x100)]] = _DECODE
    return made


_KINDS = _kinds()
_SHOWN = np.where(_KINDS == _WHITE, 32, np.arange(256)).astype(np.uint8)


@inner()
def _is_hangul_only(data):
    """Whether all characters that begin with 0xEA or 0xED are syllables; one expression a byte, for the vector units."""
    size = len(data)
    other = False
    first, second, third = data[: size - 2], data[1 : size - 1], data[2:]
    for i in range(size - 2):
        before = (first[i] == _EA) & (second[i] < _B0)
        behind = (first[i] == _ED) & ((second[i] > _9E) | ((second[i] == _9E) & (third[i] > _A3)))
        other |= before | behind
    return not other


@inner()
def _is_white_byte(b):
    """As ``_KINDS``, without a table: for the vector units."""
    return (b == _BLANK) | ((b >= _TAB) & (b <= _RETURN)) | ((b >= _1C) & (b <= _1F))


@inner()
def _is_simple(bytes_, following):
    """Whether no byte needs its character, and none is whitespace before whitespace (``following`` is one further)."""
    found = False
    for i in range(len(bytes_)):
        b = bytes_[i]
        decode_it = (b == _C2) | ((b >= _CC) & (b < _EA)) | (b >= _EE)
        found |= decode_it | (_is_white_byte(b) & _is_white_byte(following[i]))
    return not found


@inner()
def _copy_shown(bytes_, out):
    for i in range(len(bytes_)):
        out[i] = _BLANK if _is_white_byte(bytes_[i]) else bytes_[i]


@inner()
def _collapse(data, start, end, out, size):
    """Writes a row from ``out[size]`` on; returns where it ends, and whether composition changes nothing for certain."""
    settled = _is_hangul_only(data[start:end])
    first = size
    i, last = np.uint64(start), np.uint64(end)  # unsigned, as ``size``: no index counts from the end
    step = np.uint64(_STRETCH)
    after = _WHITE
    while i < last:
        stop = min(i + step, last)
        behind = stop + np.uint64(1)
        if (
            i + step < last
            and (after or not _is_white_byte(data[i]))
            and _is_simple(data[i:stop], data[i + np.uint64(1) : behind])
        ):
            _copy_shown(data[i:stop], out[size : size + step])
            after = _WHITE if _is_white_byte(data[stop - np.uint64(1)]) else _INK
            size += step
            i = stop
        while i < stop:
            byte = data[i]
            kind = _KINDS[byte]
            if kind == _DECODE:
                c, length = decode(data, np.int64(i))
                kind = _WHITE if is_white(c) else _INK
                settled &= is_composed(c)
                for k in range(np.uint64(length)):
                    out[size + k] = data[i + k] if kind else _BLANK
                size += np.uint64(length) if kind else np.uint64(after)
                i += np.uint64(length)
            else:
                out[size] = _SHOWN[byte]
                size += np.uint64(kind | after)
                i += np.uint64(1)
            after = kind
    if not after and size > first:
        size -= np.uint64(1)
    return size, settled


@njit()
def collapsed(data, offsets):
    """``(bytes: uint8, starts: [rows + 1] int64, settled: [rows] bool)`` of a UTF-8 column.

    Words of a row are joined by one space; ``settled`` says where composition changes nothing for certain.
    """
    rows = len(offsets) - 1
    out = np.empty(offsets[rows] - offsets[0] + 4, np.uint8)
    starts = np.zeros(rows + 1, np.int64)
    settled = np.ones(rows, np.bool_)
    size = np.uint64(0)
    for r in range(rows):
        size, settled[r] = _collapse(data, offsets[r], offsets[r + 1], out, size)
        starts[r + 1] = np.int64(size)
    return out[: starts[rows]], starts, settled
