"""Appends pieces to a base: no id moves, text without Hangul keeps its ids, and every new piece is reachable.

Owns the order of additions. BPE applies the best-ranked merge first, and additions rank last, in order. A piece is
therefore reachable when all earlier merges leave exactly two parts of it; later additions cannot split it again. Where
more than two parts are left, the pieces between them are added too (``needed``). ``derived_folders`` writes the files.
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
"""Prefixes to try a new piece after: a dummy prefix or a split may keep a piece from the start of a text."""

LEAD = 0xC0  # first bytes of multi-byte characters are at least this


@dataclass(frozen=True)
class Addition:
    """A piece as spelled in the file, and the two pieces it is merged from ("" for a single character)."""

    piece: str
    left: str
    right: str
    requested: bool


@dataclass(frozen=True)
class Plan:
    """Additions in order, and the surfaces left out with the reason."""

    additions: list[Addition]
    refused: dict[str, str]


@dataclass(frozen=True)
class Extension:
    """``ids`` of the requested surfaces; ``needed``: pieces added to reach them; ``refused``: surface to reason."""

    info: TokenizerInfo
    ids: dict[str, int]
    needed: list[str]
    refused: dict[str, str]


def append(base: Base, surfaces: Sequence[str], folder: Path) -> Extension:
    """Writes the folder of ``base`` with ``surfaces`` appended; their order is the order of their merges.

    Leaves out surfaces that no text is encoded to, or only by changing the ids of other scripts (``refused``). Raises
    DataError for a surface that the base has, that is listed twice, or that is not text with Hangul.
    """
    planned = plan(base, surfaces)
    new = new_tokens(base, planned.additions)
    piece_ids = {addition.piece: base.size + number for number, addition in enumerate(new)}
    ids = {
        surface: piece_ids[base.vocabulary.spell(surface)]
        for surface in surfaces
        if surface not in planned.refused
    }
    info = _write(base, planned.additions, piece_ids, folder)
    verify(base, folder, ids)
    needed = [base.vocabulary.format_piece(addition.piece) for addition in new if not addition.requested]
    return Extension(info, ids, needed, planned.refused)


# --- requested surfaces ----------------------------------------------------------------------------------


def _check(base: Base, surfaces: Sequence[str]) -> None:
    base.check()
    seen: set[str] = set()
    for surface in surfaces:
        if surface in seen:
            raise DataError(f"{surface!r} is listed twice; list each new piece once", rule="duplicate-piece")
        if surface in base.vocabulary.ids:
            raise DataError(
                f"{surface!r} is already token {base.vocabulary.ids[surface]} of {base.folder}; leave it out",
                rule="known-piece",
            )
        if not HANGUL.search(surface):
            raise DataError(
                f"{surface!r} contains no Hangul and would change the ids of other text; leave it out",
                rule="piece-without-hangul",
            )
        if BLANK in surface or MARK in surface or not _is_text(surface):
            raise DataError(
                f"{surface!r} contains characters that a piece cannot represent; leave it out",
                rule="unwritable-piece",
            )
        seen.add(surface)


def _is_text(surface: str) -> bool:
    return not any(0xD800 <= ord(character) < 0xE000 for character in surface)


def _find_refused(base: Base, surfaces: Sequence[str]) -> dict[str, str]:
    """Surfaces that can never be merged because the base splits or normalizes them first, with the reason."""
    refused = {}
    if isinstance(base, SentencePieceBase):
        if base.model.removes_blanks:
            for surface in surfaces:
                if "  " in surface or surface.endswith(" "):
                    refused[surface] = "split: the base removes extra blanks"
        return refused
    assert isinstance(base, ByteLevelBase)
    backend = backend_of(base.json, base.folder)
    for surface in surfaces:
        normalized = backend.normalizer.normalize_str(surface) if backend.normalizer else surface
        if normalized != surface:
            refused[surface] = "split: the base normalizes it to other text"
        elif not any(_stays_whole(backend, surface, before) for before in BEFORE):
            refused[surface] = "split: the base always splits it"
    return refused


def _stays_whole(backend: tokenizers.Tokenizer, surface: str, before: str) -> bool:
    """Whether the surface after ``before`` stays in one word, so that it is merged by itself."""
    last, _ = backend.pre_tokenizer.pre_tokenize_str(before + surface)[-1]
    return last.endswith(byte_alphabet.spell(surface))


# --- the order -------------------------------------------------------------------------------------------


def plan(base: Base, surfaces: Sequence[str]) -> Plan:
    """All additions in order. Raises DataError like ``append``."""
    _check(base, surfaces)
    refused = _find_refused(base, surfaces)
    possible = [surface for surface in surfaces if surface not in refused]
    if isinstance(base, SentencePieceBase):
        return Plan(_plan_pieces(base, possible), refused)
    assert isinstance(base, ByteLevelBase)
    additions, others = _plan_merges(base, possible)
    return Plan(additions, {**refused, **others})


def _plan_pieces(base: SentencePieceBase, surfaces: Sequence[str]) -> list[Addition]:
    """Adds characters first: two symbols merge as soon as their union is a piece, and ``tokenizers`` needs both halves."""
    known = {piece.text for piece in base.vocabulary.pieces if piece.kind == NORMAL}
    wanted = {base.vocabulary.spell(surface) for surface in surfaces}
    ranks: dict[str, int] = {}  # of additions; all rank after the base's pieces
    additions: list[Addition] = []

    def add(left: str, right: str) -> None:
        piece = left + right
        ranks[piece] = len(additions)
        known.add(piece)
        additions.append(Addition(piece, left if right else "", right, piece in wanted))

    for surface in surfaces:
        piece = base.vocabulary.spell(surface)
        for character in piece:
            if character not in known:
                add(character, "")
        symbols = base.vocabulary.segment(surface)
        while len(symbols := merge(symbols, lambda left, right: ranks.get(left + right))) > 1:
            add(*_next_pair(symbols, wanted))
    return additions


def _next_pair(symbols: list[str], wanted: set[str]) -> tuple[str, str]:
    """A pair whose union is requested, else the first pair with Hangul, preferably without a blank before it."""
    pairs = [pair for pair in zip(symbols, symbols[1:]) if HANGUL.search("".join(pair))]
    requested = next((pair for pair in pairs if "".join(pair) in wanted), None)
    return requested or next((pair for pair in pairs if not pair[0].startswith(BLANK)), pairs[0])


def _plan_merges(base: ByteLevelBase, surfaces: Sequence[str]) -> tuple[list[Addition], dict[str, str]]:
    wanted = {base.vocabulary.spell(surface) for surface in surfaces}
    ranks: dict[tuple[str, str], int] = {}
    additions: list[Addition] = []
    refused = {}

    def rank(left: str, right: str) -> int | None:
        return ranks.get((left, right))

    for surface in surfaces:
        pairs: list[tuple[str, str]] = []
        symbols = merge(base.vocabulary.segment(surface), rank)
        while len(symbols) > 1 and (at := _choose_pair(symbols, wanted)) is not None:
            pair = symbols[at], symbols[at + 1]
            ranks[pair] = len(additions) + len(pairs)
            pairs.append(pair)
            symbols = merge(symbols, rank)
        if len(symbols) > 1:
            for pair in pairs:
                del ranks[pair]
            refused[surface] = "bytes: cannot be merged without changing other scripts"
            continue
        additions += [Addition(left + right, left, right, left + right in wanted) for left, right in pairs]
    return additions, refused


def _choose_pair(symbols: list[str], wanted: set[str]) -> int | None:
    """Index of the pair to merge next, among those whose bytes occur in Hangul only.

    Prefers a requested union, then parts of one character, then a union that begins with a whole character, then the
    rest, such as the blank before a word; the leftmost of equals.
    """
    choices = []
    for at, (left, right) in enumerate(zip(symbols, symbols[1:])):
        content = byte_alphabet.bytes_of(left + right)
        if content is not None and only_in_hangul(content):
            begins = content[0] >= LEAD
            order = 0 if left + right in wanted else 1 if begins and len(content) <= 3 else 2 if begins else 3
            choices.append((order, at))
    return min(choices)[1] if choices else None


def new_tokens(base: Base, additions: Iterable[Addition]) -> list[Addition]:
    """Additions that need an id; a merge may also produce a piece that exists already."""
    known = set(base.json["model"]["vocab"]) if isinstance(base, ByteLevelBase) else set()
    new: list[Addition] = []
    for addition in additions:
        if addition.piece not in known:
            known.add(addition.piece)
            new.append(addition)
    return new


# --- files -----------------------------------------------------------------------------------------------


def _write(base: Base, additions: Sequence[Addition], ids: dict[str, int], folder: Path) -> TokenizerInfo:
    if isinstance(base, ByteLevelBase):
        merges = [*base.merges, *((addition.left, addition.right) for addition in additions)]
        return write_merges(base, {**base.json["model"]["vocab"], **ids}, merges, folder)
    assert isinstance(base, SentencePieceBase)
    pieces = [Piece(text, score, NORMAL) for text, score in zip(ids, scores_below(base, len(ids)))]
    return write_pieces(base, [*base.vocabulary.pieces, *pieces], folder)


def scores_below(base: SentencePieceBase, count: int) -> list[float]:
    """Decreasing scores below all scores of the base. Raises DataError when 32 bits cannot distinguish them."""
    lowest = min((piece.score for piece in base.vocabulary.pieces if piece.kind == NORMAL), default=0.0)
    scores = [struct.unpack("<f", struct.pack("<f", lowest - 1 - number))[0] for number in range(count)]
    if any(later >= earlier for earlier, later in zip([lowest, *scores], scores)):
        raise DataError(
            f"{base.folder}: the lowest score is {lowest:g}, and 32-bit floats cannot represent {count:,} different scores "
            "below it; use a model whose scores are ranks",
            rule="scores-too-low",
        )
    return scores


# --- verification ----------------------------------------------------------------------------------------


def verify(base: Base, folder: Path, ids: dict[str, int]) -> None:
    """Raises DataError unless the libraries encode each new surface to its id and every old id is unchanged."""
    backend = backend_of(_without_prefix_blank(read_json(folder / "tokenizer.json")), folder)
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
                    f"{folder}: {name} encodes {surface!r} to {encode(surface)[:8]} instead of the new token {number}; report "
                    "this base",
                    rule="new-piece-unreachable",
                )
    encode = readers["tokenizers"]
    for name in base.special if isinstance(base, ByteLevelBase) else ():
        if backend.token_to_id(name) in encode(name):
            raise DataError(
                f"{folder}: text that spells {name!r} is encoded to that special token; report this base",
                rule="special-token-from-text",
            )
    new = {number: piece for piece, number in backend.get_vocab(with_added_tokens=True).items()}
    moved = [number for number in range(base.size) if new.get(number) != base.vocabulary.names[number]]
    if moved:
        raise DataError(
            f"{folder}: the ids {moved[:8]} of {base.folder} changed; report this base", rule="ids-moved"
        )


def _without_prefix_blank(description: dict[str, Any]) -> dict[str, Any]:
    """``tokenizer.json`` without the normalizer that prepends a blank."""
    normalizer = description.get("normalizer") or {}
    if "normalizers" in normalizer:
        others = [part for part in normalizer["normalizers"] if part["type"] != "Prepend"]
        description["normalizer"] = {**normalizer, "normalizers": others}
    return description
