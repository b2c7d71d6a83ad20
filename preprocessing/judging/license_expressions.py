"""SPDX licence expressions (SPDX 2.3, annex D): how they are written, and what they allow."""

from __future__ import annotations

import re

from preprocessing.judging.license_table import ALIASES, COPYLEFT, PERMISSIVE

KINDS = ("permissive", "copyleft", "unknown", "none")  # from the freest on; none: no licence is named
MOST_TOKENS = 100
_TOKEN = re.compile(r"[()]|[^\s()]+")
_OPERATORS = ("OR", "AND", "WITH")
_NAMES = {name.lower(): name for name in PERMISSIVE} | {old.lower(): new for old, new in ALIASES.items()}


def written(text: str) -> str | None:
    """The expression as SPDX writes it: operators in capitals, identifiers in their usual letters and newest names."""
    words = " ".join(_written(token) for token in _TOKEN.findall(text))
    return words.replace("( ", "(").replace(" )", ")").strip(" -") or None


def _written(token: str) -> str:
    if token.upper() in _OPERATORS:
        return token.upper()
    return _NAMES.get(token.lower(), token)


def kind_of(expression: str | None) -> str:
    """One of ``KINDS``; of ``A OR B`` the freest, of ``A AND B`` the strictest, exceptions after ``WITH`` aside.

    What is no expression, or longer than any that people write, is ``unknown``.
    """
    if not expression:
        return "none"
    tokens = _TOKEN.findall(expression)
    if len(tokens) > MOST_TOKENS:
        return "unknown"
    rank, rest = _alternatives(tokens)
    return KINDS[2 if rest else rank]


def _alternatives(tokens: list[str]) -> tuple[int, list[str]]:
    """The place in ``KINDS`` of ``A OR B OR ...``, and the tokens after it."""
    rank, rest = _joined(tokens)
    while rest and rest[0] == "OR":
        other, rest = _joined(rest[1:])
        rank = min(rank, other)
    return rank, rest


def _joined(tokens: list[str]) -> tuple[int, list[str]]:
    rank, rest = _single(tokens)
    while rest and rest[0] == "AND":
        other, rest = _single(rest[1:])
        rank = max(rank, other)
    return rank, rest


def _single(tokens: list[str]) -> tuple[int, list[str]]:
    """An identifier, with its exception, or an expression in brackets; a broken one leaves its tokens behind."""
    if not tokens or tokens[0] in (*_OPERATORS, ")"):
        return 2, ["broken"]
    if tokens[0] == "(":
        rank, rest = _alternatives(tokens[1:])
        return (rank, rest[1:]) if rest and rest[0] == ")" else (2, ["broken"])
    has_exception = len(tokens) > 2 and tokens[1] == "WITH"
    return _rank(tokens[0]), tokens[3 if has_exception else 1 :]


def _rank(identifier: str) -> int:
    if identifier in PERMISSIVE:
        return 0
    return 1 if COPYLEFT.match(identifier) else 2
