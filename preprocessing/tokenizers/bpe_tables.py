"""The tables of our engine, made of a vocabulary; vocabularies it could not encode exactly are refused.

Owns what a SentencePiece model means: best score first, ties from the left; characters without a piece in bytes; user
symbols before everything else; unused pieces taken apart again; a few characters rewritten before all that.
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

PAIR_BITS = 16  # at least, for each piece: a few of a hundred cuts are missed


class Unsupported(ValueError):
    """A vocabulary that is encoded in a way the engine does not know; the argument says which."""


@dataclass(frozen=True)
class Tables:
    cuts: Cuts
    merges: Merges
    rewritten: dict[str, str]  # single characters and what stands for them, before anything else
    prefixed: bool  # with a blank before the text, which is not rewritten; an empty text stays empty


def of_model(model: SentencePieceModel) -> Tables:
    """Tables of a SentencePiece BPE model. Raises Unsupported."""
    _check_settings(model)
    pieces = model.vocabulary.pieces
    users, unused, byte_ids = _special(model.vocabulary)
    rewritten = _rewritten(model.charsmap, users)
    data, bounds = utf8_buffer(pa.array([piece.text for piece in pieces], pa.large_string()))
    data, begins, ends = np.concatenate([data, np.zeros(8, np.uint8)]), bounds[:-1], bounds[1:]
    if (twice := bpe_build.piece_table(data, begins, ends, np.ones(len(begins), np.bool_))[1]) >= 0:
        raise Unsupported(f"has the piece {pieces[twice].text!r} twice")
    blanks = np.concatenate([[0], np.cumsum(data == ord(" "))])
    merged = np.isin([piece.kind for piece in pieces], (NORMAL, UNUSED))
    # a blank is looked up as U+2581: pieces with one are never found
    merged &= blanks[begins] == blanks[ends]
    seen, symbols = bpe_build.characters_of(data, begins, ends, merged)
    if BLANK not in users and symbols[ord(BLANK)] in (-1, *unused):
        raise Unsupported("has no piece for a blank")  # which would be three ids for one byte
    # a character of a piece that is no piece itself is joined like one, and written in bytes where it is left alone
    unnamed = [chr(c).encode("utf-8") for c in np.flatnonzero(seen & (symbols < 0)) if chr(c) not in users]
    numbers = range(len(begins), len(begins) + len(unnamed))
    symbols[[ord(spelled.decode("utf-8")) for spelled in unnamed]] = numbers
    in_bytes = dict(zip(numbers, unnamed))
    in_bytes |= {n: piece.encode("utf-8") for n in unused if len(piece := pieces[n].text) == 1}
    several = {number: [byte_ids[byte] for byte in spelled] for number, spelled in in_bytes.items()}
    symbols[ord(" ")] = symbols[ord(BLANK)]
    data, begins, ends = _extended(data, begins, ends, unnamed)
    merged = np.concatenate([merged, np.ones(len(unnamed), np.bool_)])
    table, _ = bpe_build.piece_table(data, begins, ends, merged)
    made = bpe_build.splits(table, data, begins, ends, merged)
    several |= _taken_apart(made, unused, several)
    ranks = np.concatenate(
        [_ranks(np.array([piece.score for piece in pieces], np.float32)), np.zeros(len(unnamed), np.int64)]
    )[made[:, 2]]
    room = 1 << (PAIR_BITS * len(begins)).bit_length()
    cuts = cuts_of(*bpe_cuts.pairs_of(data, begins, ends, merged, room), users)
    return Tables(
        cuts,
        merges_of(symbols, made, ranks, len(begins), several, byte_ids),
        rewritten,
        model.dummy_prefix,
    )


def _check_settings(model: SentencePieceModel) -> None:
    if model.vocabulary.algorithm != "bpe":
        raise Unsupported("is no BPE model")
    if model.removes_blanks or not model.escapes_blanks:
        raise Unsupported("removes blanks")
    if model.blanks_behind:
        raise Unsupported("has blanks behind words")
    if not model.byte_fallback:
        raise Unsupported("has no pieces for bytes")


def _special(vocabulary: Vocabulary) -> tuple[dict[str, int], set[int], list[int]]:
    """User symbols, the numbers of unused pieces, the ids of the 256 bytes."""
    named = {p.text: n for n, p in enumerate(vocabulary.pieces) if p.kind not in (NORMAL, UNUSED)}
    users = {text: n for text, n in named.items() if vocabulary.pieces[n].kind == USER_DEFINED}
    if any(len(text) < 2 for text in named.keys() - users.keys()):
        raise Unsupported("has a control piece of one character")
    spelled = [named.get(f"<0x{byte:02X}>", -1) for byte in range(256)]
    if any(number < 0 or vocabulary.pieces[number].kind != BYTE for number in spelled):
        raise Unsupported("has no pieces for bytes")
    found = {text: number for text, number in users.items() if " " not in text}
    return found, set(vocabulary.numbers(UNUSED)), spelled


def _extended(
    data: np.ndarray, begins: np.ndarray, ends: np.ndarray, more: Sequence[bytes]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pieces and ``more`` of them."""
    bounds = len(data) + np.cumsum([0, *map(len, more)])
    longer = np.frombuffer(data.tobytes() + b"".join(more) + bytes(8), np.uint8)
    return longer, np.concatenate([begins, bounds[:-1]]), np.concatenate([ends, bounds[1:]])


def _ranks(scores: np.ndarray) -> np.ndarray:
    """0 for the best score; the same for the same score."""
    if np.isnan(scores).any():
        raise Unsupported("has a score that is no number")
    distinct, ranks = np.unique(scores, return_inverse=True)
    return len(distinct) - 1 - ranks.astype(np.int64)


def _taken_apart(
    made: np.ndarray, unused: set[int], several: Mapping[int, list[int]]
) -> dict[int, list[int]]:
    """Unused pieces become what they were made of, if that is one thing: SentencePiece takes the last pair it saw.

    ``several``: characters that become bytes, unused ones among them.
    """
    halves: dict[int, tuple[int, int]] = {}
    for left, right, symbol in made[np.isin(made[:, 2], list(unused))].tolist():
        if symbol in halves:
            raise Unsupported("has an unused piece that is made in several ways")
        halves[symbol] = left, right

    def parts(symbol: int) -> list[int]:
        if symbol in halves:
            return [i for half in halves[symbol] for i in parts(half)]
        return several.get(symbol, [symbol])

    return {symbol: parts(symbol) for symbol in halves}


def _rewritten(charsmap: bytes, users: Mapping[str, int]) -> dict[str, str]:
    """The rules of the normaliser, if they are few and of single characters."""
    try:
        rules = replacements_of(charsmap)
    except ValueError as error:
        raise Unsupported(str(error)) from None
    if any(len(old) != 1 or not new or old in "".join(users) for old, new in rules.items()):
        raise Unsupported("normalises text")
    return rules


def merges_of(
    symbols: np.ndarray,
    made: np.ndarray,
    ranks: np.ndarray,
    size: int,
    several: Mapping[int, Sequence[int]],
    byte_ids: Sequence[int],
) -> Merges:
    """``symbols``: [code points] int32; ``made``: [merges, 3] left, right, made; ``several``: symbols that are several ids."""
    if size >= 1 << SYMBOL_BITS or len(made) >= (1 << MERGE_BITS) - 1:
        raise Unsupported(f"has {size:,} pieces and {len(made):,} merges, which is too many")
    ids, lists = np.arange(size, dtype=np.int32), []
    for symbol, found in several.items():
        ids[symbol] = -1 - len(lists)
        lists += [len(found), *found]
    pairs = bpe_merge.new_pairs(np.ascontiguousarray(made[:, 0]), np.ascontiguousarray(made[:, 1]))
    best = ranks << 32 | made[:, 2]
    return Merges(
        False, symbols, pairs, best, ids, np.array(lists or [0], np.int32), np.array(byte_ids, np.int32)
    )


def cuts_of(pairs: np.ndarray, shift: np.uint64, users: Mapping[str, int]) -> Cuts:
    """Cuts between pairs of characters and around the symbols of users."""
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
