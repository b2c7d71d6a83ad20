"""The bytes by which exact duplicates are recognised: whitespace collapsed, and whether composition (NFC) changes them."""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.characters import decode, is_hangul_at
from preprocessing.kernels.compiled import njit


@njit()
def is_white(c):
    """What ``str.split()`` splits at."""
    return (
        c == 32 or (9 <= c <= 13) or (0x1C <= c <= 0x1F) or c == 0x85 or c == 0xA0 or c == 0x1680
        or (0x2000 <= c <= 0x200A) or c == 0x2028 or c == 0x2029 or c == 0x202F or c == 0x205F or c == 0x3000
    )  # fmt: skip


_ASCII_INK = np.array([not chr(c).isspace() for c in range(128)], np.int64)


@njit()
def is_composed(c):
    """True only of characters that composition leaves alone whatever stands around them; ranges in common use here."""
    return (
        c < 0x300 or (0xAC00 <= c <= 0xD7A3) or (0x388 <= c <= 0x482) or (0x48A <= c <= 0x590) or (0x1E00 <= c <= 0x1F70)
        or (0x2002 <= c <= 0x20CF) or (0x2100 <= c <= 0x2125) or (0x212C <= c <= 0x2328) or (0x2400 <= c <= 0x2ADB)
        or (0x2E80 <= c <= 0x3029) or (0x3030 <= c <= 0x3098) or (0x309B <= c <= 0xA4CF) or (0xFE00 <= c <= 0xFE0F)
        or (0xFE30 <= c <= 0xFFEE) or (0x1F000 <= c <= 0x1FAFF) or (0x20000 <= c <= 0x2F7FF)
    )  # fmt: skip


@njit()
def collapsed(data, offsets):
    """``(bytes: uint8, starts: [rows + 1] int64, settled: [rows] bool)`` of a UTF-8 column.

    Words of a row are joined by one space; ``settled`` where every character ``is_composed``.
    """
    rows = len(offsets) - 1
    out = np.empty(offsets[rows] - offsets[0] + 4, np.uint8)
    starts = np.zeros(rows + 1, np.int64)
    settled = np.ones(rows, np.bool_)
    size = 0
    for r in range(rows):
        i, end = offsets[r], offsets[r + 1]
        after_ink = np.int64(0)
        while i < end:
            step = 1
            if data[i] < 0x80:
                ink = _ASCII_INK[data[i]]
                out[size] = data[i] if ink else 32
            elif is_hangul_at(data, i):
                ink, step = np.int64(1), 3
                out[size], out[size + 1], out[size + 2] = data[i], data[i + 1], data[i + 2]
            else:
                c, step = decode(data, i)
                ink = np.int64(0) if is_white(c) else np.int64(1)
                settled[r] &= is_composed(c)
                for k in range(step):
                    out[size + k] = data[i + k] if ink else 32
            size += step if ink else after_ink
            after_ink = ink
            i += step
        if not after_ink and size > starts[r]:
            size -= 1
        starts[r + 1] = size
    return out[:size], starts, settled
