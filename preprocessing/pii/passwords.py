"""Passwords and keys that a word names.

Owns which characters of a line may be a value, and which value counts in which place: the less the place says, the more the
value must look like a password. ``credentials`` owns forms that need no word, ``commands`` passwords of commands.
"""

from __future__ import annotations

import re

from preprocessing.pii.pattern import Match, Part, Pattern
from preprocessing.pii.secret_places import (
    PASSWORD,
    find_key_name,
    find_login,
    find_password_name,
    is_named_behind,
    text_before_value,
)
from preprocessing.pii.secret_values import (
    LETTER_AT_DIGIT,
    WORD,
    is_key_alone,
    is_random,
    is_told_apart,
    rank_of,
)
from preprocessing.pii.table_columns import title_of_column

LONG_KEY = 32
"""Characters from which a key without quotes counts wherever it is assigned."""

_BODY = r"A-Za-z0-9!@#$%^*~_+\-"
_QUOTED = r"(?P<quote>[\"'`])(?![\w.-]+=[^=\"']|[^\"'`\s]*(?:://|[?&;][\w.-]+=))(?P<quoted>[A-Za-z0-9!@#$%^&*~+_.-][^\"'`\s<>\\]{5,127})\\?(?P=quote)"
_KEY = r"(?P<key>[A-Za-z0-9/+_-]{20,128}(?:=|(?:%[0-9A-F]{2}[A-Za-z0-9/+_-]*)+)?={0,2})(?![A-Za-z0-9!@#$^*~/+_=(.%-])"
_PLAIN = rf"(?P<plain>[A-Za-z0-9!@#](?:[{_BODY}]|[.?&](?=[{_BODY}])(?![A-Za-z_]+=)){{5,63}}(?:={{1,2}}(?![A-Za-z0-9=]))?)"
_NOT_BEHIND = rf"(?![{_BODY}/{{\[:=]|\\(?!\")|\((?![가-힣])|[.?][A-Za-z0-9]|&(?![A-Za-z_]+=)[A-Za-z0-9]|<(?!/)|[\"'`][A-Za-z0-9])"
_VALUE = re.compile(
    rf"(?<![{_BODY}.?&])(?:{_QUOTED}|(?=[^0-9\s]{{0,63}}[0-9])(?:{_KEY}|{_PLAIN}{_NOT_BEHIND}))"
)
_NO_VALUE_BEHIND = re.compile(r"\.\.|…| ?(?:처럼|같은|[과와] 같)|[\"'`]?으?로 ?(?:해시|해싱|암호화|인코딩)")
_COPULA = re.compile(
    " ?(?:입니다|이에요|예요|이고|이며|인데|였|이었|임(?![가-힣])|(?:으?로|에서|을|를)(?![가-힣]))"
)
_ENDS = re.compile(r"[\"'`*)\]」』”’ ]*(?:\Z|\n|[,;|(]|</)")
_LINE_BEFORE = re.compile(r"(?:\A|\n)[ \t-]*(?:export )?[A-Za-z0-9_.-]*\Z")
_OPTION_BEFORE = re.compile(r"(?:\A|[\s\"'])--?[a-z-]*\Z")
_ISSUE = re.compile("[A-Za-z]*#[0-9]+")
_PLAIN_WORD = re.compile("[A-Za-z0-9_.-]+")
_TITLE = re.compile(rf"[*` ]*(?:[가-힣A-Za-z]{{2,8}} ?)?{PASSWORD}[*` ]*")


def _check_value(match: Match) -> Part | None:
    """Requires a word for a password, a key or a login, and a value that looks like one as much as the place demands."""
    group = next(name for name in ("quoted", "key", "plain") if match[name])
    value = match[group]
    if not LETTER_AT_DIGIT.search(value) or _NO_VALUE_BEHIND.match(match.string, match.end()):
        return None
    before, rank = text_before_value(match), rank_of(value)
    accepted = rank and (_is_password(match, before, value, rank) or _is_of_login(match, before, value))
    accepted = accepted or _is_key(match, before, value)
    return match.span(group) if accepted and _is_hinted(match) else None


def _is_hinted(match: Match) -> bool:
    """True when the line has a hint, so that a text and a column of texts are masked alike."""
    return _ANY_HINT.search(match.string.rpartition("\n")[2]) is not None


def _is_password(match: Match, before: str, value: str, rank: int) -> bool:
    named = find_password_name(before)
    if named is None:
        behind = rank > WORD and is_told_apart(value) and is_named_behind(match, before)
        return behind or _TITLE.fullmatch(title_of_column(match)) is not None
    place, front = named.lastgroup or "", before[: named.start()]
    if rank == WORD:
        return _is_word_for(match, front, place, value)
    if named["short"] and place not in ("assigned", "tag"):
        return False
    if match["quote"] or place not in ("near", "loose"):
        return True
    if place == "near":
        return is_told_apart(value) and not _ISSUE.fullmatch(value)
    return is_told_apart(value) or not named[0][0].islower() or _OPTION_BEFORE.search(front) is not None


def _is_word_for(match: Match, front: str, place: str, value: str) -> bool:
    """True for a word with a number that ends a line, an item, a quotation or a sentence: nothing else can be meant there."""
    if place in ("next", "near") or not _PLAIN_WORD.fullmatch(value):
        return False
    if match["quote"]:
        return place not in ("tag", "pair") and (len(value) > 7 or _has_two_digits(value))
    sign, behind = match.string[match.start() - 1], match.string[match.end() :]
    tight = sign == "=" and len(value) > 5 and not behind.startswith("&")
    if place == "tag" or tight:
        return len(value) > 7 or _has_two_digits(value)
    if not _has_two_digits(value) or (place == "pair" and sign == ":"):
        return False
    if place == "loose" and _OPTION_BEFORE.search(front):
        return True
    ends = _ENDS.match(behind) is not None
    if place in ("told", "loose", "far"):
        goes_on = _COPULA.match(behind) or (place == "told" and re.match("[.,]? ", behind))
        return len(value) > 7 and bool(ends or goes_on)
    return ends


def _has_two_digits(value: str) -> bool:
    return re.search("[0-9].*[0-9]", value) is not None


def _is_key(match: Match, before: str, value: str) -> bool:
    """True for a random value that is assigned, or that no name in code looks like."""
    if len(value) < 10 or not is_random(value):
        return False
    named = find_key_name(before)
    if named is None:
        return False
    if named.lastgroup != "assigned" or is_key_alone(value):
        return is_key_alone(value)
    if match["quote"] or len(value) >= LONG_KEY:
        return True
    mixed = re.search("[a-z]", value) and re.search("[A-Z]", value) and _has_two_digits(value)
    line = _LINE_BEFORE.search(before[: named.start()]) and re.match("\n|\\Z", match.string[match.end() :])
    return bool(mixed and line)


def _is_of_login(match: Match, before: str, value: str) -> bool:
    """True for a value behind the name of a user, told apart by its characters or by the end of the line."""
    named = find_login(before)
    if named is None:
        return False
    ends = (
        match["quote"] or " " in named["gap"] and re.match(r"[ *`)]*(?:\Z|</)", match.string[match.end() :])
    )
    return is_told_apart(value) or bool(ends and value.isalnum() and _has_two_digits(value))


_WORDS = (
    "비밀번호|비번|암호|패스워드|시크릿|토큰|(?:인증|서비스|접근|액세스|비밀|보안|개인|API) ?키|계정|로그인|접속"
    "|(?i:pass(?:[^a-z\n]|w|phrase|code)|pwd?[^a-z\n]|psk|auth[^a-z\n]|sig=|token|secret|key|login|account|cred[es]|(?:root|admin|administrator|postgres)`?(?: ?/|:))"
)
_HINT = (
    rf"(?:{_WORDS})[^\n]{{0,40}}(?:{LETTER_AT_DIGIT.pattern})|(?:is|as) (?:the|your|my|a) [a-z ]{{0,10}}pass"
    r"|@[A-Za-z0-9.-]{3,40}`? ?/ ?`?[A-Za-z0-9!@#]|[0-9A-Za-z!@#$%^*][^A-Za-z0-9\n]{1,6}(?:비밀번호|비번|패스워드|계정|로 로그인|로 접속)"
)
_CELL_HINT = rf"(?i:value)[\"']?[ :=>]{{1,3}}[\"']?[A-Za-z0-9!@#]|[\t|] *`?[{_BODY}]{{0,24}}(?:{LETTER_AT_DIGIT.pattern})"
_CELL_NEEDS = "비밀번호|비번|암호|패스워드|(?i:pass(?:[^a-z]|w|phrase|code)|psk|pwd?[^a-z])|TOKEN|SECRET|_KEY"
_ANY_HINT = re.compile(f"{_HINT}|{_CELL_HINT}")
PATTERNS = (
    Pattern("secret", _HINT, _VALUE, _check_value, as_is=True),
    Pattern("secret", _CELL_HINT, _VALUE, _check_value, _CELL_NEEDS, as_is=True),
)
