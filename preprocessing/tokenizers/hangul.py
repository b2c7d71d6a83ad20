"""Recognizes Hangul characters, and UTF-8 bytes that occur in Hangul only.

Owns the Unicode blocks and their UTF-8 prefixes; Hanja is not Hangul.
"""

from __future__ import annotations

import functools
import re

# Jamo, compatibility jamo, Jamo Extended-A, syllables with Jamo Extended-B, halfwidth jamo; bounds included
BLOCKS = ((0x1100, 0x11FF), (0x3131, 0x318E), (0xA960, 0xA97F), (0xAC00, 0xD7FF), (0xFFA0, 0xFFDC))
HANGUL = re.compile("[" + "".join(f"{chr(first)}-{chr(last)}" for first, last in BLOCKS) + "]")
SYLLABLE = re.compile("[\uac00-\ud7a3]")


def is_hangul(code: int) -> bool:
    return any(first <= code <= last for first, last in BLOCKS)


@functools.cache
def _all_hangul(lead: int, second: int | None) -> bool:
    """Whether every valid three-byte character that begins with these bytes is Hangul."""
    first = (lead & 0x0F) << 12 | (0 if second is None else (second & 0x3F) << 6)
    last = first + (0xFFF if second is None else 0x3F)
    surrogates = range(0xD800, 0xE000)
    codes = [code for code in range(first, last + 1) if code not in surrogates]
    return bool(codes) and all(map(is_hangul, codes))


def only_in_hangul(piece: bytes) -> bool:
    """Whether only text with Hangul contains these bytes: a whole Hangul character, or a prefix of Hangul only."""
    for at, byte in enumerate(piece):
        if byte & 0xF0 != 0xE0:
            continue
        followers = piece[at + 1 : at + 3]
        if len(followers) == 2 and followers[0] & 0xC0 == followers[1] & 0xC0 == 0x80:
            if is_hangul((byte & 0x0F) << 12 | (followers[0] & 0x3F) << 6 | followers[1] & 0x3F):
                return True
        elif len(followers) == 1 and followers[0] & 0xC0 == 0x80:
            if _all_hangul(byte, followers[0]):
                return True
        elif not followers and _all_hangul(byte, None):
            return True
    return False
