"""What ``kernels.source_code`` counts, said once more with regular expressions and Python strings."""

from __future__ import annotations

import re

from preprocessing.kernels.characters import is_letter
from preprocessing.kernels.comments import MAX_BEFORE_HEADER
from preprocessing.kernels.source_code import LONG_LINE

BLANK = " \t\n\r\f\v"
BASE64_WORD = re.compile(r"[A-Za-z0-9+/=]{60,}")
ESCAPE = (
    r"(?:(?<![0-9A-Za-z_\\])(?:0[xX])?[0-9a-fA-F]{2}|\\x[0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4})(?![0-9A-Za-z_])"
)
ESCAPES = re.compile(rf"{ESCAPE}(?:[, \t\n\r\"']*{ESCAPE}){{7,}}")
BLOCKS = {"/*": "*/", '"""': '"""', "'''": "'''", "<!--": "-->"}


def counts(text: str) -> dict[str, int]:
    lines = text.split("\n")[: None if text and not text.endswith("\n") else -1]
    long_text = "".join(line for line in lines if len(line) > LONG_LINE)
    encoded, longest = encoded_data(text)
    comment, header_end = comments(text)
    return {
        "characters": len(text),
        "alphabetic": sum(map(letter, text)),
        "alphanumeric": sum(letter(c) or c in "0123456789" for c in text),
        "visible": visible(text),
        "lines": len(lines),
        "longest_line": max((len(line.rstrip(BLANK)) for line in lines), default=0),
        "long": len(long_text),
        "long_blank": len(long_text) - visible(long_text),
        "long_marks": sum(c in "{}()[];,:=<>+*&|!?\"'" for c in long_text),
        "data": sum(visible(line) for line in lines if is_data(line)),
        "table_lines": sum(
            fields(line) == fields(before) and fields(line) >= 2 for before, line in zip(lines, lines[1:])
        ),
        "encoded": encoded,
        "longest_encoded": longest,
        "comment": comment,
        "header_end": header_end,
    }


def letter(character: str) -> bool:
    return bool(is_letter.py_func(ord(character)))


def visible(text: str) -> int:
    return sum(c not in BLANK for c in text)


def is_data(line: str) -> bool:
    digits = sum(c in "0123456789" for c in line)
    numbers = len(re.findall(r"[0-9a-fA-FxX.+-]", line))
    seen = visible(line)
    return digits > 0 and digits * 5 >= seen and numbers * 4 >= seen and sum(map(letter, line)) * 2 <= numbers


def fields(line: str) -> int:
    return max(line.count(","), line.count("\t"))


def encoded_data(text: str) -> tuple[int, int]:
    total = longest = block = block_end = 0
    for word in BASE64_WORD.finditer(text):
        mixed = re.search("[a-z]", word[0]) and re.search("[A-Z]", word[0])
        if re.search("[0-9]", word[0]) and (mixed or re.fullmatch("[0-9a-fA-F]+", word[0])):
            follows = block and text.count("\n", block_end, word.start()) <= 1
            block = len(word[0]) + (block if follows else 0)
            block_end = word.end()
            total, longest = total + len(word[0]), max(longest, block)
    for run in ESCAPES.finditer(text):
        total, longest = total + len(run[0]), max(longest, len(run[0]))
    return total, longest


def comments(text: str) -> tuple[int, int]:
    """Visible UTF-8 bytes in comments, and bytes up to the first line of code after one (or after much code)."""
    total, before, position, header_end = 0, 0, 0, None
    block: tuple[str, bool] | None = None
    for line in text.split("\n"):
        comment, code, block = split_line(line, block)
        before += code
        if header_end is None and code and (total or before > MAX_BEFORE_HEADER or block and not block[1]):
            header_end = position
        total += comment
        position += len(line.encode()) + 1
    return total, len(text.encode()) if header_end is None else header_end


def split_line(line: str, block: tuple[str, bool] | None) -> tuple[int, int, tuple[str, bool] | None]:
    """Visible bytes of comment and of code, and the end of the block that goes on, with whether it is a comment."""
    seen = {True: 0, False: 0}
    at, last = 0, ""
    while at < len(line):
        if block:
            end, is_comment = block
            found = line.find(end, at)
            stop = len(line) if found < 0 else found + len(end)
            seen[is_comment] += visible_bytes(line[at:stop])
            block = block if found < 0 else None
            at, last = stop, ""
            continue
        first = not (seen[True] or seen[False])
        sign = next((sign for sign in BLOCKS if line.startswith(sign, at)), None)
        if sign and (sign != "/*" or first or (last and last in ";{}),")):
            block = (BLOCKS[sign], first or sign == "/*")
            seen[block[1]] += len(sign)
            at += len(sign)
            continue
        if begins_line_comment(line[at:]) if first else begins_end_comment(line, at, last):
            return seen[True] + visible_bytes(line[at:]), seen[False], None
        if line[at] not in BLANK:
            seen[False] += len(line[at].encode())
            last = line[at]
        at += 1
    return seen[True], seen[False], block


def begins_line_comment(rest: str) -> bool:
    return bool(
        re.match(r"//|#(?![A-Za-z])|--(?:[ \t\r\f\v]|$)|%(?:[% \t\r\f\v]|$)|;(?:[; \t\r\f\v]|$)", rest)
    )


def begins_end_comment(line: str, at: int, last: str) -> bool:
    if line[at - 1] not in " \t":
        return False
    slashes = re.match(r"//(?:[ \t\r\f\v]|$)", line[at:]) and last and last in ";{}),"
    return bool(slashes or re.match(r"#(?:[ \t\r\f\v]|$)", line[at:]))


def visible_bytes(text: str) -> int:
    return sum(len(c.encode()) for c in text if c not in BLANK)
