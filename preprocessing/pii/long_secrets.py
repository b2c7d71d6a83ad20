"""Long secrets that need not look random: Hangul typed on Latin keys, one word after another, a letter repeated.

Owns values of at least 32 letters and digits without a sign that are assigned to a secret: no name in code is that long without capital
letters. ``passwords`` owns keys that look random.
"""

from __future__ import annotations

import re

from preprocessing.pii.pattern import Match, Part, Pattern
from preprocessing.pii.secret_values import bits_per_character, is_key_alone

LEAST_BITS = 2.5
_TO_REPLACE = re.compile("(?i:your|placeholder|example|change|x{4}|sample|insecure)")
_ASSIGNED = r"(?i:[_. -]?key)?[\"']?[ \t]*[:=][ \t]*(?:\$\{[A-Z_]{1,40}:-?)?[\"']?"
_SECRET = re.compile(rf"(?i:secret){_ASSIGNED}(?P<part>[A-Za-z0-9]{{32,160}})(?![A-Za-z0-9_.(/+-])")


def _check_secret(match: Match) -> Part | None:
    """Requires small letters, or no words among capital letters, and more than a few different ones."""
    value = match["part"]
    if _TO_REPLACE.search(value) or bits_per_character(value) < LEAST_BITS:
        return None
    return match.span("part") if value == value.lower() or is_key_alone(value) else None


PATTERNS = (
    Pattern("secret", rf"(?i:secret){_ASSIGNED}[A-Za-z0-9]{{32}}", _SECRET, _check_secret, as_is=True),
)
