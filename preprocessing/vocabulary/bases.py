"""Tokenizers that are extended, merged or pruned: a SentencePiece BPE model, or a byte-level BPE ``tokenizer.json``.

Owns reading one exactly, its merging of a text alone (the plain way, for pieces), and what is wrong with it. Texts are
encoded by the libraries and engines, never from here.
"""

from __future__ import annotations

import functools
import struct
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from megatron_ko.errors import DataError
from megatron_ko.files import read_json
from megatron_ko.tokenizer import MODEL
from preprocessing.vocabulary.protobuf_fields import fields_of

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
"""Kinds of SentencePiece pieces, as its files number them."""
BLANK = "\u2581"
_PIECES, _TRAINER, _NORMALIZER = 1, 2, 3
_MODEL_TYPE, _BPE = 3, 2
_DUMMY_PREFIX, _REMOVE_BLANKS, _ESCAPE_BLANKS, _CHARSMAP = 3, 4, 5, 2


@dataclass(frozen=True)
class SentencePiecePiece:
    text: str
    score: float
    kind: int


@dataclass(frozen=True)
class Problem:
    """What is wrong with a base; ``fatal`` where what is made of it could not be right."""

    message: str
    fatal: bool


class Base:
    """What both kinds have. ``size``: ids so far, the largest and one; ``json``: the ``tokenizer.json``, if there is one."""

    kind: Literal["sentencepiece", "byte_level"]

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

    def segment(self, surface: str) -> list[str]:
        """The pieces (as the file spells them) of a text that stands alone, by merging."""
        raise NotImplementedError

    def spelled(self, surface: str) -> str:
        """A surface as the file spells it."""
        raise NotImplementedError

    def problems(self) -> list[Problem]:
        raise NotImplementedError

    def check(self) -> list[str]:
        """Warnings. Raises DataError with every fatal problem."""
        found = self.problems()
        fatal = [problem.message for problem in found if problem.fatal]
        if fatal:
            raise DataError(f"{self.folder}: " + "\n  ".join(fatal))
        return [problem.message for problem in found]


# --- SentencePiece ---------------------------------------------------------------------------------------


class SentencePieceBase(Base):
    """``pieces`` by id; ``dummy_prefix``: a blank is put before every text."""

    kind = "sentencepiece"

    def __init__(self, folder: Path, model: bytes, json: dict[str, Any] | None):
        super().__init__(folder, json)
        self.model = model
        sections: dict[int, bytes] = {}
        self.pieces: list[SentencePiecePiece] = []
        for number, _, payload in fields_of(model):
            if number == _PIECES:
                self.pieces.append(_piece_of(payload))
            else:
                sections[number] = payload
        trainer = {number: payload for number, _, payload in fields_of(sections.get(_TRAINER, b""))}
        normalizer = {number: payload for number, _, payload in fields_of(sections.get(_NORMALIZER, b""))}
        if trainer.get(_MODEL_TYPE, b"\1") != bytes([_BPE]):
            raise DataError(
                f"{folder}: is no BPE model; pieces of Unigram and word models are chosen by the whole text, and new ones would "
                "change the ids of old text: give a BPE model"
            )
        self.dummy_prefix = normalizer.get(_DUMMY_PREFIX, b"\1") != b"\0"
        self.removes_blanks = normalizer.get(_REMOVE_BLANKS, b"\1") != b"\0"
        self.rules = normalizer.get(_CHARSMAP, b"")
        self._ranks = {piece.text: piece.score for piece in self.pieces if piece.kind in (NORMAL, UNUSED)}

    @property
    def size(self) -> int:
        return len(self.pieces)

    @functools.cached_property
    def surfaces(self) -> list[str | None]:
        shown = (NORMAL, USER_DEFINED)
        return [piece.text.replace(BLANK, " ") if piece.kind in shown else None for piece in self.pieces]

    def spelled(self, surface: str) -> str:
        return surface.replace(" ", BLANK)

    def segment(self, surface: str) -> list[str]:
        return merged(list(self.spelled(surface)), self._best)

    def _best(self, left: str, right: str) -> float | None:
        score = self._ranks.get(left + right)
        return None if score is None else -score

    def problems(self) -> list[Problem]:
        found = []
        texts = Counter(piece.text for piece in self.pieces)
        if twice := [text for text, times in texts.items() if times > 1]:
            found.append(Problem(_listed("pieces stand twice; every id needs one of its own", twice), True))
        if self.size > len(self.pieces):
            found.append(Problem("ids have gaps", True))
        held = {int(piece.text[3:5], 16) for piece in self.pieces if piece.kind == BYTE}
        if len(held) < 256:
            lacks = "has no byte pieces" if not held else f"lacks {256 - len(held)} of the 256 byte pieces"
            found.append(Problem(f"{lacks}: characters without a piece become unknown", False))
        scores = Counter(piece.score for piece in self.pieces if piece.kind == NORMAL)
        tied = sum(times for times in scores.values() if times > 1)
        if tied:
            found.append(Problem(f"{tied:,} pieces share a score: their order is that of the text", False))
        if unreachable := self._unreachable():
            found.append(
                Problem(_listed("pieces no text becomes (merges take other ways)", unreachable), False)
            )
        return found

    def _unreachable(self) -> list[str]:
        normal = [piece.text for piece in self.pieces if piece.kind == NORMAL]
        return [text for text in normal if merged(list(text), self._best) != [text]]


def _piece_of(payload: bytes) -> SentencePiecePiece:
    text, score, kind = "", 0.0, NORMAL
    for number, _, value in fields_of(payload):
        if number == 1:
            text = value.decode("utf-8")
        elif number == 2:
            score = struct.unpack("<f", value)[0]
        elif number == 3:
            kind = value[0]
    return SentencePiecePiece(text, score, kind)


# --- byte-level ------------------------------------------------------------------------------------------


class ByteLevelBase(Base):
    """``vocab`` as the file spells it; ``merges`` in order."""

    kind = "byte_level"

    def __init__(self, folder: Path, json: dict[str, Any]):
        super().__init__(folder, json)
        self.json: dict[str, Any] = json
        model = json["model"]
        self.vocab: dict[str, int] = model["vocab"]
        self.merges = [
            tuple(merge.split(" ", 1)) if isinstance(merge, str) else tuple(merge)
            for merge in model["merges"]
        ]
        self._ranks = {pair: rank for rank, pair in enumerate(self.merges)}
        self.added = {token["content"]: token["id"] for token in json.get("added_tokens") or ()}

    @property
    def size(self) -> int:
        return max([*self.vocab.values(), *self.added.values()]) + 1

    @functools.cached_property
    def surfaces(self) -> list[str | None]:
        found: list[str | None] = [None] * self.size
        for piece, number in self.vocab.items():
            if piece not in self.added and (content := bytes_of(piece)) is not None:
                found[number] = _text(content)
        for token in self.json.get("added_tokens") or ():
            found[token["id"]] = None if token.get("special") else token["content"]
        return found

    def spelled(self, surface: str) -> str:
        return "".join(LETTERS[byte] for byte in surface.encode("utf-8"))

    def segment(self, surface: str) -> list[str]:
        return merged(list(self.spelled(surface)), self.rank)

    def rank(self, left: str, right: str) -> float | None:
        return self._ranks.get((left, right))

    def problems(self) -> list[Problem]:
        found = []
        numbers = Counter(self.vocab.values())
        if twice := [str(number) for number, times in numbers.items() if times > 1]:
            found.append(Problem(_listed("ids stand for several pieces", twice), True))
        taken = {*self.vocab.values(), *self.added.values()}
        if gaps := [str(number) for number in range(self.size) if number not in taken]:
            found.append(
                Problem(
                    _listed("ids have no token; they stay free, new ones follow the largest", gaps), False
                )
            )
        if lost := [pair for pair in self.merges if not {*pair, "".join(pair)} <= self.vocab.keys()]:
            pairs = [" ".join(pair) for pair in lost]
            found.append(Problem(_listed("merges name pieces that are not in the vocabulary", pairs), True))
        if bare := [hex(byte) for byte in range(256) if LETTERS[byte] not in self.vocab]:
            found.append(Problem(_listed("bytes have no piece: some text cannot be written", bare), True))
        if unreachable := self._unreachable():
            found.append(
                Problem(_listed("pieces no text becomes (merges take other ways)", unreachable), False)
            )
        return found

    def _unreachable(self) -> list[str]:
        made = {"".join(pair) for pair in self.merges}
        if self.json["model"].get("ignore_merges"):
            return []
        return [
            piece
            for piece in self.vocab
            if piece not in self.added
            and len(piece) > 1
            and (piece not in made or merged(list(piece), self.rank) != [piece])
        ]


def _letters() -> list[str]:
    """The character that stands for each byte in byte-level vocabularies (GPT-2): printable ones for themselves."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)]


LETTERS = _letters()
_BYTES = {letter: byte for byte, letter in enumerate(LETTERS)}


def bytes_of(piece: str) -> bytes | None:
    """The bytes that a byte-level piece spells; None where it is spelled in other characters."""
    return bytes(_BYTES[letter] for letter in piece) if all(letter in _BYTES for letter in piece) else None


def _text(content: bytes) -> str | None:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None


# --- both ------------------------------------------------------------------------------------------------


def merged(symbols: list[str], rank: Any) -> list[str]:
    """Byte-pair encoding of a short text: the pair of the lowest rank first, the leftmost of equal ones."""
    while len(symbols) > 1:
        ranks = [rank(left, right) for left, right in zip(symbols, symbols[1:])]
        best = min((value for value in ranks if value is not None), default=None)
        if best is None:
            break
        at = ranks.index(best)
        symbols[at : at + 2] = [symbols[at] + symbols[at + 1]]
    return symbols


def _listed(what: str, items: Sequence[str], most: int = 5) -> str:
    shown = ", ".join(repr(item) for item in items[:most])
    return f"{len(items):,} {what}: {shown}{', ...' if len(items) > most else ''}"


def read_base(path: Path | str) -> Base:
    """Opens a folder with ``tokenizer.model`` or ``tokenizer.json``, or a SentencePiece model. Raises DataError."""
    place = Path(path).expanduser()
    if place.is_file():
        return SentencePieceBase(place, place.read_bytes(), None)
    if not place.is_dir():
        raise DataError(
            f"{place}: no such file or folder; give the folder of a tokenizer, or a tokenizer.model"
        )
    described = place / "tokenizer.json"
    json = read_json(described) if described.is_file() else None
    if (place / MODEL).is_file():
        return SentencePieceBase(place, (place / MODEL).read_bytes(), json)
    if json is None:
        raise DataError(f"{place}: has neither {MODEL} nor tokenizer.json; save the tokenizer there")
    model = json.get("model") or {}
    if model.get("type") != "BPE" or not _is_byte_level(json):
        raise DataError(
            f"{described}: is a {model.get('type')} tokenizer that is not byte-level, without {MODEL}; byte-level BPE and "
            "SentencePiece BPE can be extended"
        )
    return ByteLevelBase(place, json)


def _is_byte_level(json: dict[str, Any]) -> bool:
    steps = json.get("pre_tokenizer") or {}
    return any(step.get("type") == "ByteLevel" for step in (steps, *steps.get("pretokenizers", ())))
