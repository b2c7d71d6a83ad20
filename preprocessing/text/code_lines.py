"""Finds lines of code without a fence, whose blanks and runs of signs stay: indented code and Python sessions.

``preprocessing.kernels.code_lines`` does the same.
"""

from __future__ import annotations

import re

from preprocessing.kernels.normalize_classes import LONGEST_CODE_LINE

SESSION = r"(?:>>>[ ]|\.\.\.[ ]{3})"
_INDENTED = re.compile(r" {4}| {0,3}\t")
_HANGUL = re.compile("[가-힣]")
_LATIN, _HANGUL_OR_JAMO = re.compile("[A-Za-z]"), re.compile("[가-힣\u3131-\u318e]")


def is_mostly_hangul(line: str) -> bool:
    return 2 * len(_HANGUL.findall(line)) > len(line) - line.count(" ") - line.count("\t")


def is_in_code(text: str, start: int) -> bool:
    """Whether the line of ``start`` is indented with more Latin letters than Hangul or none of both.

    The first line of the text is not indented, and a line of more than LONGEST_CODE_LINE characters is no code.
    """
    begin = text.rfind("\n", max(0, start - LONGEST_CODE_LINE - 1), start) + 1
    if start - begin > LONGEST_CODE_LINE:
        return False
    line = text[begin : begin + LONGEST_CODE_LINE + 1].split("\n", 1)[0]
    if not begin or not _INDENTED.match(line) or len(line) > LONGEST_CODE_LINE:
        return False
    return line.isascii() or len(_LATIN.findall(line)) > len(_HANGUL_OR_JAMO.findall(line))
