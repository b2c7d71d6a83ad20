"""Cuts data that a text embeds as base64 or hexadecimal digits: pictures, fonts, source maps, certificates.

Owns what counts as embedded data and what remains of it. A picture of Markdown keeps its alternative text, ``![alt]()``,
and disappears without one; everywhere else the first data become ``...`` and what is around them stays, such as the type
in ``data:font/woff2;base64,...`` and both lines around the body of a certificate. Literals of up to LONGEST_LITERAL
characters stay outside of Markdown's targets, because tutorials explain them. Numbers of decimal digits, listings of
bytes with blanks between them (hex dumps), percent-encoded and plain SVG are no embedded data here. Private keys are left
to ``pii``, and web addresses stay. Facts: data URLs (RFC 2397), lines of base64 (RFC 2045, 7468), images in notebooks (nbformat 4).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from preprocessing.text.fences import change_outside_fences

LONGEST_LITERAL = 200
"""Characters of base64 or hexadecimal digits that stay; pictures of one pixel and small icons have 60 to 160."""
SHORTEST_WORD = 60
"""Characters of a line of base64 that others continue; ``kernels.encoded_data`` finds words from the same length."""
REMAINS = "..."
SCHEME, MARKER = "data:", ";base64,"

_WORD = re.compile(rf"[A-Za-z0-9+/=]{{{SHORTEST_WORD},}}")
_URL = re.compile(rf"{MARKER}(?:[A-Za-z0-9+/=_-]|%[0-9A-Fa-f]{{2}}){{{LONGEST_LITERAL + 1},}}")
# between two lines of one datum: marks of quotations, comments and strings, also escaped line feeds
_BETWEEN = re.compile(
    r"(?:\\r)?(?:\\n)?(?:[\"'][ \t,+\\]{0,8}|[ \t+\\]{0,8})\r?\n[ \t>*#\"'|,+]{0,40}|(?:\\r)?\\n[\"'], ?[\"']|&#(?:10|13|xA|xD);|\\"
)
_LAST_LINE = re.compile(rf"(?P<data>[A-Za-z0-9+/]{{1,{SHORTEST_WORD - 1}}}={{0,2}})(?=[\"'\\\s|,;)]|\Z)")
_CHECKSUM = re.compile(r"=[A-Za-z0-9+/]{4}(?=[\\\s]|\Z)")
_END_OF_BODY = re.compile(r"[\"'\\rn\s,+>*#|]{0,40}(?:=[A-Za-z0-9+/]{4}[\"'\\rn\s]{0,8})?-----END ")
_ENCODED = re.compile("(?=[^0-9]*[0-9])(?:(?=[^A-Z]*[A-Z])(?=[^a-z]*[a-z])|[0-9A-Fa-f]*\\Z)")
_PRIVATE = re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----(?:(?!-----END )[^<])*\Z")
_REST_OF_WORD = re.compile(r"(?:[-_][A-Za-z0-9+/]+)*=*")  # base64url
_ADDRESS = re.compile(r"(?i:https?):(?://[^\s<>\"'`]*)?\Z")
_BEFORE, _BEFORE_IN_ADDRESS = 400, 4000
"""Characters before data in which the first line of a private key, and the beginning of an address are searched."""
_OUTPUT = re.compile(r"\"(?:image/[a-z+.-]{1,20}|application/pdf)\": ?(?:\[\s{0,40})?\"\Z")

_TITLE = r"(?:[ \t\n]{1,3}(?P<title>\"[^\"\n]{0,300}\"|'[^'\n]{0,300}'))?"
_TARGET = re.compile(
    r"(?P<code>(?<![`\\])(?P<ticks>`+)(?!`)[^\n]{1,1000}?(?<!`)(?P=ticks)(?!`))"
    r"|(?P<bare>!\[[ \t]{0,9})?\]\([ \t\n]{0,9}<?data:(?:[^\s()<>,]{0,100};base64,[A-Za-z0-9+/=_%\s-]*|[^\s()<>]*(?:\([^\s()<>]*\)[^\s()<>]*)*)>?"
    rf"{_TITLE}[ \t\n]{{0,3}}\)"
)
_TARGET_OF_DATA = re.compile(r"\]\([ \t\n]{0,9}<?data:")
_DEFINITION = re.compile(
    r"^ {0,3}\[(?P<label>[^\]\[\n]{1,200})\]:[ \t]{0,9}\n?[ \t]{0,9}<?data:[^\s<>,]{0,100};base64,[^\s<>]*>?(?:[ \t]{1,9}[\"'(][^\n]{0,300})?[ \t]*(?:\n|\Z)",
    re.MULTILINE,
)
_REFERENCE = re.compile(
    r"(?P<picture>!)?\[(?P<text>[^\]\[\n]{0,1000})\](?:\[(?P<label>[^\]\[\n]{0,200})\])?(?![(:])"
)


def cut_embedded_data(text: str) -> str:
    """Empties the targets of Markdown that are data, and cuts other data of more than LONGEST_LITERAL characters."""
    if SCHEME in text:
        text = _empty_targets(text)
    return _cut_data(text, lambda start: not (_is_private(text, start) or _is_in_address(text, start)))


def cut_embedded_data_in_code(text: str) -> str:
    """Cuts the data of data URLs and of outputs in notebooks; ``encoded_data`` of step ``filter`` judges the rest."""
    return _cut_data(
        text,
        lambda start: (
            text.endswith(MARKER, max(0, start - len(MARKER)), start)
            or bool(_OUTPUT.search(text, max(0, start - 80), start))
        ),
    )


# --- targets of Markdown ---------------------------------------------------------------------------------


def _empty_targets(text: str) -> str:
    labels: set[str] = set()

    def define(match: re.Match[str]) -> str:
        labels.add(_label(match["label"]))
        return ""

    def refer(match: re.Match[str]) -> str:
        if _label(match["label"] or match["text"]) not in labels:
            return match[0]
        if match["picture"] and (not match["text"].strip() or not match["label"]):
            return ""
        return f"{match['picture'] or ''}[{match['text']}]()"

    if _TARGET_OF_DATA.search(text):
        text = change_outside_fences(text, lambda part: _TARGET.sub(_empty_target, part))
    if MARKER in text:
        text = change_outside_fences(text, lambda part: _DEFINITION.sub(define, part))
    return change_outside_fences(text, lambda part: _REFERENCE.sub(refer, part)) if labels else text


def _empty_target(match: re.Match[str]) -> str:
    """``]()``, with the title; nothing for a picture without alternative text and title."""
    if match["code"]:
        return match[0]
    if match["title"]:
        return f"{match['bare'] or ''}](<> {match['title']})"
    return "" if match["bare"] else "]()"


def _label(label: str) -> str:
    """Labels are equal without regard to case and blanks (CommonMark)."""
    return " ".join(label.split()).casefold()


# --- other data ------------------------------------------------------------------------------------------


def _cut_data(text: str, is_data: Callable[[int], bool]) -> str:
    """Cuts the blocks for whose first character ``is_data`` is true, and the data of long data URLs."""
    pieces, done = [], 0
    for start, end in _blocks(text):
        if start >= done and is_data(start):
            pieces += [text[done:start], REMAINS]
            done = end
    text = "".join([*pieces, text[done:]])
    return _URL.sub(MARKER + REMAINS, text) if SCHEME in text else text


def _blocks(text: str) -> Iterator[tuple[int, int]]:
    """``(start, end)`` of more than LONGEST_LITERAL encoded characters, in one word or in words that continue each other."""
    words = [match.span() for match in _WORD.finditer(text)]
    n = 0
    while n < len(words):
        first = n
        while n + 1 < len(words) and _continues(text, words[n][1], words[n + 1][0]):
            n += 1
        block = words[first : n + 1]
        n += 1
        if sum(end - start for start, end in block) > LONGEST_LITERAL and _is_encoded(text, block):
            start = block[0][0]
            is_escape = text[start] in "nr" and text[start - 1 : start] == "\\"
            yield start + is_escape, _end_of_last_line(text, block[-1][1])


def _continues(text: str, end: int, start: int) -> bool:
    return start - end <= 60 and _BETWEEN.fullmatch(text, end, start) is not None


def _is_encoded(text: str, block: list[tuple[int, int]]) -> bool:
    """Whether a word has a digit, and letters of both cases or hexadecimal digits with a letter; no path, no number.

    Digits that are mostly zeros are numbers that a text explains, such as the words of an interface of contracts.
    """
    whole = "".join(text[start:end] for start, end in block)
    if whole.isdigit() or whole.count("/") > len(whole) // 16 or 2 * whole.count("0") > len(whole):
        return False
    return any(_ENCODED.match(text[start:end]) for start, end in block)


def _end_of_last_line(text: str, end: int) -> int:
    """The end of the shorter last line of a block, where it is one: before the end of a certificate, filled up with ``=``,
    or of digits and both cases."""
    rest = _REST_OF_WORD.match(text, end)
    end = rest.end() if rest else end
    gap = _BETWEEN.match(text, end)
    last = _LAST_LINE.match(text, gap.end()) if gap else None
    if last:
        data = last["data"]
        mixed = len(data) >= 8 and not data.isalpha() and data != data.lower() and data != data.upper()
        if _END_OF_BODY.match(text, last.end()) or data.endswith("=") or mixed:
            end = last.end()
            gap = _BETWEEN.match(text, end)
    checksum = _CHECKSUM.match(text, gap.end()) if gap else None
    return checksum.end() if checksum else end


def _is_private(text: str, start: int) -> bool:
    return _PRIVATE.search(text, max(0, start - _BEFORE), start) is not None


def _is_in_address(text: str, start: int) -> bool:
    """Whether encoded characters are a part of a web address, such as the state of a playground."""
    return _ADDRESS.search(text, max(0, start - _BEFORE_IN_ADDRESS), start) is not None
