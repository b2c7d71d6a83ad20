"""Passwords and keys in rows below a title and in a line below a label: ``id,password`` and ``kim,...``, or ``비밀번호`` and the line behind it.

Owns which lines above name a secret, and which lines they reach. No hint finds such a line by itself, since it has no word: the hint is the line
above. ``table_columns`` owns what a table is, ``passwords`` which characters may be a value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from preprocessing.pii.passwords import LONGEST_ROW, VALUE, group_of_value, is_random_key
from preprocessing.pii.pattern import Match, Part, Pattern
from preprocessing.pii.secret_places import KEY, PASSWORD
from preprocessing.pii.secret_values import LETTER_AT_DIGIT, WORD, needs_no_colon, rank_of
from preprocessing.pii.table_columns import MAX_TITLE_LINE, is_row_below, title_of_column

_MARKS = r"[*`\"' ]*"
_FRONT = r"(?:[가-힣A-Za-z]{2,10}[ _/]{0,3}){0,2}"
_PASSWORD_TITLE = re.compile(rf"{_MARKS}{_FRONT}{PASSWORD}{_MARKS}")
_KEY_TITLE = re.compile(rf"{_MARKS}{_FRONT}{KEY}{_MARKS}")
_LABEL = re.compile(
    rf"[-*#>• ]{{0,6}}(?:[가-힣A-Za-z]{{2,10}}(?: ?/ ?| )){{0,2}}{PASSWORD}(?: ?\([^()]{{1,16}}\))?[*: ]{{0,4}}"
)
_FRONT_OF_CELL = re.compile(r"(?:\A|[\t|,;\n(])[*`\"' ]*(?:[\w.@-]{2,40} ?/ ?)?\Z")
_REST_OF_CELL = re.compile(r"[*`\"' ]*(?:\Z|[\t|,;)])")
_FRONT_OF_LINE = re.compile(r"[-*> ]{0,6}(?P<colon>: ?)?[`\"' ]{0,2}")
_REST_OF_LINE = re.compile(r"[*`\"' ]*\Z")
_NAMES = "비밀번호|비번|암호|패스워드|토큰|인증키|API 키|API키|assword|ASSWORD|asswd|pwd|PWD|PW|pw|oken|TOKEN|ecret|SECRET|_key|_KEY|apiKey"
_KEYS = " key| Key"
_STATEMENTS = "VALUES|values"
_HINT = (
    rf"(?:{_NAMES})(?: ?\([^()\n]{{1,16}}\))?[*`\"': ]{{0,2}} *(?:[\t|\n]|[,;][\"']?[A-Za-z가-힣_])"
    rf"|(?:{_KEYS})[*`]{{0,2}} *[\t|]"
    rf"|(?:{_STATEMENTS})[ \r]{{0,2}}\n ?[ \t]{{0,8}}\("
)
_HEAD = re.compile(_HINT)
_CODE = re.compile(r"[={}<>]|[,;][ \t\r]*\Z")


def find_lines_below(text: str) -> list[int]:
    """The numbers of the lines that a title or a label of a secret reaches."""
    heads = [
        place
        for name in f"{_NAMES}|{_KEYS}|{_STATEMENTS}".split("|")
        for place in _places_of(name, text)
        if _HEAD.match(text, place)
    ]
    if not heads:
        return []
    lines = text.split("\n")
    found: set[int] = set()
    number = place = rows_end = 0
    for head in sorted(heads):
        number += text.count("\n", place, head)
        place = head
        if number < rows_end:
            continue  # a row names nothing in the rows below it
        rows_end = _find_rows_end(lines, number)
        found.update(range(number + 1, rows_end))
        if _LABEL.fullmatch(lines[number]):
            found.add(number + 1 if lines[number + 1 : number + 2] != [""] else number + 2)
    return sorted(line for line in found if line < len(lines))


def _places_of(name: str, text: str) -> Iterator[int]:
    place = text.find(name)
    while place >= 0:
        yield place
        place = text.find(name, place + 1)


def _find_rows_end(lines: list[str], number: int) -> int:
    """The number behind the last row of the table or the statement below a line; that of the next line where it heads none."""
    head, row = lines[number], number + 1
    if re.search(r"(?i:values?)\s*\Z", head):
        while row < len(lines) and lines[row].lstrip().startswith("("):
            row += 1
    elif len(head) <= MAX_TITLE_LINE and not _CODE.search(head):
        while row < len(lines) and is_row_below(head, lines[row]):
            row += 1
    return row


def _check_cell(match: Match) -> Part | None:
    """Requires a title or a label for passwords or keys, and nothing else in the cell or the line."""
    group = group_of_value(match)
    value = match[group].removesuffix("**" if match[group].endswith("**") else "")
    above, feed, _ = match.string.partition("\n")
    if match.end() > LONGEST_ROW or not LETTER_AT_DIGIT.search(value):
        return None
    if not _HEAD.search(f"{above}{feed}(") and not above.rstrip().endswith(")"):
        return None
    start, text = match.start(group), match.string
    end = start + len(value)
    title = title_of_column(match)
    if title:
        if _CODE.search(above) or not (
            _FRONT_OF_CELL.search(text, max(0, start - 60), start) and _REST_OF_CELL.match(text, end)
        ):
            return None
        named = (_PASSWORD_TITLE.fullmatch(title) and rank_of(value)) or (
            _KEY_TITLE.fullmatch(title) and is_random_key(value)
        )
        return (start, end) if named else None
    if not feed or not _LABEL.fullmatch(above) or not _REST_OF_LINE.match(text, end):
        return None
    front = _FRONT_OF_LINE.fullmatch(text, len(above) + 1, start)
    if front is None:
        return None
    rank = rank_of(value)
    named = rank if front["colon"] else rank > WORD and needs_no_colon(value)
    return (start, end) if named else None


PATTERNS = (Pattern("secret", _HINT, VALUE, _check_cell, as_is=True, lines_below=find_lines_below),)
