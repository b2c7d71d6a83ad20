"""Finds points where text can be cut without changing its tokens.

Owns the rule. Merges join neighbors into pieces of the vocabulary, so no merge crosses two characters that are adjacent
in no piece. Text is normalized first, as the tokenizer does it. Pieces added to the tokenizer are an optional blank and
Korean letters; ``kernels.word_counts`` never separates Hangul from the blank before it. The rule ignores how a
pre-tokenizer depends on the surrounding text, so callers compare their counts with whole documents.
"""

# pyarrow.compute creates its functions at import
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tokenizers

from megatron_ko.formats.byte_alphabet import bytes_of, spell
from megatron_ko.formats.tokenizer_json import adds_prefix_blank, is_byte_level, pre_tokenizers_in
from megatron_ko.formats.vocabulary import BLANK
from preprocessing.kernels import word_counts
from preprocessing.running.markers import key_of

BITS = 1 << 22
FORMS = ("NFC", "NFD", "NFKC", "NFKD")
KOREAN = re.compile(" ?[\uac00-\ud7a3\u3131-\u3163\u3165-\u318e]+")
Change = Callable[[pa.Array], pa.Array]


def is_korean_piece(surface: str) -> bool:
    """An optional blank, then Korean letters: syllables or jamo such as ㅋ; no digit, sign, Latin letter or Hanja."""
    return KOREAN.fullmatch(surface) is not None


@dataclass(frozen=True)
class Cut:
    """The rule for a tokenizer: pairs of characters (``bits``) and pairs of bytes inside characters that stay together."""

    bits: np.ndarray
    byte_pairs: np.ndarray
    normalizer: str  # JSON
    prefix: bool  # prepends a blank to a text that does not begin with one
    byte_level: bool

    def key(self) -> str:
        pairs = [self.bits.tobytes().hex(), self.byte_pairs.tobytes().hex()]
        return key_of(*pairs, self.normalizer, self.prefix, self.byte_level)

    def normalize(self, column: pa.Array) -> pa.Array:
        """The texts as the tokenizer normalizes them, with plain blanks."""
        for change in _changes(self.normalizer):
            column = change(column)
        if not self.byte_level:  # U+2581 represents a blank
            column = pc.replace_substring(column, BLANK, " ")
        if self.prefix:
            column = pc.replace_substring_regex(column, r"\A([^ ])", r" \1")
        return column


def cut_of(description: dict[str, Any]) -> Cut:
    """The rule for a ``tokenizer.json``."""
    byte_level = is_byte_level(description)
    pieces = [*description["model"]["vocab"], *(token["content"] for token in description["added_tokens"])]
    before, after = [], []
    byte_pairs = np.zeros((256, 256), np.bool_)
    for piece in pieces:
        for left, right in _neighbors(piece, byte_level):
            if not (_is_half(left) or _is_half(right)):
                before.append(ord(left))
                after.append(ord(right))
                continue
            first = right.encode("utf-8", "surrogateescape")[0]
            if not 0x80 <= first < 0xC0:  # otherwise the pair is inside a character
                byte_pairs[left.encode("utf-8", "surrogateescape")[-1], first] = True
    pairs = np.array(before or [0], np.int64), np.array(after or [0], np.int64)
    return Cut(
        word_counts.bits_of_pairs(*pairs, BITS),
        byte_pairs,
        json.dumps(description.get("normalizer")),
        adds_prefix_blank(description),
        byte_level,
    )


def piece_of(surface: str, byte_level: bool) -> str:
    """The surface as spelled in the vocabulary."""
    return spell(surface) if byte_level else surface.replace(" ", BLANK)


def tokenizer_of_words(description: dict[str, Any]) -> tokenizers.Tokenizer:
    """The tokenizer for text that is already normalized and cut."""
    changed = json.loads(json.dumps(description))
    if is_byte_level(changed):
        changed["normalizer"] = None
        for part in pre_tokenizers_in(changed):
            if "add_prefix_space" in part:
                part["add_prefix_space"] = False
    else:
        changed["normalizer"] = {"type": "Replace", "pattern": {"String": " "}, "content": BLANK}
        changed["pre_tokenizer"] = None
    changed.update(post_processor=None, truncation=None, padding=None)
    tokenizer = tokenizers.Tokenizer.from_str(json.dumps(changed))
    tokenizer.encode_special_tokens = True
    return tokenizer


def _neighbors(piece: str, byte_level: bool) -> Iterator[tuple[str, str]]:
    """Adjacent characters; a byte of an incomplete character is a lone surrogate."""
    content = bytes_of(piece) if byte_level else None
    piece = piece.replace(BLANK, " ") if content is None else content.decode("utf-8", "surrogateescape")
    yield from zip(piece, piece[1:])


def _is_half(character: str) -> bool:
    return "\udc80" <= character <= "\udcff"


# --- normalizers -----------------------------------------------------------------------------------------


@functools.cache
def _changes(normalizer: str) -> tuple[Change, ...]:
    """The changes of a normalizer, except a final one that only writes blanks as U+2581."""
    described = json.loads(normalizer)
    parts = described.get("normalizers", [described]) if described else []
    if parts and parts[-1] == {"type": "Replace", "pattern": {"String": " "}, "content": BLANK}:
        parts = parts[:-1]
    return tuple(change for part in parts for change in _changes_of(part))


def _changes_of(part: dict[str, Any] | None) -> Iterator[Change]:
    """Changes of whole columns where Arrow has the same operation, else text by text with the normalizer itself."""
    if part is None:
        return
    name = part["type"]
    if name == "Sequence":
        for inner in part["normalizers"]:
            yield from _changes_of(inner)
    elif name == "Prepend":
        yield functools.partial(_prepend, part["prepend"])
    elif name == "Replace" and "String" in part["pattern"]:
        yield functools.partial(
            pc.replace_substring, pattern=part["pattern"]["String"], replacement=part["content"]
        )
    elif name in FORMS:
        yield functools.partial(pc.utf8_normalize, form=name)
    else:
        yield functools.partial(_one_by_one, json.dumps(part))


def _prepend(prefix: str, column: pa.Array) -> pa.Array:
    """Prepends to every text that is not empty."""
    return pc.replace_substring_regex(column, r"\A(?s:(.))", prefix + r"\1")


def _one_by_one(part: str, column: pa.Array) -> pa.Array:
    normalizer = _normalizer(part)
    return pa.array([normalizer.normalize_str(text) for text in column.to_pylist()], pa.large_string())


@functools.cache
def _normalizer(part: str) -> Any:
    empty = {"type": "BPE", "vocab": {}, "merges": []}
    return tokenizers.Tokenizer.from_str(
        json.dumps({"version": "1.0", "added_tokens": [], "normalizer": json.loads(part), "model": empty})
    ).normalizer
