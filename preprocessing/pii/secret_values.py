"""What a value looks like: how likely it is a password or a key, whatever is written around it.

Owns the rank of a value, from a word with a number (``admin123``) to random characters, and the values that are no credentials:
placeholders, variables, names in code, versions, paths, addresses and hashes. Entropy separates random characters from words.
"""

from __future__ import annotations

import math
import re
from collections import Counter

PLACEHOLDER = re.compile(r"(?i:your|placeholder|x{4})|\*{3}|\.{3}|\$|\{|%[(s]")
_WORD_TO_REPLACE = re.compile("(?i:example|change|insecure|dummy|password|passwd|sample|foobar|secret|token)")
_NAMED_SECRET = re.compile(
    r"(?!(?i:secret|token|password|key|test|example|change|dummy|sample)[0-9])[A-Za-z_]{6,40}[0-9]{2,6}[!@#]?"
)
_SIGN_BEHIND = re.compile(r"[A-Za-z0-9](?:[!#^]|@(?![0-9]+\.))")
"""A sign that people add to such a word, as rules for passwords ask: ``Changeme#1``."""
_PATH = re.compile(r"(?:/[a-z0-9_-]+){2,}")
_PATH_OR_URL = re.compile(r"[\w.-]*(?:/[\w.-]*)+|.*://.*")
_SLUG = re.compile(
    r"[a-z]+(?:[-_](?:[a-z]+|[A-Z][a-z]+|[A-Z]{1,5}|[a-z]{0,12}[0-9]{1,4}[a-z]{0,4})){3,}[-_]?"
)
_PUBLIC_ADDRESS = re.compile("0[xX][0-9A-Fa-f]{40}")
"""Of an account or a contract on a blockchain; a private key has 64 digits."""
_SETTING = re.compile(r"[A-Za-z_]+=[^=].*|[^@]+@[a-z0-9-]+(?:\.[a-z]+)+")
_VARIABLE = re.compile(r"\$[A-Za-z_]+(?:[^A-Za-z0-9_].*)?")
_HEX = re.compile("[0-9A-Fa-f-]{32,}")
"""Its characters have at most 4 bits, so a random key may have less than RANDOM_BITS."""
TOKEN_BITS, RANDOM_BITS = 3.0, 3.5
"""Least bits per character of a token whose form is known, and of a random value."""
_ALGORITHM = re.compile(
    r"(?i:(?:(?:aes|seed|aria|lea|hight|chacha|camellia|blowfish|sha|md|rsa|des|bcrypt(?:js)?|argon|scrypt|pbkdf|hmac|base|utf|wpa|oauth|saml|ldap|tls|x509|pkcs#?|ed|http|ipv|log4j|win|arm|amd|rfc)[-_./]?)+(?:[0-9].*)?|(?:oracle|mysql|python|java)[-./]?(?:[0-9]{1,2}|3[0-9]{2})(?:\.[0-9]+)*[cgi]?(?:[-.].*)?"
    r"|(?:ecdhe|dhe|3?des)(?:[-_][a-z]+)+(?:[0-9].*)?)"
)
_NAME_OR_COLOR = re.compile(
    r"(?:\w+::)?(?:(?i:big)?[Uu]?(?i:int|float|complex|byte)(?:8|16|32|64|128|256)(?:[A-Z][A-Za-z]*)?|[HREP]S(?:256|384|512))"
    r"|#(?:[0-9A-Fa-f]{3}){1,2}|#[0-9A-Fa-f]{8}|[a-z][\w-]*(?:\.[\w-]+)+(?::[\w.-]+){1,2}"
)
_LOGIN_OR_HASH = re.compile(
    r"[^@]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}|[0-9A-Fa-f]{32,}|[^@]*(?:\$\(|\$\{|#\{).*|[^@]+@(?:localhost|%|(?:[0-9]+\.){3}[0-9]+)"
)
_SIGN = re.compile("[!@#$%^&*~+?]")
_WORDS = re.compile("[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_CODE = re.compile(
    r"~?[A-Za-z_][A-Za-z_0-9]*(?:[.-][A-Za-z_0-9]+)*\.[A-Za-z][A-Za-z0-9]*|v?[0-9]+(?:[._-][0-9]+)+.*|[0-9]{1,4}[A-Za-z]{1,2}(?:-.*)?|[A-Z]+(?:_[A-Z0-9]+)+"
)
"""A name of a file or an attribute, a version or a date, a measure."""

LETTER_AT_DIGIT = re.compile("[A-Za-z!@#$%^*_.?&/+=~-][0-9]|[0-9][A-Za-z!@#$%^*_.?&/+=~-]")
"""Every value has it; a pattern for ``matching.Matcher``, too."""
NONE, WORD, CHOSEN = range(3)
"""Ranks: no credential, a word with a number, a password that somebody chose."""


def bits_per_character(text: str) -> float:
    """Shannon entropy of the characters of a text."""
    return -sum(n / len(text) * math.log2(n / len(text)) for n in Counter(text).values())


def has_letter_and_digit(value: str) -> bool:
    return re.search("[0-9]", value) is not None and re.search("[A-Za-z]", value) is not None


def is_chosen(value: str) -> bool:
    """True for a value with a letter and a digit that is no placeholder."""
    return (
        has_letter_and_digit(value)
        and not PLACEHOLDER.search(value.replace("$", ""))
        and (not _WORD_TO_REPLACE.search(value) or _SIGN_BEHIND.search(value) is not None)
        and not _VARIABLE.fullmatch(value)
    )


def is_named_secret(value: str) -> bool:
    """True for words that end with two digits and may say what they are: ``cookieSecret88``."""
    return _NAMED_SECRET.fullmatch(value) is not None and not PLACEHOLDER.search(value)


def is_random(value: str) -> bool:
    """True for letters and digits of high entropy that are no placeholder, path, URL or public address."""
    if not is_chosen(value) or value.startswith("$") or "://" in value:
        return False
    if any(none.fullmatch(value) for none in (_PATH, _PUBLIC_ADDRESS, _SETTING, _NAME_OR_COLOR)):
        return False
    digits = sum(map(str.isdigit, value))
    most = 0.88 * math.log2(len(value)) if 4 * digits >= len(value) else RANDOM_BITS
    needed = TOKEN_BITS if _HEX.fullmatch(value) or len(value) < 12 else min(RANDOM_BITS, most)
    return bits_per_character(value) >= needed


def is_slug(value: str) -> bool:
    """True for words joined by hyphens or underscores, as names and addresses of pages have them."""
    return _SLUG.fullmatch(value) is not None


def is_key_alone(value: str, shortest: int = 16) -> bool:
    """True for a random value of small letters, capital letters and digits, or of many hexadecimal digits, which no name in code has."""
    cases = re.search("[a-z]", value) and re.search("[A-Z]", value) and len(value) >= shortest
    mixed = cases or (len(value) > 15 and value.isalnum() and value.isupper())
    return bool(
        (_HEX.fullmatch(value) and value.isalnum())
        or (mixed and len(value) <= 2.8 * len(_WORDS.findall(value)))
    )


def needs_no_colon(value: str) -> bool:
    """True for a value that is a password without a colon before it; "password user@host1" has a host."""
    return re.search("[!#$%^*]|@[0-9]", value) is not None or is_key_alone(value, 8)


def rank_of(value: str) -> int:
    """The rank of a value that may be a password."""
    if not is_chosen(value) or any(
        none.fullmatch(value) for none in (_ALGORITHM, _NAME_OR_COLOR, _LOGIN_OR_HASH, _CODE, _PATH_OR_URL)
    ):
        return NONE
    return CHOSEN if _is_mixed(value) else WORD


def _is_mixed(value: str) -> bool:
    """True for a sign among letters and digits, or digits among small and capital letters, which names in code rarely have."""
    if _SIGN.search(value):
        return len(value) > 7 or re.search("[!@#$]", value) is not None
    pieces = re.split("[^A-Za-z0-9]+", value)
    if len(pieces) > 1 and any(
        re.search("[A-Za-z][0-9]+[A-Za-z]|[0-9]{2}[A-Za-z]", piece) for piece in pieces
    ):
        return True
    if re.search("_[0-9]{3}", value):
        return True
    words = _WORDS.findall(value)
    cases = re.search("[a-z]", value) and re.search("[A-Z]", value)
    return bool(cases) and len(value) > 7 and len(value) <= 2.4 * len(words)
