"""Normalizes and classifies SPDX license expressions (SPDX 2.3, annex D).

The library license-expression parses them and has an index of licenses with their categories (ScanCode's LicenseDB),
which is read at the first license.
"""

from __future__ import annotations

import functools
import re
from typing import Any

from preprocessing.judging.license_table import RANKS

KINDS = ("permissive", "copyleft", "unknown", "none")  # from the freest; none: no license
MAX_TOKENS = 100
_TOKEN = re.compile(r"[()]|[^\s()]+")
_RANK_OF_CATEGORY = {"Permissive": 0, "Public Domain": 0, "Copyleft Limited": 1, "Copyleft": 1}


@functools.lru_cache(maxsize=4096)
def normalize_expression(text: str) -> str | None:
    """Writes operators in capitals and identifiers with their newest names and the capitals of SPDX.

    A text that is not an expression stays unchanged; empty text becomes None.
    """
    text = " ".join(text.split()).strip(" -")
    parsed = _parse(text)
    return (text if parsed is None else parsed.render()) or None


@functools.lru_cache(maxsize=4096)
def classify(expression: str | None) -> str:
    """One of ``KINDS``: the freest of ``A OR B``, the strictest of ``A AND B``; ignores exceptions after ``WITH``.

    ``unknown`` for text that is not an expression and for expressions of more than MAX_TOKENS tokens.
    """
    if not expression:
        return "none"
    parsed = _parse(expression)
    return KINDS[2 if parsed is None else _rank(parsed)]


def _rank(parsed: Any) -> int:
    """The index in ``KINDS`` of a parsed expression."""
    licensing = _licensing()
    if isinstance(parsed, (licensing.OR, licensing.AND)):
        pick = min if isinstance(parsed, licensing.OR) else max
        return pick(_rank(part) for part in parsed.args)
    name = str(getattr(parsed, "license_symbol", parsed).key)
    return _ranks().get(name, _ranks().get(name.removesuffix("+"), 2))


def _parse(text: str) -> Any:
    """The tree of an expression; None for any other text."""
    from boolean import ParseError
    from license_expression import ExpressionError

    if len(_TOKEN.findall(text)) > MAX_TOKENS:
        return None
    try:
        return _licensing().parse(text)
    except (ExpressionError, ParseError, IndexError, AssertionError):  # the last two: "()", "(AND MIT"
        return None


@functools.cache
def _licensing() -> Any:
    from license_expression import get_spdx_licensing

    return get_spdx_licensing()


@functools.cache
def _ranks() -> dict[str, int]:
    from license_expression import get_license_index

    known = {
        entry["spdx_license_key"]: _RANK_OF_CATEGORY.get(entry["category"], 2)
        for entry in get_license_index()
        if entry.get("spdx_license_key") and not entry["is_exception"]
    }
    return known | RANKS
