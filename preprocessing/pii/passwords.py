"""Passwords that people choose.

Owns what stands between a name for password and its value in sentences, settings, markup, tables and commands, and which
values may be passwords. ``credentials`` owns random values and the passwords of URLs.
"""

from __future__ import annotations

import re

from preprocessing.pii.credentials import PLACEHOLDER, has_letter_and_digit
from preprocessing.pii.pattern import Match, Part, Pattern
from preprocessing.pii.table_columns import title_of_column

_NAMES = "비밀번호|암호|비번|패스워드|(?i:(?:pg)?password|passwd|pwd|pw)"
_NAMED = rf"(?:(?:(?<![A-Za-z])|(?<=_))(?:{_NAMES})|(?i:_pass))"
_HINT = rf"(?:{_NAMES}|(?i:_pass))"
_OF_WHAT = r"(?:\*{0,2}(?: for [^\s:=]{1,40}| ?\([^()\n]{1,16}\))\*{0,2} ?(?=[:=]))?"
"""Between a name for password and its colon."""
_ID_AND_PASSWORD = rf"(?:(?i:id)|아이디) ?/ ?(?:{_NAMES}) ?[:=] ?[A-Za-z0-9_.@-]+ ?/ ?"
_PASSWORD = re.compile(
    rf"(?:(?<![A-Za-z])(?:{_ID_AND_PASSWORD})|{_NAMED}{_OF_WHAT}"
    r"(?:\*{0,2}(?:[는은이가]요?)? ?(?:[:=→]|(?<= )- )\*{0,2} ?[「『“‘]?|(?P<loose> ?[\[(] ?|[ *]*\| ?|(?<=[A-Za-z]) )|[는은이가]요? | is |(?<=[가-힣]) ))"
    r"(?P<part>[A-Za-z0-9!@#][A-Za-z0-9!@#$%^~*_+-]{5,63})"
    r"(?![A-Za-z0-9!@#$%^~*_+/\\({\[<:\"'-]|\.[A-Za-z0-9]| ?(?:처럼|같은|[과와] 같))"
)
"""A password without quotes in a sentence, in a table or in settings."""
_CALL = r"(?:mysqli?_connect|mysqli|getConnection|PDO) ?\((?:[^,()\n]{1,120},){2}"
"""A host and a user, before the password of a database."""
_QUOTED_PASSWORD = re.compile(
    rf"(?:(?i:identified by)|{_CALL}|{_NAMED}(?:{_OF_WHAT}[\"'*`]{{0,2}}[ \t]*(?:[:=]|=>|(?<=[\"'] )value=|\||(?P<next>(?<=[\"']),))|는|은| is| ?\()?)[ \t]*(?P<quote>[\"'`])(?P<part>[^\"'`\s<>]{{6,64}})(?P=quote)"
    rf"|{_NAMED}[\"']?>(?P<inside>[^\s<>]{{6,64}})</"
)
"""A password in quotes, in backticks or between tags."""
_LOGIN = re.compile(
    r"(?:(?<![A-Za-z0-9_./-])(?P<known>(?i:root|admin|administrator|postgres))`?|(?<![가-힣])(?:[가-힣]{2,8} ?)?(?:계정|로그인|(?i:(?<![A-Za-z])(?:login|account|credentials?)))[ :=*`(\[]{1,6}[A-Za-z0-9_.@-]{2,40}`?)"
    r"(?P<gap> ?/ ?)`?(?P<part>[A-Za-z0-9!@#][A-Za-z0-9!@#$%^&*~_+?-]{5,63})(?![A-Za-z0-9!@#$%^&*~_+?/\\-]|\.[A-Za-z0-9])"
)
"""A name and a password behind a word for login: "관리자 계정: admin / admin123"."""
_CELL = re.compile(
    r"(?<=\|) *(?P<quote>`?)(?P<part>[A-Za-z0-9!@#][A-Za-z0-9!@#$%^&*~_+?.-]{5,63})(?P=quote) *(?=\|)"
)
_PASSWORD_TITLE = re.compile(rf"[*` ]*(?:[가-힣A-Za-z]{{2,8}} ?)?(?:{_NAMES})[*` ]*")
"""A cell of a table below such a title is a password."""
_ON_ITS_LINE = re.compile(r"(?:(?:\A|\n)[^0-9A-Za-z가-힣\n]*|[/,] ?)(?:[가-힣]{2,4} ?)?\Z")
_COPULA = re.compile("입니다|이에요|예요|이고|이며|인데|였|이었|임(?![가-힣])")
_ALGORITHM = re.compile("(?i:aes|sha|md5|rsa|des|bcrypt|argon|scrypt|pbkdf|hmac|base|utf|wpa)[0-9a-z]*")
_COMMAND = re.compile(
    r"(?<![A-Za-z])(?:mysql(?:dump|admin)?(?: [^\n]{0,80})? -p|sshpass -p ?|redis-cli(?: [^\n]{0,80})? -a |(?:requirepass|masterauth) |(?:un)?zip(?: [^\n]{0,80})? -P ?|openssl(?: [^\n]{0,80})? -k |docker login(?: [^\n]{0,80})? -p |net user \S{1,40} |curl(?: [^\n]{0,80})? -u ?[\"']?[^\s\"':]{1,64}:)"
    r"(?P<quote>[\"']?)(?P<part>[^\s\"'<>|;$-][^\s\"'<>|;]{5,63})(?P=quote)[\"']?(?!\S)"
)
"""A password among the options of a command."""
_NUMBERED = re.compile("_[0-9]{3}")
_SIGN = re.compile("[!@#$%^~*]")
_SIGN_OF_SHORT = re.compile("[!@#$]")
_SIGN_BEHIND_BLANK = re.compile("[!#$%^*]")  # "password user@host1"
_LETTERS_AND_DIGITS = re.compile("[A-Za-z0-9]{8,}")
_LOGIN_OR_HASH = re.compile(
    r"[^@]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}|[0-9A-Fa-f]{32,}|[^@]*(?:\$\(|\$\{|#\{).*"
)


def _check_password(match: Match) -> Part | None:
    """Requires a letter, a digit and a sign, which words, names in code and hints at a password do not have together; an
    underscore counts before three digits, and behind a Korean word anywhere."""
    value = match["part"]
    korean = re.match("[가-힣]", match[0]) is not None
    signed = _SIGN.search(value) or _NUMBERED.search(value) or (korean and "_" in value)
    short = len(value) < 8 and not _SIGN_OF_SHORT.search(value)
    login = match["loose"] == " " and not _SIGN_BEHIND_BLANK.search(value)
    accepted = _is_own_line(match, value) or _is_told(match, value) or (signed and not short and not login)
    return match.span("part") if accepted and _may_be_password(value) else None


def _is_told(match: Match, value: str) -> bool:
    """True for letters and digits that a sentence says are the password: "비밀번호는 cafe2020입니다"."""
    named = _COPULA.match(match.string, match.end()) and _LETTERS_AND_DIGITS.fullmatch(value)
    return named is not None and not _ALGORITHM.fullmatch(value)


def _is_own_line(match: Match, value: str) -> bool:
    """True for letters and digits that are with their name all of a line, or of an item of a list: "- 비밀번호: admin123"."""
    before = match.string[max(0, match.start() - 16) : match.start()]
    alone = ":" in match[0] and _ON_ITS_LINE.search(before) is not None
    return alone and _ends_line(match) and _is_word_with_number(value)


def _is_word_with_number(value: str) -> bool:
    return value.isalnum() and len(re.findall("[0-9]", value)) > 1 and not _ALGORITHM.fullmatch(value)


def _ends_line(match: Match) -> bool:
    return match.string[match.end() :].strip(" *`)") == ""


def _check_login(match: Match) -> Part | None:
    """Requires a letter, a digit, and a sign or the end of the line."""
    value = match["part"]
    alone = " " in match["gap"] and not match["known"] and _is_word_with_number(value) and _ends_line(match)
    signed = _SIGN_BEHIND_BLANK.search(value)
    return match.span("part") if (signed or alone) and _may_be_password(value) else None


def _check_cell(match: Match) -> Part | None:
    """Requires the title of the column, a letter and a digit."""
    if not _PASSWORD_TITLE.fullmatch(title_of_column(match)) or _ALGORITHM.fullmatch(match["part"]):
        return None
    return match.span("part") if _may_be_password(match["part"]) else None


def _check_quoted(match: Match) -> Part | None:
    """Requires a letter, a digit, and a sign or eight characters."""
    group = "part" if match["part"] else "inside"
    value = match[group]
    signed = (
        _SIGN.search(value)
        or _NUMBERED.search(value)
        or (not match["next"] and _LETTERS_AND_DIGITS.fullmatch(value))
    )
    return match.span(group) if signed and _may_be_password(value) else None


def _may_be_password(value: str) -> bool:
    """True for a value with a letter and a digit that is no placeholder, login or hash."""
    return _is_chosen(value) and not _LOGIN_OR_HASH.fullmatch(value)


def _is_chosen(value: str) -> bool:
    return has_letter_and_digit(value) and not PLACEHOLDER.search(value.replace("$", ""))


def _check_command(match: Match) -> Part | None:
    return match.span("part") if _is_chosen(match["part"]) else None


PATTERNS = (
    Pattern("secret", rf"{_HINT}(?:[^A-Za-z0-9\n]{{1,20}}| is | for )[A-Za-z0-9!@#]|/ ?(?:{_NAMES}) ?[:=]", _PASSWORD, _check_password, as_is=True),
    Pattern("secret", rf"{_HINT}[^\n]{{0,48}}[\"'`>][^\"'` \t\n<>]{{6}}|(?i:identified by) *[\"']|(?:mysqli|_connect|getConnection|PDO) ?\(", _QUOTED_PASSWORD, _check_quoted, as_is=True),
    Pattern("secret", r"(?:계정|로그인|(?i:login|account|credentials?))[ :=*`(\[]{1,6}[A-Za-z0-9_.@-]{2,40}`? ?/|(?i:root|admin|administrator|postgres)`? ?/ ?`?[A-Za-z0-9!@#]{2}", _LOGIN, _check_login, as_is=True),
    Pattern("secret", r"\| *`?[A-Za-z0-9!@#$%^&*~_+?.-]{6,64}`? *\|", _CELL, _check_cell, _NAMES, as_is=True),
    Pattern("secret", r"mysql[^\n]{0,90} -p[^ \n]|sshpass -p|redis-cli[^\n]{0,90} -a |requirepass |masterauth |curl[^\n]{0,90} -u|zip[^\n]{0,90} -P|openssl[^\n]{0,90} -k |docker login |net user ", _COMMAND, _check_command, as_is=True),
)  # fmt: skip
