"""The vocabulary of a tokenizer, independent of its file format: pieces, kinds, scores or merges, special ids.

Owns the type that all readers return (``sentencepiece_model``, ``tokenizer_json``, ``tiktoken_ranks``). Engines encode
text; this module only merges a short isolated text, the simple way.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from megatron_ko.formats import byte_alphabet

GAP, NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(7)
"""Kinds of pieces with SentencePiece's numbers; GAP is an id without a piece."""
BLANK = "\u2581"
"""Character that SentencePiece writes for a blank."""
BYTE_PIECE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
MAX_ID = 1 << 24
"""Ids from here on indicate a damaged file; tables are as long as the largest id."""
Pair = tuple[str, str]
Rank = Callable[[str, str], "float | None"]


class Piece(NamedTuple):
    """``text`` is spelled as in the file; pieces with higher ``score`` merge earlier."""

    text: str
    score: float = 0.0
    kind: int = NORMAL


NO_PIECE = Piece("", kind=GAP)


@dataclass(frozen=True)
class Spelling:
    """How a file spells the bytes of a piece.

    ``byte_level``: in 256 letters, one per byte (GPT-2); otherwise as text with one of ``blanks`` for each blank.
    ``inside`` is a prefix of pieces within a word (WordPiece), ``last`` a suffix of a word's last piece; neither is text.
    ``literal``: symbols (USER_DEFINED) are spelled as plain text.
    """

    byte_level: bool = False
    blanks: tuple[str, ...] = (BLANK,)
    inside: str = ""
    last: str = ""
    literal: bool = False

    def spell(self, text: str) -> str:
        """Spells text as in pieces, to look it up or split it into pieces."""
        return byte_alphabet.spell(text) if self.byte_level else text.replace(" ", BLANK)

    def content(self, text: str) -> bytes:
        """Bytes that ``text``, spelled as in the file, stands for. Text outside the byte alphabet stands for itself."""
        if self.byte_level:
            content = byte_alphabet.bytes_of(text)
            return text.encode("utf-8", "surrogatepass") if content is None else content
        for sign in self.blanks:
            text = text.replace(sign, " ")
        if self.inside and text.startswith(self.inside) and text != self.inside:
            text = text[len(self.inside) :]
        if self.last and text.endswith(self.last) and text != self.last:
            text = text[: -len(self.last)]
        return text.encode("utf-8", "surrogatepass")


@dataclass(frozen=True)
class Vocabulary:
    """Pieces of a tokenizer by id.

    ``algorithm`` splits text into pieces (``bpe``, ``unigram``, ``wordpiece``, ...). BPE merges the pair that comes first
    in ``merges`` or, without merges, the pair whose union has the highest score. ``special_ids`` maps ``bos_id``,
    ``eos_id``, ``pad_id`` and ``unk_id`` to ids, as far as the file defines them.
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
        """Pieces as spelled in the file; None for ids without a piece."""
        return tuple(None if piece.kind == GAP else piece.text for piece in self.pieces)

    @functools.cached_property
    def contents(self) -> tuple[bytes | None, ...]:
        """Bytes of text that each piece stands for; None for gaps and for pieces to which text is never encoded."""
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
        """Text of normal pieces and symbols; None for all others and for incomplete characters."""
        return tuple(map(self._surface, self.pieces, self.contents))

    def _surface(self, piece: Piece, content: bytes | None) -> str | None:
        if content is None or piece.kind not in (NORMAL, USER_DEFINED):
            return None
        if piece.kind == NORMAL and self.spelling.byte_level:
            return byte_alphabet.text_of(piece.text)
        return _text_of(content)

    @functools.cached_property
    def ids(self) -> dict[str, int]:
        """Ids by surface."""
        return {surface: number for number, surface in enumerate(self.surfaces) if surface is not None}

    def numbers(self, *kinds: int) -> list[int]:
        """Ids of all pieces of these kinds, in order."""
        return [number for number, piece in enumerate(self.pieces) if piece.kind in kinds]

    def spell(self, surface: str) -> str:
        return self.spelling.spell(surface)

    def format_piece(self, text: str) -> str:
        """Formats a piece of the file for people: its text, with escapes for bytes of incomplete characters."""
        return self.spelling.content(text).decode("utf-8", "backslashreplace")

    @functools.cached_property
    def rank(self) -> Rank:
        """Function from two pieces to the rank of their merge, lowest first; None if they do not merge."""
        if self.merges is not None:
            ranks = {pair: number for number, pair in enumerate(self.merges)}
            return lambda left, right: ranks.get((left, right))
        scores = {piece.text: -piece.score for piece in self.pieces if piece.kind == NORMAL}
        return lambda left, right: scores.get(left + right)

    def segment(self, surface: str) -> list[str]:
        """Splits an isolated text into pieces, spelled as in the file, by merging."""
        return merge(list(self.spell(surface)), self.rank)


def _text_of(content: bytes) -> str | None:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None


def merge(symbols: list[str], rank: Rank) -> list[str]:
    """Byte-pair encodes a short text in place: merges the pair of the lowest rank first, the leftmost of equal ones."""
    for _ in iterate_merges(symbols, rank):
        pass
    return symbols


def iterate_merges(symbols: list[str], rank: Rank) -> Iterator[str]:
    """Merges ``symbols`` in place and yields each new symbol."""
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
