"""Finds listings without fences in Korean prose: assembler, logs, stack traces, SQL, configuration, in UTF-8.

Owns the decision from the signs, words and syllables of lines; ``preprocessing.judging.listings`` has the same definition in
plain Python. Only a document with sentences of Hangul has listings: a file of source code with Korean comments has none.
"""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.compiled import inner, njit
from preprocessing.kernels.line_features import COMMENT, FEATURES, HANGUL, LETTERS, SEEN, WIDE, scan

MIN_LINES = 3
MIN_SIGNS, MAX_FUNCTION_WORDS = (9, 20), (1, 10)  # per Latin word of a listing
MIN_SYLLABLES = 40  # of sentences in a document with listings
COMMENTS = 4  # syllables of comments for one of sentences, in a document that begins with Korean prose
SENTENCE = 8  # syllables of a line that may be a sentence
FUNCTION_WORDS = (
    "the",
    "of",
    "to",
    "was",
    "that",
    "it",
    "are",
    "were",
    "this",
    "you",
    "they",
    "we",
    "he",
    "has",
    "have",
    "been",
    "be",
)
SIGNS = "[](){}<>=%$#_\\;|@&:,/+*\"'~^-"
STRONG = "={}<;"  # signs that no sentence has
(
    _WORDS,
    _SIGNS,
    _FUNCTION,
    _LETTERS,
    _HANGUL,
    _WIDE,
    _COMMENTED,
    _BEGIN,
) = range(8)
_FEATURES = 8
_RUN_WORDS, _RUN_SIGNS, _RUN_FUNCTION, _RUN_LINES, _RUN_BEGIN, _RUN_END = range(6)
_FEED, _TAB, _SPACE, _DOT = 10, 9, 32, 46
_EQUALS, _BRACE, _BRACE_END, _LESS, _SEMICOLON = STRONG.encode()
_LETTER, _DIGIT, _SIGN, _NAME = 1, 2, 4, 8
_BLANK, _MEMBER, _CONTINUES, _BREAKS, _FENCE = range(5)


def _classes() -> np.ndarray:
    classes = np.zeros(256, np.uint8)
    for b in range(128):
        c = chr(b)
        classes[b] = (
            _LETTER * c.isalpha()
            | _DIGIT * c.isdigit()
            | _SIGN * (c in SIGNS)
            | _NAME * (c.isalnum() or c == "_")
        )
    return classes


_CLASSES = _classes()
_KEYS = np.array([int.from_bytes(word.encode(), "big") for word in FUNCTION_WORDS], np.uint64)


@inner()
def _read_line(data, start, row_end, line, f):
    """Writes the features of the line at ``start``; returns its end. Of a line with Hangul and no comment, words do not count."""
    begin, end = scan(data, start, row_end, line)
    if line[WIDE] == 0 or line[SEEN] & COMMENT:
        return _scan(data, start, row_end, f)
    f[_LETTERS], f[_HANGUL], f[_WIDE], f[_COMMENTED], f[_BEGIN] = (
        line[LETTERS],
        line[HANGUL],
        line[WIDE],
        0,
        begin,
    )
    return end


@inner()
def _has_strong_sign(data, begin, end):
    """Whether a line has one of STRONG; without branches, so that it vectorizes."""
    found = False
    for i in range(np.uint64(begin), np.uint64(end)):
        b = data[i]
        found |= (b == _EQUALS) | (b == _BRACE) | (b == _BRACE_END) | (b == _LESS) | (b == _SEMICOLON)
    return found


@inner()
def _scan(data, start, row_end, f):
    """Writes the features of the line at ``start``; returns its end."""
    words = signs = function = letters = hangul = wide = np.int64(0)
    first = np.int64(-1)
    before, kind_before, key = np.int64(_SPACE), np.int64(0), np.uint64(0)
    sign_after_letter = commented = False
    i = start
    while 0 <= i < row_end:
        b = np.int64(data[i])
        if b == _FEED:
            break
        if first < 0 and b > _SPACE:
            first = i
        if 0xE3 <= b <= 0xED:
            if kind_before & _LETTER:
                function += _is_function_word(key)
            if wide == 0:
                commented = sign_after_letter
            wide += 1
            hangul += b >= 0xEA
            before, kind_before = b, np.int64(0)
            i += 3
            continue
        kind = np.int64(_CLASSES[np.uint64(b)])
        if kind & _LETTER:
            starts = kind_before & _LETTER == 0
            letters += 1
            words += starts
            key = (np.uint64(0) if starts else key << np.uint64(8)) | np.uint64(b | 32)
        elif kind_before & _LETTER:
            function += _is_function_word(key)
        if kind & _DIGIT:
            signs += kind_before & _DIGIT == 0
        elif kind & _SIGN:
            signs += 1
            if letters and before in (_SPACE, _TAB) and _begins_comment(data, i, row_end):
                sign_after_letter = True
        elif b == _DOT:
            signs += kind_before & _NAME != 0 and i + 1 < row_end and _CLASSES[data[i + 1]] & _NAME != 0
        before, kind_before = b, kind
        i += 1
    if kind_before & _LETTER:
        function += _is_function_word(key)
    f[_WORDS], f[_SIGNS], f[_FUNCTION], f[_LETTERS] = words, signs, function, letters
    f[_HANGUL], f[_WIDE], f[_COMMENTED], f[_BEGIN] = hangul, wide, commented, first
    return i


@inner()
def _begins_comment(data, i, row_end):
    """Whether the sign at ``i`` is ;, #, // or --."""
    b = data[i]
    return b == 59 or b == 35 or ((b == 47 or b == 45) and i + 1 < row_end and data[i + 1] == b)


@inner()
def _is_function_word(key):
    found = False
    for k in range(len(_KEYS)):
        found |= _KEYS[k] == key
    return found


@inner()
def _is_marked(data, i, end):
    """Whether a comment begins at ``i``: # (one), //, /*, *, --, ;, three quotes, or <!--."""
    b = data[i]
    after = data[i + 1] if i + 1 < end else np.uint8(0)
    if b == 35:
        return after != 35
    if b in (59, 42):
        return True
    if b == 47:
        return after in (47, 42)
    if b in (34, 39, 45):
        return after == b
    return b == 60 and after == 33


@inner()
def _is_entry(data, i, end):
    """Whether a line of data begins with a quotation mark or a brace and ends with a comma or a bracket."""
    if data[i] not in (34, 39, 123):
        return False
    while end > i + 1 and data[end - 1] in (_SPACE, _TAB, 13):
        end -= 1
    return end > i + 1 and data[end - 1] in (44, 93, 125)


@inner()
def _part_of(data, start, end, f, in_run):
    """What a line is for a listing: _BLANK, _MEMBER, _CONTINUES (a member only inside of one), _BREAKS, or _FENCE."""
    i = f[_BEGIN]
    if i < 0:
        return _BLANK
    b = data[i]
    if b in (96, 126) and i + 2 < end and data[i + 1] == b and data[i + 2] == b:
        return _FENCE
    if f[_WIDE]:
        return _MEMBER if f[_COMMENTED] or (in_run and _is_entry(data, i, end)) else _BREAKS
    after = data[i + 1] if i + 1 < end else np.uint8(_SPACE)
    if b in (124, 62):
        return _BREAKS
    if b in (42, 43) and after == _SPACE:
        return _BREAKS
    if b in (45, 35) and (after == _SPACE or after == 35):
        return _MEMBER if in_run else _BREAKS
    j = i
    while j < end and j < i + 3 and 48 <= data[j] <= 57:
        j += 1
    if j > i and j + 1 < end and data[j] in (46, 41) and data[j + 1] == _SPACE:
        return _BREAKS
    return _MEMBER


@inner()
def _end_run(run, spans, size, r):
    """Appends the run to ``spans`` where it is a listing, and clears it; returns the new size."""
    words, signs, lines = run[_RUN_WORDS], run[_RUN_SIGNS], run[_RUN_LINES]
    if (
        lines >= MIN_LINES
        and 2 * words >= lines
        and MIN_SIGNS[1] * signs >= MIN_SIGNS[0] * words
        and MAX_FUNCTION_WORDS[1] * run[_RUN_FUNCTION] <= MAX_FUNCTION_WORDS[0] * words
    ):
        spans[size, 0], spans[size, 1], spans[size, 2] = r, run[_RUN_BEGIN], run[_RUN_END]
        size += 1
    for k in range(len(run)):
        run[k] = 0
    return size


@inner()
def _find_in_row(data, start, row_end, line, f, run, spans, size, r):
    """Appends the listings of a row to ``spans``; returns the new size, which is the old one in a row without sentences."""
    old_size = size
    sentences = comments = latin_lines = np.int64(0)
    fence = np.int64(0)
    begins_with_prose, begun = False, False
    while start < row_end:
        end = _read_line(data, start, row_end, line, f)
        latin_lines += f[_LETTERS] > 0 and f[_LETTERS] >= f[_WIDE]
        part = _part_of(data, start, end, f, run[_RUN_LINES] > 0)
        if fence or part == _FENCE:
            if part == _FENCE and (fence == 0 or fence == data[f[_BEGIN]]):
                size = _end_run(run, spans, size, r)
                fence = np.int64(data[f[_BEGIN]]) if fence == 0 else np.int64(0)
        elif part == _MEMBER:
            if run[_RUN_LINES] == 0:
                run[_RUN_BEGIN] = start
            if f[_WIDE] and not f[_COMMENTED]:
                _scan(data, start, row_end, f)
                f[_HANGUL] = 0
            run[_RUN_WORDS] += f[_WORDS]
            run[_RUN_SIGNS] += f[_SIGNS]
            run[_RUN_FUNCTION] += f[_FUNCTION]
            run[_RUN_LINES] += 1
            run[_RUN_END] = end
            comments += f[_HANGUL]
        elif part == _BREAKS:
            size = _end_run(run, spans, size, r)
            if f[_HANGUL]:
                marked = _is_marked(data, f[_BEGIN], end)
                begins_with_prose |= not begun and not marked and f[_HANGUL] >= f[_LETTERS]
                if marked:
                    comments += f[_HANGUL]
                elif (
                    f[_HANGUL] >= SENTENCE
                    and f[_HANGUL] >= f[_LETTERS]
                    and not _has_strong_sign(data, f[_BEGIN], end)
                ):
                    sentences += f[_HANGUL]
        begun |= part != _BLANK
        start = end + 1
    size = _end_run(run, spans, size, r)
    if begins_with_prose:
        comments //= COMMENTS
    has_listings = sentences >= MIN_SYLLABLES and sentences >= comments and latin_lines >= MIN_LINES
    return size if has_listings else old_size


@njit()
def find_listings(data, offsets, rows):
    """``[listings, 3] int64``: row, begin and end of the listings in ``rows`` (increasing int64) of a UTF-8 column.

    A listing consists of whole lines; its end is that of its last line, without the line feed.
    """
    total = np.int64(1)
    for r in rows:
        for i in range(np.uint64(offsets[r]), np.uint64(offsets[r + 1])):
            total += data[i] == _FEED
        total += 1
    spans = np.empty((total // MIN_LINES + len(rows) + 1, 3), np.int64)
    line, f = np.zeros(FEATURES, np.int64), np.zeros(_FEATURES, np.int64)
    run = np.zeros(6, np.int64)
    size = np.int64(0)
    for r in rows:
        size = _find_in_row(data, offsets[r], offsets[r + 1], line, f, run, spans, size, r)
    return spans[:size].copy()


@njit()
def relabel(data, listings, first, ends, kinds, flags, visible, prose, listing):
    """Gives the lines of listings whose kind is ``prose`` the kind ``listing``; the others are results of ``line_kinds``."""
    for n in range(len(listings)):
        r, begin, last = listings[n]
        line = np.searchsorted(ends[first[r] : first[r + 1]], begin) + first[r]
        start = begin
        while line < first[r + 1] and start < last:
            end = ends[line]
            if kinds[line] == prose:
                count = np.int64(0)
                for i in range(start, end):
                    count += (_SPACE < data[i] < 0x80) | (data[i] >= 0xC0)
                kinds[line], flags[line] = listing, 0
                visible[r, prose] -= count
                visible[r, listing] += count
            start = end + 1
            line += 1
