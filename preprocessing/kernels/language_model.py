"""Words as quality models read them, and their score by a trigram model.

Owns the text that the quality classifier and the language model read, and the word-by-word lookup of the logarithms that
``perplexity`` estimates.
"""

from __future__ import annotations

from collections import namedtuple

import numpy as np

from preprocessing.kernels.characters import decode, is_space, script_of
from preprocessing.kernels.compiled import inner, njit
from preprocessing.kernels.tables import find, key_of, key_of_bytes

# --- words -----------------------------------------------------------------------------------------------

BLANK, SINGLE = 0, 4


@inner()
def word_script(c):
    """0: separates words, 1: Hangul, 2: letters, 3: digits, 4: a word of its own (ideographs, ``_``, every visible sign)."""
    if c == 95:
        return SINGLE
    script = script_of(c)
    if script:
        return script
    return BLANK if c < 32 or 127 <= c < 160 or is_space(c) or 0x2028 <= c <= 0x2029 else SINGLE


_ASCII_SCRIPT = np.array([word_script(c) for c in range(128)], np.uint8)
_ASCII_WORD = np.array([ord("0") if chr(c).isdigit() else ord(chr(c).lower()) for c in range(128)], np.uint8)


@njit()
def model_words(data, offsets):
    """``(text: uint8, starts: [rows + 1] int64)``: the words of each row, separated by single blanks.

    A word is a run of one script, with ASCII in lower case and digits as 0, or one sign. No row contains a line break.
    """
    rows = len(offsets) - 1
    text = np.empty(2 * (offsets[rows] - offsets[0]) + rows + 1, np.uint8)
    starts = np.zeros(rows + 1, np.int64)
    at = 0
    for r in range(rows):
        before = np.uint8(BLANK)
        i = offsets[r]
        while i < offsets[r + 1]:
            if data[i] < 0x80:
                script, step = _ASCII_SCRIPT[data[i]], 1
            else:
                c, step = decode(data, i)
                script = np.uint8(word_script(c))
            if script and at > starts[r] and (script != before or script == SINGLE):
                text[at] = 32
                at += 1
            if script and step == 1:
                text[at] = _ASCII_WORD[data[i]]
                at += 1
            elif script:
                for k in range(step):
                    text[at + k] = data[i + k]
                at += step
            before = script
            i += step
        starts[r + 1] = at
    return text[: max(at, 1)].copy(), starts


@njit()
def word_hashes(text, starts):
    """``(hashes: uint64, begins: int64, ends: int64, counts: [rows] int64)`` of the words of ``model_words``."""
    rows = len(starts) - 1
    room = starts[rows] - starts[0] + 1
    hashes, begins, ends = np.empty(room, np.uint64), np.empty(room, np.int64), np.empty(room, np.int64)
    counts = np.zeros(rows, np.int64)
    total = 0
    for r in range(rows):
        begin = starts[r]
        for i in range(starts[r], starts[r + 1] + 1):
            if i == starts[r + 1] or text[i] == 32:
                if i > begin:
                    hashes[total], begins[total], ends[total] = key_of_bytes(text, begin, i), begin, i
                    total += 1
                    counts[r] += 1
                begin = i + 1
    return hashes[:total].copy(), begins[:total].copy(), ends[:total].copy(), counts


# --- the model -------------------------------------------------------------------------------------------

# Natural logarithms: ``log_k`` of the probability of a sequence of k symbols, ``back_k`` of its back-off weight. ``start`` is
# the number of the start mark, ``back_start`` its weight, ``back_none`` the weight for unknown single symbols.
Level = namedtuple(  # noqa: PYI024 - numba knows this form
    "Level", "table1 number1 log1 back1 table2 log2 back2 table3 log3 start back_start back_none"
)
BITS = 21  # of the number of a symbol, so that three fit into a key
END = np.int64(3)
MAX_LOG = 80.0
CHARACTERS = 1 << 16  # an unseen character is one of so many equally likely ones
LOG_CHARACTERS = np.log(CHARACTERS)


@inner()
def _longer(level, u, v, w, back_uv):
    """``(known, log p, back_vw)`` of ``w`` after ``u v``; ``known``: whether the model contains the sequence ``v w``."""
    if v == 0 or w == 0:
        return False, 0.0, 0.0
    pair = (np.uint64(v) << np.uint64(BITS)) | np.uint64(w)
    place2 = find(level.table2, key_of(pair))
    if place2 < 0:
        return False, 0.0, 0.0
    back = np.float64(level.back2[place2])
    if u:
        place3 = find(level.table3, key_of((np.uint64(u) << np.uint64(2 * BITS)) | pair))
        if place3 >= 0:
            return True, np.float64(level.log3[place3]), back
    return True, back_uv + level.log2[place2], back


@inner()
def _symbol(level, c, u, v, back_uv, back_v):
    """``(log p, back_vw, back_w)`` of one character; unknown characters are equally likely, one of CHARACTERS."""
    place = find(level.table1, key_of(np.uint64(c)))
    w = np.int64(level.number1[place]) if place >= 0 else np.int64(0)
    back_w = np.float64(level.back1[place]) if place >= 0 else 0.0
    known, value, back_vw = _longer(level, u, v, w, back_uv)
    if not known:
        value = back_uv + back_v + (level.log1[place] if place >= 0 else level.back_none - LOG_CHARACTERS)
    return value, back_vw, back_w


@inner()
def log_spelling(spelling, text, begin, end):
    """Logarithm of the probability of a word by its characters."""
    u, v = np.int64(0), np.int64(spelling.start)
    back_uv, back_v = 0.0, np.float64(spelling.back_start)
    total = 0.0
    i = begin
    while i <= end:
        c, step = END, 1
        if i < end:
            c, step = decode(text, i)
        value, back_uv, back_v = _symbol(spelling, c, u, v, back_uv, back_v)
        total += value
        u, v = v, np.int64(c)
        i += step
    return total


@njit()
def log_spellings(data, offsets, spelling):
    """``[rows] float64``: logarithm of the probability of each row, which is one word."""
    out = np.empty(len(offsets) - 1)
    for r in range(len(out)):
        out[r] = log_spelling(spelling, data, offsets[r], offsets[r + 1])
    return out


@inner()
def _log_perplexity(text, start, end, words, spelling):
    """Negative mean logarithm per word of one row; NaN without words."""
    u, v = np.int64(0), np.int64(words.start)
    back_uv, back_v = 0.0, np.float64(words.back_start)
    total, count = 0.0, 0
    begin = start
    for i in range(start, end + 1):
        if i < end and text[i] != 32:
            continue
        if i > begin:
            place = find(words.table1, key_of_bytes(text, begin, i))
            w = np.int64(words.number1[place]) if place >= 0 else np.int64(0)
            known, value, back_vw = _longer(words, u, v, w, back_uv)
            if not known and place >= 0:
                value = back_uv + back_v + words.log1[place]
            elif not known:
                value = back_uv + back_v + words.back_none + log_spelling(spelling, text, begin, i)
            total += value
            count += 1
            u, v = v, w
            back_uv, back_v = back_vw, np.float64(words.back1[place]) if place >= 0 else 0.0
        begin = i + 1
    return min(-total / count, MAX_LOG) if count else np.nan


@njit()
def log_perplexities(text, starts, words, spelling):
    """``[rows] float64``: negative mean logarithm per word of text from ``model_words``; NaN without words."""
    out = np.empty(len(starts) - 1)
    for r in range(len(out)):
        out[r] = _log_perplexity(text, starts[r], starts[r + 1], words, spelling)
    return out
