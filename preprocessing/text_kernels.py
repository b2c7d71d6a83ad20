"""Numba kernels over Arrow's UTF-8 buffers: counts for the rules, and sets of five-word sequences.

Owns reading characters, lines and words from bytes; what counts mean is decided in ``quality``, what sets mean in
``minhash``. One file, because numba's cache on disk notices changes of the file of a function only.
"""

from __future__ import annotations

import numba
import numpy as np

COLUMNS = (
    "characters", "visible", "hangul", "jamo", "emotion", "letters", "digits", "plain", "latin1", "replacement",
    "lines", "bullets", "repeated_in_lines", "longest_line", "triples", "repeated_triples",
)  # fmt: skip
WIDTH = len(COLUMNS)
INDEX = {name: i for i, name in enumerate(COLUMNS)}
(_CHARACTERS, _VISIBLE, _HANGUL, _JAMO, _EMOTION, _LETTERS, _DIGITS, _PLAIN, _LATIN1, _REPLACEMENT) = range(
    10
)
(_LINES, _BULLETS, _REPEATED, _LONGEST, _TRIPLES, _REPEATED_TRIPLES) = range(10, 16)
_PRIME = np.uint64(0x100000001B3)
WORDS = 5
_LENGTH_BITS, _LENGTH_MASK = np.uint64(16), np.uint64(0xFFFF)
_BASIS = np.uint64(0xCBF29CE484222325)


@numba.njit(cache=True)
def decode(data, i):
    """Code point at byte ``i`` of valid UTF-8 and its length in bytes."""
    b = data[i]
    if b < 0x80:
        return np.int64(b), 1
    if b < 0xE0:
        return (np.int64(b & 0x1F) << 6) | np.int64(data[i + 1] & 0x3F), 2
    if b < 0xF0:
        return (np.int64(b & 0x0F) << 12) | (np.int64(data[i + 1] & 0x3F) << 6) | np.int64(
            data[i + 2] & 0x3F
        ), 3
    high = (np.int64(b & 0x07) << 18) | (np.int64(data[i + 1] & 0x3F) << 12)
    return high | (np.int64(data[i + 2] & 0x3F) << 6) | np.int64(data[i + 3] & 0x3F), 4


@numba.njit(cache=True)
def is_space(c):
    return c == 32 or (9 <= c <= 13) or c == 0xA0 or c == 0x3000 or (0x2000 <= c <= 0x200A)


@numba.njit(cache=True)
def is_letter(c):
    """Letters of the scripts in use here; everything between U+00C0 and U+1FFF but two signs counts as one."""
    return (
        (97 <= c <= 122) or (65 <= c <= 90) or (0xAC00 <= c <= 0xD7A3) or (0x3131 <= c <= 0x318E)
        or (0xC0 <= c <= 0x1FFF and c != 0xD7 and c != 0xF7) or (0x3041 <= c <= 0x30FF) or (0x3400 <= c <= 0x9FFF)
        or (0xF900 <= c <= 0xFAFF) or (0x20000 <= c <= 0x3FFFF)
    )  # fmt: skip


@numba.njit(cache=True)
def _is_plain(c):
    """Punctuation of ordinary prose: . , ! ? ' " ( ) : ; - / % and quotation marks."""
    return (
        c == 46 or c == 44 or c == 33 or c == 63 or c == 39 or c == 34 or c == 40 or c == 41 or c == 58 or c == 59
        or c == 45 or c == 47 or c == 37 or (0x2010 <= c <= 0x201F) or c == 0x2026 or c == 0xB7 or (0x3001 <= c <= 0x3011)
    )  # fmt: skip


@numba.njit(cache=True)
def _is_bullet(c):
    return (
        c == 45 or c == 42 or c == 43 or c == 0x2022 or c == 0xB7 or c == 0x2013 or c == 0x25CF or c == 0x25CB
        or c == 0x25A0 or c == 0x25A1 or c == 0x25B6 or c == 0x25B7 or c == 0x25C6 or c == 0x203B or c == 0x2514
    )  # fmt: skip


@numba.njit(cache=True)
def _repeats(entries, count):
    """How many of the first ``count`` entries have a hash that was there before, and the sum of their lengths."""
    ordered = np.sort(entries[:count])
    found = size = 0
    for i in range(1, count):
        if ordered[i] >> _LENGTH_BITS == ordered[i - 1] >> _LENGTH_BITS:
            found += 1
            size += np.int64(ordered[i] & _LENGTH_MASK)
    return found, size


@numba.njit(cache=True)
def _entry(value, length):
    """A hash and a length in one number, so that sorting keeps them together."""
    return ((value ^ (value >> np.uint64(32))) << _LENGTH_BITS) | np.uint64(min(length, 0xFFFF))


@numba.njit(cache=True)
def _measure(data, start, end, row, lines, words):
    line_hash, word_hash, before, before_that = _BASIS, _BASIS, np.uint64(0), np.uint64(0)
    line_length = line_visible = word_length = 0
    number_of_lines = number_of_words = number_of_triples = 0
    previous = np.int64(0)
    i = start
    while i <= end:
        c, step = (np.int64(10), 1) if i == end else decode(data, i)
        i += step
        if is_space(c):
            if word_length:
                number_of_words += 1
                if number_of_words >= 3:
                    words[number_of_triples] = _entry(
                        (before_that * np.uint64(31) + before) * np.uint64(31) + word_hash, 0
                    )
                    number_of_triples += 1
                before_that, before = before, word_hash
                word_hash, word_length = _BASIS, 0
        else:
            line_hash = (line_hash ^ np.uint64(c)) * _PRIME
            word_hash = (word_hash ^ np.uint64(c)) * _PRIME
            word_length += 1
            if line_visible == 0 and _is_bullet(c):
                row[_BULLETS] += 1
            line_visible += 1
            row[_VISIBLE] += 1
            _classify(c, previous, row)
        previous = c
        if c == 10:
            if line_visible:
                lines[number_of_lines] = _entry(line_hash, line_visible)
                number_of_lines += 1
            row[_LONGEST] = max(row[_LONGEST], line_length)
            line_hash = _BASIS
            line_length = line_visible = 0
        else:
            line_length += 1
        if i <= end:
            row[_CHARACTERS] += 1
    row[_LINES] = number_of_lines
    row[_REPEATED] = _repeats(lines, number_of_lines)[1]
    row[_TRIPLES] = number_of_triples
    row[_REPEATED_TRIPLES] = _repeats(words, number_of_triples)[0]


@numba.njit(cache=True)
def _classify(c, previous, row):
    if 0xAC00 <= c <= 0xD7A3:
        row[_HANGUL] += 1
        row[_LETTERS] += 1
    elif 48 <= c <= 57:
        row[_DIGITS] += 1
    elif 0x3131 <= c <= 0x318E:
        row[_LETTERS] += 1
        if c == 0x314B or c == 0x314E or c == 0x3160 or c == 0x315C or c == 0x3161:  # ㅋ ㅎ ㅠ ㅜ ㅡ
            row[_EMOTION] += 1
        else:
            row[_JAMO] += 1
    elif is_letter(c):
        row[_LETTERS] += 1
    elif _is_plain(c):
        row[_PLAIN] += 1
    if 0x80 <= c <= 0xFF and 0x80 <= previous <= 0xFF:
        row[_LATIN1] += 1
    elif c == 0xFFFD:
        row[_REPLACEMENT] += 1


@numba.njit(cache=True)
def measure(data, offsets):
    """``[rows, WIDTH] int64`` counts of a UTF-8 column (``data: uint8``, ``offsets: [rows + 1] int64``)."""
    rows = len(offsets) - 1
    longest = 0
    for r in range(rows):
        longest = max(longest, offsets[r + 1] - offsets[r])
    lines = np.empty(longest + 1, np.uint64)
    words = np.empty(longest + 1, np.uint64)
    out = np.zeros((rows, WIDTH), np.int64)
    for r in range(rows):
        _measure(data, offsets[r], offsets[r + 1], out[r], lines, words)
    return out


# --- sequences of words ----------------------------------------------------------------------------------
# Words are runs of one script (Hangul, other letters, digits; ideographs singly) without case; punctuation separates.


@numba.njit(cache=True)
def _mix(x):
    """splitmix64."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@numba.njit(cache=True)
def _script(c):
    """0 nothing, 1 Hangul, 2 letters, 3 digits, 4 a character that is a word of its own."""
    if 0xAC00 <= c <= 0xD7A3:
        return 1
    if (97 <= c <= 122) or (65 <= c <= 90):
        return 2
    if 48 <= c <= 57:
        return 3
    if (0x3041 <= c <= 0x30FF) or (0x3400 <= c <= 0x9FFF) or (0xF900 <= c <= 0xFAFF):
        return 4
    return 2 if c == 95 or is_letter(c) else 0


@numba.njit(cache=True)
def _words(data, start, end, out):
    """Hashes of the words of one document into ``out``; returns how many."""
    count = 0
    script, value = 0, _BASIS
    i = start
    while i < end:
        c, step = decode(data, i)
        i += step
        now = _script(c)
        if now != script or now == 4:
            if script:
                out[count] = _mix(value)
                count += 1
            value = _BASIS
        script = now
        if now:
            value = (value ^ np.uint64(c + 32 if 65 <= c <= 90 else c)) * _PRIME
    if script:
        out[count] = _mix(value)
        count += 1
    return count


@numba.njit(cache=True)
def _sequences(words, count, out):
    """Sorted distinct hashes of WORDS words in a row (of all words, when there are fewer); returns how many."""
    if count == 0:
        return 0
    length = min(WORDS, count)
    total = count - length + 1
    for i in range(total):
        value = _BASIS
        for k in range(length):
            value = _mix(value + words[i + k] * np.uint64(2 * k + 1))
        out[i] = value
    ordered = np.sort(out[:total])
    distinct = 0
    for i in range(total):
        if i == 0 or ordered[i] != ordered[i - 1]:
            out[distinct] = ordered[i]
            distinct += 1
    return distinct


@numba.njit(cache=True)
def sequence_sets(data, offsets):
    """``(hashes: uint64, starts: [rows + 1] int64)``: the sorted set of five-word sequences of each row."""
    rows = len(offsets) - 1
    longest = 0
    for r in range(rows):
        longest = max(longest, offsets[r + 1] - offsets[r])
    words = np.empty(longest + 1, np.uint64)
    flat = np.empty(offsets[rows] - offsets[0] + 1, np.uint64)
    starts = np.zeros(rows + 1, np.int64)
    for r in range(rows):
        count = _words(data, offsets[r], offsets[r + 1], words)
        starts[r + 1] = starts[r] + _sequences(words, count, flat[starts[r] :])
    return flat[: starts[rows]].copy(), starts
