"""A SentencePiece BPE model as ``tokenizer.json``, and the proof that both give the same ids.

Owns the conversion: merges follow from pieces and their scores; there is no pre-tokenizer; control tokens are not
added tokens, so that text which spells ``</s>`` stays text in both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sentencepiece
import tokenizers

from megatron_ko.errors import DataError

SPACE = "\u2581"
HARD_TEXTS = (
    "", " ", "  ", "\n", "\n\n\n", "\t\tx", " leading", "trailing ", "a  b   c", "<s>", "</s>", "<unk>", "<pad>", "<0x41>",
    "<s>hi</s> <|rrn|> <|phone|><|email|>x", "<|rrn", "rrn|>", "가나다 ABC 123", "1234567890", "한글\n\n영어\tTab",
    "if x:\n    return {'a': [1, 2]}\n", "ᄒᆞᆫ글", "가나다".encode().decode(), "ㄱㅏㄴㅏ ㅋㅋㅋ ㅠㅠ", "漢字와 かな", "👨‍👩‍👧 👍🏽",
    "é ñ ü ß ﬁ ½ ™", "\u00a0\u3000", "￿", "\U0001f1f0\U0001f1f7", "가" * 300, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab" * 9,
    "==========----------", "://///", "x\r\ny", "가\u0301", "\u2581", "a\u2581b", "𐍈𠀀", "0.1+0.2≠0.3",
)  # fmt: skip


def to_tokenizer_json(processor: Any, user_symbols: Sequence[str]) -> dict[str, Any]:
    """``tokenizer.json`` with the ids of the SentencePiece model (no dummy prefix, identity normalisation)."""
    size = processor.get_piece_size()
    pieces = [processor.id_to_piece(i) for i in range(size)]
    symbols = set(user_symbols)
    normal = {
        piece: i
        for i, piece in enumerate(pieces)
        if not (
            processor.is_control(i) or processor.is_unknown(i) or processor.is_byte(i) or piece in symbols
        )
    }
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [_added(symbol, pieces.index(symbol)) for symbol in user_symbols],
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": SPACE},
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": SPACE}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
            ],
        },
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": pieces[processor.unk_id()],
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": True,
            "byte_fallback": True,
            "ignore_merges": False,
            "vocab": {piece: i for i, piece in enumerate(pieces)},
            "merges": [list(pair) for pair in merges_of(normal, processor)],
        },
    }


def merges_of(normal: dict[str, int], processor: Any) -> list[tuple[str, str]]:
    """All ways to make a piece of two others, best score first, ties by the ids of the halves."""
    found = []
    for piece, number in normal.items():
        score = processor.get_score(number)
        for cut in range(1, len(piece)):
            left, right = piece[:cut], piece[cut:]
            if left in normal and right in normal:
                found.append((-score, normal[left], normal[right], left, right))
    return [(left, right) for _, _, _, left, right in sorted(found)]


def _added(symbol: str, number: int) -> dict[str, Any]:
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
    return {"id": number, "content": symbol, **flags}


def prove_equal(processor: Any, made: tokenizers.Tokenizer, texts: Iterable[str]) -> int:
    """Number of texts for which both give the same ids and the text comes back. Raises DataError for the first other."""
    count = 0
    for text in (*HARD_TEXTS, *texts):
        expected = processor.encode(text)
        found = made.encode(text, add_special_tokens=False).ids
        if found != expected:
            at = next(
                (i for i, pair in enumerate(zip(found, expected)) if pair[0] != pair[1]),
                min(len(found), len(expected)),
            )
            raise DataError(
                f"tokenizer.json and tokenizer.model disagree at token {at} of {text[:80]!r}: "
                f"{found[at : at + 5]} instead of {expected[at : at + 5]}; report this text with the tokenizer"
            )
        for decoded in (processor.decode(expected), made.decode(found, skip_special_tokens=False)):
            if decoded != text.replace(SPACE, " "):
                raise DataError(
                    f"text does not come back from its tokens: {text[:80]!r} became {decoded[:80]!r}"
                )
        count += 1
    return count


def load_sentencepiece(model: bytes) -> Any:
    return sentencepiece.SentencePieceProcessor(model_proto=model)
