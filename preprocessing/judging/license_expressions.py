"""SPDX license expressions (SPDX 2.3, annex D): how they are written, and what they allow.

The library license-expression parses them and knows the licenses (ScanCode's LicenseDB, with what each allows); its index is
read when the first license is named.
"""

from __future__ import annotations

import functools
import re
from typing import Any

from preprocessing.judging.license_table import RANKS

KINDS = ("permissive", "copyleft", "unknown", "none")  # from the freest on; none: no license is named
MOST_TOKENS = 100
_TOKEN = re.compile(r"[()]|[^\s()]+")
_RANK_OF_CATEGORY = {"Permissive": 0, "Public Domain": 0, "Copyleft Limited": 1, "Copyleft": 1}


@functools.lru_cache(maxsize=4096)
def normalize_expression(text: str) -> str | None:
    """The expression as SPDX writes it: operators in capitals, identifiers in their usual letters and newest names.

    What is not an expression stays as it is.
    """
    text = " ".join(text.split()).strip(" -")
    parsed = _parsed(text)
    return (text if parsed is None else parsed.render()) or None


@functools.lru_cache(maxsize=4096)
def classify(expression: str | None) -> str:
    """One of ``KINDS``; of ``A OR B`` the freest, of ``A AND B`` the strictest, exceptions after ``WITH`` aside.

    What is not an expression, or is longer than any that people write, is ``unknown``.
    """
    if not expression:
        return "none"
    parsed = _parsed(expression)
    return KINDS[2 if parsed is None else _rank(parsed)]


def _rank(parsed: Any) -> int:
    """The place in ``KINDS`` of a parsed expression."""
    licensing = _licensing()
    if isinstance(parsed, (licensing.OR, licensing.AND)):
        pick = min if isinstance(parsed, licensing.OR) else max
        return pick(_rank(part) for part in parsed.args)
    name = str(getattr(parsed, "license_symbol", parsed).key)
    return _ranks().get(name, _ranks().get(name.removesuffix("+"), 2))


def _parsed(text: str) -> Any:
    """The tree of an expression; None for what is not one."""
    from boolean import ParseError
    from license_expression import ExpressionError

    if len(_TOKEN.findall(text)) > MOST_TOKENS:
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
