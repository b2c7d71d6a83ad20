"""Rank files of tiktoken: one line per token, its bytes in base64 and its rank, which is also its id.

Owns the reading, without pickle and without network.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from pathlib import Path

from megatron_ko.errors import DataError
from megatron_ko.formats import byte_alphabet
from megatron_ko.formats.vocabulary import MAX_ID, NO_PIECE, Piece, Spelling, Vocabulary

_LINE = re.compile(rb"([A-Za-z0-9+/]+={0,2}) ([0-9]{1,9})")


def is_tiktoken(path: Path) -> bool:
    """Whether the first line is a token and its rank. A SentencePiece model, which may have the same suffix, is binary."""
    with open(path, "rb") as file:
        return _LINE.fullmatch(file.readline(1 << 16).rstrip(b"\r\n")) is not None


def read_ranks(path: Path) -> dict[bytes, int]:
    """Returns ranks by token. Raises DataError with the line number of the mistake."""
    ranks: dict[bytes, int] = {}
    used: set[int] = set()
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
                f"{path}:{number}: {line[:60]!r} is not 'BASE64 RANK' (a token's bytes and its rank); download the file "
                "again",
                rule="invalid-line",
            )
        rank = int(match[2])
        if rank >= MAX_ID:
            message = f"{path}:{number}: rank {rank} must be below {MAX_ID}; download the file again"
            raise DataError(message, rule="rank-too-large")
        if token in ranks or rank in used:
            what = f"token {token!r}" if token in ranks else f"rank {rank}"
            message = f"{path}:{number}: duplicate {what}; download the file again"
            raise DataError(message, rule="duplicate-token" if token in ranks else "duplicate-rank")
        ranks[token] = rank
        used.add(rank)
    missing = sum(bytes([byte]) not in ranks for byte in range(256))
    if missing:
        raise DataError(
            f"{path}: {missing} of the 256 single bytes have no token, so some texts cannot be encoded; download the file "
            "again",
            rule="missing-bytes",
        )
    return ranks


def vocabulary_of(ranks: Mapping[bytes, int]) -> Vocabulary:
    """Returns tokens in the byte alphabet. The pair whose union has the lowest rank merges first."""
    pieces = [NO_PIECE] * (max(ranks.values()) + 1)
    for token, rank in ranks.items():
        pieces[rank] = Piece("".join(byte_alphabet.LETTERS[byte] for byte in token), -float(rank))
    return Vocabulary("bpe", pieces, Spelling(byte_level=True))
