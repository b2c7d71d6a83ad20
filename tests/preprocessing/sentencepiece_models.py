"""SentencePiece models written piece by piece, and random ones that test an engine harder than trained ones."""

from __future__ import annotations

import random
import struct

from megatron_ko.formats.vocabulary import BYTE, CONTROL, NORMAL, UNKNOWN, UNUSED, USER_DEFINED

BYTES = [(f"<0x{byte:02X}>", 0.0, BYTE) for byte in range(256)]
LETTERS = "abc가나다 \n1<é\U0001f600"
Pieces = list[tuple[str, float, int]]


def model_of(
    pieces: Pieces, trainer: dict[int, int] | None = None, normalizer: dict[int, int | bytes] | None = None
) -> bytes:
    """The bytes of a model: ``<unk>``, a control piece, the bytes, ``pieces``; fields as in sentencepiece_model.proto."""
    every = [("<unk>", 0.0, UNKNOWN), ("</s>", 0.0, CONTROL), *BYTES, *pieces]
    made = b"".join(
        field(1, field(1, piece.encode("utf-8")) + b"\x15" + struct.pack("<f", score) + field(3, kind))
        for piece, score, kind in every
    )
    settings = {3: 2, 35: 1, 40: 0, 41: -1, 42: 1, 43: -1} | (trainer or {})
    made += field(2, b"".join(field(number, value) for number, value in settings.items()))
    changes = {1: b"identity", 3: 0, 4: 0, 5: 1} | (normalizer or {})
    return made + field(3, b"".join(field(number, value) for number, value in changes.items()))


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value & (1 << 64) - 1)
    return varint(number << 3 | 2) + varint(len(value)) + value


def varint(value: int) -> bytes:
    made = bytearray()
    while value > 127:
        made.append(value & 127 | 128)
        value >>= 7
    return bytes([*made, value])


def random_model(chance: random.Random) -> bytes:
    """Pieces of few letters in random order: equal scores, missing letters and halves, user symbols, unused pieces."""
    found = {letter for letter in LETTERS if chance.random() < 0.7} | {" "}
    for _ in range(chance.randrange(60)):
        if chance.random() < 0.6:
            found.add("".join(chance.choice(sorted(found)) for _ in range(2)))
        else:
            found.add("".join(chance.choice(LETTERS) for _ in range(chance.randrange(2, 6))))
    several = chance.choice((3, 20, 10**6))
    users = chance.choice((0.0, 0.0, 0.1))
    unused = chance.choice((0.0, 0.0, 0.05))
    pieces = []
    for piece in sorted(found, key=lambda _: chance.random()):
        kind = USER_DEFINED if chance.random() < users else UNUSED if chance.random() < unused else NORMAL
        pieces.append((piece.replace(" ", "\u2581"), -float(chance.randrange(several)), kind))
    return model_of(pieces)


def random_text(chance: random.Random) -> str:
    letters = chance.choice((LETTERS, "ab", "가나 ", LETTERS + "\u2581x"))
    return "".join(chance.choice(letters) for _ in range(chance.choice((3, 10, 30, 90, 200))))
