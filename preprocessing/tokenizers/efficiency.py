"""Measures how many tokens a text takes with any tokenizer, by language.

Owns the counts and the ratios that follow from them. Text is streamed, its parts by several processes; the counts are
integers that add up, so the result is the same for any number of processes.

A word is a run of characters between white space. It is *continued* when more than one token covers a character of it.
Where the bytes of the tokens are the text, this is read from the text itself; a tokenizer that changes the text encodes
each word alone, with a blank before it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from megatron_ko.formats.vocabulary import BYTE
from preprocessing.tokenizers.opened import OpenedTokenizer

FIRST_SYLLABLE, SYLLABLES = 0xAC00, 11_172
_WHITE = np.array([chr(point).isspace() for point in range(0x3001)])


@dataclass
class TextCounts:
    """Counts of text in one language, for any tokenizer; ``syllables``: how often each of the 11,172 occurs."""

    documents: int = 0
    bytes: int = 0
    characters: int = 0
    words: int = 0
    syllables: np.ndarray = field(default_factory=lambda: np.zeros(SYLLABLES, np.int64))

    def __add__(self, other: TextCounts) -> TextCounts:
        return TextCounts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


@dataclass
class TokenCounts:
    """Counts of one tokenizer on text in one language; ``used``: how often each id occurs.

    ``changed_documents`` differ from the text when they are decoded. ``byte_tokens`` are bytes of a character that has
    no token or, in byte-level tokenizers, parts of a character.
    """

    used: np.ndarray
    tokens: int = 0
    continued_words: int = 0
    byte_tokens: int = 0
    unknown_tokens: int = 0
    changed_documents: int = 0

    def __add__(self, other: TokenCounts) -> TokenCounts:
        return TokenCounts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


class TextBatch:
    """Texts as one array of bytes, with the first and last byte of each word."""

    def __init__(self, texts: Sequence[str]):
        self.texts = list(texts)
        encoded = [text.encode("utf-8") for text in self.texts]
        self.bytes = np.frombuffer(b"".join(encoded), np.uint8)
        self.sizes = np.array([len(text) for text in encoded], np.int64)
        self.starts = np.cumsum(self.sizes) - self.sizes
        points = np.frombuffer("".join(self.texts).encode("utf-32-le"), np.uint32)
        white = np.zeros(len(points), bool)
        low = points < len(_WHITE)
        white[low] = _WHITE[points[low]]
        begins = np.zeros(len(points) + 1, bool)
        lengths = np.array([len(text) for text in self.texts], np.int64)
        begins[np.cumsum(lengths) - lengths] = True  # a word does not cross from one text to the next
        begins[-1] = True
        ink = ~white
        first = ink & (np.concatenate(([True], white))[: len(points)] | begins[:-1])
        last = ink & (np.concatenate((white[1:], [True]))[: len(points)] | begins[1:])
        at = np.flatnonzero((self.bytes & 0xC0) != 0x80)  # the first byte of each character
        ends = np.append(at[1:], len(self.bytes)) - 1
        self.word_first, self.word_last = at[first], ends[last]
        self.word_text = np.searchsorted(self.starts, self.word_first, side="right") - 1
        self.points = points

    def counts(self) -> TextCounts:
        is_syllable = (self.points >= FIRST_SYLLABLE) & (self.points < FIRST_SYLLABLE + SYLLABLES)
        numbers = self.points[is_syllable].astype(np.int64) - FIRST_SYLLABLE
        syllables = np.bincount(numbers, minlength=SYLLABLES)
        return TextCounts(len(self.texts), len(self.bytes), len(self.points), len(self.word_first), syllables)


class Meter:
    """Counts the tokens of one tokenizer."""

    def __init__(self, tokenizer: OpenedTokenizer):
        self.tokenizer = tokenizer
        contents = [token or b"" for token in tokenizer.vocabulary.contents]
        self._lengths = np.array([len(token) for token in contents], np.int64)
        self._starts = np.cumsum(self._lengths) - self._lengths
        self._pool = np.frombuffer(b"".join(contents), np.uint8)
        self._bytes = byte_tokens(tokenizer)
        # tokens of white space only; a special token is not blank, since it represents something unknown
        self._blank = np.array(
            [token is not None and not token.strip() for token in tokenizer.vocabulary.contents]
        )

    def counts(self, batch: TextBatch) -> TokenCounts:
        ids, offsets = self.tokenizer.encode_batch(batch.texts)
        size, unknown = self.tokenizer.size, self.tokenizer.vocabulary.special_ids.get("unk_id")
        used = np.bincount(ids, minlength=size).astype(np.int64)
        same, continued = self._align_bytes(batch, ids, offsets)
        others = np.flatnonzero(~same).tolist()
        changed = sum(
            self.tokenizer.decode(ids[offsets[row] : offsets[row + 1]]) != batch.texts[row] for row in others
        )
        return TokenCounts(
            used,
            len(ids),
            continued + self._count_continued([batch.texts[row] for row in others]),
            int(used[self._bytes].sum()),
            0 if unknown is None else int(used[unknown]),
            changed,
        )

    def _align_bytes(self, batch: TextBatch, ids: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, int]:
        """Marks the texts that equal the bytes of their tokens; counts the continued words of these texts.

        Skips a blank that the tokenizer adds before a text and removes again when decoding.
        """
        lengths = self._lengths[ids]
        decoded = self._pool[_ranges(self._starts[ids], lengths)]
        ends = np.cumsum(lengths)
        bounds = np.concatenate(([0], ends))[offsets]
        added = np.diff(bounds) - batch.sizes
        prefixed = np.zeros(len(batch.texts), bool)
        candidates = np.flatnonzero(added == 1)
        prefixed[candidates] = decoded[bounds[candidates]] == ord(" ")
        begins = bounds[:-1] + prefixed
        same = (added == 0) | prefixed
        rows = np.flatnonzero(same)
        here = _ranges(batch.starts[rows], batch.sizes[rows])
        wrong = batch.bytes[here] != decoded[_ranges(begins[rows], batch.sizes[rows])]
        same[np.searchsorted(batch.starts + batch.sizes, here[wrong], side="right")] = False
        words = same[batch.word_text]
        shift = (begins - batch.starts)[batch.word_text[words]]
        first = np.searchsorted(ends, batch.word_first[words] + shift, side="right")
        last = np.searchsorted(ends, batch.word_last[words] + shift, side="right")
        return same, int((last > first).sum())

    def _count_continued(self, texts: Sequence[str]) -> int:
        words = Counter(word for text in texts for word in text.split())
        return int(
            sum(n for n, cut in zip(words.values(), self.tokens_alone(f" {w}" for w in words) > 1) if cut)
        )

    def tokens_alone(self, texts: Iterable[str]) -> np.ndarray:
        """Number of tokens of each text, white space not counted."""
        ids, offsets = self.tokenizer.encode_batch(list(texts))
        ink = np.concatenate(([0], np.cumsum(~self._blank[ids])))
        return np.diff(ink[offsets])


def _ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """``starts[0], starts[0] + 1, ...``: as many consecutive numbers from each start as its length."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    return np.repeat(starts - (ends - lengths), lengths) + np.arange(total)


def byte_tokens(tokenizer: OpenedTokenizer) -> np.ndarray:
    """``[ids] bool``: tokens that are a byte of a character without a token, or a part of a character."""
    result = np.zeros(tokenizer.size, bool)
    result[tokenizer.vocabulary.numbers(BYTE)] = True
    if tokenizer.vocabulary.spelling.byte_level:
        result |= [token is not None and not _is_text(token) for token in tokenizer.vocabulary.contents]
    return result


def _is_text(token: bytes) -> bool:
    try:
        token.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def single_syllables(meter: Meter) -> np.ndarray:
    """``[11172] bool``: syllables that, encoded alone, are one token (blanks not counted), neither a byte nor unknown."""
    syllables = [chr(FIRST_SYLLABLE + i) for i in range(SYLLABLES)]
    ids, offsets = meter.tokenizer.encode_batch(syllables)
    special = np.zeros(meter.tokenizer.size, bool)
    special[list(meter.tokenizer.special_ids)] = True
    bad = np.concatenate(([0], np.cumsum((special | byte_tokens(meter.tokenizer))[ids])))
    return (meter.tokens_alone(syllables) == 1) & (np.diff(bad[offsets]) == 0)


# --- ratios ----------------------------------------------------------------------------------------------


def text_rates(text: TextCounts, tokens: int, *, digits: int = 6, least: int = 0) -> dict[str, Any]:
    """Counts and ratios of a text that takes ``tokens`` tokens.

    Divides by ``least`` where a divisor is smaller; a ratio with divisor 0 is None.
    """
    per_token, per_word = max(tokens, least), max(text.words, least)
    return {
        "documents": text.documents,
        "bytes": text.bytes,
        "characters": text.characters,
        "words": text.words,
        "tokens": tokens,
        "bytes_per_token": _share(text.bytes, per_token, digits),
        "characters_per_token": _share(text.characters, per_token, digits),
        "tokens_per_word": _share(tokens, per_word, digits),
    }


def rates(text: TextCounts, tokens: TokenCounts) -> dict[str, Any]:
    """Counts and ratios of one tokenizer and language; a ratio with divisor 0 is None."""
    return {
        **text_rates(text, tokens.tokens),
        "continued_words": _share(tokens.continued_words, text.words),
        "byte_tokens": _share(tokens.byte_tokens, tokens.tokens),
        "unknown_tokens": _share(tokens.unknown_tokens, tokens.tokens),
        "changed_documents": tokens.changed_documents,
        "used_tokens": int((tokens.used > 0).sum()),
    }


def relative_efficiency(chosen_tokens: int, tokens: int) -> float | None:
    """Percent, higher is better: ``100 * tokens(chosen) / tokens(this)``, as charted by GECKO (arXiv 2405.15640)."""
    return round(100 * chosen_tokens / tokens, 4) if tokens else None


def token_ratio(base_tokens: int, tokens: int) -> float | None:
    """Lower is better: ``TR = tokens(this) / tokens(base)`` (RedWhale, arXiv 2408.11294)."""
    return _share(tokens, base_tokens)


def parity(meter: Meter, pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Tokens of the first language per token of the second for the same content (Petrov et al., arXiv 2305.15425)."""
    first, second = (np.diff(meter.tokenizer.encode_batch([pair[i] for pair in pairs])[1]) for i in range(2))
    both = (first > 0) & (second > 0)
    return {
        "pairs": len(pairs),
        "tokens": [int(first.sum()), int(second.sum())],
        "parity": _share(int(first.sum()), int(second.sum())),
        "median_of_pairs": round(float(np.median(first[both] / second[both])), 4) if both.any() else None,
    }


def _share(part: int, whole: int, digits: int = 6) -> float | None:
    return round(part / whole, digits) if whole else None
