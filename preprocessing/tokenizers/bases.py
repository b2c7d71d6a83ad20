"""Tokenizers that are extended, merged or pruned: a SentencePiece BPE model, or a byte-level BPE ``tokenizer.json``.

Owns reading one exactly, its merging of a text alone (the plain way, for pieces), and what is wrong with it. Texts are
encoded by the libraries and engines, never from here.
"""

from __future__ import annotations

import functools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from megatron_ko.errors import DataError
from megatron_ko.formats import byte_alphabet
from megatron_ko.formats.tokenizer_folder import MODEL
from preprocessing.tokenizers.descriptions import (
    Pair,
    is_byte_level,
    listed,
    names_in,
    pair_of,
    read_description,
    special_tokens_in,
)
from preprocessing.tokenizers.sentencepiece_files import (
    BLANK,
    BYTE,
    CONTROL,
    NORMAL,
    UNUSED,
    USER_DEFINED,
    SentencePiecePiece,
    read_model,
    with_pieces,
)

Rank = Callable[[str, str], "float | None"]
GAPS = "ids have no token (gaps): some are lost, or added_tokens should hold placeholders for them"


@dataclass(frozen=True)
class Problem:
    """What is wrong with a base; ``fatal`` where what is made of it could not be right."""

    message: str
    fatal: bool


class Base:
    """What both kinds have. ``size``: ids so far, the largest and one; ``json``: the ``tokenizer.json``, if there is one.

    ``allow_unreachable``: pieces that merging makes of no text are told of, not refused.
    """

    kind: Literal["sentencepiece", "byte_level"]
    allow_unreachable = False

    def __init__(self, folder: Path, json: dict[str, Any] | None):
        self.folder, self.json = folder, json

    @property
    def size(self) -> int:
        raise NotImplementedError

    @functools.cached_property
    def surfaces(self) -> list[str | None]:
        """The text of each id; None for control tokens, single bytes, pieces of characters, and ids without a token."""
        raise NotImplementedError

    @functools.cached_property
    def ids(self) -> dict[str, int]:
        """Surfaces to ids, of the pieces that merging makes and of symbols."""
        return {surface: number for number, surface in enumerate(self.surfaces) if surface is not None}

    def name(self, number: int) -> str | None:
        """A token as the file spells it, None where an id has none."""
        raise NotImplementedError

    def spelled(self, surface: str) -> str:
        """A surface as the file spells it."""
        raise NotImplementedError

    def shown(self, piece: str) -> str:
        """A piece of the file for people: its surface, or its bytes where it holds a part of a character."""
        raise NotImplementedError

    def rank(self, left: str, right: str) -> float | None:
        """Of merging two pieces: the lower the earlier; None where they do not merge."""
        raise NotImplementedError

    def segment(self, surface: str) -> list[str]:
        """The pieces (as the file spells them) of a text that stands alone, by merging."""
        return merged(list(self.spelled(surface)), self.rank)

    @functools.cached_property
    def problems(self) -> list[Problem]:
        raise NotImplementedError

    def _unreachable_problem(self, pieces: Sequence[str]) -> list[Problem]:
        if not pieces:
            return []
        message = "pieces are unreachable, merging makes them of no text" + (
            "" if self.allow_unreachable else " (is the file whole? --allow-unreachable takes it as it is)"
        )
        return [Problem(listed(message, pieces), not self.allow_unreachable)]

    def check(self) -> list[str]:
        """Warnings. Raises DataError with every fatal problem."""
        fatal = [problem.message for problem in self.problems if problem.fatal]
        if fatal:
            raise DataError(
                f"{self.folder}: cannot be used as a base:" + "".join(f"\n  {one}" for one in fatal)
            )
        return [problem.message for problem in self.problems]


# --- SentencePiece ---------------------------------------------------------------------------------------


class SentencePieceBase(Base):
    """``pieces`` by id; ``dummy_prefix``: a blank is put before every text."""

    kind = "sentencepiece"

    def __init__(self, folder: Path, model: bytes, json: dict[str, Any] | None):
        super().__init__(folder, json)
        read = read_model(model, folder)
        if read.model_type != "bpe":
            raise DataError(
                f"{folder}: is a {read.model_type} model; its pieces are chosen by the whole text, and new ones would change "
                "the ids of old text: give a BPE model"
            )
        if read.plain_blanks:
            raise DataError(
                f"{folder}: writes blanks in an unusual way (escape_whitespaces, treat_whitespace_as_suffix), which "
                "tokenizer.json cannot say; give a model trained without these options"
            )
        self.model, self.pieces = model, read.pieces
        self.dummy_prefix, self.removes_blanks = read.dummy_prefix, read.removes_blanks
        self._disagreements: list[Problem] = []
        if json is not None:
            self._take_added_tokens(json)
        self._scores = {piece.text: piece.score for piece in self.pieces if piece.kind == NORMAL}

    def _take_added_tokens(self, json: dict[str, Any]) -> None:
        """Tokens of ``tokenizer.json`` beyond the model become pieces of it: control tokens where no text is to become them."""
        names = names_in(json, self.folder)
        special = {token["content"] for token in json.get("added_tokens") or () if token.get("special")}
        others = [n for n, name in names.items() if n < self.size and name != self.pieces[n].text]
        lost = [n for n in range(self.size) if n not in names]
        if others or lost:
            message = "tokens differ between tokenizer.model and tokenizer.json, by id"
            self._disagreements.append(Problem(listed(message, map(str, sorted([*others, *lost]))), True))
            return
        beyond = sorted(number for number in names if number >= self.size)
        if beyond != list(range(self.size, self.size + len(beyond))):
            gaps = sorted(set(range(self.size, beyond[-1])) - set(beyond))
            self._disagreements.append(Problem(listed(GAPS, map(str, gaps)), True))
            return
        kinds = {True: CONTROL, False: USER_DEFINED}
        added = [SentencePiecePiece(names[n], 0.0, kinds[names[n] in special]) for n in beyond]
        if added:
            self.pieces = [*self.pieces, *added]
            self.model = with_pieces(self.model, self.pieces)

    @property
    def size(self) -> int:
        return len(self.pieces)

    @functools.cached_property
    def surfaces(self) -> list[str | None]:
        shown = (NORMAL, USER_DEFINED)
        return [piece.text.replace(BLANK, " ") if piece.kind in shown else None for piece in self.pieces]

    def name(self, number: int) -> str | None:
        return self.pieces[number].text

    def spelled(self, surface: str) -> str:
        return surface.replace(" ", BLANK)

    def shown(self, piece: str) -> str:
        return piece.replace(BLANK, " ")

    def rank(self, left: str, right: str) -> float | None:
        score = self._scores.get(left + right)
        return None if score is None else -score

    @functools.cached_property
    def problems(self) -> list[Problem]:
        found = list(self._disagreements)
        texts = Counter(piece.text for piece in self.pieces)
        if twice := [text for text, times in texts.items() if times > 1]:
            found.append(Problem(listed("pieces stand twice; every id needs one of its own", twice), True))
        if unused := [piece.text for piece in self.pieces if piece.kind == UNUSED]:
            found.append(
                Problem(listed("pieces are marked unused, which tokenizer.json cannot say", unused), True)
            )
        held = sum(piece.kind == BYTE for piece in self.pieces)
        if held == 0:
            found.append(Problem("has no byte pieces: characters without a piece become <unk>", False))
        elif held != 256:
            found.append(Problem(f"{256 - held} of the 256 byte pieces are missing: some text is lost", True))
        normal = [piece for piece in self.pieces if piece.kind == NORMAL]
        letters = {piece.text for piece in normal if len(piece.text) == 1}
        if loose := [
            piece.text for piece in normal if len(piece.text) > 1 and not letters.issuperset(piece.text)
        ]:
            message = "pieces hold characters that are no pieces, and only SentencePiece can merge them"
            found.append(Problem(listed(message, loose), True))
        if tied := _ties_that_matter(normal):
            message = "pieces overlap with one of the same score, so that readers may cut text differently"
            found.append(Problem(listed(message, tied), True))
        unreachable = [p.text for p in normal if merged(list(p.text), self.rank) != [p.text]]
        return found + self._unreachable_problem(unreachable)


def _ties_that_matter(pieces: Iterable[SentencePiecePiece]) -> list[str]:
    """Pieces that end as another one of the same score begins: which is merged first is left to the reader.

    SentencePiece takes the leftmost of equal scores, ``tokenizers`` one that has a fixed place in the order of merges.
    """
    by_score = defaultdict(list)
    for piece in pieces:
        if len(piece.text) > 1:
            by_score[piece.score].append(piece.text)
    found = []
    for texts in by_score.values():
        if len(texts) > 1:
            beginnings = defaultdict(set)
            for text in texts:
                for end in range(1, len(text)):
                    beginnings[text[:end]].add(text)
            found += [
                text
                for text in texts
                if any(beginnings.get(text[start:], set()) - {text} for start in range(1, len(text)))
            ]
    return found


# --- byte-level ------------------------------------------------------------------------------------------


class ByteLevelBase(Base):
    """``vocab`` as the file spells it; ``merges`` in order."""

    kind = "byte_level"

    def __init__(self, folder: Path, json: dict[str, Any]):
        super().__init__(folder, json)
        self.json: dict[str, Any] = json
        self._names = names_in(json, folder)
        self.vocab: dict[str, int] = json["model"]["vocab"]
        self.merges: list[Pair] = [pair_of(merge, folder) for merge in json["model"].get("merges") or ()]
        self._ranks = {pair: rank for rank, pair in enumerate(self.merges)}
        self.added_tokens: list[dict[str, Any]] = json.get("added_tokens") or []
        self.added = {token["content"]: token["id"] for token in self.added_tokens}

    @functools.cached_property
    def size(self) -> int:
        return max(self._names, default=-1) + 1

    @functools.cached_property
    def surfaces(self) -> list[str | None]:
        found: list[str | None] = [None] * self.size
        for piece, number in self.vocab.items():
            found[number] = None if piece in self.special else byte_alphabet.text_of(piece)
        for token in self.added_tokens:
            found[token["id"]] = None if token.get("special") else token["content"]
        return found

    @functools.cached_property
    def special(self) -> set[str]:
        """Tokens that no text becomes."""
        special = {token["content"] for token in self.added_tokens if token.get("special")}
        named = (
            special_tokens_in(self.folder) & self.vocab.keys()
        )  # a role may fall to an ordinary piece, such as "!"
        return special | {name for name in named if merged(list(name), self.rank) != [name]}

    def name(self, number: int) -> str | None:
        return self._names.get(number)

    def spelled(self, surface: str) -> str:
        return byte_alphabet.spelled(surface)

    def shown(self, piece: str) -> str:
        content = byte_alphabet.bytes_of(piece)
        return piece if content is None else content.decode("utf-8", "backslashreplace")

    def rank(self, left: str, right: str) -> float | None:
        return self._ranks.get((left, right))

    @functools.cached_property
    def problems(self) -> list[Problem]:
        found, model = [], self.json["model"]
        if odd := [n for n in ("dropout", "continuing_subword_prefix", "end_of_word_suffix") if model.get(n)]:
            found.append(Problem(f"uses {', '.join(odd)}, which byte-level BPE does not know", True))
        numbers = Counter(self.vocab.values())
        if twice := [str(number) for number, times in numbers.items() if times > 1]:
            found.append(Problem(listed("ids stand for several pieces", twice), True))
        elsewhere = [
            name for name, n in self.added.items() if self.vocab.get(name, n) != n or self.name(n) != name
        ]
        if elsewhere:
            found.append(
                Problem(
                    listed("added tokens share an id, or have another in the vocabulary", elsewhere), True
                )
            )
        if gaps := [str(number) for number in range(self.size) if number not in self._names]:
            found.append(Problem(listed(GAPS, gaps), True))
        if lost := [pair for pair in self.merges if not {*pair, "".join(pair)} <= self.vocab.keys()]:
            pairs = [" ".join(pair) for pair in lost]
            found.append(Problem(listed("merges name pieces that are not in the vocabulary", pairs), True))
        if len(self._ranks) < len(self.merges):
            again = [" ".join(pair) for pair, times in Counter(self.merges).items() if times > 1]
            found.append(Problem(listed("merges stand twice", again), True))
        if bare := [
            hex(byte) for byte, letter in enumerate(byte_alphabet.LETTERS) if letter not in self.vocab
        ]:
            found.append(Problem(listed("bytes have no piece: some text is lost", bare), True))
        return found + self._unreachable_problem(self._unreachable())

    def _unreachable(self) -> list[str]:
        """Whole words may be looked up (``ignore_merges``): then merges are not the only way."""
        if self.json["model"].get("ignore_merges"):
            return []
        apart = self.special.union(self.added)
        pieces = (piece for piece in self.vocab if len(piece) > 1 and piece not in apart)
        return [piece for piece in pieces if merged(list(piece), self.rank) != [piece]]


# --- both ------------------------------------------------------------------------------------------------


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


# --- reading ---------------------------------------------------------------------------------------------


def read_base(path: Path | str, allow_unreachable: bool = False) -> Base:
    """Opens a folder with ``tokenizer.model`` or ``tokenizer.json``, or a SentencePiece model. Raises DataError."""
    base = _opened(path)
    base.allow_unreachable = allow_unreachable
    return base


def _opened(path: Path | str) -> Base:
    place = Path(path).expanduser()
    if place.is_file():
        if place.suffix == ".json":
            raise DataError(f"{place}: give its folder, where the special tokens are named too")
        return SentencePieceBase(place, place.read_bytes(), None)
    if not place.is_dir():
        raise DataError(
            f"{place}: no such file or folder; give the folder of a tokenizer, or a tokenizer.model"
        )
    described = place / "tokenizer.json"
    json = read_description(described) if described.is_file() else None
    if (place / MODEL).is_file():
        return SentencePieceBase(place, (place / MODEL).read_bytes(), json)
    if json is None:
        raise DataError(f"{place}: has neither {MODEL} nor tokenizer.json; save the tokenizer there")
    kind = (json.get("model") or {}).get("type", "BPE")
    if kind != "BPE" or not is_byte_level(json):
        raise DataError(
            f"{described}: is a {kind} tokenizer that is not byte-level, without {MODEL}; byte-level BPE and "
            "SentencePiece BPE can be extended"
        )
    return ByteLevelBase(place, json)
