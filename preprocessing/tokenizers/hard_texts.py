"""Texts on which readers of a tokenizer tend to disagree: a fixed list, and any number of generated ones."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

HARD_TEXTS = (
    "", " ", "  ", "\n", "\n\n\n", "\t\tx", " leading", "trailing ", "a  b   c", "<s>", "</s>", "<unk>", "<pad>", "<0x41>",
    "<s>hi</s> <|rrn|> <|phone|><|email|>x", "<|rrn", "rrn|>", "가나다 ABC 123", "1234567890", "한글\n\n영어\tTab",
    "if x:\n    return {'a': [1, 2]}\n", "ᄒᆞᆫ글", "가나다".encode().decode(), "ㄱㅏㄴㅏ ㅋㅋㅋ ㅠㅠ", "漢字와 かな", "👨‍👩‍👧 👍🏽",
    "é ñ ü ß ﬁ ½ ™", "\u00a0\u3000", "￿", "\U0001f1f0\U0001f1f7", "가" * 300, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab" * 9,
    "==========----------", "://///", "x\r\ny", "가\u0301", "\u2581", "a\u2581b", "𐍈𠀀", "0.1+0.2≠0.3",
)  # fmt: skip

_RANGES = (
    (0xAC00, 0xD7A3), (0xAC00, 0xD7A3), (0x1100, 0x11FF), (0x3131, 0x318E), (0x4E00, 0x9FFF), (0xF900, 0xFAFF),
    (0x20, 0x7E), (0x20, 0x7E), (0x00, 0x20), (0x7F, 0xFF), (0x300, 0x36F), (0x2000, 0x206F), (0x2580, 0x259F),
    (0xFDD0, 0xFDD3), (0xFE00, 0xFE0F), (0xFFF0, 0xFFFF), (0x1F300, 0x1FAFF), (0x1F1E6, 0x1F1FF), (0x20000, 0x2A6DF),
    (0xE000, 0xF8FF), (0x0, 0xD7FF), (0xE000, 0x10FFFF),
)  # fmt: skip
_FRAGMENTS = (
    *HARD_TEXTS, "\u200d", "\ufe0f", "\u2581", "\ufdd1", "\ufdd11", "\ufdd10", "    ", "\t", "\t\t", "\r\n", "\n", " ",
    "  ", "\n\n", "<0xEA>", "<0x0A>", "</", "s>", "<", ">", "|", "0", "1", "def f(x):", "return", "{}", "==", "입니다",
    "습니다", "했다", "에서", "은", "the", "ing", "http://",
)  # fmt: skip


def generated_texts(count: int, pieces: Sequence[str], seed: int = 0) -> Iterator[str]:
    """``count`` texts that mix any Unicode characters, the fragments above, and ``pieces`` (as text).

    The same arguments give the same texts.
    """
    chance = random.Random(seed)
    longest = [piece for piece in pieces if len(piece) > 1] or list(pieces) or ["a"]
    for _ in range(count):
        yield "".join(_part(chance, longest) for _ in range(chance.randrange(1, 9)))


def _part(chance: random.Random, pieces: Sequence[str]) -> str:
    number = chance.random()
    if number < 0.4:
        return "".join(chance.choice(pieces) for _ in range(chance.randrange(1, 4)))
    if number < 0.6:  # the end of a piece, where other merges apply
        piece = chance.choice(pieces)
        return piece[chance.randrange(len(piece)) :]
    if number < 0.8:
        return chance.choice(_FRAGMENTS)
    first, last = chance.choice(_RANGES)
    return "".join(chr(chance.randint(first, last)) for _ in range(chance.randrange(1, 6)))
