"""Finds marks within a line of a document: list marks, links, web addresses, times, tags and directives, in UTF-8.

Owns where each begins and ends; ``kernels.structure`` and ``kernels.languages`` decide what they mean.
"""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.compiled import inner
from preprocessing.kernels.skipped_markup import BACKTICK, LESS, after_skipped, run_length

NO_MARK, BULLET, NUMBERED = range(3)
LONGEST_LINK = 1000  # bytes of a label or a target
_TAB, _SPACE, _GREATER, _HASH, _PIPE, COLON = 9, 32, 62, 35, 124, 58
_QUOTE, _BRACE, _BRACE_END = 34, 123, 125
_OPEN, _CLOSE, _OPEN_ROUND, _CLOSE_ROUND = 91, 93, 40, 41


@inner()
def is_blank(b):
    return b in (_SPACE, _TAB)


@inner()
def is_letter(b):
    return 65 <= b <= 90 or 97 <= b <= 122


@inner()
def is_digit(b):
    return 48 <= b <= 57


@inner()
def is_stamp(data, i, start, end):
    """Whether the colon at ``i`` is the first one of a time with seconds: 12:34:56."""
    return (
        i - 2 >= start and i + 6 <= end and data[i + 3] == COLON
        and is_digit(data[i - 2]) and is_digit(data[i - 1]) and is_digit(data[i + 1]) and is_digit(data[i + 2])
        and is_digit(data[i + 4]) and is_digit(data[i + 5])
    )  # fmt: skip


@inner()
def has_stamp(data, i, end):
    """Whether a line contains a time with seconds."""
    k = i + 2
    while k < end - 5 and not (data[k] == COLON and is_stamp(data, k, i, end)):
        k += 1
    return k < end - 5


@inner()
def has_address(data, i, end):
    """Whether a line contains ``://``."""
    k = i
    while k < end - 2 and not (data[k] == COLON and data[k + 1] == 47 and data[k + 2] == 47):
        k += 1
    return k < end - 2


@inner()
def address_end(data, i, end):
    """The end of the web address that begins at ``i``; ``i`` without one."""
    if i + 8 > end or data[i] != 104 or data[i + 1] != 116 or data[i + 2] != 116 or data[i + 3] != 112:
        return i
    j = i + 5 if data[i + 4] == 115 else i + 4
    if j + 3 > end or data[j] != COLON or data[j + 1] != 47 or data[j + 2] != 47:
        return i
    while j < end:
        b = data[j]
        if b <= _SPACE or b >= 128 or b == 34 or b in (LESS, _GREATER, _CLOSE_ROUND, _CLOSE, BACKTICK):
            break
        j += 1
    return j


@inner()
def scheme_before(data, start, i):
    """The length of ``http`` or ``https`` between ``start`` and the colon at ``i``; 0 without it."""
    j = i - 1 if i > start and data[i - 1] == 115 else i
    if j - 4 < start or data[j - 1] != 112 or data[j - 2] != 116 or data[j - 3] != 116 or data[j - 4] != 104:
        return 0
    return i - j + 4


@inner()
def _closing(data, i, end, opening, closing):
    """Position of the bracket that closes the one at ``i``, or -1."""
    depth = 0
    for j in range(i, min(end, i + LONGEST_LINK)):
        if data[j] == opening:
            depth += 1
        elif data[j] == closing:
            depth -= 1
            if depth == 0:
                return j
    return -1


@inner()
def link_at(data, i, end):
    """``(label_end, link_end)`` of the Markdown link or reference whose ``[`` is at ``i``; ``(i, i)`` without one."""
    label_end = _closing(data, i, end, _OPEN, _CLOSE)
    if label_end < 0 or label_end + 1 >= end or data[i + 1] == 94:  # "[^1]" is a footnote
        return i, i
    following = data[label_end + 1]
    if following == _OPEN_ROUND:
        last = _closing(data, label_end + 1, end, _OPEN_ROUND, _CLOSE_ROUND)
    elif following == _OPEN:
        last = _closing(data, label_end + 1, end, _OPEN, _CLOSE)
    else:
        last = -1
    return (label_end, last + 1) if last >= 0 else (i, i)


@inner()
def after_path(data, i, start, end):
    """The end of the link target at the ``(`` at ``i`` that is a path, a place or a file, as in ``[a](/b)`` and ``[a](b.md)``;
    ``i`` without one."""
    if i == start or i + 1 >= end or data[i - 1] != _CLOSE:
        return i
    is_path = data[i + 1] in (47, _HASH, 46)
    for j in range(i + 1, min(end, i + LONGEST_LINK)):
        b = data[j]
        if b == _CLOSE_ROUND:
            return j + 1 if is_path else i
        if b <= _SPACE:
            return i
        if b == 46 and j + 2 < end:  # ".md", ".html"
            is_path |= (data[j + 1] == 109 and data[j + 2] == 100) or (
                data[j + 1] == 104 and data[j + 2] == 116
            )
    return i


@inner()
def is_link(data, i, end):
    """Whether links and addresses are twice as long as the rest of a line."""
    linked = others = 0
    most = end - i
    while i < end and 3 * others <= most:
        b = data[i]
        after = i
        if b == _OPEN:
            _, after = link_at(data, i, end)
        elif b == 104:
            after = address_end(data, i, end)
        if after > i:
            linked += after - i
            i = after
            continue
        others += b > _SPACE and b != _GREATER and b != LESS and b != 33
        i += 1
    return linked > 0 and 2 * others <= linked


@inner()
def after_marks(data, i, end):
    """``(begin, mark)``: where the text of a line begins, after quotation and list marks at ``i``; the list mark: NO_MARK, BULLET or NUMBERED."""
    while i < end and (data[i] == _GREATER or is_blank(data[i])):
        i += 1
    j = i
    if j < end and (data[j] == 45 or data[j] == 42 or data[j] == 43):
        j += 1
    elif j + 2 < end and data[j] == 0xE2 and data[j + 1] == 0x80 and data[j + 2] == 0xA2:  # •
        j += 3
    else:
        while j < end and is_digit(data[j]) and j < i + 3:
            j += 1
        if j == i or j >= end or (data[j] != 46 and data[j] != _CLOSE_ROUND):
            return i, NO_MARK
        j += 1
    if j >= end or not is_blank(data[j]):
        return i, NO_MARK
    mark = NUMBERED if is_digit(data[i]) else BULLET
    while j < end and is_blank(data[j]):
        j += 1
    return j, mark


@inner()
def heading_level(data, i, end):
    """The number of ``#`` of the heading at ``i``; 0 without one."""
    if i >= end or data[i] != _HASH:
        return 0
    marks = run_length(data, i, end)
    return marks if marks <= 6 and i + marks < end and is_blank(data[i + marks]) else 0


@inner()
def _is_block(data, i, end):
    """Whether a line is a directive of one line or opens one: ``::name``, ``:name{``, ``::name{a="b"}``."""
    begin = i + 2 if i + 1 < end and data[i + 1] == COLON else i + 1
    if begin >= end or not is_letter(data[begin]):
        return False
    j = begin
    while j < end and (is_letter(data[j]) or is_digit(data[j]) or data[j] == 45):
        j += 1
    if j == end:
        return begin == i + 2
    return data[j] == _BRACE and data[end - 1] in (_BRACE, _BRACE_END)


@inner()
def _is_attribute(data, i, end):
    """Whether a line that ends in a quotation mark is an attribute in ASCII, ``name="value"``."""
    while i < end and (is_letter(data[i]) or is_digit(data[i]) or data[i] in (45, 46, COLON, 95)):
        i += 1
    if i + 2 >= end or data[i] != 61 or data[i + 1] != _QUOTE:
        return False
    i += 2
    while i < end and data[i] != _QUOTE and data[i] < 128:
        i += 1
    return i == end - 1


@inner()
def _is_bracket(data, i, end):
    """Whether a line that begins with a curly bracket has only signs."""
    while i < end and data[i] < 128 and not is_letter(data[i]) and not is_digit(data[i]):
        i += 1
    return i == end


@inner()
def is_markup(data, i, end):
    """Whether a line consists of tags, an attribute or a bracket, or begins a directive: ``:::``, ``::name``, ``{%``, ``{{``, ``.. name``."""
    a = data[i]
    if a >= 128:
        return False
    if is_letter(a):
        return data[end - 1] == _QUOTE and _is_attribute(data, i, end)
    b = data[i + 1] if i + 1 < end else np.uint8(0)
    if a == COLON:
        return (b == COLON and i + 2 < end and data[i + 2] == COLON) or _is_block(data, i, end)
    if a == _BRACE and (b == 37 or b == _BRACE):
        return True
    if a in (_BRACE, _BRACE_END):
        return _is_bracket(data, i, end)
    if a == 46 and b == 46 and i + 3 < end and data[i + 2] == _SPACE:
        return is_letter(data[i + 3]) or data[i + 3] == 95 or data[i + 3] == _OPEN or data[i + 3] == _PIPE
    if a != LESS:
        return False
    while i < end:
        if is_blank(data[i]):
            i += 1
            continue
        if data[i] != LESS:
            return False
        after = after_skipped(data, i, end)
        if after == i or address_end(data, i + 1, end) > i + 1:
            return False
        i = after
    return True
