"""Passwords and keys that a word names.

Owns the words for a password, a key and a login, how a value may follow them in sentences, settings, markup, tables and commands,
and how much the value must look like one (``secret_values``) in each place. ``credentials`` owns forms that need no word.
"""

from __future__ import annotations

import re

from preprocessing.pii.pattern import Match, Part, Pattern
from preprocessing.pii.secret_values import WORD, is_chosen, is_key_alone, is_random, is_told_apart, rank_of
from preprocessing.pii.table_columns import title_of_column

REACH = 96
"""Characters before a value in which a word for it counts."""
LONG_KEY = 32
"""Characters from which a key without quotes counts wherever it is assigned."""

_PASS = (
    r"(?<![Nn][Oo])(?:비밀번호|비번(?!방)|암호(?![화학문])|패스워드|(?i:pass(?:word|wd|phrase|code)|psk)|(?:(?<![A-Za-z])|(?<=_))(?<![$])(?i:pwd?|(?P<short>(?<!_)pass)|(?<=_)pass)"
    r"|(?<=[a-z])P(?:wd?|ass)|(?i:(?:store|key|pg)pass))(?:[_-]?(?:[0-9]{1,2}|value|text))?(?![A-Za-z0-9_])"
)
_KEY = (
    r"(?:(?<![Nn][Oo])(?<![Pp]ublic[Kk]ey)(?<![Pp]ublic[_-])(?i:secret|token|(?:api|access|secret|private|service|account|auth|app|encryption|signing|jwt|rest)[_. -]?key|(?<![A-Za-z])auth|(?<=[?&])sig)"
    r"|(?:인증|서비스|접근|액세스|비밀|시크릿|보안|개인|[Aa][Pp][Ii]) ?키|시크릿|토큰)(?![A-Za-z0-9_])"
)
_LOGIN = r"(?:(?<![A-Za-z0-9_./-])(?i:root|admin|administrator|postgres)`?|(?<![가-힣])(?:[가-힣]{2,8} ?)?(?:(?:계정|로그인|접속)(?: ?정보)?|(?i:(?<![A-Za-z])(?:login|account|credentials?|creds|auth)(?: are| is)?))[ :=*`(\[]{1,6}[A-Za-z0-9_.@가-힣-]{2,40}`?)"
_NOTE = r"(?: ?\([^()\n]{1,16}\))?"
_OPEN = r"[ \t]*[\\\"'`*(\[「『“‘]{0,3}"
_ASSIGNED = rf"{_NOTE}[\\\"'`*\])】」]{{0,3}}[ \t]*(?:::?(?!=)|(?<![!=<>])=(?!=)|[→▶►⇒]|[=-]>|:=|\.{{3,}}|(?<=[\"'] )value=|(?<= )-(?= ))"
_TOLD = r"[\"'`*)]{0,3}(?:(?:은|는|이|가)요?|을|를| is| was| to)"
_PLACES = {
    "assigned": rf"{_ASSIGNED}{_OPEN}",
    "tag": r"[\"']?(?:</\w+>[ \t]*<\w+[^<>\n]{0,40})?>",
    "told": rf"{_NOTE}{_TOLD}(?: |(?=[\"'`「『“‘])){_OPEN}",
    "loose": rf"{_NOTE}[\])】」>]?(?:[ \t]|[\[(「|]){_OPEN}[| ]*",
    "next": r"[\"'],[ \t]*",
    "pair": r"[\"'`*)]{0,3} ?[:=]? ?[A-Za-z0-9_.@-]{2,40}(?: ?/ ?|:)",
}
_PLACE = "|".join(f"(?P<{name}>{place})" for name, place in _PLACES.items())
_FAR = rf"(?:[^\n|<>&;.]|\.(?! )){{1,40}}?(?:{_ASSIGNED}(?=[\s\"'`])|{_TOLD} ){_OPEN}"
_BEFORE_PASSWORD = (
    re.compile(rf"{_PASS}(?:{_PLACE})\Z"),
    re.compile(rf"{_PASS}(?:(?P<far>{_FAR})|(?P<near>(?:[^\n|<>&;.]|\.(?! )){{1,24}}[ (]{_OPEN}))\Z"),
)
_BEFORE_KEY = (re.compile(rf"{_KEY}(?:{_PLACE})\Z"), re.compile(rf"{_KEY}(?P<far>{_FAR})\Z"))
_BEFORE_LOGIN = re.compile(rf"{_LOGIN}(?P<gap> ?/ ?|:)`?\Z")
_BODY = r"A-Za-z0-9!@#$%^*~_+\-"
_VALUE = re.compile(
    rf"(?<![{_BODY}.?&])(?:(?P<quote>[\"'`])(?![\w.-]+=[^=\"'])(?P<quoted>[A-Za-z0-9!@#$%^&*~+_.-][^\"'`\s<>\\]{{5,127}})\\?(?P=quote)"
    r"|(?=[^0-9\s]{0,63}[0-9])(?:(?P<key>[A-Za-z0-9/+_-]{20,128}(?:=|(?:%[0-9A-F]{2}[A-Za-z0-9/+_-]*)+)?={0,2})(?![A-Za-z0-9!@#$^*~/+_=(.%-])"
    rf"|(?P<plain>[A-Za-z0-9!@#](?:[{_BODY}]|[.?&](?=[{_BODY}])(?![A-Za-z_]+=)){{5,63}}(?:={{1,2}}(?![A-Za-z0-9=]))?)(?![{_BODY}/{{\[:=]|\\(?!\")|\((?![가-힣])|[.?][A-Za-z0-9]|&(?![A-Za-z_]+=)[A-Za-z0-9])(?!<(?!/)|[\"'`][A-Za-z0-9])))"
)
_COPULA = re.compile(
    " ?(?:입니다|이에요|예요|이고|이며|인데|였|이었|임(?![가-힣])|(?:으?로|에서|을|를)(?![가-힣]))"
)
_ENDS = re.compile(r"[\"'`*)\]」』”’ ]*(?:\Z|\n|[,;|])")
_NO_VALUE_BEHIND = re.compile(r"\.\.|…| ?(?:처럼|같은|[과와] 같)")
_ON_ITS_LINE = re.compile(
    r"(?:(?:\A|\n)[^0-9A-Za-z가-힣\n]*(?:export |[A-Z0-9_]+_|[a-z.]+\.)?|[/,] ?)(?:[가-힣]{2,4} ?)?\Z"
)
_SETTING = re.compile(r"(?:\A|\n)[ \t-]*(?:export )?[A-Za-z0-9_.-]*\Z")
_OPTION = re.compile(r"(?:\A|[\s\"'])--?[a-z-]*\Z")
_ISSUE = re.compile("[A-Za-z]*#[0-9]+")
_SIGN_OF_NEAR = re.compile("[!#$^]")
_VALUE_LINE = re.compile(r"[ \t-]*[\"']?(?i:value)[\"']?[ \t]*[:=][ \t]*[\"']?")
_NAME_LINE = re.compile(r"(?i:name|key)[\"']?[ \t]*[:=][ \t]*[\"']?(?P<name>[A-Za-z0-9_.-]+)[\"']?,?[ \t]*\Z")
"""The two lines of a variable of an environment: its name, and its value."""
_TITLE = re.compile(rf"[*` ]*(?:[가-힣A-Za-z]{{2,8}} ?)?{_PASS}[*` ]*")


_ALPHANUMERIC = re.compile("[A-Za-z0-9_-]+")


def _line_before(match: Match) -> str:
    """The text of the line before a match, after its last placeholder."""
    above, _, line = match.string[max(0, match.start() - REACH) : match.start()].rpartition("\n")
    line = line.rpartition("|>")[2]
    named = _VALUE_LINE.fullmatch(line) and _NAME_LINE.search(above)
    return f"{named['name']}: {line[-1].strip()}" if named else line


def _check_value(match: Match) -> Part | None:
    """Requires a word for a password, a key or a login, and a value that looks like one as much as the place demands."""
    group = next(name for name in ("quoted", "key", "plain") if match[name])
    before, value = _line_before(match), match[group]
    if _NO_VALUE_BEHIND.match(match.string, match.end()):
        return None
    rank = rank_of(value)
    accepted = rank and (_is_password(match, before, value, rank) or _is_of_login(match, before, value))
    return match.span(group) if accepted or _is_key(match, before, value) else None


def _named(words: tuple[re.Pattern[str], ...], before: str) -> re.Match[str] | None:
    """The word before a value; ``lastgroup`` is how the value follows it."""
    return words[0].search(before) or words[1].search(before)


def _is_password(match: Match, before: str, value: str, rank: int) -> bool:
    named = _named(_BEFORE_PASSWORD, before)
    if named is None:
        return bool(_TITLE.fullmatch(title_of_column(match)))
    place = named.lastgroup
    if rank == WORD:
        return _is_word_for(match, before[: named.start()], place, value)
    if named["short"] and place not in ("assigned", "tag"):
        return False
    if place == "near":
        return bool(
            match["quote"]
            or is_key_alone(value, 8)
            or (_SIGN_OF_NEAR.search(value) and not _ISSUE.fullmatch(value))
        )
    if place == "loose" and not match["quote"] and not _OPTION.search(before[: named.start()]):
        return is_told_apart(value) or not named[0][0].islower()
    return True


def _is_word_for(match: Match, front: str, place: str | None, value: str) -> bool:
    """True for a word with a number that ends a line, an item, a quotation or a sentence: nothing else can be meant there."""
    if not _ALPHANUMERIC.fullmatch(value):
        return False
    if match["quote"]:
        return place in ("assigned", "loose", "told", "far") and len(value) > 7
    before, behind = match.string[match.start() - 1], match.string[match.end() :]
    if (
        len(re.findall("[0-9]", value)) < 2
        or place in ("next", "near")
        or (place == "pair" and before == ":")
    ):
        return False
    option = place == "loose" and _OPTION.search(front)
    if place in ("told", "loose", "far") and not option:
        ends = (
            _COPULA.match(behind) or _ENDS.match(behind) or (place == "told" and re.match("[.,]? ", behind))
        )
        return len(value) > 7 and bool(ends)
    tight = before == "=" and not behind.startswith("&")
    return place == "tag" or bool(option or tight or _ENDS.match(behind))


def _is_key(match: Match, before: str, value: str) -> bool:
    if len(value) < 10 or not is_random(value):
        return False
    named = _named(_BEFORE_KEY, before) or _BEFORE_PASSWORD[0].search(before)
    if named is None or (named.lastgroup != "assigned" and not is_key_alone(value)):
        return False
    if match["quote"] or len(value) >= LONG_KEY or is_key_alone(value):
        return True
    mixed = re.search("[a-z]", value) and re.search("[A-Z]", value) and len(re.findall("[0-9]", value)) > 1
    return bool(
        mixed
        and _SETTING.search(before[: named.start()])
        and match.string[match.end() : match.end() + 1] in ("", "\n")
    )


def _is_of_login(match: Match, before: str, value: str) -> bool:
    named = _BEFORE_LOGIN.search(before)
    if named is None:
        return False
    ends = match.string[match.end() :].strip(" *`)") == ""
    return bool(
        is_told_apart(value)
        or (" " in named["gap"] and ends and value.isalnum() and re.search("[0-9].*[0-9]", value))
    )


_COMMAND = re.compile(
    r"(?<![A-Za-z])(?:mysql(?:dump|admin)?(?: [^\n]{0,80})? -p|sshpass -p ?|redis-cli(?: [^\n]{0,80})? -a |ldap[a-z]+(?: [^\n]{0,80})? -w |smbclient(?: [^\n]{0,80})? -U ?[\"']?[^\s%]{1,40}%|mongo[a-z]*(?: [^\n]{0,80})? -p |(?:sqlcmd|bcp)(?: [^\n]{0,80})? -P ?|(?:7za?|(?:un)?rar)(?: [^\n]{0,80})? -h?p|(?:un)?zip(?: [^\n]{0,80})? -P ?|openssl(?: [^\n]{0,80})? -k |-pass(?:in|out)? pass:"
    r"|login \S{1,64} password |docker login(?: [^\n]{0,80})? -p |htpasswd -[a-zA-Z]*b[a-zA-Z]* \S{1,60} \S{1,40} |chpasswd <<< ?[\"']?[a-z0-9_.-]{1,32}:|WIFI:[^\n]{0,60};P:|net user \S{1,40} |/user:\S{1,40} |(?:curl|https?)(?: [^\n]{0,80})? -[ua] ?[\"']?[^\s\"':]{1,64}:|(?:sqlplus|sqlldr|expd?p?|impd?p?)(?: -[A-Za-z]+)* [\"']?[A-Za-z0-9_]{1,30}/|(?:HTTPBasicAuth|(?<![A-Za-z])auth ?= ?|login ?)\((?:[^,()\n]{1,60},) ?|(?:mysqli?_connect|mysqli|getConnection|PDO) ?\((?:[^,()\n]{1,120},){2} ?"
    r"|(?i:identified by) +|(?:requirepass|masterauth) |echo +(?=[^|\n]{6,99}\| *(?:sudo +)?(?:passwd|chpasswd|htpasswd|cryptsetup|docker +login|-S|kinit))[\"']?(?:[a-z_][a-z0-9_-]*:)?)"
    r"(?P<quote>[\"']?)(?P<part>[A-Za-z0-9!@#][^\s\"'`<>@]{4,62}[^\s\"'`<>;,)@]|(?![^\s@]*@[^\s@]*[:/.])[A-Za-z0-9!@#][^\s\"'`<>]{4,62}[^\s\"'`<>;,)])(?=[\s\"';,)@]|\Z)"
)


def _check_command(match: Match) -> Part | None:
    return match.span("part") if is_chosen(match["part"]) else None


_WORDS = (
    "비밀번호|비번|암호|패스워드|시크릿|토큰|(?:인증|서비스|접근|액세스|비밀|보안|개인|API) ?키|계정|로그인"
    "|(?i:pass(?:[^a-z\n]|w|phrase|code)|pwd?[^a-z\n]|psk|auth[^a-z\n]|sig=|token|secret|key|login|account|cred[es]|(?:root|admin|administrator|postgres)`?(?: ?/|:))"
)
_VALUE_HINT = r"(?:[A-Za-z!@#$%^*_-][0-9]|[0-9][A-Za-z!@#$%^*_-])"
PATTERNS = (
    Pattern("secret", rf"(?:{_WORDS})[^\n]{{0,40}}{_VALUE_HINT}", _VALUE, _check_value, as_is=True),
    Pattern("secret", r"(?i:value)[\"']?[ :=>]{1,3}[\"']?[A-Za-z0-9!@#]|[\t|] *`?[A-Za-z0-9!@#$%^&*~_+?.-]{6,64}`? *[\t|]", _VALUE, _check_value, "비밀번호|비번|암호|패스워드|(?i:passw|pwd?)", as_is=True),
    Pattern("secret", r"mysql[^\n]{0,90} -p[^ \n]|sshpass -p|redis-cli[^\n]{0,90} -a |ldap[a-z]+ [^\n]{0,90}-w |smbclient |mongo[a-z]* [^\n]{0,90}-p |(?:sqlcmd|bcp) [^\n]{0,90}-P|(?:7za?|rar) [^\n]{0,90}-h?p|BasicAuth\(|auth ?= ?\(|\.login ?\(|htpasswd -|chpasswd <<<|WIFI:|https? -a |requirepass |masterauth |curl[^\n]{0,90} -u|zip[^\n]{0,90} -P|openssl[^\n]{0,90} -k |login [^ \n]{1,64} password |docker login |net user |/user:| pass:|sqlplus |sqlldr |(?i:identified by) |(?:mysqli|_connect|getConnection|PDO) ?\(|\| *(?:sudo )?(?:(?:ch|ht)?passwd|-S|docker login|kinit|cryptsetup)|(?:exp|imp)(?:dp)? [\"']?[a-z]+/", _COMMAND, _check_command, as_is=True),
)  # fmt: skip
