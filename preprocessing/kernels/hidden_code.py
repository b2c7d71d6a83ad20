"""Hides the code of one text of code points from operations that must not change it, and shows it again.

Owns what code is on code points: fences and code spans, like ``change_outside_code`` of ``preprocessing.text.fences``. A
hidden character has a bit that no character has, so it belongs to no class and no range.
"""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.compiled import inner
from preprocessing.kernels.fences import BACKTICKS, TILDES, fence_end, span_end
from preprocessing.kernels.skipped_markup import BACKTICK, run_length

HIDDEN = np.uint32(1 << 31)
_FEED, _WIDE_BACKTICK = 10, 0xFF40


@inner()
def hide_code(text, length):
    """Hides fences and code spans, in a text with backticks."""
    has_backticks = False
    for i in range(length):
        has_backticks |= text[i] == BACKTICK
    i, opening, begins = 0 if has_backticks else length, BACKTICKS | TILDES, True
    while 0 <= i < length:
        end = i
        if begins and opening:
            end, opening = fence_end(text, i, length, opening)
        if end == i and text[i] == BACKTICK:
            end = span_end(text, i, length, text[i - 1] if i > 0 else np.uint32(0))
            run_end = i + run_length(text, i, length)
            if end == run_end:  # no span
                i, begins = end, False
                continue
        if end > i:
            for k in range(i, end):
                text[k] |= HIDDEN
            i, begins = end, False
            continue
        begins = text[i] == _FEED
        i += 1


@inner()
def show_code(text, length):
    for i in range(length):
        text[i] &= ~HIDDEN


@inner()
def narrow_backticks(text, length):
    """Makes full-width backticks those of spans; returns whether there are any."""
    found = False
    for i in range(length):
        if text[i] == _WIDE_BACKTICK:
            text[i] = BACKTICK
            found = True
    return found


@inner()
def is_hidden(c):
    return c >= HIDDEN
