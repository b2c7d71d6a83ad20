"""Bases: tokenizers to extend, merge or prune, as a SentencePiece BPE model or a byte-level BPE ``tokenizer.json``.

Owns exact reading of a base and the search for its defects. Does not encode text; the libraries and engines do.
"""

from __future__ import annotations

import functools
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from megatron_ko.errors import DataError, Problem
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

GAPS = "ids have no token (gaps): tokens were lost, or added_tokens lacks placeholders for them"


@dataclass(frozen=True)
class Defect:
    """A mistake in a base; ``fatal`` when a tokenizer derived from the base could not be correct."""

    message: str
    fatal: bool
    rule: str


class Base:
    """A vocabulary and its files. ``json``: the ``tokenizer.json``, if there is one.

    ``allow_unreachable``: pieces that no text is encoded to are reported, not refused.
    """

    kind: Literal["sentencepiece", "byte_level"]
    allow_unreachable = False

    def __init__(self, folder: Path, vocabulary: Vocabulary, json: dict[str, Any] | None):
        self.folder, self.vocabulary, self.json = folder, vocabulary, json

    @property
    def size(self) -> int:
        return self.vocabulary.size

    @functools.cached_property
    def defects(self) -> list[Defect]:
        raise NotImplementedError

    def _find_unreachable(self, pieces: Iterable[str]) -> list[Defect]:
        rank = self.vocabulary.rank
        unreachable = [piece for piece in pieces if merge(list(piece), rank) != [piece]]
        if not unreachable:
            return []
        message = "pieces are unreachable: no text is encoded to them" + (
            "" if self.allow_unreachable else " (is the file complete? --allow-unreachable accepts them)"
        )
        return [Defect(format_names(message, unreachable), not self.allow_unreachable, "unreachable-pieces")]

    def check(self) -> list[str]:
        """Returns the warnings. Raises DataError with all fatal defects."""
        fatal = [defect for defect in self.defects if defect.fatal]
        if fatal:
            raise DataError([Problem(str(self.folder), "", one.message, one.rule) for one in fatal])
        return [defect.message for defect in self.defects]


# --- SentencePiece ---------------------------------------------------------------------------------------


class SentencePieceBase(Base):
    """``model`` includes the tokens that ``tokenizer.json`` adds."""

    kind = "sentencepiece"

    def __init__(self, folder: Path, content: bytes, json: dict[str, Any] | None):
        self.model = read_model(content, folder)
        _check_options(folder, self.model)
        self._disagreements: list[Defect] = []
        if json is not None:
            self._take_added_tokens(folder, json)
        super().__init__(folder, self.model.vocabulary, json)

    def _take_added_tokens(self, folder: Path, json: dict[str, Any]) -> None:
        """Adds the tokens of ``tokenizer.json`` beyond the model to it; special ones become control tokens."""
        pieces = self.model.vocabulary.pieces
        names = {number: name for name, number in tokens_in(json, folder).items()}
        special = {token["content"] for token in json.get("added_tokens") or () if token.get("special")}
        others = [n for n, name in names.items() if n < len(pieces) and name != pieces[n].text]
        lost = [n for n in range(len(pieces)) if n not in names]
        if others or lost:
            message = "ids have different tokens in tokenizer.model and tokenizer.json"
            ids = map(str, sorted([*others, *lost]))
            self._disagreements.append(Defect(format_names(message, ids), True, "files-disagree"))
            return
        beyond = sorted(number for number in names if number >= len(pieces))
        if beyond != list(range(len(pieces), len(pieces) + len(beyond))):
            gaps = sorted(set(range(len(pieces), beyond[-1])) - set(beyond))
            self._disagreements.append(Defect(format_names(GAPS, map(str, gaps)), True, "id-gaps"))
            return
        kinds = {True: CONTROL, False: USER_DEFINED}
        added = [Piece(names[n], 0.0, kinds[names[n] in special]) for n in beyond]
        if added:
            self.model = read_model(with_pieces(self.model.content, [*pieces, *added]), folder)

    @functools.cached_property
    def defects(self) -> list[Defect]:
        defects, pieces = list(self._disagreements), self.vocabulary.pieces
        texts = Counter(piece.text for piece in pieces)
        if repeated := [text for text, times in texts.items() if times > 1]:
            message = "pieces have several ids; every id needs its own piece"
            defects.append(Defect(format_names(message, repeated), True, "duplicate-pieces"))
        if unused := [piece.text for piece in pieces if piece.kind == UNUSED]:
            message = "pieces are marked unused, which tokenizer.json cannot express"
            defects.append(Defect(format_names(message, unused), True, "unused-pieces"))
        byte_pieces = len(self.vocabulary.numbers(BYTE))
        if byte_pieces == 0:
            message = "has no byte pieces: characters without a piece are encoded to <unk>"
            defects.append(Defect(message, False, "no-byte-pieces"))
        elif byte_pieces != 256:
            message = f"{256 - byte_pieces} of the 256 byte pieces are missing: some text is lost"
            defects.append(Defect(message, True, "missing-bytes"))
        normal = [piece for piece in pieces if piece.kind == NORMAL]
        letters = {piece.text for piece in normal if len(piece.text) == 1}
        if loose := [
            piece.text for piece in normal if len(piece.text) > 1 and not letters.issuperset(piece.text)
        ]:
            message = "pieces contain characters that are not pieces; only SentencePiece can merge them"
            defects.append(Defect(format_names(message, loose), True, "characters-without-piece"))
        if tied := _find_ties(normal):
            message = "pieces overlap with a piece of the same score, so readers may split text differently"
            defects.append(Defect(format_names(message, tied), True, "tied-scores"))
        return defects + self._find_unreachable(piece.text for piece in normal)


def _check_options(folder: Path, model: SentencePieceModel) -> None:
    """Raises DataError for a model that cannot be a base, regardless of its pieces."""
    if model.vocabulary.algorithm != "bpe":
        raise DataError(
            f"{folder}: is a {model.vocabulary.algorithm} model, which chooses pieces by the whole text, so new pieces would "
            "change the ids of existing text; use a BPE model",
            rule="not-bpe",
        )
    if not model.escapes_blanks or model.blanks_behind:
        raise DataError(
            f"{folder}: represents blanks in a way that tokenizer.json cannot express (escape_whitespaces, "
            "treat_whitespace_as_suffix); use a model trained without these options",
            rule="unsupported-blanks",
        )


def _find_ties(pieces: Iterable[Piece]) -> list[str]:
    """Pieces whose end is the beginning of a piece with the same score, so that readers may merge either one first.

    SentencePiece merges the leftmost of equal scores; ``tokenizers`` follows the fixed order of its merges.
    """
    by_score = defaultdict(list)
    for piece in pieces:
        if len(piece.text) > 1:
            by_score[piece.score].append(piece.text)
    ties = []
    for texts in by_score.values():
        if len(texts) > 1:
            beginnings = defaultdict(set)
            for text in texts:
                for end in range(1, len(text)):
                    beginnings[text[:end]].add(text)
            ties += [
                text
                for text in texts
                if any(beginnings.get(text[start:], set()) - {text} for start in range(1, len(text)))
            ]
    return ties


# --- byte-level ------------------------------------------------------------------------------------------


class ByteLevelBase(Base):
    """``added_tokens`` as in the file, ``added`` by name; ``special``: tokens that no text is encoded to."""

    kind = "byte_level"

    def __init__(self, folder: Path, json: dict[str, Any]):
        plain = vocabulary_in(json, folder)
        self.added_tokens: list[dict[str, Any]] = json.get("added_tokens") or []
        self.added = {token["content"]: token["id"] for token in self.added_tokens}
        # a special role may belong to an ordinary piece, such as "!"
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
    def defects(self) -> list[Defect]:
        defects, model, vocab = [], self.json["model"], self.json["model"]["vocab"]
        if odd := [n for n in ("dropout", "continuing_subword_prefix", "end_of_word_suffix") if model.get(n)]:
            message = f"uses {', '.join(odd)}, which byte-level BPE does not support"
            defects.append(Defect(message, True, "unsupported-option"))

        def refuse(message: str, items: Iterable[str], rule: str) -> None:
            defects.append(Defect(format_names(message, items), True, rule))

        if repeated := [str(number) for number, times in Counter(vocab.values()).items() if times > 1]:
            refuse("ids belong to several pieces", repeated, "duplicate-ids")
        names = self.vocabulary.names
        if elsewhere := [n for n, i in self.added.items() if vocab.get(n, i) != i or names[i] != n]:
            refuse(
                "added tokens share an id or have another id in the vocabulary", elsewhere, "added-token-ids"
            )
        if gaps := self.vocabulary.numbers(GAP):
            refuse(GAPS, map(str, gaps), "id-gaps")
        if lost := [pair for pair in self.merges if not {*pair, "".join(pair)} <= vocab.keys()]:
            pairs = [" ".join(pair) for pair in lost]
            refuse("merges name pieces that are not in the vocabulary", pairs, "merges-of-missing-pieces")
        if again := [" ".join(pair) for pair, times in Counter(self.merges).items() if times > 1]:
            refuse("merges are listed twice", again, "duplicate-merges")
        if bare := [hex(byte) for byte, letter in enumerate(byte_alphabet.LETTERS) if letter not in vocab]:
            refuse("bytes have no piece: some text is lost", bare, "missing-bytes")
        if model.get("ignore_merges"):  # whole words are looked up, so pieces need no merges
            return defects
        apart = self.special.union(self.added)
        return defects + self._find_unreachable(p for p in vocab if len(p) > 1 and p not in apart)


# --- reading ---------------------------------------------------------------------------------------------


def read_base(path: Path | str, allow_unreachable: bool = False) -> Base:
    """Opens a folder with ``tokenizer.model`` or ``tokenizer.json``, or a SentencePiece model. Raises DataError."""
    base = _open_base(Path(path).expanduser())
    base.allow_unreachable = allow_unreachable
    return base


def _open_base(path: Path) -> Base:
    if path.is_file():
        if path.suffix == ".json":
            raise DataError(
                f"{path}: name its folder instead, which also names the special tokens", rule="not-a-folder"
            )
        return SentencePieceBase(path, path.read_bytes(), None)
    if not path.is_dir():
        raise DataError(
            f"{path}: no such file or folder; name the folder of a tokenizer, or a tokenizer.model",
            rule="missing-file",
        )
    json_path = path / "tokenizer.json"
    json = read_description(json_path) if json_path.is_file() else None
    if (path / MODEL).is_file():
        return SentencePieceBase(path, (path / MODEL).read_bytes(), json)
    if json is None:
        raise DataError(
            f"{path}: contains neither {MODEL} nor tokenizer.json; save the tokenizer there",
            rule="no-tokenizer",
        )
    algorithm = type_in(json)
    if algorithm != "BPE" or not is_byte_level(json):
        raise DataError(
            f"{json_path}: is a {algorithm} tokenizer that is not byte-level, and there is no {MODEL}; a base must be "
            "byte-level BPE or SentencePiece BPE",
            rule="not-bpe",
        )
    return ByteLevelBase(path, json)
