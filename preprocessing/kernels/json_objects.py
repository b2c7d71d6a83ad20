"""Parses simple JSON objects, one per line, and unescapes the texts of wanted fields into columns.

Owns the definition of simple: an object (RFC 8259) of strings, short numbers, true, false and null, whose keys have no
escapes, and that contains every wanted field once, as a string. The first field, the identity, may also be a number or
missing. A full parser reads all other lines, including invalid ones; the results equal those of that parser if the bytes
are UTF-8 (``kernels.utf8``).
"""

from __future__ import annotations

import numpy as np

from preprocessing.kernels.characters import encode
from preprocessing.kernels.compiled import inner, njit

_FEED, _QUOTE, _COMMA, _MINUS, _DOT, _COLON, _BACKSLASH = 10, 34, 44, 45, 46, 58, 92
_OPEN, _CLOSE, _UNICODE = ord("{"), ord("}"), ord("u")
_MAX_DIGITS = 15  # of a number that every parser reads alike
_ONE = np.uint64(1)
_LITERALS = tuple(np.frombuffer(word, np.uint8) for word in (b"true", b"false", b"null"))


def _escapes() -> np.ndarray:
    """The value of the character after a backslash; 0: not an escape of one character."""
    table = np.zeros(256, np.uint8)
    for sign, value in zip('"\\/bfnrt', '"\\/\b\f\n\r\t'):
        table[ord(sign)] = ord(value)
    return table


def _hexadecimal() -> np.ndarray:
    table = np.full(256, -1, np.int64)
    for digit in "0123456789abcdefABCDEF":
        table[ord(digit)] = int(digit, 16)
    return table


def _ends() -> np.ndarray:
    """Bytes that end a plain run of a string: a quotation mark, a backslash, a control character."""
    table = np.zeros(256, np.bool_)
    table[:32] = table[[_QUOTE, _BACKSLASH]] = True
    return table


_ENDS, _ESCAPES, _HEXADECIMAL = _ends(), _escapes(), _hexadecimal()


@njit()
def read_objects(data, feeds, keys, key_ends, max_bytes):
    """``(out: [fields + 1, bytes] uint8, ends: [fields, lines + 1] int64, simple: [lines] bool)`` of a block of lines.

    ``data: uint8`` ends with a line feed, ``feeds`` are the positions of all line feeds; the key of field ``f`` is
    ``keys[key_ends[f]:key_ends[f + 1]]``. Field ``f`` of line ``n`` is ``out[f, ends[f, n]:ends[f, n + 1]]``, empty where the
    line is not simple or longer than ``max_bytes``. The first field is a string, the digits of an integer, or empty.
    """
    fields, lines = len(key_ends) - 1, len(feeds)
    out = np.empty((fields + 1, len(data)), np.uint8)  # the last row receives all other fields
    ends = np.zeros((fields, lines + 1), np.int64)
    simple = np.zeros(lines, np.bool_)
    at = np.zeros(fields + 1, np.int64)
    start = np.int64(0)
    for n in range(lines):
        at[:fields] = ends[:, n]
        if feeds[n] - start <= max_bytes:
            simple[n] = _object(data, start, keys, key_ends, out, at)
        ends[:, n + 1] = at[:fields] if simple[n] else ends[:, n]
        start = feeds[n] + 1
    return out, ends, simple


@inner()
def _object(data, i, keys, key_ends, out, at):
    """Reads the object at byte ``i``; returns False where it is not simple. Never reads past a line feed."""
    wanted = len(key_ends) - 1
    seen = 0
    i = _after_blanks(data, i)
    if data[i] != _OPEN:
        return False
    more = True
    while more:
        i = _after_blanks(data, i + 1)
        if data[i] != _QUOTE:
            return False
        stop = _plain_end(data, i + 1)
        if data[stop] != _QUOTE:
            return False
        field = _field(data, i + 1, stop, keys, key_ends)
        i = _after_blanks(data, stop + 1)
        if data[i] != _COLON:
            return False
        i = _after_blanks(data, i + 1)
        if field < wanted and seen >> field & 1:
            return False
        seen |= 1 << field
        if data[i] == _QUOTE:
            at[wanted] = 0
            i, at[field] = _string(data, i + 1, out[field], at[field])
        else:
            start = i
            i = _scalar(data, i) if field == wanted or field == 0 else np.int64(-1)
            if field == 0 and i > start and _is_integer(data, start, i):
                if data[start] == _MINUS and data[start + 1] == 48:
                    return False  # -0, which is 0
                for k in range(start, i):
                    out[0, at[0]] = data[k]
                    at[0] += 1
        if i < 0:
            return False
        i = _after_blanks(data, i)
        more = data[i] == _COMMA
    needed = (1 << wanted) - 2  # all but the first
    return data[i] == _CLOSE and seen & needed == needed and data[_after_blanks(data, i + 1)] == _FEED


@inner()
def _after_blanks(data, i):
    while data[i] == 32 or data[i] == 9 or data[i] == 13:
        i += 1
    return i


@inner()
def _plain_end(data, i):
    """The first quotation mark, backslash or control character at or after ``i``."""
    at = np.uint64(i)
    while not _ENDS[data[at]]:
        at += _ONE
    return np.int64(at)


@inner()
def _field(data, start, end, keys, key_ends):
    """The wanted field with this key; the number of fields without one."""
    fields = len(key_ends) - 1
    for f in range(fields):
        key = keys[key_ends[f] : key_ends[f + 1]]
        if len(key) == end - start:
            same = True
            for k in range(len(key)):
                same &= key[k] == data[start + k]
            if same:
                return f
    return fields


@inner()
def _string(data, i, out, at):
    """Unescapes a string after its opening quotation mark; returns its end (-1: invalid) and the end of the output."""
    while True:
        stop, end = np.uint64(i), np.uint64(at)  # unsigned: no index counts from the end
        while not _ENDS[data[stop]]:
            out[end] = data[stop]
            stop += _ONE
            end += _ONE
        stop, at = np.int64(stop), np.int64(end)
        if data[stop] == _QUOTE:
            return stop + 1, at
        if data[stop] != _BACKSLASH:
            return np.int64(-1), at
        i, at = _escape(data, stop + 1, out, at)
        if i < 0:
            return i, at


@inner()
def _escape(data, i, out, at):
    """Same as ``_string`` for the escape after a backslash."""
    if data[i] != _UNICODE:
        out[at] = _ESCAPES[data[i]]
        return (i + 1, at + 1) if out[at] else (np.int64(-1), at)
    c = _code_unit(data, i + 1)
    i += 5
    if 0xD800 <= c < 0xE000:  # a character of two units
        if c >= 0xDC00 or data[i] != _BACKSLASH or data[i + 1] != _UNICODE:
            return np.int64(-1), at
        low = _code_unit(data, i + 2)
        c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00) if 0xDC00 <= low < 0xE000 else np.int64(-1)
        i += 6
    if c < 0:
        return np.int64(-1), at
    return i, encode(c, out, at)


@inner()
def _code_unit(data, i):
    """The value of four hexadecimal digits; -1 for other characters."""
    value = np.int64(0)
    for k in range(4):
        digit = _HEXADECIMAL[data[i + k]]
        if digit < 0:
            return np.int64(-1)
        value = value << 4 | digit
    return value


@inner()
def _scalar(data, i):
    """The end of true, false, null, or a number of up to _MAX_DIGITS digits without exponent; -1 for anything else."""
    for word in _LITERALS:
        if data[i] == word[0]:
            for k in range(len(word)):
                if data[i + k] != word[k]:
                    return np.int64(-1)
            return i + len(word)
    i += data[i] == _MINUS
    whole = _digits(data, i)
    if whole == 0 or (whole > 1 and data[i] == 48):
        return np.int64(-1)
    i += whole
    fraction = 0
    if data[i] == _DOT:
        fraction = _digits(data, i + 1)
        if fraction == 0:
            return np.int64(-1)
        i += 1 + fraction
    return i if whole + fraction <= _MAX_DIGITS else np.int64(-1)


@inner()
def _is_integer(data, start, end):
    """Whether a scalar is a number without a fraction."""
    whole = True
    for i in range(start, end):
        whole &= 48 <= data[i] <= 57 or (data[i] == _MINUS and i == start)
    return whole


@inner()
def _digits(data, i):
    count = 0
    while 48 <= data[i + count] <= 57:
        count += 1
    return count
