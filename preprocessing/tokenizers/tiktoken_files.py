"""Files of mergeable ranks as tiktoken has them: a line per token, its bytes in base64 and its rank, which is its id.

Owns the reading (never pickle, never the network) and the split patterns that are known by name; the file does not
say how text is split before merging.
"""

from __future__ import annotations

import base64
import binascii
import importlib.util
import re
from pathlib import Path
from typing import Any

from megatron_ko.errors import DataError

MAX_ID = 1 << 24
"""Larger ids are a damaged file: tables are as long as the largest id."""
_LINE = re.compile(rb"([A-Za-z0-9+/]+={0,2}) ([0-9]{1,9})")

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
"""By the name of the published vocabulary; each splits text as that vocabulary's own pattern does."""


def is_tiktoken(path: Path) -> bool:
    """The first line is a token and its rank. A SentencePiece model, which may have the same suffix, is binary."""
    with open(path, "rb") as file:
        return _LINE.fullmatch(file.readline(1 << 16).rstrip(b"\r\n")) is not None


def read_ranks(path: Path) -> dict[bytes, int]:
    """Ranks by token. Raises DataError with the line that is wrong."""
    ranks: dict[bytes, int] = {}
    seen: set[int] = set()
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        if not line.strip():
            continue
        match = _LINE.fullmatch(line)
        try:
            token = base64.b64decode(match[1], validate=True) if match else b""
        except binascii.Error:
            token = b""
        if not match or not token:
            raise DataError(
                f"{path}:{number}: {line[:60]!r} is not 'BASE64 RANK', a token's bytes and its rank; get the file again"
            )
        rank = int(match[2])
        if rank >= MAX_ID:
            raise DataError(f"{path}:{number}: the rank {rank} is not below {MAX_ID}; get the file again")
        if token in ranks or rank in seen:
            what = f"the token {token!r}" if token in ranks else f"the rank {rank}"
            raise DataError(f"{path}:{number}: {what} is there twice; get the file again")
        ranks[token] = rank
        seen.add(rank)
    missing = sum(bytes([byte]) not in ranks for byte in range(256))
    if missing:
        raise DataError(
            f"{path}: {missing} of the 256 single bytes have no token, so that not every text can be encoded; "
            "get the file again"
        )
    return ranks


def pattern_of(path: Path, given: str | None) -> str:
    """``given`` by name or as it stands; else the one that goes with the name of the file."""
    pattern = PATTERNS.get(given, given) if given else PATTERNS.get(path.stem)
    if pattern is None:
        raise DataError(
            f"{path}: a tiktoken file does not say how text is split; give --pattern, one of {', '.join(PATTERNS)}, "
            "or a regular expression"
        )
    return pattern


def encoding_of(path: Path, ranks: dict[bytes, int], pattern: str) -> Any:
    """``tiktoken.Encoding`` without special tokens."""
    if importlib.util.find_spec("tiktoken") is None:
        raise DataError(
            f"{path}: tiktoken files need the package tiktoken; pip install 'megatron_ko[tiktoken]'"
        )
    import tiktoken

    try:
        return tiktoken.Encoding(path.stem, pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    except ValueError as error:
        raise DataError(
            f"--pattern: {pattern[:80]!r} is no regular expression ({error}); correct it"
        ) from None
