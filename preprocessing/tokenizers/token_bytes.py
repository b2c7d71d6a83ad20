"""What each token of a ``tokenizer.json`` or a SentencePiece model stands for, as bytes.

Owns the alphabets: byte-level BPE writes bytes as letters, SentencePiece a blank as U+2581 and bytes as ``<0xNN>``,
WordPiece a continuation as ``##``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from megatron_ko.formats import byte_alphabet
from megatron_ko.formats.vocabulary import BLANK

BYTE_PIECE = re.compile(r"<0x([0-9A-Fa-f]{2})>")


@dataclass(frozen=True)
class TokenBytes:
    """By id; None for an id that gives no text: control and unknown tokens (``special_ids``) and gaps."""

    of_id: list[bytes | None]
    special_ids: frozenset[int]
    byte_ids: frozenset[int]
    """Pieces of one byte that stand in where no other token has the character; none in byte-level tokenizers."""
    unknown_id: int | None
    byte_level: bool


def of_sentencepiece(processor: Any) -> TokenBytes:
    size = processor.get_piece_size()
    special = frozenset(i for i in range(size) if processor.is_control(i) or processor.is_unknown(i))
    singles = frozenset(i for i in range(size) if processor.is_byte(i))
    found: list[bytes | None] = []
    for number in range(size):
        piece = processor.id_to_piece(number)
        if number in special:
            found.append(None)
        elif number in singles:
            found.append(bytes([int(piece[3:5], 16)]))
        else:
            found.append(piece.replace(BLANK, " ").encode("utf-8"))
    return TokenBytes(found, special, singles, processor.unk_id(), False)


def of_tokenizer_json(description: dict[str, Any], special_tokens: Iterable[str] = ()) -> TokenBytes:
    """``special_tokens`` beside those of the description. Raises KeyError, TypeError or others where it is none."""
    model, added = description["model"], description.get("added_tokens") or []
    vocabulary = model["vocab"]
    ids = (
        dict(vocabulary) if isinstance(vocabulary, dict) else {row[0]: i for i, row in enumerate(vocabulary)}
    )
    unknown = model.get("unk_id") if "unk_id" in model else ids.get(model.get("unk_token"))
    special = {token["id"] for token in added if token["special"]}
    special |= {ids[name] for name in special_tokens if name in ids}
    if unknown is not None:
        special.add(unknown)
    byte_level = any(part.get("type") == "ByteLevel" for part in _parts(description))
    blanks = _blanks(description)
    pieces = {number: piece for piece, number in ids.items()}
    plain = {token["id"]: token["content"] for token in added if not token["special"]}
    found: list[bytes | None] = [None] * (max([*pieces, *plain, *special], default=-1) + 1)
    singles = set()
    for number, piece in pieces.items():
        if number in special or number in plain:
            continue
        single = BYTE_PIECE.fullmatch(piece) if model.get("byte_fallback") else None
        if single:
            singles.add(number)
            found[number] = bytes([int(single[1], 16)])
        elif byte_level:
            found[number] = _from_letters(piece)
        else:
            found[number] = _surface(piece, model, blanks).encode("utf-8", "surrogatepass")
    for number, content in plain.items():
        found[number] = content.encode("utf-8", "surrogatepass")
    return TokenBytes(found, frozenset(special), frozenset(singles), unknown, byte_level)


def _from_letters(piece: str) -> bytes:
    content = byte_alphabet.bytes_of(piece)
    return piece.encode("utf-8", "surrogatepass") if content is None else content


def _surface(piece: str, model: dict[str, Any], blanks: set[str]) -> str:
    for sign in blanks:
        piece = piece.replace(sign, " ")
    prefix = model.get("continuing_subword_prefix")
    if prefix and piece.startswith(prefix) and piece != prefix:
        piece = piece[len(prefix) :]
    suffix = model.get("end_of_word_suffix")
    return piece[: -len(suffix)] if suffix and piece.endswith(suffix) and piece != suffix else piece


def _parts(description: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every normaliser, pre-tokeniser and decoder, those inside sequences too."""
    waiting = [description.get(name) for name in ("normalizer", "pre_tokenizer", "decoder")]
    while waiting:
        part = waiting.pop()
        if part:
            yield part
            for name in ("normalizers", "pretokenizers", "decoders"):
                waiting += part.get(name) or []


def _blanks(description: dict[str, Any]) -> set[str]:
    """Signs written for a blank."""
    found = set()
    for part in _parts(description):
        if part.get("type") == "Metaspace":
            found.add(part["replacement"])
        elif part.get("type") == "Replace":
            old, new = part["pattern"].get("String"), part["content"]
            found |= {new} if old == " " else {old} if old and new == " " else set()
    return found - {" ", ""}
