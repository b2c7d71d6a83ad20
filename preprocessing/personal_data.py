"""Personal data to placeholders.

Owns the patterns and their checks: resident registration numbers, phones, cards, bank accounts, e-mail addresses
and IPv4 addresses. Boundaries are ASCII-only, so that Hangul right next to a number or an address does not hide it.
"""

from __future__ import annotations

import datetime
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

KINDS = ("rrn", "phone", "card", "account", "email", "ip")
PLACEHOLDERS = {kind: f"<|{kind}|>" for kind in KINDS}

_START = r"(?<![0-9A-Za-z_])(?<![0-9][-.,/])"
_END = r"(?![0-9A-Za-z_])(?![-.,/][0-9])"
_EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+@-])(?!git@)[A-Za-z0-9_][A-Za-z0-9._%+-]{0,63}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+"
    r"[A-Za-z]{2,24}(?![A-Za-z0-9])",
)
_RRN = re.compile(_START + r"([0-9]{2})(0[1-9]|1[0-2])([0-3][0-9])( ?[-–] ?|)([1-8])([0-9]{6}|[*]{6})" + _END)
_PHONE = re.compile(
    r"(?<![0-9A-Za-z_+])(?<![0-9][-.,/])(?:"
    r"(?:\+82[-. ]?\(?0?\)?|0)1[016789](?P<s>[-. ]?)[0-9]{3,4}(?P=s)[0-9]{4}"
    r"|(?:\+82[-. ]?\(?0?\)?|0)(?:2|3[1-3]|4[1-4]|5[1-5]|6[1-4]|70|80|50[2-8])(?:[-.] ?|\) ?| )[0-9]{3,4}[-. ][0-9]{4}"
    r"|\(0(?:2|3[1-3]|4[1-4]|5[1-5]|6[1-4])\) ?[0-9]{3,4}[-. ][0-9]{4}"
    r"|(?:\+1[-. ]?)?(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[-.])[2-9][0-9]{2}[-.][0-9]{4}"
    r")" + _END
)
_CARD = re.compile(
    _START
    + r"(?:[2-69][0-9]{3}(?P<s>[- ]?)[0-9]{4}(?P=s)[0-9]{4}(?P=s)[0-9]{4}|3[47][0-9]{2}[- ]?[0-9]{6}[- ]?[0-9]{5})"
    + _END
)
_ACCOUNT = re.compile(
    r"(?:계좌|통장|은행|뱅크|농협|수협|신협|새마을금고|우체국|입금|송금|[Aa]ccount)[^0-9\n]{0,20}?"
    + _START
    + r"(?P<number>[0-9]{2,6}(?:-[0-9]{1,8}){1,3}|[0-9]{10,14})"
    + _END
)
_DATE = re.compile(r"(?:19|20)[0-9]{2}-?(?:0[1-9]|1[0-2])-?(?:0[1-9]|[12][0-9]|3[01])")
_BYTE = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IP = re.compile(rf"(?<![0-9A-Za-z_.])(?:{_BYTE}\.){{3}}{_BYTE}(?![0-9A-Za-z_])(?!\.[0-9A-Za-z])(?!/[0-9])")
_VERSION = re.compile(r"(?:버전|판|version|release|ver\.?|\bv)[ :=]{0,2}$", re.IGNORECASE)


def _rrn(match: re.Match[str]) -> str | None:
    """Valid date for the century of the gender digit, and a separator or a correct checksum."""
    year, month, day, separator, gender, rest = match.groups()
    century = 2000 if gender in "3478" else 1900
    try:
        datetime.date(century + int(year), int(month), int(day))
    except ValueError:
        return None
    if separator or rest[0] == "*":
        return match[0]
    digits = [int(d) for d in year + month + day + gender + rest]
    weights = (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)
    return match[0] if (11 - sum(d * w for d, w in zip(digits, weights)) % 11) % 10 == digits[12] else None


def _luhn(match: re.Match[str]) -> str | None:
    digits = [int(d) for d in match[0] if d.isdigit()]
    doubled = [d if i % 2 == 0 else (2 * d - 9 if d > 4 else 2 * d) for i, d in enumerate(reversed(digits))]
    return match[0] if sum(doubled) % 10 == 0 else None


def _account(match: re.Match[str]) -> str | None:
    """10 to 14 digits that do not start with a date; only the number is masked, not the context word."""
    number = match["number"]
    digits = sum(c.isdigit() for c in number)
    return number if 10 <= digits <= 14 and not _DATE.match(number) else None


def _ip(match: re.Match[str]) -> str | None:
    """Addresses that can belong to somebody; not private or local ones, networks (/24), or version numbers."""
    a, b, c, d = (int(part) for part in match[0].split("."))
    local = (
        a in (0, 10, 127)
        or a >= 224
        or (a == 192 and b == 168)
        or (a == 172 and 16 <= b < 32)
        or (a, b) == (169, 254)
    )
    small = max(a, b, c, d) < 20
    version = _VERSION.search(match.string, max(0, match.start() - 12), match.start())
    return None if local or small or version else match[0]


def _always(match: re.Match[str]) -> str | None:
    return match[0]


@dataclass(frozen=True)
class Pattern:
    """``hint`` (RE2) says cheaply which rows of a column can match; ``check`` gives the part to mask, or None."""

    kind: str
    hint: str
    regex: re.Pattern[str]
    check: Callable[[re.Match[str]], str | None]


# A number is taken by the first kind that knows it: the more certain checks come first.
PATTERNS = (
    Pattern("email", r"[A-Za-z0-9]@[A-Za-z0-9]", _EMAIL, _always),
    Pattern("rrn", r"[0-9]{6} ?[-–]? ?[1-8][0-9*]{6}", _RRN, _rrn),
    Pattern("card", r"[0-9]{4}[- ]?[0-9]{4,6}[- ]?[0-9]{4,5}", _CARD, _luhn),
    Pattern("phone", r"[0-9][-. )]?[0-9]{3,4}[-. ]?[0-9]{4}", _PHONE, _always),
    Pattern("account", r"(?:계좌|통장|은행|뱅크|농협|수협|신협|새마을금고|우체국|입금|송금|ccount)[^0-9\n]{0,20}[0-9]{2}", _ACCOUNT, _account),
    Pattern("ip", r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]", _IP, _ip),
)  # fmt: skip


def mask_kind(pattern: Pattern, text: str) -> tuple[str, int]:
    """The text with one kind masked, and how many were found."""
    found = 0

    def masked(match: re.Match[str]) -> str:
        nonlocal found
        part = pattern.check(match)
        if part is None:
            return match[0]
        found += 1
        start = match[0].rindex(part)
        return match[0][:start] + PLACEHOLDERS[pattern.kind] + match[0][start + len(part) :]

    return pattern.regex.sub(masked, text), found


def mask(text: str, kinds: Sequence[str] = KINDS) -> tuple[str, Counter[str]]:
    """The text with every kind of ``kinds`` masked, and how many of each were found."""
    counts: Counter[str] = Counter()
    for pattern in PATTERNS:
        if pattern.kind in kinds:
            text, found = mask_kind(pattern, text)
            if found:
                counts[pattern.kind] += found
    return text, counts


def anonymised(text: str) -> str:
    """The text with the characters of personal data hidden but their form kept; for examples in reports."""
    for pattern in PATTERNS:
        text = pattern.regex.sub(
            lambda m, p=pattern: m[0] if p.check(m) is None else re.sub(r"[0-9A-Za-z]", "•", m[0]), text
        )
    return text
