"""Keys, tokens and passwords.

Owns the published formats of issuers (AWS, GitHub, GitLab, Slack, OpenAI, Anthropic, Hugging Face, Google, Stripe, npm,
PyPI, SendGrid, Telegram, Discord, Groq, xAI, NVIDIA, Docker, DigitalOcean, Notion, Shopify, Figma, Supabase), JSON Web Tokens (RFC 7519), private keys (RFC 7468), passwords inside URLs (RFC 3986), and
values assigned to names such as api_key. Entropy serves only to reject placeholders. The address of an account or of a
contract on a blockchain (0x and 40 hexadecimal digits) is public; a private key has 64 digits.
"""

from __future__ import annotations

import math
import re
from collections import Counter

from preprocessing.pii.pattern import Match, Part, Pattern, mask_whole
from preprocessing.pii.table_columns import title_of_column

_TEXT = "[A-Za-z0-9_-]"
_TOKEN = re.compile(
    r"(?<![A-Za-z0-9_])(?:(?:AKIA|ASIA)[A-Z0-9]{16}|gh[pousr]_[A-Za-z0-9]{36,251}|github_pat_[A-Za-z0-9_]{50,255}"
    rf"|glpat-{_TEXT}{{20,64}}|xox[abeoprs]-[A-Za-z0-9-]{{20,255}}|xapp-[0-9]-[A-Za-z0-9-]{{20,255}}"
    rf"|sk-(?:(?:proj|svcacct|admin|ant-[a-z0-9]+)-)?{_TEXT}{{32,255}}|hf_[A-Za-z0-9]{{34,40}}|AIza{_TEXT}{{35}}"
    rf"|GOCSPX-{_TEXT}{{28}}|ya29\.{_TEXT}{{20,255}}|[sr]k_(?:live|test)_[A-Za-z0-9]{{24,255}}|npm_[A-Za-z0-9]{{36}}"
    rf"|pypi-{_TEXT}{{50,255}}|SG\.{_TEXT}{{22}}\.{_TEXT}{{43}}|[0-9]{{8,10}}:AA{_TEXT}{{33}}"
    rf"|[MNO][A-Za-z0-9]{{23,27}}\.{_TEXT}{{6}}\.{_TEXT}{{27,40}}|(?:gsk_|xai-|nvapi-|dckr_pat_|dop_v1_|ntn_|shp(?:at|ss|ca|pa)_|figd_|sbp_){_TEXT}{{27,128}}"
    rf"|eyJ{_TEXT}{{8,}}\.eyJ{_TEXT}{{8,}}\.{_TEXT}{{10,}})(?![A-Za-z0-9_])"
)
_WEBHOOK = re.compile(
    r"hooks\.slack\.com/services/(?P<part>T[A-Za-z0-9]{8,}/B[A-Za-z0-9]{8,}/[A-Za-z0-9]{20,})"
)
_KEY_BLOCK = re.compile(
    r"-----BEGIN (?P<type>(?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?)-----[^<(]{1,16000}?-----END (?P=type)-----"
)
_URL = re.compile(
    r"(?<![A-Za-z0-9])[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s/:@\"'<>]{0,64}:(?P<part>[^\s/@\"'<>]{3,128})@[A-Za-z0-9]"
)
_NAMES = "(?i:secret|token|(?:api|access|secret|private|service|account|auth|app|encryption|rest)[_-]?key|passwd|password)|비밀번호|암호"
_ASSIGNED = re.compile(
    rf"(?<![Nn][Oo])(?<![Pp]ublic[Kk]ey)(?<![Pp]ublic[_-])(?:{_NAMES})[\"']?[ \t]*(?:[:=]|=>)[ \t]*"
    r"(?:(?P<quote>[\"'])(?P<quoted>[^\"'\s<>]{10,128})(?P=quote)|(?P<plain>[A-Za-z0-9/+_-]{12,128}(?:=|(?:%[0-9A-F]{2}[A-Za-z0-9/+_-]*)+)?={0,2})(?![A-Za-z0-9/+_(.%-]))"
)
_PASSWORD_NAMES = "비밀번호|암호|비번|패스워드|(?i:password|passwd|pwd|pw)"
_NAME_START = "(?:(?<![A-Za-z])|(?<=_))"
_ID_AND_PASSWORD = rf"(?:(?i:id)|아이디) ?/ ?(?:{_PASSWORD_NAMES}) ?[:=] ?[A-Za-z0-9_.@-]+ ?/ ?"
_PASSWORD = re.compile(
    rf"{_NAME_START}(?:{_ID_AND_PASSWORD}|(?:{_PASSWORD_NAMES})"
    r"(?:\*{0,2}(?:는|은|가)? ?[:=]\*{0,2} ?|(?P<loose> ?[\[(] ?|[ *]*\| ?|(?<=[A-Za-z]) )|(?:는|은) | is |(?<=[가-힣]) ))"
    r"(?P<part>[A-Za-z0-9!@#][A-Za-z0-9!@#$%^~*_+-]{5,63})"
    r"(?![A-Za-z0-9!@#$%^~*_+/\\({\[<:\"'-]|\.[A-Za-z0-9]| ?(?:처럼|같은|[과와] 같))"
)
"""A password without quotes in a sentence, in a table or in settings."""
_QUOTED_PASSWORD = re.compile(
    rf"{_NAME_START}(?:{_PASSWORD_NAMES})(?:[\"'*`]{{0,2}}[ \t]*(?:[:=]|=>|(?<=[\"'] )value=|\|)|는|은| is)?[ \t]*(?P<quote>[\"'`])(?P<part>[^\"'`\s<>]{{6,64}})(?P=quote)"
    rf"|(?i:<(?P<tag>(?:[a-z_.-]*[_.-])?(?:password|passwd|pwd))>)(?P<inside>[^\s<>]{{6,64}})</(?P=tag)>"
)
"""A password in quotes, in backticks or between tags."""
_CELL = re.compile(
    r"(?<=\|) *(?P<quote>`?)(?P<part>[A-Za-z0-9!@#][A-Za-z0-9!@#$%^&*~_+?.-]{5,63})(?P=quote) *(?=\|)"
)
_PASSWORD_TITLE = re.compile(rf"[*` ]*(?:[가-힣A-Za-z]{{2,8}} ?)?(?:{_PASSWORD_NAMES})[*` ]*")
"""A cell of a table below such a title is a password."""
_ON_ITS_LINE = re.compile(r"(?:\A|\n)[^0-9A-Za-z가-힣\n]*(?:[가-힣]{2,4} ?)?\Z")
_ALGORITHM = re.compile("(?i:aes|sha|md5|rsa|des|bcrypt|argon|scrypt|pbkdf|hmac|base|utf|wpa)[0-9a-z]*")
_BEARER = re.compile(r"(?<![A-Za-z])(?i:bearer) +(?P<part>[A-Za-z0-9._~+/-]{20,512}=*)(?![A-Za-z0-9._~+/-])")
"""RFC 6750."""
_COMMAND = re.compile(
    r"(?<![A-Za-z])(?:mysql(?:dump|admin)?(?: [^\n]{0,80})? -p|sshpass -p ?|redis-cli(?: [^\n]{0,80})? -a |(?:requirepass|masterauth) |curl(?: [^\n]{0,80})? -u ?[\"']?[^\s\"':]{1,64}:)"
    r"(?P<quote>[\"']?)(?P<part>[^\s\"'<>|;$-][^\s\"'<>|;]{5,63})(?P=quote)[\"']?(?!\S)"
)
"""A password among the options of a command."""
_NUMBERED = re.compile("_[0-9]{3}")
_SIGN = re.compile("[!@#$%^~*]")
_SIGN_OF_SHORT = re.compile("[!@#$]")
_SIGN_BEHIND_BLANK = re.compile("[!#$%^*]")  # "password user@host1"
_LETTERS_AND_DIGITS = re.compile("[A-Za-z0-9]{8,}")
_LOGIN_OR_HASH = re.compile(r"[^@]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}|[0-9A-Fa-f]+|[^@]*(?:\$\(|\$\{|#\{).*")
_PUBLIC_ADDRESS = re.compile("0[xX][0-9A-Fa-f]{40}")
_SETTING_BEFORE = re.compile(r"(?:\A|\n)(?:export )?[A-Za-z0-9_.-]*\Z")
_PLACEHOLDER = re.compile(
    r"(?i:example|your|change|insecure|dummy|placeholder|password|passwd|sample|foobar|secret|token|x{4})|\*{3}|\.{3}|\$|\{|%[(s]"
)
_WORDS = "user username root admin pass pw pwd secret password passwd changeme postgres mysql guest xxx test"
_WEAK = frozenset(_WORDS.split())
_PATH = re.compile(r"(?:/[a-z0-9_-]+){2,}")
_SLUG = re.compile(
    r"[a-z]+(?:[-_](?:[a-z]+|[A-Z][a-z]+|[A-Z]{1,5}|[a-z]{0,12}[0-9]{1,4}[a-z]{0,4})){3,}[-_]?"
)
TOKEN_BITS, ASSIGNED_BITS = 3.0, 3.5
_HEX = re.compile(
    "[0-9A-Fa-f]{32,}"
)  # its characters have at most 4 bits, so a random key may stay below ASSIGNED_BITS
LONG_VALUE = 32
"""Characters from which a value without quotes counts wherever it is assigned."""


def bits_per_character(text: str) -> float:
    """Shannon entropy of the characters of a text."""
    return -sum(n / len(text) * math.log2(n / len(text)) for n in Counter(text).values())


def _check_token(match: Match) -> Part | None:
    """Rejects published examples, placeholders, and the words of an address: ``/news/sk-hynix-...``."""
    token = match[0]
    if token.endswith("EXAMPLE") or _SLUG.fullmatch(token) or bits_per_character(token[4:]) < TOKEN_BITS:
        return None
    return match.span()


def _check_url(match: Match) -> Part | None:
    """Masks only the password; rejects a variable, a word for password, and a hidden password."""
    part = match["part"]
    return None if part.lower() in _WEAK or part[0] in "$*{%[" or "•" in part else match.span("part")


def _check_assigned(match: Match) -> Part | None:
    """Requires letters, digits and high entropy; rejects placeholders, paths and URLs."""
    group = "quoted" if match["quoted"] else "plain"
    value = match[group]
    mixed = re.search("[0-9]", value) and re.search("[A-Za-z]", value)
    if (
        not mixed
        or _PLACEHOLDER.search(value)
        or _PATH.fullmatch(value)
        or _PUBLIC_ADDRESS.fullmatch(value)
        or "://" in value
        or bits_per_character(value) < _bits_needed(value)
    ):
        return None
    if group == "plain" and len(value) < LONG_VALUE and not _is_setting(match, value):
        return None
    return match.span(group)


def _bits_needed(value: str) -> float:
    """Bits per character of a random value; short ones have fewer characters that could differ."""
    return TOKEN_BITS if _HEX.fullmatch(value) or len(value) < 12 else ASSIGNED_BITS


def _is_setting(match: Match, value: str) -> bool:
    """True for a password of small and capital letters and digits that is a line of settings: ``DB_PASSWORD=...``."""
    mixed = re.search("[a-z]", value) and re.search("[A-Z]", value)
    named = match[0].lower().startswith(("password=", "passwd="))
    before = _SETTING_BEFORE.search(match.string, max(0, match.start() - 64), match.start())
    return bool(mixed and named and before and match.string[match.end() : match.end() + 1] in ("", "\n"))


def _check_password(match: Match) -> Part | None:
    """Requires a letter, a digit and a sign, which words, names in code and hints at a password do not have together; an
    underscore counts before three digits, and behind a Korean word anywhere."""
    value = match["part"]
    korean = re.match("[가-힣]", match[0]) is not None
    signed = _SIGN.search(value) or _NUMBERED.search(value) or (korean and "_" in value)
    short = len(value) < 8 and not _SIGN_OF_SHORT.search(value)
    login = match["loose"] == " " and not _SIGN_BEHIND_BLANK.search(value)
    accepted = _is_own_line(match, value) or (signed and not short and not login)
    return match.span("part") if accepted and _may_be_password(value) else None


def _is_own_line(match: Match, value: str) -> bool:
    """True for letters and digits that are with their name all of a line, or of an item of a list: "- 비밀번호: admin123"."""
    before = match.string[max(0, match.start() - 16) : match.start()]
    alone = ":" in match[0] and _ON_ITS_LINE.search(before) and match.string[match.end() :].strip(" *`") == ""
    return bool(alone) and value.isalnum() and not _ALGORITHM.fullmatch(value)


def _check_cell(match: Match) -> Part | None:
    """Requires the title of the column, a letter and a digit."""
    if not _PASSWORD_TITLE.fullmatch(title_of_column(match)) or _ALGORITHM.fullmatch(match["part"]):
        return None
    return match.span("part") if _may_be_password(match["part"]) else None


def _check_quoted(match: Match) -> Part | None:
    """Requires a letter, a digit, and a sign or eight characters."""
    group = "part" if match["part"] else "inside"
    value = match[group]
    signed = _SIGN.search(value) or _NUMBERED.search(value) or _LETTERS_AND_DIGITS.fullmatch(value)
    return match.span(group) if signed and _may_be_password(value) else None


def _may_be_password(value: str) -> bool:
    """True for a value with a letter and a digit that is no placeholder, login or hash."""
    mixed = re.search("[0-9]", value) and re.search("[A-Za-z]", value)
    return bool(mixed) and not (
        _PLACEHOLDER.search(value.replace("$", "")) or _LOGIN_OR_HASH.fullmatch(value)
    )


def _check_bearer(match: Match) -> Part | None:
    """Requires letters, digits and high entropy; rejects placeholders."""
    value = match["part"]
    mixed = re.search("[0-9]", value) and re.search("[A-Za-z]", value)
    random = mixed and bits_per_character(value) >= ASSIGNED_BITS
    return match.span("part") if random and not _PLACEHOLDER.search(value) else None


def _check_command(match: Match) -> Part | None:
    value = match["part"]
    mixed = re.search("[0-9]", value) and re.search("[A-Za-z]", value)
    return match.span("part") if mixed and not _PLACEHOLDER.search(value.replace("$", "")) else None


PATTERNS = (
    Pattern("secret", r"BEGIN [A-Z0-9 ]{0,24}PRIVATE KEY", _KEY_BLOCK, mask_whole, as_is=True, spans_lines=True),
    Pattern(
        "secret",
        r"A[KS]IA[A-Z0-9]{16}|gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{22}|glpat-[A-Za-z0-9_-]{20}|xox[abeoprs]-[A-Za-z0-9-]{20}|"
        r"xapp-[0-9]-[A-Za-z0-9]|sk-[A-Za-z0-9_-]{32}|hf_[A-Za-z0-9]{34}|AIza[A-Za-z0-9_-]{35}|GOCSPX-[A-Za-z0-9_-]{28}|ya29\.[A-Za-z0-9_-]{20}|"
        r"[sr]k_(?:live|test)_[A-Za-z0-9]{24}|npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{50}|SG\.[A-Za-z0-9_-]{22}\.|[0-9]{8}:AA[A-Za-z0-9_-]{33}|"
        r"eyJ[A-Za-z0-9_-]{8}|[A-Za-z0-9]\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27}|gsk_|xai-|nvapi-|dckr_pat_|dop_v1_|ntn_|shp(?:at|ss|ca|pa)_|figd_|sbp_",
        _TOKEN,
        _check_token,
        as_is=True,
    ),
    Pattern("secret", r"hooks\.slack\.com/services/T", _WEBHOOK, lambda match: match.span("part"), as_is=True),
    Pattern("secret", r"://[^ \n\t\r/:@\"'<>]{0,64}:[^ \n\t\r/@\"'<>]{3,128}@", _URL, _check_url, as_is=True),
    Pattern("secret", rf"(?:{_NAMES})[\"']?[ \t]*[:=]>?[ \t]*[\"'A-Za-z0-9/+_-]", _ASSIGNED, _check_assigned, as_is=True),
    Pattern("secret", rf"(?:{_PASSWORD_NAMES})(?:[^A-Za-z0-9\n]{{1,8}}| is )[A-Za-z0-9!@#]", _PASSWORD, _check_password, as_is=True),
    Pattern("secret", rf"(?:{_PASSWORD_NAMES})(?:[^\"'`\n]{{0,8}}[\"'`]|[\"'] value=|>)[^\"'` \t\n<>]{{6}}", _QUOTED_PASSWORD, _check_quoted, as_is=True),
    Pattern("secret", r"\| *`?[A-Za-z0-9!@#$%^&*~_+?.-]{6,64}`? *\|", _CELL, _check_cell, _PASSWORD_NAMES, as_is=True),
    Pattern("secret", r"(?i:bearer) +[A-Za-z0-9._~+/-]{20}", _BEARER, _check_bearer, as_is=True),
    Pattern("secret", rf"/ ?(?:{_PASSWORD_NAMES}) ?[:=]", _PASSWORD, _check_password, as_is=True),
    Pattern("secret", r"mysql[^\n]{0,90} -p[^ \n]|sshpass -p|redis-cli[^\n]{0,90} -a |requirepass |masterauth |curl[^\n]{0,90} -u", _COMMAND, _check_command, as_is=True),
)  # fmt: skip
