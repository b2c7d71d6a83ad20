"""Builds the tables of our engine from a vocabulary; refuses vocabularies it could not encode exactly.

Owns the semantics of a SentencePiece model: best score first, ties from the left; characters without a piece as bytes;
user symbols before everything else; unused pieces split again; a few characters replaced before all of that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from megatron_ko.formats.sentencepiece_model import SentencePieceModel, replacements_of
from megatron_ko.formats.vocabulary import BLANK, BYTE, NORMAL, UNUSED, USER_DEFINED, Vocabulary
from preprocessing.documents import utf8_buffer
from preprocessing.kernels import bpe_build, bpe_cuts, bpe_merge
from preprocessing.kernels.bpe_cuts import Cuts
from preprocessing.kernels.bpe_merge import MERGE_BITS, SYMBOL_BITS, Merges
from preprocessing.kernels.tables import keys_of, new_table

PAIR_BITS = 16  # per piece, at least; a few percent of the cuts are missed


class Unsupported(ValueError):
    """The engine cannot encode this vocabulary exactly; the argument is the reason."""


@dataclass(frozen=True)
class Tables:
    cuts: Cuts
    merges: Merges
    replacements: dict[str, str]  # of single characters, applied before anything else
    dummy_prefix: bool  # a blank before the text, added after the replacements; an empty text stays empty


def tables_of(model: SentencePieceModel) -> Tables:
    """Tables of a SentencePiece BPE model. Raises Unsupported."""
    _check_settings(model)
    pieces = model.vocabulary.pieces
    users, unused, byte_ids = _special_pieces(model.vocabulary)
    replacements = _read_replacements(model.charsmap, users)
    data, bounds = utf8_buffer(pa.array([piece.text for piece in pieces], pa.large_string()))
    data, begins, ends = np.concatenate([data, np.zeros(8, np.uint8)]), bounds[:-1], bounds[1:]
    if (repeated := bpe_build.piece_table(data, begins, ends, np.ones(len(begins), np.bool_))[1]) >= 0:
        raise Unsupported(f"has the piece {pieces[repeated].text!r} twice")
    blanks = np.concatenate([[0], np.cumsum(data == ord(" "))])
    merged = np.isin([piece.kind for piece in pieces], (NORMAL, UNUSED))
    # a blank is looked up as U+2581, so pieces that contain a real blank are never reached
    merged &= blanks[begins] == blanks[ends]
    used, symbols = bpe_build.characters_of(data, begins, ends, merged)
    if BLANK not in users and symbols[ord(BLANK)] in (-1, *unused):
        raise Unsupported("has no piece for a blank")  # which would be three ids for one byte
    # a character that occurs only inside pieces merges like a piece and is written as bytes where it is left alone
    unnamed = [chr(c).encode("utf-8") for c in np.flatnonzero(used & (symbols < 0)) if chr(c) not in users]
    numbers = range(len(begins), len(begins) + len(unnamed))
    symbols[[ord(character.decode("utf-8")) for character in unnamed]] = numbers
    in_bytes = dict(zip(numbers, unnamed))
    in_bytes |= {n: piece.encode("utf-8") for n in unused if len(piece := pieces[n].text) == 1}
    several = {number: [byte_ids[byte] for byte in content] for number, content in in_bytes.items()}
    symbols[ord(" ")] = symbols[ord(BLANK)]
    data, begins, ends = _append_pieces(data, begins, ends, unnamed)
    merged = np.concatenate([merged, np.ones(len(unnamed), np.bool_)])
    table, _ = bpe_build.piece_table(data, begins, ends, merged)
    merges = bpe_build.splits(table, data, begins, ends, merged)
    several |= _split_unused(merges, unused, several)
    ranks = np.concatenate(
        [_ranks(np.array([piece.score for piece in pieces], np.float32)), np.zeros(len(unnamed), np.int64)]
    )[merges[:, 2]]
    room = 1 << (PAIR_BITS * len(begins)).bit_length()
    pairs, shift = bpe_cuts.pairs_of(data, begins, ends, merged, room)
    cuts = cuts_of(pairs, shift, users)
    return Tables(
        cuts,
        merges_of(symbols, merges, ranks, len(begins), several, byte_ids),
        replacements,
        model.dummy_prefix,
    )


def _check_settings(model: SentencePieceModel) -> None:
    if model.vocabulary.algorithm != "bpe":
        raise Unsupported("is not a BPE model")
    if model.removes_blanks or not model.escapes_blanks:
        raise Unsupported("removes blanks")
    if model.blanks_behind:
        raise Unsupported("puts blanks after words")
    if not model.byte_fallback:
        raise Unsupported("has no byte pieces")


def _special_pieces(vocabulary: Vocabulary) -> tuple[dict[str, int], set[int], list[int]]:
    """User symbols, ids of unused pieces, ids of the 256 bytes."""
    named = {p.text: n for n, p in enumerate(vocabulary.pieces) if p.kind not in (NORMAL, UNUSED)}
    users = {text: n for text, n in named.items() if vocabulary.pieces[n].kind == USER_DEFINED}
    if any(len(text) < 2 for text in named.keys() - users.keys()):
        raise Unsupported("has a control piece of one character")
    byte_ids = [named.get(f"<0x{byte:02X}>", -1) for byte in range(256)]
    if any(number < 0 or vocabulary.pieces[number].kind != BYTE for number in byte_ids):
        raise Unsupported("has no byte pieces")
    without_blanks = {text: number for text, number in users.items() if " " not in text}
    return without_blanks, set(vocabulary.numbers(UNUSED)), byte_ids


def _append_pieces(
    data: np.ndarray, begins: np.ndarray, ends: np.ndarray, more: Sequence[bytes]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The pieces followed by ``more`` pieces."""
    bounds = len(data) + np.cumsum([0, *map(len, more)])
    longer = np.frombuffer(data.tobytes() + b"".join(more) + bytes(8), np.uint8)
    return longer, np.concatenate([begins, bounds[:-1]]), np.concatenate([ends, bounds[1:]])


def _ranks(scores: np.ndarray) -> np.ndarray:
    """0 for the best score; equal scores have equal ranks."""
    if np.isnan(scores).any():
        raise Unsupported("has a score that is not a number")
    distinct, ranks = np.unique(scores, return_inverse=True)
    return len(distinct) - 1 - ranks.astype(np.int64)


def _split_unused(
    merges: np.ndarray, unused: set[int], several: Mapping[int, list[int]]
) -> dict[int, list[int]]:
    """The ids that each unused piece is split into. Raises Unsupported for a piece that several merges produce.

    SentencePiece splits such a piece by the last pair it saw. ``several``: characters that are written as bytes,
    including unused ones.
    """
    halves: dict[int, tuple[int, int]] = {}
    for left, right, symbol in merges[np.isin(merges[:, 2], list(unused))].tolist():
        if symbol in halves:
            raise Unsupported("has an unused piece that several merges produce")
        halves[symbol] = left, right

    def parts(symbol: int) -> list[int]:
        if symbol in halves:
            return [i for half in halves[symbol] for i in parts(half)]
        return several.get(symbol, [symbol])

    return {symbol: parts(symbol) for symbol in halves}


def _read_replacements(charsmap: bytes, users: Mapping[str, int]) -> dict[str, str]:
    """The rules of the normalizer. Raises Unsupported unless they are few and replace single characters."""
    try:
        rules = replacements_of(charsmap)
    except ValueError as error:
        raise Unsupported(str(error)) from None
    if any(len(old) != 1 or not new or old in "".join(users) for old, new in rules.items()):
        raise Unsupported("normalizes text")
    return rules


def merges_of(
    symbols: np.ndarray,
    merges: np.ndarray,
    ranks: np.ndarray,
    size: int,
    several: Mapping[int, Sequence[int]],
    byte_ids: Sequence[int],
) -> Merges:
    """The merge tables of the kernel.

    ``symbols``: [code points] int32; ``merges``: [merges, 3] left, right, union; ``several``: symbols written as several
    ids. Raises Unsupported for too many pieces or merges.
    """
    if size >= 1 << SYMBOL_BITS or len(merges) >= (1 << MERGE_BITS) - 1:
        raise Unsupported(f"has {size:,} pieces and {len(merges):,} merges, which is too many")
    ids, lists = np.arange(size, dtype=np.int32), []
    for symbol, parts in several.items():
        ids[symbol] = -1 - len(lists)
        lists += [len(parts), *parts]
    pairs = bpe_merge.new_pairs(np.ascontiguousarray(merges[:, 0]), np.ascontiguousarray(merges[:, 1]))
    best = ranks << 32 | merges[:, 2]
    return Merges(
        False, symbols, pairs, best, ids, np.array(lists or [0], np.int32), np.array(byte_ids, np.int32)
    )


def cuts_of(pairs: np.ndarray, shift: np.uint64, users: Mapping[str, int]) -> Cuts:
    """The cut tables of the kernel: between pairs of characters and around user symbols."""
    firsts, edges, ends = np.zeros(256, np.uint8), {}, [-1]
    for symbol, number in users.items():
        node = 0
        for byte in symbol.encode("utf-8"):
            if node << 8 | byte not in edges:
                edges[node << 8 | byte] = len(ends)
                ends.append(-1)
            node = edges[node << 8 | byte]
        ends[node] = number
        firsts[symbol.encode("utf-8")[0]] = 1
        firsts[ord(" ")] |= symbol[0] == BLANK
    nodes, places = new_table(keys_of(np.array(list(edges), np.uint64)))
    targets = np.zeros(len(nodes), np.int32)
    targets[places] = list(edges.values())
    return Cuts(pairs, shift, firsts, nodes, targets, np.array(ends, np.int32))
