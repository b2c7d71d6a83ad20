"""New pieces after those of a base: no id moves, texts without Hangul keep their ids, every new piece is reached.

Owns the order of additions. Merging takes what ranks first, and additions rank last, one after the other; so a piece is
reached when all before it leave two halves of it, and what comes later cannot take it apart again. Where more than two
are left, the pieces between are added too (``needed``). Files are in ``derived_folders``.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sentencepiece
import tokenizers

from megatron_ko.errors import DataError
from megatron_ko.files import read_json
from megatron_ko.formats import byte_alphabet
from megatron_ko.formats.sentencepiece_model import without_dummy_prefix
from megatron_ko.formats.tokenizer_folder import MODEL, TokenizerInfo
from megatron_ko.formats.vocabulary import BLANK, NORMAL, Piece, merge
from preprocessing.tokenizers.bases import Base, ByteLevelBase, SentencePieceBase
from preprocessing.tokenizers.derived_folders import backend_of, write_merges, write_pieces
from preprocessing.tokenizers.escapes import MARK
from preprocessing.tokenizers.hangul import HANGUL, only_in_hangul

BEFORE = ("", "x", ".", "\n", "1")
"""Texts before a new piece, when it is looked for: a prefix blank or a split may keep it from the beginning of a text."""


LEAD = 0xC0  # the first byte of a character that has several is not below it


@dataclass(frozen=True)
class Addition:
    """A piece as the file spells it, and the two it is merged from ("" for a character alone)."""

    piece: str
    left: str
    right: str
    asked: bool


@dataclass(frozen=True)
class Plan:
    """What is added, in order, and the surfaces that are not, with the reason."""

    additions: list[Addition]
    refused: dict[str, str]


@dataclass(frozen=True)
class Appended:
    """``ids`` of the surfaces that were asked for; ``needed``: what was added to reach them; ``refused``: why not."""

    info: TokenizerInfo
    ids: dict[str, int]
    needed: list[str]
    refused: dict[str, str]


def append(base: Base, surfaces: Sequence[str], folder: Path) -> Appended:
    """Writes the folder of ``base`` with ``surfaces`` added in this order, which is that of their merging.

    Surfaces that no text could become, or only by changing the ids of other scripts, are left out (``refused``). Raises
    DataError for those that the base has, that are given twice, or that are no text with Hangul.
    """
    made = plan(base, surfaces)
    new = new_tokens(base, made.additions)
    ids = {addition.piece: base.size + number for number, addition in enumerate(new)}
    found = {
        surface: ids[base.vocabulary.spell(surface)] for surface in surfaces if surface not in made.refused
    }
    info = _write(base, made.additions, ids, folder)
    verify(base, folder, found)
    return Appended(
        info, found, [base.vocabulary.format_piece(a.piece) for a in new if not a.asked], made.refused
    )


# --- what is asked for -----------------------------------------------------------------------------------


def _check(base: Base, surfaces: Sequence[str]) -> None:
    base.check()
    seen: set[str] = set()
    for surface in surfaces:
        if surface in seen:
            raise DataError(f"{surface!r} is given twice; give each new piece once")
        if surface in base.vocabulary.ids:
            raise DataError(
                f"{surface!r}: is token {base.vocabulary.ids[surface]} of {base.folder} already; leave it out"
            )
        if not HANGUL.search(surface):
            raise DataError(
                f"{surface!r}: holds no Hangul, and would change the ids of other text; leave it out"
            )
        if BLANK in surface or MARK in surface or not _is_text(surface):
            raise DataError(f"{surface!r}: is not text that a piece can stand for; leave it out")
        seen.add(surface)


def _is_text(surface: str) -> bool:
    return not any(0xD800 <= ord(character) < 0xE000 for character in surface)


def _refused(base: Base, surfaces: Sequence[str]) -> dict[str, str]:
    """Surfaces that are never merged, since text is cut within them before, or written differently; with the reason."""
    refused = {}
    if isinstance(base, SentencePieceBase):
        if base.model.removes_blanks:
            for surface in surfaces:
                if "  " in surface or surface.endswith(" "):
                    refused[surface] = "split: the base joins blanks"
        return refused
    assert isinstance(base, ByteLevelBase)
    backend = backend_of(base.json, base.folder)
    for surface in surfaces:
        written = backend.normalizer.normalize_str(surface) if backend.normalizer else surface
        if written != surface:
            refused[surface] = "split: the base writes it differently before it is cut"
        elif not any(_stays_whole(backend, surface, before) for before in BEFORE):
            refused[surface] = "split: the base always cuts within it"
    return refused


def _stays_whole(backend: tokenizers.Tokenizer, surface: str, before: str) -> bool:
    """Whether text that begins so leaves the surface in one word, merged by itself."""
    last, _ = backend.pre_tokenizer.pre_tokenize_str(before + surface)[-1]
    return last.endswith(byte_alphabet.spell(surface))


# --- the order -------------------------------------------------------------------------------------------


def plan(base: Base, surfaces: Sequence[str]) -> Plan:
    """Everything that is added, in order. Raises DataError as ``append`` does."""
    _check(base, surfaces)
    refused = _refused(base, surfaces)
    asked = [surface for surface in surfaces if surface not in refused]
    if isinstance(base, SentencePieceBase):
        return Plan(_plan_pieces(base, asked), refused)
    assert isinstance(base, ByteLevelBase)
    additions, others = _plan_merges(base, asked)
    return Plan(additions, {**refused, **others})


def _plan_pieces(base: SentencePieceBase, surfaces: Sequence[str]) -> list[Addition]:
    """A union of two symbols merges as soon as it is a piece; so characters must be pieces, or ``tokenizers`` differs."""
    known = {piece.text for piece in base.vocabulary.pieces if piece.kind == NORMAL}
    wanted = {base.vocabulary.spell(surface) for surface in surfaces}
    ranks: dict[str, int] = {}  # of additions; all come after the base's
    made: list[Addition] = []

    def add(left: str, right: str) -> None:
        piece = left + right
        ranks[piece] = len(made)
        known.add(piece)
        made.append(Addition(piece, left if right else "", right, piece in wanted))

    for surface in surfaces:
        piece = base.vocabulary.spell(surface)
        for character in piece:
            if character not in known:
                add(character, "")
        symbols = base.vocabulary.segment(surface)
        while len(symbols := merge(symbols, lambda left, right: ranks.get(left + right))) > 1:
            add(*_next_pair(symbols, wanted))
    return made


def _next_pair(symbols: list[str], wanted: set[str]) -> tuple[str, str]:
    """A pair whose union is wanted anyway, else the first that holds Hangul, without the blank before it if it can be."""
    pairs = [pair for pair in zip(symbols, symbols[1:]) if HANGUL.search("".join(pair))]
    asked = next((pair for pair in pairs if "".join(pair) in wanted), None)
    return asked or next((pair for pair in pairs if not pair[0].startswith(BLANK)), pairs[0])


def _plan_merges(base: ByteLevelBase, surfaces: Sequence[str]) -> tuple[list[Addition], dict[str, str]]:
    wanted = {base.vocabulary.spell(surface) for surface in surfaces}
    ranks: dict[tuple[str, str], int] = {}
    made: list[Addition] = []
    refused = {}

    def rank(left: str, right: str) -> int | None:
        return ranks.get((left, right))

    for surface in surfaces:
        steps: list[tuple[str, str]] = []
        symbols = merge(base.vocabulary.segment(surface), rank)
        while len(symbols) > 1 and (at := _joinable(symbols, wanted)) is not None:
            pair = symbols[at], symbols[at + 1]
            ranks[pair] = len(made) + len(steps)
            steps.append(pair)
            symbols = merge(symbols, rank)
        if len(symbols) > 1:
            for pair in steps:
                del ranks[pair]
            refused[surface] = "bytes: cannot be joined without touching other scripts"
            continue
        made += [Addition(left + right, left, right, left + right in wanted) for left, right in steps]
    return made, refused


def _joinable(symbols: list[str], wanted: set[str]) -> int | None:
    """The pair to join next, of those whose bytes stand in Hangul only.

    What is wanted anyway comes first, then what belongs to one character, then what begins with one, then the rest, such
    as the blank before a word; the leftmost of equal ones.
    """
    found = []
    for at, (left, right) in enumerate(zip(symbols, symbols[1:])):
        content = byte_alphabet.bytes_of(left + right)
        if content is not None and only_in_hangul(content):
            begins = content[0] >= LEAD
            order = 0 if left + right in wanted else 1 if begins and len(content) <= 3 else 2 if begins else 3
            found.append((order, at))
    return min(found)[1] if found else None


def new_tokens(base: Base, additions: Iterable[Addition]) -> list[Addition]:
    """Those that need an id: a merge may also lead to a piece that is there."""
    held = set(base.json["model"]["vocab"]) if isinstance(base, ByteLevelBase) else set()
    found: list[Addition] = []
    for addition in additions:
        if addition.piece not in held:
            held.add(addition.piece)
            found.append(addition)
    return found


# --- files -----------------------------------------------------------------------------------------------


def _write(base: Base, additions: Sequence[Addition], ids: dict[str, int], folder: Path) -> TokenizerInfo:
    if isinstance(base, ByteLevelBase):
        merges = [*base.merges, *((addition.left, addition.right) for addition in additions)]
        return write_merges(base, {**base.json["model"]["vocab"], **ids}, merges, folder)
    assert isinstance(base, SentencePieceBase)
    pieces = [Piece(text, score, NORMAL) for text, score in zip(ids, scores_below(base, len(ids)))]
    return write_pieces(base, [*base.vocabulary.pieces, *pieces], folder)


def scores_below(base: SentencePieceBase, count: int) -> list[float]:
    """Falling scores below all of the base's. Raises DataError where 32 bits cannot tell them apart."""
    lowest = min((piece.score for piece in base.vocabulary.pieces if piece.kind == NORMAL), default=0.0)
    scores = [struct.unpack("<f", struct.pack("<f", lowest - 1 - number))[0] for number in range(count)]
    if any(later >= earlier for earlier, later in zip([lowest, *scores], scores)):
        raise DataError(
            f"{base.folder}: its scores reach {lowest:g}, below which 32 bits hold no {count:,} different ones; give a "
            "model whose scores are ranks"
        )
    return scores


# --- check -----------------------------------------------------------------------------------------------


def verify(base: Base, folder: Path, ids: dict[str, int]) -> None:
    """Raises DataError unless the libraries make each new surface its one id, and every old id is what it was."""
    backend = backend_of(_unprefixed(read_json(folder / "tokenizer.json")), folder)
    readers: dict[str, Callable[[str], list[int]]] = {
        "tokenizers": lambda text: backend.encode(text, add_special_tokens=False).ids
    }
    if isinstance(base, SentencePieceBase):
        model = without_dummy_prefix((folder / MODEL).read_bytes())
        readers["sentencepiece"] = sentencepiece.SentencePieceProcessor(model_proto=model).encode
    for name, encode in readers.items():
        alone = {before: encode(before) for before in BEFORE}
        for surface, number in ids.items():
            if not any(encode(before + surface) == [*old, number] for before, old in alone.items()):
                raise DataError(
                    f"{folder}: {name} makes {surface!r} {encode(surface)[:8]} instead of the new token {number}; report this base"
                )
    encode = readers["tokenizers"]
    for name in base.special if isinstance(base, ByteLevelBase) else ():
        if backend.token_to_id(name) in encode(name):
            raise DataError(
                f"{folder}: a text that spells {name!r} becomes that special token; report this base"
            )
    new = {number: piece for piece, number in backend.get_vocab(with_added_tokens=True).items()}
    moved = [number for number in range(base.size) if new.get(number) != base.vocabulary.names[number]]
    if moved:
        raise DataError(f"{folder}: the ids {moved[:8]} of {base.folder} moved; report this base")


def _unprefixed(description: dict[str, Any]) -> dict[str, Any]:
    """``tokenizer.json`` without the step that puts a blank before a text."""
    normalizer = description.get("normalizer") or {}
    if "normalizers" in normalizer:
        kept = [step for step in normalizer["normalizers"] if step["type"] != "Prepend"]
        description["normalizer"] = {**normalizer, "normalizers": kept}
    return description
