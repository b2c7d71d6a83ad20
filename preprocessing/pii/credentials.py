"""Keys, tokens, and passwords of URLs.

Owns the published formats of issuers (AWS, GitHub, GitLab, Slack, OpenAI, Anthropic, Hugging Face, Google, Stripe, npm,
PyPI, SendGrid, Telegram, Discord, Groq, xAI, NVIDIA, Docker, DigitalOcean, Notion, Shopify, Figma, Supabase, Vault), JSON Web Tokens (RFC 7519), private keys (RFC 7468), passwords inside URLs (RFC 3986), and
random values assigned to names such as api_key; ``passwords`` owns those that people choose. Entropy serves only to reject placeholders. The address of an account or of a
contract on a blockchain (0x and 40 hexadecimal digits) is public; a private key has 64 digits.
"""

from __future__ import annotations

import math
import re
from collections import Counter

from preprocessing.pii.pattern import Match, Part, Pattern

_TEXT = "[A-Za-z0-9_-]"
_TOKEN = re.compile(
    r"(?<![A-Za-z0-9_])(?:(?:AKIA|ASIA)[A-Z0-9]{16}|gh[pousr]_[A-Za-z0-9]{36,251}|github_pat_[A-Za-z0-9_]{50,255}"
    rf"|glpat-{_TEXT}{{20,64}}|xox[abeoprs]-[A-Za-z0-9-]{{20,255}}|xapp-[0-9]-[A-Za-z0-9-]{{20,255}}"
    rf"|sk-(?:(?:proj|svcacct|admin|ant-[a-z0-9]+)-)?{_TEXT}{{32,255}}|hf_[A-Za-z0-9]{{34,40}}|AIza{_TEXT}{{35}}"
    rf"|GOCSPX-{_TEXT}{{28}}|ya29\.{_TEXT}{{20,255}}|[sr]k_(?:live|test)_[A-Za-z0-9]{{24,255}}|npm_[A-Za-z0-9]{{36}}"
    rf"|pypi-{_TEXT}{{50,255}}|SG\.{_TEXT}{{22}}\.{_TEXT}{{43}}|[0-9]{{8,10}}:AA{_TEXT}{{33}}"
    rf"|[MNO][A-Za-z0-9]{{23,27}}\.[GXY]{_TEXT}{{5}}\.{_TEXT}{{27,40}}|(?:gsk_|xai-|nvapi-|dckr_pat_|dop_v1_|ntn_|shp(?:at|ss|ca|pa)_|figd_|sbp_|hvs\.){_TEXT}{{27,128}}"
    rf"|eyJ{_TEXT}{{8,}}\.eyJ{_TEXT}{{8,}}\.{_TEXT}{{10,}})(?![A-Za-z0-9_])"
)
_WEBHOOK = re.compile(
    r"hooks\.slack\.com/services/(?P<part>T[A-Za-z0-9]{8,}/B[A-Za-z0-9]{8,}/[A-Za-z0-9]{20,})"
)
_KEY_BLOCK = re.compile(
    r"-----BEGIN (?P<type>(?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?)-----(?P<key>[^<(]{1,16000}?)-----END (?P=type)-----"
)
_OF_A_KEY = re.compile("[A-Za-z0-9+/=]{12}")
_URL = re.compile(
    r"(?<![A-Za-z0-9])[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s/:@\"'<>]{0,64}:(?P<part>[^\s/@\"'<>]{3,128})@[A-Za-z0-9]"
)
_NAMES = "(?i:secret|token|(?:api|access|secret|private|service|account|auth|app|encryption|signing|jwt|rest)[_.-]?key|passwd|password)|비밀번호|암호"
_ASSIGNED = re.compile(
    rf"(?<![Nn][Oo])(?<![Pp]ublic[Kk]ey)(?<![Pp]ublic[_-])(?:{_NAMES})[\"']?[ \t]*(?:[:=]|=>)[ \t]*"
    r"(?:(?P<quote>[\"'])(?P<quoted>[^\"'\s<>]{10,128})(?P=quote)|(?P<plain>[A-Za-z0-9/+_-]{10,128}(?:=|(?:%[0-9A-F]{2}[A-Za-z0-9/+_-]*)+)?={0,2})(?![A-Za-z0-9/+_(.%-]))"
)
_BEARER = re.compile(
    r"(?<![A-Za-z])(?:(?i:bearer)|KakaoAK|(?i:authorization)[\"']?: *[\"']?(?i:basic)) +(?P<part>[A-Za-z0-9._~+/-]{20,512}=*)(?![A-Za-z0-9._~+/-])"
)
"""RFC 6750, RFC 7617 and Kakao's."""
_PUBLIC_ADDRESS = re.compile("0[xX][0-9A-Fa-f]{40}")
_SETTING_BEFORE = re.compile(r"(?:\A|\n)(?:export )?[A-Za-z0-9_.-]*\Z")
PLACEHOLDER = re.compile(
    r"(?i:example|your|change|insecure|dummy|placeholder|password|passwd|sample|foobar|secret|token|x{4})|\*{3}|\.{3}|\$|\{|%[(s]"
)
_WORDS = (
    "token user username root admin pass pw pwd secret password passwd changeme postgres mysql guest xxx test"
)
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


def has_letter_and_digit(value: str) -> bool:
    return re.search("[0-9]", value) is not None and re.search("[A-Za-z]", value) is not None


def _check_key_block(match: Match) -> Part | None:
    """Requires characters of a key between the lines, which code that looks for them does not have."""
    return match.span() if _OF_A_KEY.search(match["key"]) else None


def _check_token(match: Match) -> Part | None:
    """Rejects published examples, placeholders, and the words of an address: ``/news/sk-hynix-...``."""
    token = match[0]
    if token.endswith("EXAMPLE") or _SLUG.fullmatch(token) or bits_per_character(token[4:]) < TOKEN_BITS:
        return None
    return match.span()


def _check_url(match: Match) -> Part | None:
    """Masks only the password; rejects a variable, a word for password, and a hidden password."""
    part = match["part"]
    return None if part.lower() in _WEAK or part[0] in "$*{%[\\" or "•" in part else match.span("part")


def _check_assigned(match: Match) -> Part | None:
    """Requires letters, digits and high entropy; rejects placeholders, paths and URLs."""
    group = "quoted" if match["quoted"] else "plain"
    value = match[group]
    if (
        not has_letter_and_digit(value)
        or PLACEHOLDER.search(value)
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
    """True for a value of small and capital letters and digits that is a line of settings: ``DB_PASSWORD=...``."""
    mixed = re.search("[a-z]", value) and re.search("[A-Z]", value)
    named = match[0].lower().startswith(("password=", "passwd="))
    random = named or len(re.findall("[0-9]", value)) > 1
    before = _SETTING_BEFORE.search(match.string, max(0, match.start() - 64), match.start())
    return bool(mixed and random and before and match.string[match.end() : match.end() + 1] in ("", "\n"))


def _check_bearer(match: Match) -> Part | None:
    """Requires letters, digits and high entropy; rejects placeholders."""
    value = match["part"]
    random = has_letter_and_digit(value) and bits_per_character(value) >= _bits_needed(value)
    return match.span("part") if random and not PLACEHOLDER.search(value) else None


PATTERNS = (
    Pattern("secret", r"BEGIN [A-Z0-9 ]{0,24}PRIVATE KEY", _KEY_BLOCK, _check_key_block, as_is=True, spans_lines=True),
    Pattern(
        "secret",
        r"A[KS]IA[A-Z0-9]{16}|gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{22}|glpat-[A-Za-z0-9_-]{20}|xox[abeoprs]-[A-Za-z0-9-]{20}|"
        r"xapp-[0-9]-[A-Za-z0-9]|sk-[A-Za-z0-9_-]{32}|hf_[A-Za-z0-9]{34}|AIza[A-Za-z0-9_-]{35}|GOCSPX-[A-Za-z0-9_-]{28}|ya29\.[A-Za-z0-9_-]{20}|"
        r"[sr]k_(?:live|test)_[A-Za-z0-9]{24}|npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{50}|SG\.[A-Za-z0-9_-]{22}\.|[0-9]{8}:AA[A-Za-z0-9_-]{33}|"
        r"eyJ[A-Za-z0-9_-]{8}|\.[GXY][A-Za-z0-9_-]{5}\.[A-Za-z0-9_-]{27}|gsk_|xai-|nvapi-|dckr_pat_|dop_v1_|ntn_|shp(?:at|ss|ca|pa)_|figd_|sbp_|hvs\.",
        _TOKEN,
        _check_token,
        as_is=True,
    ),
    Pattern("secret", r"hooks\.slack\.com/services/T", _WEBHOOK, lambda match: match.span("part"), as_is=True),
    Pattern("secret", r"://[^ \n\t\r/:@\"'<>]{0,64}:[^ \n\t\r/@\"'<>]{3,128}@", _URL, _check_url, as_is=True),
    Pattern("secret", rf"(?:{_NAMES})[\"']?[ \t]*[:=]>?[ \t]*[\"'A-Za-z0-9/+_-]", _ASSIGNED, _check_assigned, as_is=True),
    Pattern("secret", r"(?i:bearer|kakaoak|basic) +[A-Za-z0-9._~+/-]{20}", _BEARER, _check_bearer, as_is=True),
)  # fmt: skip
