"""New pieces after those of a base: no id moves, texts without Hangul keep their ids, every new piece is reached.

Owns the order of additions and the files. Merging takes what ranks first, and additions rank last, one after the other;
so a piece is reached when all before it leave two halves of it, and what comes later cannot take it apart again. Where
more than two are left, the pieces between are added too (``needed``).
"""

from __future__ import annotations

import copy
import functools
import json
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sentencepiece
import tokenizers

from megatron_ko.errors import DataError
from megatron_ko.tokenizer import (
    MARKER,
    TokenizerInfo,
    fingerprint_hf_folder,
    read_tokenizer_folder,
    write_tokenizer_folder,
)
from preprocessing.vocabulary.bases import (
    BLANK,
    BYTE,
    CONTROL,
    NORMAL,
    UNKNOWN,
    Base,
    ByteLevelBase,
    SentencePieceBase,
    bytes_of,
    merged,
)
from preprocessing.vocabulary.escapes import MARK
from preprocessing.vocabulary.hangul import HANGUL, only_in_hangul
from preprocessing.vocabulary.protobuf_fields import FOUR_BYTES, LENGTH, VARINT, fields_of, message_of, varint
from preprocessing.vocabulary.tokenizer_json import merges_of, to_tokenizer_json

_PIECES, _TRAINER, _NORMALIZER, _SELF_TEST = 1, 2, 3, 4
_VOCAB_SIZE, _DUMMY_PREFIX = 4, 3
ROLES = ("bos", "eos", "pad", "unk")


@dataclass(frozen=True)
class Addition:
    """A piece as the file spells it, and the two it is merged from ("" for a character alone)."""

    piece: str
    left: str
    right: str
    asked: bool


@dataclass(frozen=True)
class Appended:
    """``ids`` of the surfaces that were asked for; ``needed``: what was added to reach them; ``refused``: why not."""

    info: TokenizerInfo
    ids: dict[str, int]
    needed: list[str]
    refused: dict[str, str]


def append(base: Base, surfaces: Sequence[str], folder: Path) -> Appended:
    """Writes the folder of ``base`` with ``surfaces`` added in this order, which is that of their merging.

    Raises DataError for surfaces that the base has, that are given twice, or that no text could become.
    """
    _check(base, surfaces)
    refused = {}
    if isinstance(base, ByteLevelBase):
        refused = refused_by_split(base, surfaces)
    additions = plan(base, [surface for surface in surfaces if surface not in refused])
    info = _write(base, additions, folder)
    ids = {addition.piece: base.size + n for n, addition in enumerate(_new(base, additions))}
    found = {surface: ids[base.spelled(surface)] for surface in surfaces if surface not in refused}
    needed = [shown(base, a.piece) for a in _new(base, additions) if not a.asked]
    verify(base, folder, found)
    return Appended(info, found, needed, refused)


def shown(base: Base, piece: str) -> str:
    """A piece of the file for people: its surface, or its bytes where it holds a part of a character."""
    if base.kind == "sentencepiece":
        return piece.replace(BLANK, " ")
    content = bytes_of(piece)
    assert content is not None
    return content.decode("utf-8", "backslashreplace")


def _check(base: Base, surfaces: Sequence[str]) -> None:
    base.check()
    seen: set[str] = set()
    for surface in surfaces:
        if surface in seen:
            raise DataError(f"{surface!r} is given twice; give each new piece once")
        if surface in base.ids:
            raise DataError(
                f"{surface!r}: is token {base.ids[surface]} of {base.folder} already; leave it out"
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


def refused_by_split(base: ByteLevelBase, surfaces: Sequence[str]) -> dict[str, str]:
    """Surfaces that no text becomes, since it is cut within them before merging, or written differently; with the reason."""
    backend = tokenizers.Tokenizer.from_str(json.dumps(base.json))
    refused = {}
    for surface in surfaces:
        written = backend.normalizer.normalize_str(surface) if backend.normalizer else surface
        if written != surface:
            refused[surface] = "the tokenizer rewrites it before it is cut"
        elif len(backend.pre_tokenizer.pre_tokenize_str(surface)) != 1:
            refused[surface] = "the tokenizer always cuts within it"
        elif not _reachable_within_hangul(base.spelled(surface)):
            refused[surface] = "its bytes cannot be joined without touching other scripts"
    return refused


def _reachable_within_hangul(piece: str) -> bool:
    """Whether from single bytes on there is always a pair to join that stands in Hangul only."""
    symbols = list(piece)
    while len(symbols) > 1:
        at = _joinable(symbols)
        if at is None:
            return False
        symbols[at : at + 2] = [symbols[at] + symbols[at + 1]]
    return True


def _joinable(symbols: list[str]) -> int | None:
    """The first pair whose bytes stand in Hangul only."""
    for at, (left, right) in enumerate(zip(symbols, symbols[1:])):
        content = bytes_of(left + right)
        if content is not None and only_in_hangul(content):
            return at
    return None


# --- the order -------------------------------------------------------------------------------------------


def plan(base: Base, surfaces: Sequence[str]) -> list[Addition]:
    """Everything that is added, in order."""
    if isinstance(base, SentencePieceBase):
        return _plan_pieces(base, surfaces)
    assert isinstance(base, ByteLevelBase)
    return _plan_merges(base, surfaces)


def _plan_pieces(base: SentencePieceBase, surfaces: Sequence[str]) -> list[Addition]:
    """A union of two symbols merges as soon as it is a piece; so characters must be pieces, or ``tokenizers`` differs."""
    known = {piece.text for piece in base.pieces if piece.kind == NORMAL}
    wanted = {base.spelled(surface) for surface in surfaces}
    ranks = {piece.text: -piece.score for piece in base.pieces if piece.kind == NORMAL}
    last = max(ranks.values(), default=0.0)
    made: list[Addition] = []

    def rank(left: str, right: str) -> float | None:
        return ranks.get(left + right)

    def add(left: str, right: str) -> None:
        piece = left + right
        ranks[piece] = last + 1 + len(made)
        known.add(piece)
        made.append(Addition(piece, left if right else "", right, piece in wanted))

    for surface in surfaces:
        piece = base.spelled(surface)
        for character in piece:
            if character not in known:
                add(character, "")
        while len(symbols := merged(list(piece), rank)) > 1:
            add(*_next_pair(symbols, wanted))
    return made


def _next_pair(symbols: list[str], wanted: set[str]) -> tuple[str, str]:
    """A pair whose union is wanted anyway, else the first that holds Hangul."""
    pairs = list(zip(symbols, symbols[1:]))
    asked = next((pair for pair in pairs if "".join(pair) in wanted), None)
    return asked or next(pair for pair in pairs if HANGUL.search("".join(pair)))


def _plan_merges(base: ByteLevelBase, surfaces: Sequence[str]) -> list[Addition]:
    wanted = {base.spelled(surface) for surface in surfaces}
    ranks = {pair: rank for rank, pair in enumerate(base.merges)}
    made: list[Addition] = []

    def rank(left: str, right: str) -> int | None:
        return ranks.get((left, right))

    for surface in surfaces:
        piece = base.spelled(surface)
        while len(symbols := merged(list(piece), rank)) > 1:
            at = _joinable(symbols)
            if at is None:
                raise DataError(
                    f"{surface!r}: the base cuts it so that it cannot be joined without touching other scripts; leave it out"
                )
            left, right = symbols[at], symbols[at + 1]
            ranks[left, right] = len(ranks)
            made.append(Addition(left + right, left, right, left + right in wanted))
    return made


def _new(base: Base, additions: Sequence[Addition]) -> list[Addition]:
    """Those that need an id: a merge may also lead to a piece that is there."""
    held = base.vocab.keys() if isinstance(base, ByteLevelBase) else set()
    first = {addition.piece: addition for addition in reversed(additions) if addition.piece not in held}
    return [addition for addition in additions if first.get(addition.piece) is addition]


# --- files -----------------------------------------------------------------------------------------------


def _write(base: Base, additions: Sequence[Addition], folder: Path) -> TokenizerInfo:
    special, others = special_tokens_of(base)
    if isinstance(base, ByteLevelBase):
        return write_tokenizer_folder(
            folder, _with_merges(base, additions), special, other_special_tokens=others
        )
    assert isinstance(base, SentencePieceBase)
    model = with_pieces(base, [addition.piece for addition in additions])
    return write_tokenizer_folder(folder, json_of(base, model), special, model, others)


def special_tokens_of(base: Base) -> tuple[dict[str, str], list[str]]:
    """Special tokens by role, and those without one. Raises DataError when no token ends documents."""
    if base.folder.is_dir() and base.json is not None:
        own = (base.folder / MARKER).is_file()
        info = read_tokenizer_folder(base.folder) if own else fingerprint_hf_folder(base.folder)
        ids = {role: getattr(info, f"{role}_id") for role in ROLES}
    else:
        assert isinstance(base, SentencePieceBase)
        processor = sentencepiece.SentencePieceProcessor(model_proto=base.model)
        ids = {role: getattr(processor, f"{role}_id")() for role in ROLES}
    names = _names(base)
    found = {role: names[number] for role, number in ids.items() if number is not None and number >= 0}
    if "eos" not in found:
        raise DataError(
            f"{base.folder}: names no token that ends documents; set eos_token in its tokenizer_config.json"
        )
    others = [name for name in _special_names(base) if name not in found.values()]
    return found, others


def _names(base: Base) -> dict[int, str]:
    if isinstance(base, SentencePieceBase):
        return {number: piece.text for number, piece in enumerate(base.pieces)}
    assert isinstance(base, ByteLevelBase)
    return {number: piece for piece, number in (*base.vocab.items(), *base.added.items())}


def _special_names(base: Base) -> list[str]:
    if isinstance(base, SentencePieceBase):
        return [piece.text for piece in base.pieces if piece.kind in (CONTROL, UNKNOWN)]
    assert isinstance(base, ByteLevelBase)
    return [token["content"] for token in base.json.get("added_tokens") or () if token.get("special")]


def with_pieces(base: SentencePieceBase, pieces: Sequence[str]) -> bytes:
    """The model with these pieces at its end, each scored below all before it."""
    lowest = min((piece.score for piece in base.pieces if piece.kind == NORMAL), default=0.0)
    scores = [struct.unpack("<f", struct.pack("<f", lowest - 1 - n))[0] for n in range(len(pieces))]
    if any(later >= earlier for earlier, later in zip([lowest, *scores], scores)):
        raise DataError(
            f"{base.folder}: its scores reach {lowest:g}, below which 32 bits hold no {len(pieces):,} different ones; give a "
            "model whose scores are ranks"
        )
    fields = [field for field in fields_of(base.model) if field[0] != _SELF_TEST]
    old = [field for field in fields if field[0] == _PIECES]
    new = [(_PIECES, LENGTH, _piece(text, score)) for text, score in zip(pieces, scores)]
    rest = [_resized(field, len(old) + len(new)) for field in fields if field[0] != _PIECES]
    return message_of([*old, *new, *rest])


def _piece(text: str, score: float) -> bytes:
    return message_of([(1, LENGTH, text.encode("utf-8")), (2, FOUR_BYTES, struct.pack("<f", score))])


def _resized(field: tuple[int, int, bytes], size: int) -> tuple[int, int, bytes]:
    """The section of the trainer says how many pieces there are."""
    number, wire, payload = field
    if number != _TRAINER:
        return field
    kept = [entry for entry in fields_of(payload) if entry[0] != _VOCAB_SIZE]
    return number, wire, message_of([*kept, (_VOCAB_SIZE, VARINT, varint(size))])


def json_of(base: SentencePieceBase, model: bytes) -> dict[str, Any]:
    """``tokenizer.json`` of a changed model: the base's own with other pieces, or one that is made for it."""
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    pieces = [processor.id_to_piece(number) for number in range(processor.get_piece_size())]
    changed = SentencePieceBase(base.folder, model, None)
    symbols = [piece.text for piece in changed.pieces if piece.kind not in (NORMAL, UNKNOWN, CONTROL, BYTE)]
    if base.json is not None:
        made = copy.deepcopy(base.json)
        normal = {
            piece: number for number, piece in enumerate(pieces) if changed.pieces[number].kind == NORMAL
        }
        made["model"]["vocab"] = {piece: number for number, piece in enumerate(pieces)}
        made["model"]["merges"] = [list(pair) for pair in merges_of(normal, processor)]
        return made
    if base.removes_blanks:
        raise DataError(
            f"{base.folder}: joins several blanks (remove_extra_whitespaces), which loses text and has no equal in "
            "tokenizer.json; give a model that keeps them"
        )
    made = to_tokenizer_json(processor, symbols)
    if base.dummy_prefix:
        steps = [{"type": "Prepend", "prepend": BLANK}, made["normalizer"]]
        made["normalizer"] = {"type": "Sequence", "normalizers": steps}
        made["decoder"]["decoders"].append({"type": "Strip", "content": " ", "start": 1, "stop": 0})
    return made


def _with_merges(base: ByteLevelBase, additions: Sequence[Addition]) -> dict[str, Any]:
    made = copy.deepcopy(base.json)
    merges = made["model"]["merges"]
    as_text = bool(merges) and isinstance(merges[0], str)
    for number, addition in enumerate(_new(base, additions)):
        made["model"]["vocab"][addition.piece] = base.size + number
    for addition in additions:
        pair = [addition.left, addition.right]
        merges.append(" ".join(pair) if as_text else pair)
    return made


# --- check -----------------------------------------------------------------------------------------------


def verify(base: Base, folder: Path, ids: dict[str, int]) -> None:
    """Raises DataError unless the libraries make each new surface its one id, and every old id is what it was."""
    backend = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    backend.encode_special_tokens = True
    readers: dict[str, Callable[[str], Any]] = {"tokenizers": functools.partial(_ids_of_json, backend)}
    if isinstance(base, SentencePieceBase):
        model = (folder / "tokenizer.model").read_bytes()
        bare = sentencepiece.SentencePieceProcessor(model_proto=_without_prefix(model))
        readers["sentencepiece"] = bare.encode
        if base.dummy_prefix:
            backend = _unprefixed(folder)
            readers["tokenizers"] = functools.partial(_ids_of_json, backend)
    for name, encode in readers.items():
        for surface, number in ids.items():
            if (found := encode(surface)) != [number]:
                raise DataError(
                    f"{folder}: {name} makes {surface!r} {found[:8]} instead of the new token {number}; report this base"
                )
    old, new = (
        _names(base),
        {number: piece for piece, number in backend.get_vocab(with_added_tokens=True).items()},
    )
    moved = [number for number, piece in old.items() if new.get(number) != piece]
    if moved:
        raise DataError(f"{folder}: the ids {moved[:8]} of {base.folder} moved; report this base")


def _ids_of_json(backend: tokenizers.Tokenizer, text: str) -> list[int]:
    return backend.encode(text, add_special_tokens=False).ids


def _without_prefix(model: bytes) -> bytes:
    """The model that puts no blank before a text."""
    fields = []
    for number, wire, payload in fields_of(model):
        if number == _NORMALIZER:
            kept = [entry for entry in fields_of(payload) if entry[0] != _DUMMY_PREFIX]
            payload = message_of([*kept, (_DUMMY_PREFIX, VARINT, b"\0")])
        fields.append((number, wire, payload))
    return message_of(fields)


def _unprefixed(folder: Path) -> tokenizers.Tokenizer:
    """The tokenizer without the step that puts a blank before a text."""
    data = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    steps = data["normalizer"].get("normalizers", [data["normalizer"]])
    kept = [step for step in steps if step["type"] != "Prepend"]
    data["normalizer"] = {"type": "Sequence", "normalizers": kept}
    made = tokenizers.Tokenizer.from_str(json.dumps(data))
    made.encode_special_tokens = True
    return made
