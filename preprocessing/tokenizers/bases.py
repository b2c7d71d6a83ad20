"""Tokenizers that are extended, merged or pruned: a SentencePiece BPE model, or a byte-level BPE ``tokenizer.json``.

Owns reading one exactly, its merging of a text alone (the plain way, for pieces), and what is wrong with it. Texts are
encoded by the libraries and engines, never from here.
"""

from __future__ import annotations

import functools
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from megatron_ko.errors import DataError
from megatron_ko.formats import byte_alphabet
from megatron_ko.formats.sentencepiece_model import SentencePieceModel, read_model, with_pieces
from megatron_ko.formats.tokenizer_folder import MODEL
from megatron_ko.formats.tokenizer_json import (
    format_names,
    is_byte_level,
    read_description,
    special_tokens_in,
    tokens_in,
    type_in,
    vocabulary_in,
)
from megatron_ko.formats.vocabulary import (
    BYTE,
    CONTROL,
    GAP,
    NORMAL,
    UNUSED,
    USER_DEFINED,
    Piece,
    Vocabulary,
    merge,
)

GAPS = "ids have no token (gaps): some are lost, or added_tokens should hold placeholders for them"


@dataclass(frozen=True)
class Problem:
    """What is wrong with a base; ``fatal`` where what is made of it could not be right."""

    message: str
    fatal: bool


class Base:
    """A vocabulary and the files it is in. ``json``: the ``tokenizer.json``, if there is one.

    ``allow_unreachable``: pieces that merging makes of no text are reported, not refused.
    """

    kind: Literal["sentencepiece", "byte_level"]
    allow_unreachable = False

    def __init__(self, folder: Path, vocabulary: Vocabulary, json: dict[str, Any] | None):
        self.folder, self.vocabulary, self.json = folder, vocabulary, json

    @property
    def size(self) -> int:
        return self.vocabulary.size

    @functools.cached_property
    def problems(self) -> list[Problem]:
        raise NotImplementedError

    def _unreachable_problem(self, pieces: Iterable[str]) -> list[Problem]:
        rank = self.vocabulary.rank
        unreachable = [piece for piece in pieces if merge(list(piece), rank) != [piece]]
        if not unreachable:
            return []
        message = "pieces are unreachable, merging makes them of no text" + (
            "" if self.allow_unreachable else " (is the file whole? --allow-unreachable takes it as it is)"
        )
        return [Problem(format_names(message, unreachable), not self.allow_unreachable)]

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
    """``model``: with the tokens that ``tokenizer.json`` adds to it."""

    kind = "sentencepiece"

    def __init__(self, folder: Path, content: bytes, json: dict[str, Any] | None):
        self.model = read_model(content, folder)
        _check_options(folder, self.model)
        self._disagreements: list[Problem] = []
        if json is not None:
            self._take_added_tokens(folder, json)
        super().__init__(folder, self.model.vocabulary, json)

    def _take_added_tokens(self, folder: Path, json: dict[str, Any]) -> None:
        """Tokens of ``tokenizer.json`` beyond the model become pieces of it: control tokens where no text is to become them."""
        pieces = self.model.vocabulary.pieces
        names = {number: name for name, number in tokens_in(json, folder).items()}
        special = {token["content"] for token in json.get("added_tokens") or () if token.get("special")}
        others = [n for n, name in names.items() if n < len(pieces) and name != pieces[n].text]
        lost = [n for n in range(len(pieces)) if n not in names]
        if others or lost:
            message = "tokens differ between tokenizer.model and tokenizer.json, by id"
            self._disagreements.append(
                Problem(format_names(message, map(str, sorted([*others, *lost]))), True)
            )
            return
        beyond = sorted(number for number in names if number >= len(pieces))
        if beyond != list(range(len(pieces), len(pieces) + len(beyond))):
            gaps = sorted(set(range(len(pieces), beyond[-1])) - set(beyond))
            self._disagreements.append(Problem(format_names(GAPS, map(str, gaps)), True))
            return
        kinds = {True: CONTROL, False: USER_DEFINED}
        added = [Piece(names[n], 0.0, kinds[names[n] in special]) for n in beyond]
        if added:
            self.model = read_model(with_pieces(self.model.content, [*pieces, *added]), folder)

    @functools.cached_property
    def problems(self) -> list[Problem]:
        found, pieces = list(self._disagreements), self.vocabulary.pieces
        texts = Counter(piece.text for piece in pieces)
        if twice := [text for text, times in texts.items() if times > 1]:
            found.append(
                Problem(format_names("pieces stand twice; every id needs one of its own", twice), True)
            )
        if unused := [piece.text for piece in pieces if piece.kind == UNUSED]:
            found.append(
                Problem(
                    format_names("pieces are marked unused, which tokenizer.json cannot say", unused), True
                )
            )
        held = len(self.vocabulary.numbers(BYTE))
        if held == 0:
            found.append(Problem("has no byte pieces: characters without a piece become <unk>", False))
        elif held != 256:
            found.append(Problem(f"{256 - held} of the 256 byte pieces are missing: some text is lost", True))
        normal = [piece for piece in pieces if piece.kind == NORMAL]
        letters = {piece.text for piece in normal if len(piece.text) == 1}
        if loose := [
            piece.text for piece in normal if len(piece.text) > 1 and not letters.issuperset(piece.text)
        ]:
            message = "pieces hold characters that are no pieces, and only SentencePiece can merge them"
            found.append(Problem(format_names(message, loose), True))
        if tied := _ties_that_matter(normal):
            message = "pieces overlap with one of the same score, so that readers may cut text differently"
            found.append(Problem(format_names(message, tied), True))
        return found + self._unreachable_problem(piece.text for piece in normal)


def _check_options(folder: Path, model: SentencePieceModel) -> None:
    """Raises DataError for a model that cannot be a base whatever its pieces are."""
    if model.vocabulary.algorithm != "bpe":
        raise DataError(
            f"{folder}: is a {model.vocabulary.algorithm} model; its pieces are chosen by the whole text, and new ones would "
            "change the ids of old text: give a BPE model"
        )
    if not model.escapes_blanks or model.blanks_behind:
        raise DataError(
            f"{folder}: writes blanks in an unusual way (escape_whitespaces, treat_whitespace_as_suffix), which "
            "tokenizer.json cannot say; give a model trained without these options"
        )


def _ties_that_matter(pieces: Iterable[Piece]) -> list[str]:
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
    """``added_tokens`` as the file has them, ``added`` by name; ``special``: tokens that no text becomes."""

    kind = "byte_level"

    def __init__(self, folder: Path, json: dict[str, Any]):
        plain = vocabulary_in(json, folder)
        self.added_tokens: list[dict[str, Any]] = json.get("added_tokens") or []
        self.added = {token["content"]: token["id"] for token in self.added_tokens}
        # a role may fall to an ordinary piece, such as "!"
        named = special_tokens_in(folder) & json["model"]["vocab"].keys()
        self.special = {token["content"] for token in self.added_tokens if token.get("special")}
        self.special |= {name for name in named if merge(list(name), plain.rank) != [name]}
        pieces = [p._replace(kind=CONTROL) if p.text in self.special else p for p in plain.pieces]
        super().__init__(folder, replace(plain, pieces=pieces), json)
        self.json: dict[str, Any] = json

    @property
    def merges(self) -> Sequence[tuple[str, str]]:
        assert self.vocabulary.merges is not None
        return self.vocabulary.merges

    @functools.cached_property
    def problems(self) -> list[Problem]:
        found, model, vocab = [], self.json["model"], self.json["model"]["vocab"]
        if odd := [n for n in ("dropout", "continuing_subword_prefix", "end_of_word_suffix") if model.get(n)]:
            found.append(Problem(f"uses {', '.join(odd)}, which byte-level BPE does not know", True))
        if twice := [str(number) for number, times in Counter(vocab.values()).items() if times > 1]:
            found.append(Problem(format_names("ids stand for several pieces", twice), True))
        names = self.vocabulary.names
        if elsewhere := [n for n, i in self.added.items() if vocab.get(n, i) != i or names[i] != n]:
            found.append(
                Problem(
                    format_names("added tokens share an id, or have another in the vocabulary", elsewhere),
                    True,
                )
            )
        if gaps := self.vocabulary.numbers(GAP):
            found.append(Problem(format_names(GAPS, map(str, gaps)), True))
        if lost := [pair for pair in self.merges if not {*pair, "".join(pair)} <= vocab.keys()]:
            pairs = [" ".join(pair) for pair in lost]
            found.append(
                Problem(format_names("merges name pieces that are not in the vocabulary", pairs), True)
            )
        if again := [" ".join(pair) for pair, times in Counter(self.merges).items() if times > 1]:
            found.append(Problem(format_names("merges stand twice", again), True))
        if bare := [hex(byte) for byte, letter in enumerate(byte_alphabet.LETTERS) if letter not in vocab]:
            found.append(Problem(format_names("bytes have no piece: some text is lost", bare), True))
        if model.get("ignore_merges"):  # whole words are looked up: merges are not the only way
            return found
        apart = self.special.union(self.added)
        return found + self._unreachable_problem(p for p in vocab if len(p) > 1 and p not in apart)


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
    kind = type_in(json)
    if kind != "BPE" or not is_byte_level(json):
        raise DataError(
            f"{described}: is a {kind} tokenizer that is not byte-level, without {MODEL}; byte-level BPE and "
            "SentencePiece BPE can be extended"
        )
    return ByteLevelBase(place, json)
