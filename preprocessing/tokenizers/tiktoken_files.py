"""The engine for tiktoken files: tiktoken, with the named split patterns.

Owns the patterns: a file of ranks (``megatron_ko.formats.tiktoken_ranks``) does not define how text is split.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from megatron_ko.errors import DataError

_SHORT = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_DIGITS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{0}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_UPPER, _LOWER, _ENDING = (
    r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]",
    r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
)
PATTERNS = {
    "gpt2": _SHORT,
    "r50k_base": _SHORT,
    "p50k_base": _SHORT,
    "cl100k_base": _DIGITS.format("{1,3}"),
    "llama3": _DIGITS.format("{1,3}"),
    "qwen": _DIGITS.format(""),
    "o200k_base": rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{_ENDING}|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{_ENDING}"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
}
"""By the name of the published vocabulary; each splits text exactly as that vocabulary does."""


def pattern_of(path: Path, option: str | None) -> str:
    """The pattern that ``option`` names or is; without an option, the pattern for the name of the file."""
    pattern = PATTERNS.get(option, option) if option else PATTERNS.get(path.stem)
    if pattern is None:
        raise DataError(
            f"{path}: a tiktoken file does not define how text is split; add --pattern with one of {', '.join(PATTERNS)}, or "
            "a regular expression",
            rule="no-split-pattern",
        )
    return pattern


def encoding_of(path: Path, ranks: dict[bytes, int], pattern: str) -> Any:
    """``tiktoken.Encoding`` without special tokens."""
    if importlib.util.find_spec("tiktoken") is None:
        raise DataError(
            f"{path}: tiktoken files need the package tiktoken; pip install 'megatron_ko[tiktoken]'",
            rule="missing-package",
        )
    import tiktoken

    try:
        return tiktoken.Encoding(path.stem, pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    except ValueError as error:
        raise DataError(
            f"--pattern: {pattern[:80]!r} is not a regular expression ({error}); correct it",
            rule="not-a-regular-expression",
        ) from None
