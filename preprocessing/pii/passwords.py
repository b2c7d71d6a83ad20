"""Passwords and keys that a word names.

Owns which characters of a line may be a value, and which value counts in which place: the less the place says, the more the
value must look like a password. ``credentials`` owns forms that need no word, ``commands`` passwords of commands.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from functools import lru_cache

from preprocessing.pii.pattern import Match, Part, Pattern
from preprocessing.pii.secret_places import (
    PASSWORD,
    REACH,
    find_key_name,
    find_login,
    find_password_name,
    is_named_behind,
    logs_in_behind,
    text_before_value,
)
from preprocessing.pii.secret_values import (
    LETTER_AT_DIGIT,
    WORD,
    is_key_alone,
    is_named_secret,
    is_random,
    needs_no_colon,
    rank_of,
)
from preprocessing.pii.table_columns import title_of_column

BEHIND = 24
"""Characters behind a value in which a word for it begins."""
LONGEST_ROW = 4000
"""Characters of a row of a table in which columns have titles."""
LONG_KEY = 32
"""Characters from which a key without quotes counts wherever it is assigned."""

_BODY = r"A-Za-z0-9!@#$%^*~_+\-"
_QUOTED = r"(?P<quote>[\"'`])(?!(?:root|admin|user|guest|test):|[\w.-]+=[^=\"']|[^\"'`\s]*(?:://|[?&;][\w.-]+=))(?P<quoted>[A-Za-z0-9!@#$%^&*~+_.-][^\"'`\s<>\\]{5,127})\\?(?P=quote)"
_KEY = r"(?P<key>[A-Za-z0-9/+_-](?:[A-Za-z0-9/+_-]|%(?:[0-7][0-9A-Fa-f])){19,160}={0,3})(?![A-Za-z0-9!@#$^*~/+_=(.%-])"
_PLAIN = rf"(?P<plain>[A-Za-z0-9!@#](?:[{_BODY}]|[.?&](?=[{_BODY}])(?![A-Za-z_]+=)){{5,63}}(?:={{1,2}}(?![A-Za-z0-9=]))?)"
_NOT_BEHIND = rf"(?![{_BODY}/{{\[:=]|\\(?!\")|\((?![가-힣])|[.?][A-Za-z0-9]|&(?![A-Za-z_]+=)[A-Za-z0-9]|<(?!/)|[\"'`][A-Za-z0-9])"
VALUE = re.compile(
    rf"(?:(?<![{_BODY}.?&])|(?<=[^{_BODY}.?&]\*)(?!\*)|(?<=[^{_BODY}.?&]\*\*)(?!\*))(?:{_QUOTED}|(?=[^0-9\s]{{0,63}}[0-9])(?:{_KEY}|{_PLAIN}{_NOT_BEHIND}))"
)
_NO_VALUE_BEHIND = re.compile(
    r"(?<=_)[가-힣]|\.\.|…| ?(?:처럼|같은|[과와] 같)|[\"'`]?으?로 ?(?:해시|해싱|암호화|인코딩)"
)
_COPULA = re.compile(
    " ?(?:입니다|이에요|예요|이고|이며|인데|였|이었|임(?![가-힣])|(?:으?로|에서|을|를)(?![가-힣]))"
)
_SENTENCE = re.compile(f"{_COPULA.pattern}|[.,]? ")
_ENDS = re.compile(r"[\"'`*)\]」』”’ ]*(?:\Z|\n|[,;|(]|</|- )")
_ENDS_LOGIN = re.compile(r"[ *`)]*(?:\Z|</)")
_LINE_BEFORE = re.compile(r"(?:\A|\n)[ \t*-]*(?:export )?(?:[가-힣A-Za-z0-9_.]{1,16} ){0,2}[A-Za-z0-9_.-]*\Z")
_SECRET_LINE = re.compile(
    r"[ \t-]*(?:export )?(?:[A-Za-z0-9_.-]*(?P<secret>(?i:secret)(?i:[_.-]?key)?)|[A-Z0-9_]*_(?:KEY|SECRET|TOKEN))="
)
_HEADER, _QUOTE = re.compile(r"[\"'](?:[A-Za-z]+-)*\Z"), re.compile("[\"']")
_DIGIT_INSIDE = re.compile("[A-Za-z][0-9]+[A-Za-z]")
_OPTION_BEFORE = re.compile(r"(?:\A|[\s\"'])--?[a-z-]*\Z")
_SETS = re.compile(r"(?:define|put|putenv|append|set(?:Property|env|Item)?)\([\"'][\w.-]*\Z")
_ISSUE = re.compile("[A-Za-z]*#[0-9]+")
_CHANGE = re.compile("(?:changes?|reset|issue|bug|fix)#[0-9]+")  # "password change#3"
_COMMIT, _NAMES_COMMIT = (
    re.compile("[0-9a-f]{7,12}|[0-9a-f]{40}"),
    re.compile(r"(?i:commit|sha|hash|parent)|커밋|해시"),
)
_OF_A_HASH = re.compile(r"(?i:md5|sha[0-9]*|hash)\([^()\n]{1,20}\) ?[=:] ?[\"']?\Z")
_NAMES_FILE = re.compile(r"(?:(?i:\bfile|path)|파일|경로)[\"'*` ]{0,3}[:=][\"'*` ]{0,3}\Z")
_PLAIN_WORD = re.compile("[A-Za-z0-9_.-]+")
_TITLE = re.compile(rf"[*` ]*(?:[가-힣A-Za-z]{{2,8}}[ _]?)?{PASSWORD}[*` ]*")


def group_of_value(match: Match) -> str:
    """The group of VALUE that matched."""
    return next(name for name in ("quoted", "key", "plain") if match[name])


def _check_value(match: Match) -> Part | None:
    """Requires a word for a password, a key or a login, and a value that looks like one as much as the place demands."""
    group = group_of_value(match)
    value = match[group]
    if not LETTER_AT_DIGIT.search(value) or _NO_VALUE_BEHIND.match(match.string, match.end()):
        return None
    if not _is_near_word(match):
        return match.span(group) if _is_cell(match) and rank_of(value) and _has_hint(match.string) else None
    before = text_before_value(match)
    if (
        _OF_A_HASH.search(before)
        or (_COMMIT.fullmatch(value) and _NAMES_COMMIT.search(before))
        or ("/" in value and _NAMES_FILE.search(before))
    ):
        return None
    value = _without_emphasis(value, before)
    rank = rank_of(value)
    accepted = rank and (_is_password(match, before, value, rank) or _is_of_login(match, before, value))
    accepted = accepted or _is_key(match, before, value) or _is_of_setting(match, before, value)
    start = match.start(group)
    return (start, start + len(value)) if accepted and _has_hint(match.string) else None


def _without_emphasis(value: str, before: str) -> str:
    """Removes the end of emphasis that begins before the value, as in ``**root/cimv2**`` and ``*q1w2e3!*``."""
    if before.count("**") % 2:
        return value.removesuffix("**")
    return value.removesuffix("*") if before.endswith("*") and not before.endswith("**") else value


def _is_near_word(match: Match) -> bool:
    """True when a word for a password, a key or a login is near; asked first, because most values of a long line have none."""
    places = _word_places(match.string)
    after = bisect_left(places, match.start() - REACH)
    return after < len(places) and places[after] < match.end() + BEHIND


@lru_cache(maxsize=4)
def _word_places(text: str) -> list[int]:
    return [found.start() for found in _ANY_WORD.finditer(text)]


def _is_cell(match: Match) -> bool:
    """True below the title of a column for passwords, and in such a column of a statement."""
    return match.end() < LONGEST_ROW and _TITLE.fullmatch(title_of_column(match)) is not None


@lru_cache(maxsize=4)
def _has_hint(text: str) -> bool:
    """True when the last line has a hint, so that a text and a column of texts are masked alike."""
    return _ANY_HINT.search(text, text.rfind("\n") + 1) is not None


def _is_password(match: Match, before: str, value: str, rank: int) -> bool:
    named = find_password_name(before)
    if named is None:
        behind = rank > WORD and needs_no_colon(value) and is_named_behind(match, before)
        return behind or _is_cell(match)
    place, front = named.lastgroup or "", before[: named.start()]
    if rank == WORD:
        return _is_word_at_end(match, front, place, value)
    if named["short"] and place not in ("assigned", "tag"):
        return False
    if match["quote"] or place not in ("near", "loose"):
        return True
    if place == "near":
        return needs_no_colon(value) and not _ISSUE.fullmatch(value)
    if _CHANGE.fullmatch(value):
        return False
    return needs_no_colon(value) or not named[0][0].islower() or _OPTION_BEFORE.search(front) is not None


def _is_word_at_end(match: Match, front: str, place: str, value: str) -> bool:
    """True for a word with a number that ends a line, an item, a quotation or a sentence: nothing else can be meant there."""
    if (place == "next" and not _SETS.search(front)) or not _PLAIN_WORD.fullmatch(value):
        return False
    if match["quote"]:
        certain = len(value) > 7 or _has_two_digits(value) or _DIGIT_INSIDE.search(value)
        return place not in ("tag", "pair") and bool(certain)
    sign = match.string[match.start() - 1]
    tight = sign == "=" and not match.string.startswith("&", match.end())
    if place == "tag" or tight:
        return len(value) > 7 or _has_two_digits(value)
    if place == "assigned" and len(value) > 7 and _DIGIT_INSIDE.search(value):
        return _ENDS.match(match.string, match.end()) is not None
    if not _has_two_digits(value) or place == "near" or (place == "pair" and sign == ":"):
        return False
    if place == "loose" and _OPTION_BEFORE.search(front):
        return True
    ends = _ENDS.match(match.string, match.end()) is not None
    if place in ("told", "loose", "far") or (place == "assigned" and not ends):
        goes_on = (_SENTENCE if place == "told" else _COPULA).match(match.string, match.end())
        return (len(value) > 7 or is_key_alone(value, 6)) and bool(ends or goes_on)
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
    if named.lastgroup != "assigned" or named[0].startswith("KEY") or is_key_alone(value):
        return is_key_alone(value)
    header = _HEADER.search(before[: named.start()]) and _QUOTE.match(match.string, match.end())
    if match["quote"] or header or len(value) >= LONG_KEY:
        return True
    cases = re.search("[a-z]", value) and re.search("[A-Z]", value)
    mixed = cases and (_has_two_digits(value) or is_key_alone(value, 10))
    line = _LINE_BEFORE.search(before[: named.start()]) and match.end() == len(match.string)
    return bool(mixed and line)


def _is_of_setting(match: Match, before: str, value: str) -> bool:
    """True in a line of settings for a word with digits behind the name of a secret (``COOKIE_SECRET=cookieSecret88``), and with a sign
    behind that of a key (``SESSION_KEY=river!77``)."""
    if match.string[match.start() - 1] != "=" or match.end() != len(match.string):
        return False
    named = _SECRET_LINE.fullmatch(before)
    if named is None:
        return False
    return bool(named["secret"] and is_named_secret(value)) or (
        rank_of(value) > WORD and needs_no_colon(value)
    )


def is_random_key(value: str) -> bool:
    """True for a key that no name in code looks like."""
    return len(value) > 9 and is_random(value) and is_key_alone(value)


def _is_of_login(match: Match, before: str, value: str) -> bool:
    """True for a value behind the name of a user, told apart by its characters or by the end of the line."""
    named = find_login(before)
    if named is None:
        return False
    if needs_no_colon(value):
        return True
    if len(value) > 7 and logs_in_behind(match):
        return True
    ends = match["quote"] or (" " in named["gap"] and _ENDS_LOGIN.match(match.string, match.end()))
    return bool(ends and value.isalnum() and _has_two_digits(value))


_WORDS = (
    "비 ?밀 ?번 ?호|비번|암호|패스워드|시크릿|토큰|(?:인증|서비스|접근|액세스|비밀|보안|개인|서명|대칭|마스터|관리자|API) ?키|계정|로그인|접속"
    "|(?i:pass(?:[^a-z\n]|w|phrase|code)|pwd?[^a-z\n]|psk|pswd|auth[^a-z\n]|sig=|appid=|token|secret|key|login|account|cred[es]|(?:root|admin|administrator|postgres)`?(?: ?/|:))"
)
_ANY_WORD = re.compile(f"{_WORDS}|@[A-Za-z0-9.-]{{3,40}}`? ?/|(?i:password)")
_HINT = (
    rf"(?:{_WORDS})[^\n]{{0,40}}(?:{LETTER_AT_DIGIT.pattern})|(?:is|as) (?:the|your|my|a) [a-z ]{{0,10}}pass"
    r"|@[A-Za-z0-9.-]{3,24}(?: / |` / `)|[0-9A-Za-z!@#$%^*][^A-Za-z0-9\n]{1,6}(?:비밀번호|비번|패스워드|계정|로 로그인|로 접속)"
)
_CELL_HINT = r"(?i:value)[\"']?[ :=>]{1,3}[\"']?[A-Za-z0-9!@#]|(?i:values) ?\("
_CELL_NEEDS = "비밀번호|비번|암호|패스워드|(?i:pass(?:[^a-z]|w|phrase|code)|psk|pwd?[^a-z])|TOKEN|SECRET|_KEY"
_ANY_HINT = re.compile(f"{_HINT}|{_CELL_HINT}")
PATTERNS = (
    Pattern("secret", _HINT, VALUE, _check_value, as_is=True),
    Pattern("secret", _CELL_HINT, VALUE, _check_value, _CELL_NEEDS, as_is=True),
)
