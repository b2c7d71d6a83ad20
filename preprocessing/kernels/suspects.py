"""Finds rows of a column that may need string operations: markup, text decoded with the wrong code page, boilerplate, embedded data.

Owns cheap checks of bytes with false positives but no false negatives; ``markup``, ``mojibake``, ``boilerplate`` and
``embedded_data`` of ``preprocessing.text`` decide.
"""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.characters import copy, decode
from preprocessing.kernels.compiled import inner, njit
from preprocessing.kernels.encoded_data import base64
from preprocessing.kernels.feeds import STRETCH, has_feed

HTML, MISREAD = 1, 2
_LATIN, _HAN, _TAG, _REFERENCE = 1, 2, 4, 8
_LONGEST_REFERENCE = 40
_TAB, _LINE_FEED, _SPACE = 9, 10, 32
_STRETCH = 256  # bytes that are checked together
_LONG_STRETCH = 4096
_COLON, _A, _T, _COMMA, _4, _6 = np.frombuffer(b":at,46", np.uint8)
_OPEN, _CLOSE = np.frombuffer(b"(]", np.uint8)
_SCHEME, _MARKER = np.frombuffer(b"data:", np.uint8), np.frombuffer(b";base64,", np.uint8)
_AMPERSAND, _LESS, _BRACE, _C2, _E4, _EA, _EF, _FE = np.frombuffer(b"&<{\xc2\xe4\xea\xef\xfe", np.uint8)


def _pack(name: str) -> int:
    """Packs five bits of each letter, which ignores case."""
    packed = 0
    for letter in name:
        packed = packed << 5 | ord(letter) & 0x1F
    return packed


_NAME_BITS = (1 << 60) - 1
_TAGS = tuple(_pack(name) for name in ("br", "hr", "p", "img", "li", "td", "script", "style"))


def _byte_kinds() -> np.ndarray:
    """What each byte may begin: a Latin-1 character, an ideograph of CP949, a tag, a character reference."""
    kinds = np.zeros(256, np.uint8)
    kinds[[0xC2, 0xC3]] = _LATIN
    kinds[[*range(0xE4, 0xEA), 0xEF]] = _HAN
    kinds[[ord("<"), ord("{")]], kinds[ord("&")] = _TAG, _REFERENCE
    return kinds


BYTE_KINDS = _byte_kinds()


@njit()
def suspects(data, offsets, kinds, rare_syllables, html, misread):
    """``[rows] uint8``: bits HTML and MISREAD; each is searched only where ``html``, ``misread`` is set.

    ``kinds`` is BYTE_KINDS; ``rare_syllables: [11172] bool`` are the syllables that KS X 1001 lacks.
    """
    rows = len(offsets) - 1
    out = np.zeros(rows, np.uint8)
    searched = (_TAG | _REFERENCE if html else 0) | (_LATIN | _HAN if misread else 0)
    complete = (HTML if html else 0) | (MISREAD if misread else 0)
    for r in range(rows):
        first, end = offsets[r], offsets[r + 1]
        while first < end and out[r] != complete:
            last = min(first + _STRETCH, end)
            if _has_any(data[first:last]):
                out[r] |= _suspicions(data, first, last, end, kinds, rare_syllables, searched)
            first = last
    return out


@inner()
def _has_any(stretch):
    """Whether any byte has one of BYTE_KINDS; one expression per byte, so that it vectorizes."""
    result = False
    for i in range(len(stretch)):
        b = stretch[i]
        latin, han = (b & _FE) == _C2, ((b >= _E4) & (b < _EA)) | (b == _EF)
        result |= latin | han | (b == _LESS) | (b == _AMPERSAND) | (b == _BRACE)
    return result


@inner()
def _suspicions(data, first, last, end, kinds, rare_syllables, searched):
    """Bits HTML and MISREAD of the bytes ``[first, last)`` of a row that ends at ``end``."""
    bits = 0
    for i in range(first, last):
        kind = kinds[data[i]] & searched
        if kind == 0:
            continue
        if kind & (_TAG | _REFERENCE):
            if bits & HTML == 0 and _begins_markup(data, i, end):
                bits |= HTML
        elif bits & MISREAD == 0 and _is_misread(data, i, end, kind, rare_syllables):
            bits |= MISREAD
    return bits


@inner()
def _is_letter(b):
    return 65 <= b <= 90 or 97 <= b <= 122


@inner()
def _begins_markup(data, i, end):
    if data[i] == ord("<"):
        return _begins_tag(data, i + 1, end)
    if data[i] == _BRACE:
        return _begins_listing(data, i + 1, end)
    for j in range(i + 1, min(end, i + _LONGEST_REFERENCE)):
        b = data[j]
        if b == ord(";"):
            return j > i + 1
        if not (_is_letter(b) or 48 <= b <= 57 or b == ord("#")):
            return False
    return False


@inner()
def _begins_listing(data, i, end):
    """Whether the tag of a listing may begin: ``{% highlight``, ``{% codeblock``, ``{{< highlight``; ``i``: the byte after the brace."""
    while i < end and (
        data[i] == _BRACE or data[i] == ord("%") or data[i] == ord("<") or data[i] == ord("-")
    ):
        i += 1
    while i < end and data[i] <= _SPACE:
        i += 1
    return i + 1 < end and (
        (data[i] == ord("h") and data[i + 1] == ord("i")) or (data[i] == ord("c") and data[i + 1] == ord("o"))
    )


@inner()
def _begins_tag(data, i, end):
    """Whether a comment, a closing tag, a tag with an attribute, or one of _TAGS begins; ``i``: the byte after ``<``."""
    if i < end and data[i] == ord("!"):
        return i + 1 < end and (data[i + 1] == ord("-") or data[i + 1] & 0xDF == ord("D"))
    closing = i < end and data[i] == ord("/")
    j = i + 1 if closing else i
    name = np.int64(0)
    while j < end and (_is_letter(data[j]) or 48 <= data[j] <= 58):
        name = (name << 5 | np.int64(data[j] & 0x1F)) & _NAME_BITS
        j += 1
    if j in (i, end):
        return False
    if not closing:
        for tag in _TAGS:
            if name == tag:
                return True
    while j < end and (data[j] <= _SPACE or data[j] >= 0x80):
        j += 1
    if closing:
        return j < end and data[j] == ord(">")
    while j < end and (_is_letter(data[j]) or data[j] == ord("-") or data[j] >= 0x80):
        j += 1
    return j + 1 < end and data[j] == ord("=") and (data[j + 1] == ord('"') or data[j + 1] == ord("'"))


@inner()
def _is_misread(data, i, end, kind, rare_syllables):
    """Whether a Latin-1 character precedes another that CP1252 may display, or an ideograph precedes a rare syllable."""
    if kind == _LATIN:
        if i + 2 >= end:
            return False
        b = data[i + 2]
        if b == 0xE2:
            return data[i + 3] == 0x80 or data[i + 3] == 0x82 or data[i + 3] == 0x84
        return b == 0xC2 or b == 0xC3 or b == 0xC5 or b == 0xC6 or b == 0xCB
    if i + 3 >= end or not 0xEA <= data[i + 3] <= 0xED:
        return False
    syllable = decode(data, i + 3)[0] - 0xAC00
    return 0 <= syllable < 11172 and rare_syllables[syllable]


@njit()
def with_data(data, offsets, longest_literal):
    """``[rows] bool``: rows with ``;base64,``, a target of Markdown that begins with ``data:``, or words of base64 or
    hexadecimal digits of MIN_BASE64 characters or more, one of which encodes, with more than ``longest_literal`` together."""
    rows = len(offsets) - 1
    out = np.zeros(rows, np.bool_)
    for r in range(rows):
        encoded, _, words = base64(data, offsets[r], offsets[r + 1])
        out[r] = encoded > 0 and words > longest_literal
    r = 0
    first, end = offsets[0] + 2, offsets[-1]
    while first < end:
        last = min(first + _LONG_STRETCH, end)
        if _has_data(data[first:last], data[first - 1 : last - 1], data[first - 2 : last - 2]):
            for i in range(first, last):
                if data[i] != _COLON and data[i] != _COMMA:
                    continue
                while offsets[r + 1] <= i:
                    r += 1
                out[r] |= _ends(data, i, offsets[r], _MARKER)
                out[r] |= _ends(data, i, offsets[r], _SCHEME) and _begins_target(data, i - 5, offsets[r])
        first = last
    return out


@inner()
def _has_data(stretch, before, earlier):
    """Whether ``ta:`` or ``64,`` ends in the stretch; one expression per byte, so that it vectorizes."""
    result = False
    for i in range(len(stretch)):
        result |= (stretch[i] == _COLON) & (before[i] == _A) & (earlier[i] == _T)
        result |= (stretch[i] == _COMMA) & (before[i] == _4) & (earlier[i] == _6)
    return result


@inner()
def _ends(data, i, start, word):
    """Whether the word ends with the byte at ``i``."""
    first = i + 1 - len(word)
    if first < start:
        return False
    k = 0
    while k < len(word) and data[first + k] == word[k]:
        k += 1
    return k == len(word)


@inner()
def _begins_target(data, i, start):
    """Whether ``](``, blanks and ``<`` end with the byte at ``i``."""
    if i >= start and data[i] == _LESS:
        i -= 1
    while i >= start and data[i] in (_SPACE, _TAB, _LINE_FEED):
        i -= 1
    return i > start and data[i] == _OPEN and data[i - 1] == _CLOSE


@njit()
def lines_at_ends(data, offsets, head_lines, head_bytes, tail_lines, tail_bytes, line_bytes):
    """``(data, offsets)`` of a column with the first and last lines of each row, cut to ``line_bytes`` each.

    Skips empty lines, lines that begin after the first ``head_bytes``, and lines that end before the last ``tail_bytes``.
    """
    rows = len(offsets) - 1
    out = np.empty(offsets[rows] - offsets[0] + rows * 2, np.uint8)
    ends = np.zeros(rows + 1, np.int64)
    at = 0
    for r in range(rows):
        start, end = offsets[r], offsets[r + 1]
        head, at = _first_lines(data, start, end, head_lines, head_bytes, line_bytes, out, at)
        at = _last_lines(data, head, end, tail_lines, tail_bytes, line_bytes, out, at)
        ends[r + 1] = at
    return out[:at], ends


@inner()
def _first_lines(data, start, end, lines, reach, line_bytes, out, at):
    """Writes the first lines; returns the start of the next line and the end of the output."""
    i = start
    while lines and i < end and i < start + reach:
        j = i
        while 0 <= j < end - STRETCH and not has_feed(data, j):
            j += STRETCH
        while 0 <= j < end and data[j] != _LINE_FEED:
            j += 1
        if _is_visible(data, i, j):
            at = _put_line(data, i, j, line_bytes, out, at)
            lines -= 1
        i = j + 1
    return min(i, end), at


@inner()
def _last_lines(data, start, end, lines, reach, line_bytes, out, at):
    j = end
    while lines and j > start and j > end - reach:
        i = j
        while i - STRETCH > start and not has_feed(data, i - STRETCH):
            i -= STRETCH
        while i > start and data[i - 1] != _LINE_FEED:
            i -= 1
        if _is_visible(data, i, j):
            at = _put_line(data, i, j, line_bytes, out, at)
            lines -= 1
        j = i - 1
    return at


@inner()
def _is_visible(data, i, end):
    while 0 <= i < end and data[i] <= _SPACE:
        i += 1
    return i < end


@inner()
def _put_line(data, start, end, line_bytes, out, at):
    """Writes a line, cut to at most ``line_bytes`` at a character boundary, and a line feed; returns its end."""
    if end - start > line_bytes:
        end = start + line_bytes
        while data[end] & 0xC0 == 0x80:
            end -= 1
    at = copy(data, start, end, out, at)
    out[at] = _LINE_FEED
    return at + 1
