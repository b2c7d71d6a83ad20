"""Finds rows of a column with a character without width that keeps marks of Markdown apart, in UTF-8.

Owns a check of bytes with false positives but no false negatives; ``markup.references`` decides.
"""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.compiled import inner, njit

_FEED, _SPACE = 10, 32
_C2, _E2, _EF = np.array([0xC2, 0xE2, 0xEF], np.uint8)


@njit()
def with_hidden_beside_marks(data, offsets, rows):
    """``[len(rows)] bool``: rows with a character without width that begins a line or follows ``]`` or ``!``."""
    out = np.zeros(len(rows), np.bool_)
    for n, r in enumerate(rows):
        first = True  # in the line, except blanks and >
        for i in range(offsets[r], offsets[r + 1]):
            b = data[i]
            if _begins_hidden(data, i, offsets[r + 1]):
                if first or data[i - 1] == ord("]") or data[i - 1] == ord("!"):
                    out[n] = True
                    break
            else:
                first = b == _FEED or (first and (b <= _SPACE or b == ord(">")))
    return out


@inner()
def _begins_hidden(data, i, end):
    """Whether U+00AD, U+200B to U+200D, U+2060 or U+FEFF begins."""
    if data[i] == _C2:
        return i + 1 < end and data[i + 1] == 0xAD
    if i + 2 >= end:
        return False
    if data[i] == _EF:
        return data[i + 1] == 0xBB and data[i + 2] == 0xBF
    if data[i] != _E2:
        return False
    return (data[i + 1] == 0x80 and 0x8B <= data[i + 2] <= 0x8D) or (
        data[i + 1] == 0x81 and data[i + 2] == 0xA0
    )
