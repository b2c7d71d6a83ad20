"""Defines listings without fences in Korean prose in plain Python; ``kernels.listings`` must equal it.

A listing (assembler, logs, stack traces, SQL, configuration, data) is a run of lines without Hangul, with a comment in Hangul,
or with an entry in quotation marks such as ``'city': '서울',``, that has many signs and numbers and few function words of English. Only a document with sentences of Hangul has listings: a
file of source code with Korean comments has none. Sentences must outweigh comments, unless the document begins with one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MIN_LINES = 3
MIN_SIGNS, MAX_FUNCTION_WORDS = (9, 20), (1, 10)  # per Latin word of a listing
MIN_SYLLABLES = 40  # of sentences in a document with listings
COMMENTS = 4  # syllables of comments for one of sentences, in a document that begins with Korean prose
SENTENCE = 8  # syllables of a line that may be a sentence
FUNCTION_WORDS = frozenset(b"the of to was that it are were this you they we he has have been be".split())
SIGNS = b"[](){}<>=%$#_\\;|@&:,/+*\"'~^-"
STRONG = b"={}<;"  # signs that no sentence has

_WORD = re.compile(rb"[A-Za-z]+")
_SIGN = re.compile(rb"[0-9]+|[%s]|(?<=[0-9A-Za-z_])\.(?=[0-9A-Za-z_])" % re.escape(SIGNS))
_STRONG = re.compile(rb"[%s]" % re.escape(STRONG))
_FENCE = re.compile(rb"```|~~~")
_COMMENT = re.compile(rb"#(?!#)|[;*]|//|/\*|--|\"\"|''|<!")
_COMMENT_BEHIND = re.compile(rb"[ \t](?:[;#]|//|--)")
_NEVER = re.compile(rb"[|>]|[*+](?: |\Z)|[0-9]{1,3}[.)] ")
_INSIDE_ONLY = re.compile(rb"[-#](?:[ #]|\Z)")
_ENTRY = re.compile(rb"['\"{][^\n]*[,\]}][ \t\r]*\Z")  # of a listing of data
_WIDE = re.compile(rb"[\xe3-\xed]")
_BLANKS = bytes(range(33))


@dataclass
class _Run:
    first: int
    last: int
    text: bytes


def find_listings(lines: list[bytes]) -> set[int]:
    """Numbers of the lines of listings, blank lines inside of them included."""
    found: set[int] = set()
    run: _Run | None = None
    sentences = comments = latin_lines = 0
    fence = b""
    begun = begins_with_prose = False
    for n, line in enumerate(lines):
        body = line.lstrip(_BLANKS)
        if not body:
            continue
        is_first, begun = not begun, True
        latin_lines += _letters(line) >= max(1, sum(0xE3 <= b <= 0xED for b in line))
        mark = body[:1] if _FENCE.match(body) else b""
        if fence or mark:
            if mark and fence in (b"", mark):
                found |= _lines_of(run)
                run, fence = None, b"" if fence else mark
            continue
        syllables = sum(0xEA <= b <= 0xED for b in line)
        is_comment = _has_comment(body)
        if is_comment or _is_member(body, run is not None):
            run = _Run(run.first if run else n, n, (run.text if run else b"") + line + b"\n")
            comments += syllables * is_comment
            continue
        found |= _lines_of(run)
        run = None
        begins_with_prose |= is_first and 0 < syllables >= _letters(line) and not _COMMENT.match(body)
        if syllables and _COMMENT.match(body):
            comments += syllables
        elif syllables >= SENTENCE and syllables >= _letters(line) and not _STRONG.search(line):
            sentences += syllables
    found |= _lines_of(run)
    comments //= COMMENTS if begins_with_prose else 1
    has_listings = sentences >= MIN_SYLLABLES and sentences >= comments and latin_lines >= MIN_LINES
    return found if has_listings else set()


def _has_comment(body: bytes) -> bool:
    """Whether a line of code has a comment in Korean."""
    wide = _WIDE.search(body)
    word = _WORD.search(body, 0, wide.start()) if wide else None
    return bool(wide and word and _COMMENT_BEHIND.search(body, word.end(), wide.start()))


def _is_member(body: bytes, inside: bool) -> bool:
    if _WIDE.search(body):
        return inside and _ENTRY.match(body) is not None
    return not _NEVER.match(body) and (inside or not _INSIDE_ONLY.match(body))


def _letters(line: bytes) -> int:
    return sum(map(len, _WORD.findall(line)))


def _lines_of(run: _Run | None) -> set[int]:
    """The lines of a run that is a listing: of at least MIN_LINES lines, with many signs and few function words."""
    if run is None:
        return set()
    lines = sum(1 for line in run.text.split(b"\n") if line)
    words = _WORD.findall(run.text)
    function = sum(word.lower() in FUNCTION_WORDS for word in words)
    is_listing = (
        lines >= MIN_LINES
        and 2 * len(words) >= lines
        and MIN_SIGNS[1] * len(_SIGN.findall(run.text)) >= MIN_SIGNS[0] * len(words)
        and MAX_FUNCTION_WORDS[1] * function <= MAX_FUNCTION_WORDS[0] * len(words)
    )
    return set(range(run.first, run.last + 1)) if is_listing else set()
