"""What is written before a password or a key: the word that names it, and how the value follows the word.

Owns the words for a password, a key and a login, and the places of a value in sentences, settings, markup, tables and calls.
``secret_values`` owns what the value looks like, ``passwords`` which value counts in which place.
"""

from __future__ import annotations

import re

REACH = 96
"""Characters before a value in which its word counts."""
PASSWORD = (
    r"(?<![Nn][Oo])(?:비 ?밀 ?번 ?호|비번(?!방)|암호(?![화학문])|패스워드|(?i:pass(?:word|wd|phrase|code)|psk)|(?:(?<![A-Za-z])|(?<=_))(?i:ps?wd|pw|(?P<short>(?<!_)pass)|(?<=_)pass)"
    r"|(?<=[a-z])P(?:wd?|ass)|(?i:(?:store|key|pg)pass|(?<![A-Za-z])(?:db|user|client)(?:pass|pwd?)))(?:[_-]?(?:[0-9]{1,2}|value|text)|s)?(?![A-Za-z0-9_])"
)
KEY = (
    r"(?:(?<![Nn][Oo])(?<![Pp]ublic[Kk]ey)(?<![Pp]ublic[_-])(?i:secret|token|(?:api|access|secret|private|service|account|auth|encrypt(?:ion)?|aes|hmac|signing|jwt|rest)[_. -]?key|(?:confm|crtfc|cert|appl?|map|open)[_-]?key|(?<![A-Za-z])auth|(?<=[?&])(?:sig|key|appid))"
    r"|(?<!PUBLIC_)(?<=[A-Z]_)KEY|(?:인증|서비스|접근|액세스|비밀|시크릿|보안|개인|암호화|복호화|서명|대칭|마스터|관리자|[Aa][Pp][Ii]) ?키|시크릿|토큰)(?![A-Za-z0-9_])"
)
_LOGIN = (
    r"(?:(?<![A-Za-z0-9_./-])(?i:root|admin|administrator|postgres)`?|(?<![가-힣])(?:[가-힣]{2,8} ?)?"
    r"(?:(?:계정|로그인|접속)(?: ?정보)?|(?i:(?<![A-Za-z])(?:login|account|credentials?|creds|auth)(?: are| is)?))(?:은|는|이|가)?[ :=*`(\[]{1,6}[A-Za-z0-9_.@가-힣-]{2,40}`?|[A-Za-z0-9_-]@[A-Za-z0-9.-]{3,40}`?)"
)
_NOTE = r"(?: ?\([^()\n]{1,16}\))?"
_OPEN = r"[ \t]*@?[\\\"'`*(\[「『“‘]{0,3}"
_ASSIGNED = rf"{_NOTE}[\\\"'`*\])】」]{{0,3}}[ \t]*(?:::?(?!=)|(?<![!=<>])=(?!=)|[→▶►⇒]|[=-]>|:=|\.{{3,}}|(?<=[\"'] )(?:android:)?value=|(?<= )-(?= ))"
_TOLD = r"[\"'`*)]{0,3}(?:(?:은|는|이|가)요?|을|를| is| was| to)"
_PLACES = {
    "assigned": rf"(?:[\"'],? *[\"']?(?i:value)[\"'])?{_ASSIGNED}(?: ?(?:await )?[\w:.]{{0,16}}(?:crypt|[Hh]ash|[Mm]ake|[Ee]ncode)[\w.]{{0,8}}\()?{_OPEN}",
    "call": rf"\.(?:equals|isEqualTo|send_?[kK]eys|fill|type)\({_OPEN}",
    "tag": r"[\"']?(?:(?:</\w+)?>[ \t]*<\w+[^<>\n]{0,40})?>",
    "told": rf"{_NOTE}{_TOLD}(?: |(?=[\"'`「『“‘])){_OPEN}",
    "loose": rf"{_NOTE}[\])】」>]?(?:[ \t]|[\[(「|]){_OPEN}[| ]*",
    "next": r"[\"']\]?[\"']?,[ \t]*",
    "pair": r"[\"'`*)]{0,3} ?[:=]? ?[A-Za-z0-9_.@-]{2,40}(?: ?/ ?|:)",
}
_PLACE = "|".join(f"(?P<{name}>{place})" for name, place in _PLACES.items())
_CLAUSE = r"(?:[^\n|<>&;.\"'`]|\.(?! ))"
_FAR = rf"(?P<far>[\"'`]?{_CLAUSE}{{1,40}}?(?:{_ASSIGNED}(?=[\s\"'`])|{_TOLD} ){_OPEN})"
_NEAR = rf"(?P<near>[\"'`]?{_CLAUSE}{{1,24}}[ (]{_OPEN})"
_BEFORE_PASSWORD = (re.compile(rf"{PASSWORD}(?:{_PLACE})\Z"), re.compile(rf"{PASSWORD}(?:{_FAR}|{_NEAR})\Z"))
_BEFORE_KEY = (re.compile(rf"{KEY}(?:{_PLACE})\Z"), re.compile(rf"{KEY}{_FAR}\Z"))
_BEFORE_LOGIN = re.compile(rf"{_LOGIN}(?P<gap> ?/ ?|:)`?\Z")
_PAIR = re.compile(r"(?<![A-Za-z0-9_.:/-])[A-Za-z0-9_.-]{2,40}(?P<gap> ?/ ?)\Z")
_LOGIN_BEHIND = re.compile(" ?(?:계정|(?:으?로 )(?:로그인|접속))")
_PASSWORD_BEHIND = re.compile(
    r"[\"'`*]{0,2}(?: ?(?:으?로|이|가|은|는))? ?[(\[]?(?:[가-힣]{2,3} )?(?:비밀번호|비번|패스워드)(?=입니다|(?![가-힣]{3}))"
    r"|[\"'`*]{0,2} (?:is|as) (?:the|your|my|a)(?: [a-z]{3,9})? (?i:password|passphrase|passcode)(?![a-z])"
)
_VALUE_LINE = re.compile(r"[ \t-]*[\"']?(?i:value)[\"']?[ \t]*[:=][ \t]*[\"']?")
_NAME_LINE = re.compile(r"(?i:name|key)[\"']?[ \t]*[:=][ \t]*[\"']?(?P<name>[A-Z0-9_]+)[\"']?,?[ \t]*\Z")
"""The two lines of a variable of an environment: its name, and its value."""


def text_before_value(match: re.Match[str]) -> str:
    """The line before a value, after its last placeholder; for the second line of a variable, the name of the variable."""
    above, _, line = match.string[max(0, match.start() - REACH) : match.start()].rpartition("\n")
    line = line.rpartition("|>")[2]
    named = _VALUE_LINE.fullmatch(line) and _NAME_LINE.search(above)
    return f"{named['name']}: {line[-1].strip()}" if named else line


def find_password_name(before: str) -> re.Match[str] | None:
    """The word for a password before a value; ``lastgroup`` is the place of the value."""
    return _BEFORE_PASSWORD[0].search(before) or _BEFORE_PASSWORD[1].search(before)


def find_key_name(before: str) -> re.Match[str] | None:
    """The word for a key, or for a password right before a value; ``lastgroup`` is the place of the value."""
    return (
        _BEFORE_KEY[0].search(before) or _BEFORE_KEY[1].search(before) or _BEFORE_PASSWORD[0].search(before)
    )


def find_login(before: str) -> re.Match[str] | None:
    """A word for a login and the name of a user before a value: "관리자 계정: admin / "."""
    return _BEFORE_LOGIN.search(before)


def is_named_behind(match: re.Match[str], before: str) -> bool:
    """True when the word follows the value: "q1w2e3! 비번", "kim/q1w2e3! 계정"."""
    if _PAIR.search(before) and logs_in_behind(match):
        return True
    return _PASSWORD_BEHIND.match(match.string, match.end()) is not None


def logs_in_behind(match: re.Match[str]) -> bool:
    """True before words for an account and a login: "root/... 계정", "root/... 로 접속"."""
    return _LOGIN_BEHIND.match(match.string, match.end()) is not None
