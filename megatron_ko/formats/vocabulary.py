"""What a tokenizer consists of, whatever file it is read from: pieces, their kinds, scores or merges, special ids.

Owns the one type that every reader returns (``sentencepiece_model``, ``tokenizer_json``, ``tiktoken_ranks``) and every
user reads. Texts are encoded by engines; only a short text that stands alone is merged here, the plain way.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from megatron_ko.formats import byte_alphabet

GAP, NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(7)
"""Kinds of pieces, numbered as SentencePiece does; GAP is an id without a piece."""
BLANK = "\u2581"
"""What SentencePiece writes for a blank."""
BYTE_PIECE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
MAX_ID = 1 << 24
"""Larger ids are a damaged file: tables are as long as the largest id."""
Pair = tuple[str, str]
Rank = Callable[[str, str], "float | None"]


class Piece(NamedTuple):
    """``text`` as the file spells it; the better the ``score``, the earlier the piece is merged."""

    text: str
    score: float = 0.0
    kind: int = NORMAL


NO_PIECE = Piece("", kind=GAP)


@dataclass(frozen=True)
class Spelling:
    """How a file writes the bytes that a piece stands for.

    ``byte_level``: in 256 letters, one for each byte (GPT-2); else as text, in which ``blanks`` are written for a blank.
    ``inside``: before a piece within a word (WordPiece); ``last``: behind the last piece of a word. Neither is text.
    ``literal``: symbols (USER_DEFINED) are written as the text they are.
    """

    byte_level: bool = False
    blanks: tuple[str, ...] = (BLANK,)
    inside: str = ""
    last: str = ""
    literal: bool = False

    def spelled(self, text: str) -> str:
        """The text as pieces are written: to look it up, or to cut it into pieces."""
        return byte_alphabet.spelled(text) if self.byte_level else text.replace(" ", BLANK)

    def content(self, text: str) -> bytes:
        """The bytes that are written so. Letters that stand for no byte are taken as they are."""
        if self.byte_level:
            found = byte_alphabet.bytes_of(text)
            return text.encode("utf-8", "surrogatepass") if found is None else found
        for sign in self.blanks:
            text = text.replace(sign, " ")
        if self.inside and text.startswith(self.inside) and text != self.inside:
            text = text[len(self.inside) :]
        if self.last and text.endswith(self.last) and text != self.last:
            text = text[: -len(self.last)]
        return text.encode("utf-8", "surrogatepass")


@dataclass(frozen=True)
class Vocabulary:
    """The pieces of a tokenizer by id.

    ``algorithm``: how a text is cut into pieces (``bpe``, ``unigram``, ``wordpiece``, ...). BPE merges the pair that
    comes first in ``merges``, or without merges the pair whose union has the best score. ``special_ids``: the ids of
    ``bos_id``, ``eos_id``, ``pad_id`` and ``unk_id`` as far as the file names them.
    """

    algorithm: str
    pieces: Sequence[Piece]
    spelling: Spelling
    merges: Sequence[Pair] | None = None
    special_ids: Mapping[str, int | None] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """One more than the largest id."""
        return len(self.pieces)

    @functools.cached_property
    def names(self) -> tuple[str | None, ...]:
        """Pieces as the file spells them; None where an id has none."""
        return tuple(None if piece.kind == GAP else piece.text for piece in self.pieces)

    @functools.cached_property
    def contents(self) -> tuple[bytes | None, ...]:
        """The bytes of text that each piece stands for; None for gaps and for pieces that no text becomes."""
        return tuple(map(self._content, self.pieces))

    def _content(self, piece: Piece) -> bytes | None:
        if piece.kind in (GAP, CONTROL, UNKNOWN):
            return None
        if piece.kind == BYTE:
            return bytes([int(piece.text[3:5], 16)])
        if piece.kind == USER_DEFINED and self.spelling.literal:
            return piece.text.encode("utf-8", "surrogatepass")
        return self.spelling.content(piece.text)

    @functools.cached_property
    def surfaces(self) -> tuple[str | None, ...]:
        """The text of each piece that merging makes, and of symbols; None for all others, and for parts of characters."""
        return tuple(map(self._surface, self.pieces, self.contents))

    def _surface(self, piece: Piece, content: bytes | None) -> str | None:
        if content is None or piece.kind not in (NORMAL, USER_DEFINED):
            return None
        if piece.kind == NORMAL and self.spelling.byte_level:
            return byte_alphabet.text_of(piece.text)
        return _text_of(content)

    @functools.cached_property
    def ids(self) -> dict[str, int]:
        """Surfaces to ids."""
        return {surface: number for number, surface in enumerate(self.surfaces) if surface is not None}

    def numbers(self, *kinds: int) -> list[int]:
        """Ids of the pieces of these kinds, in order."""
        return [number for number, piece in enumerate(self.pieces) if piece.kind in kinds]

    def spelled(self, surface: str) -> str:
        return self.spelling.spelled(surface)

    def shown(self, text: str) -> str:
        """A piece of the file for people: its text, with the numbers of bytes that are a part of a character."""
        return self.spelling.content(text).decode("utf-8", "backslashreplace")

    @functools.cached_property
    def rank(self) -> Rank:
        """Of merging two pieces: the lower the earlier; None where they do not merge."""
        if self.merges is not None:
            ranks = {pair: number for number, pair in enumerate(self.merges)}
            return lambda left, right: ranks.get((left, right))
        scores = {piece.text: -piece.score for piece in self.pieces if piece.kind == NORMAL}
        return lambda left, right: scores.get(left + right)

    def segment(self, surface: str) -> list[str]:
        """The pieces, as the file spells them, of a text that stands alone, by merging."""
        return merged(list(self.spelled(surface)), self.rank)


def _text_of(content: bytes) -> str | None:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None


def merged(symbols: list[str], rank: Rank) -> list[str]:
    """Byte-pair encoding of a short text: the pair of the lowest rank first, the leftmost of equal ones."""
    for _ in unions(symbols, rank):
        pass
    return symbols


def unions(symbols: list[str], rank: Rank) -> Iterator[str]:
    """What is made of two symbols, one after the other, while ``symbols`` are merged in place."""
    ranks = [rank(left, right) for left, right in zip(symbols, symbols[1:])]
    while True:
        best = min((value for value in ranks if value is not None), default=None)
        if best is None:
            return
        at = ranks.index(best)
        symbols[at : at + 2] = [symbols[at] + symbols[at + 1]]
        yield symbols[at]
        del ranks[at]
        for near in range(max(at - 1, 0), min(at + 1, len(ranks))):
            ranks[near] = rank(symbols[near], symbols[near + 1])
