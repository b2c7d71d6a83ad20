"""Validates UTF-8 (RFC 3629)."""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.compiled import inner, njit

_NUL, _80, _8F, _90, _9F, _A0, _TWO, _THREE, _ED, _FOUR, _F4, _FE = np.array(
    [0, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xC0, 0xE0, 0xED, 0xF0, 0xF4, 0xFE], np.uint8
)  # _TWO, _THREE, _FOUR: the lowest first bytes of characters of two, three, four bytes


@njit()
def is_utf8(data):
    """Whether bytes that end with a line feed are UTF-8; one expression per byte, so that it vectorizes."""
    size = len(data)
    wrong = False
    for i in range(min(size, 3)):
        wrong |= _is_wrong(
            data[i - 3] if i > 2 else _NUL,
            data[i - 2] if i > 1 else _NUL,
            data[i - 1] if i else _NUL,
            data[i],
        )
    third, second, first, last = data[: size - 3], data[1 : size - 2], data[2 : size - 1], data[3:]
    for i in range(size - 3):
        wrong |= _is_wrong(third[i], second[i], first[i], last[i])
    return not wrong


@inner()
def _is_wrong(third, second, first, byte):
    """Whether a byte cannot follow the three before it, the nearest of which is ``first``."""
    follows = (first >= _TWO) | (second >= _THREE) | (third >= _FOUR)
    early = ((first == _THREE) & (byte < _A0)) | ((first == _FOUR) & (byte < _90))  # overlong
    late = ((first == _ED) & (byte > _9F)) | ((first == _F4) & (byte > _8F))  # a surrogate, or above U+10FFFF
    never = ((byte & _FE) == _TWO) | (byte > _F4)
    return (((byte & _TWO) == _80) != follows) | early | late | never
