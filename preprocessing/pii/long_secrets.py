"""Secrets of letters, which need not have a digit.

Owns values of at least 32 letters and digits without a sign that are assigned to a secret (Hangul typed on Latin keys, one word after
another, a letter repeated): no name in code is that long without capital letters. Owns the passwords that Google and Apple make for
applications, sixteen small letters, mostly in groups of four, the keys that Django makes, whose signs end any other value, and the
password that Jenkins prints. ``passwords`` owns keys that look random.
"""

from __future__ import annotations

import re

from preprocessing.pii.pattern import Match, Part, Pattern
from preprocessing.pii.secret_values import bits_per_character, is_key_alone

LEAST_BITS = 2.5
_TO_REPLACE = re.compile("(?i:your|placeholder|example|change|x{4}|sample|insecure)")
_ASSIGNED = r"(?i:[_. -]?key)?[\"']?[ \t]*[:=][ \t]*(?:\$\{[A-Z_]{1,40}:-?)?[\"']?"
_SECRET = re.compile(rf"(?i:secret){_ASSIGNED}(?P<part>[A-Za-z0-9]{{32,160}})(?![A-Za-z0-9_.(/+-])")


_PASSWORD = (
    r"(?:(?:(?i:passw(?:or)?d|pass|pw)|비밀번호|비번)[\"'`*]{0,3}[ \t]*(?:[:=]|[은는] )[ \t]*[\"'`]?"
    r"|(?:smtp|mail|server)[A-Za-z0-9_]{0,8}\.login\([\"'][^\"'\n]{1,64}[\"'], ?[\"'])"
)
_GROUPS = "[a-z]{4}(?:(?: [a-z]{4}){3}|(?:-[a-z]{4}){3})"
_OF_APPLICATION = re.compile(rf"{_PASSWORD}(?P<part>{_GROUPS}|[a-z]{{16}})(?![A-Za-z0-9_.(/+-]| [A-Za-z0-9])")
_MAIL = re.compile(r"(?i:mail|smtp|app)[\w. -]{0,20}\Z|앱 ?\Z")
_LOGS_IN = re.compile(r"\w+\.login")
_HAS_VOWEL = re.compile("[aeiouy]")
_WORD = re.compile("pass|secret|your|example|change|xxxx|abcd|mail|test")


def _check_password_of_application(match: Match) -> Part | None:
    """Requires a word for mail or an application before, or in groups one without a vowel, which no sentence of four words has."""
    value = match["part"]
    if _WORD.search(value):
        return None
    if _LOGS_IN.match(match[0]):
        return match.span("part")
    groups = value.replace("-", " ").split()
    if len(groups) > 1 and not all(map(_HAS_VOWEL.search, groups)):
        return match.span("part")
    return (
        match.span("part") if _MAIL.search(match.string, max(0, match.start() - 24), match.start()) else None
    )


def _check_secret(match: Match) -> Part | None:
    """Requires small letters, or no words among capital letters, and more than a few different ones."""
    value = match["part"]
    if _TO_REPLACE.search(value) or bits_per_character(value) < LEAST_BITS:
        return None
    return match.span("part") if value == value.lower() or is_key_alone(value) else None


_DJANGO = re.compile(
    r"SECRET_KEY[ \t]*=[ \t]*(?P<part>(?:django-insecure-)?(?P<random>[a-z0-9!@#$%^&*(_=+)-]{40,60}))(?![^\s\"'`])"
)
_SIGNS = re.compile("[!@#$%^&*(=+)]")
_PRINTED = re.compile(
    r"initialAdminPassword[^\n]{0,20}\n{1,3}[ \t>]{0,4}(?P<part>[0-9a-f]{32})(?![0-9A-Za-z])"
)


def _check_django(match: Match) -> Part | None:
    """Requires signs and digits, as each key of fifty random characters has them."""
    value = match["random"]
    return match.span("part") if len(_SIGNS.findall(value)) > 3 and re.search("[0-9]", value) else None


PATTERNS = (
    Pattern(
        "secret",
        rf"{_PASSWORD}[a-z]{{4}}(?: [a-z]{{4}} [a-z]{{4}} [a-z]{{4}}|-[a-z]{{4}}-[a-z]{{4}}-[a-z]{{4}}|[a-z]{{12}})",
        _OF_APPLICATION,
        _check_password_of_application,
        as_is=True,
    ),
    Pattern("secret", rf"(?i:secret){_ASSIGNED}[A-Za-z0-9]{{32}}", _SECRET, _check_secret, as_is=True),
    Pattern(
        "secret", r"SECRET_KEY[ \t]*=[ \t]*[a-z0-9!@#$%^&*(_=+)-]{20}", _DJANGO, _check_django, as_is=True
    ),
    Pattern(
        "secret",
        "initialAdminPassword",
        _PRINTED,
        lambda match: match.span("part"),
        as_is=True,
        spans_lines=True,
    ),
)
