"""Where text may be cut so that a tokenizer gives the parts the tokens that it gives the whole.

Owns the rule. Merges join neighbours into a piece of the vocabulary, so none crosses a place whose two characters stand
side by side in no piece. Text is normalised first, as the tokenizer does it; pieces that are added to the tokenizer are
an optional blank and Korean letters, and ``kernels.word_counts`` holds Hangul and the blank before it together anyway. What a
pre-tokenizer makes of its surroundings is not known here: whoever counts compares with whole documents.
"""

# pyarrow.compute makes its functions at import
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
    """A blank or none, then Korean letters: syllables, and letters such as ㅋ; no digit, sign, Latin letter or hanja."""
    return KOREAN.fullmatch(surface) is not None


@dataclass(frozen=True)
class Cut:
    """The rule for a tokenizer: pairs of characters (``bits``) and of bytes of half characters that are held together."""

    bits: np.ndarray
    byte_pairs: np.ndarray
    normalizer: str  # JSON
    prefix: bool  # a blank goes before a text that does not begin with one
    byte_level: bool

    def key(self) -> str:
        held = [self.bits.tobytes().hex(), self.byte_pairs.tobytes().hex()]
        return key_of(*held, self.normalizer, self.prefix, self.byte_level)

    def prepared(self, column: pa.Array) -> pa.Array:
        """The texts as the tokenizer normalises them, with plain blanks."""
        for change in _changes(self.normalizer):
            column = change(column)
        if not self.byte_level:  # what stands for a blank is one
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
        for left, right in _neighbours(piece, byte_level):
            if not (_is_half(left) or _is_half(right)):
                before.append(ord(left))
                after.append(ord(right))
                continue
            first = right.encode("utf-8", "surrogateescape")[0]
            if not 0x80 <= first < 0xC0:  # else inside a character
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
    """As it stands in the vocabulary."""
    return spell(surface) if byte_level else surface.replace(" ", BLANK)


def tokenizer_of_words(description: dict[str, Any]) -> tokenizers.Tokenizer:
    """The tokenizer for text that is prepared and cut already."""
    made = json.loads(json.dumps(description))
    if is_byte_level(made):
        made["normalizer"] = None
        for part in pre_tokenizers_in(made):
            if "add_prefix_space" in part:
                part["add_prefix_space"] = False
    else:
        made["normalizer"] = {"type": "Replace", "pattern": {"String": " "}, "content": BLANK}
        made["pre_tokenizer"] = None
    made.update(post_processor=None, truncation=None, padding=None)
    tokenizer = tokenizers.Tokenizer.from_str(json.dumps(made))
    tokenizer.encode_special_tokens = True
    return tokenizer


def _neighbours(piece: str, byte_level: bool) -> Iterator[tuple[str, str]]:
    """Neighbouring characters; a byte of half a character is a lone surrogate."""
    content = bytes_of(piece) if byte_level else None
    piece = piece.replace(BLANK, " ") if content is None else content.decode("utf-8", "surrogateescape")
    yield from zip(piece, piece[1:])


def _is_half(character: str) -> bool:
    return "\udc80" <= character <= "\udcff"


# --- normalisers -----------------------------------------------------------------------------------------


@functools.cache
def _changes(normalizer: str) -> tuple[Change, ...]:
    """Without a last step that only writes blanks as U+2581: here they are read back."""
    found = json.loads(normalizer)
    steps = found.get("normalizers", [found]) if found else []
    if steps and steps[-1] == {"type": "Replace", "pattern": {"String": " "}, "content": BLANK}:
        steps = steps[:-1]
    return tuple(change for step in steps for change in _changes_of(step))


def _changes_of(part: dict[str, Any] | None) -> Iterator[Change]:
    """Whole columns at once where that is the same; else text by text with the normaliser itself."""
    kind = None if part is None else part["type"]
    if part is None:
        return
    if kind == "Sequence":
        for inner in part["normalizers"]:
            yield from _changes_of(inner)
    elif kind == "Prepend":
        yield functools.partial(_prepend, part["prepend"])
    elif kind == "Replace" and "String" in part["pattern"]:
        yield functools.partial(
            pc.replace_substring, pattern=part["pattern"]["String"], replacement=part["content"]
        )
    elif kind in FORMS:
        yield functools.partial(pc.utf8_normalize, form=kind)
    else:
        yield functools.partial(_one_by_one, json.dumps(part))


def _prepend(prefix: str, column: pa.Array) -> pa.Array:
    """Not to an empty text."""
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
