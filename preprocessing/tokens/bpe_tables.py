"""The tables of our engine, made of a vocabulary; vocabularies it could not encode exactly are refused.

Owns what a SentencePiece model means: best score first, ties from the left; characters without a piece in bytes; user
symbols before everything else; unused pieces taken apart again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from preprocessing.kernels import bpe_cuts, bpe_merge
from preprocessing.kernels.bpe_cuts import Cuts
from preprocessing.kernels.bpe_merge import MERGE_BITS, SYMBOL_BITS, Merges
from preprocessing.kernels.tables import keys_of, new_table
from preprocessing.tokens import model_proto
from preprocessing.tokens.model_proto import ModelProto

SPACE, CODE_POINTS = "\u2581", 0x110000
PAIR_BITS = 32  # at least, for each pair of characters: a few of a hundred cuts are missed
Merge = tuple[int, int, int, int]  # left, right, made, rank


class Unsupported(Exception):
    """A vocabulary that is encoded in a way the engine does not know; the argument says which."""


def of_model(model: ModelProto) -> tuple[Cuts, Merges]:
    """Tables of a SentencePiece BPE model. Raises Unsupported."""
    _check_settings(model)
    named = {
        model_proto.NORMAL: {},
        model_proto.UNUSED: {},
        model_proto.USER_DEFINED: {},
    }
    reserved: dict[str, int] = {}
    for number, (piece, kind) in enumerate(zip(model.pieces, model.kinds)):
        named.get(kind, reserved)[piece] = number
    if sum(map(len, named.values())) + len(reserved) < len(model.pieces):
        raise Unsupported("has a piece twice")
    if any(len(piece) < 2 for piece in reserved):
        raise Unsupported("has a control piece of one character")
    # what holds a blank is never found: blanks are U+2581 when pieces are looked up
    pieces = {p: n for kind in (model_proto.NORMAL, model_proto.UNUSED) for p, n in named[kind].items() if " " not in p}
    users = {p: n for p, n in named[model_proto.USER_DEFINED].items() if " " not in p}
    if SPACE not in pieces and SPACE not in users:
        raise Unsupported("has no piece for a blank")
    ids: list[list[int]] = [[number] for number in range(len(model.pieces))]
    for character in sorted({c for p in pieces for c in p} - pieces.keys() - users.keys()):
        pieces[character] = len(ids)
        ids.append([reserved[f"<0x{byte:02X}>"] for byte in character.encode("utf-8")])
    merges = list(_splits(pieces, _ranks(model.scores)))
    _take_apart(ids, set(named[model_proto.UNUSED].values()), merges)
    byte_ids = [reserved[f"<0x{byte:02X}>"] for byte in range(256)]
    symbols = {p: n for p, n in pieces.items() if len(p) == 1}
    return cuts_of(pieces, users), merges_of(symbols, merges, ids, byte_ids)


def _check_settings(model: ModelProto) -> None:
    if model.type != model_proto.BPE:
        raise Unsupported("is no BPE model")
    if model.charsmap or model.add_dummy_prefix or model.remove_extra_whitespaces or not model.escape_whitespaces:
        raise Unsupported("changes text before it is encoded")
    if model.blank_behind:
        raise Unsupported("has blanks behind words")
    spelled = {p for p, kind in zip(model.pieces, model.kinds) if kind == model_proto.BYTE}
    if not model.byte_fallback or not spelled.issuperset(f"<0x{byte:02X}>" for byte in range(256)):
        raise Unsupported("has no pieces for bytes")


def _ranks(scores: Sequence[float]) -> list[int]:
    """0 for the best score; the same for the same score."""
    values = np.asarray(scores, np.float32)
    if np.isnan(values).any():
        raise Unsupported("has a score that is no number")
    distinct, ranks = np.unique(values, return_inverse=True)
    return (len(distinct) - 1 - ranks).tolist()


def _splits(pieces: dict[str, int], ranks: list[int]) -> Iterable[Merge]:
    """Every way to make a piece of two others; a character is one even without an id of its own."""
    find = pieces.get
    for piece, made in pieces.items():
        for cut in range(1, len(piece)):
            left = find(piece[:cut])
            if left is not None:
                right = find(piece[cut:])
                if right is not None:
                    yield left, right, made, ranks[made]


def _take_apart(ids: list[list[int]], unused: set[int], merges: Sequence[Merge]) -> None:
    """Unused pieces become what they were made of, if that is one thing: SentencePiece takes the last pair it saw."""
    if not unused:
        return
    made = Counter(merge[2] for merge in merges if merge[2] in unused)
    if any(count > 1 for count in made.values()):
        raise Unsupported("has an unused piece that is made in several ways")
    halves = {merge[2]: merge[:2] for merge in merges if merge[2] in unused}

    def parts(symbol: int) -> list[int]:
        return [i for half in halves[symbol] for i in parts(half)] if symbol in halves else ids[symbol]

    for symbol in halves:
        ids[symbol] = parts(symbol)


def merges_of(
    symbols: dict[str, int], merges: Sequence[Merge], ids: Sequence[Sequence[int]], byte_ids: Sequence[int]
) -> Merges:
    """``symbols``: of characters; ``ids``: what each symbol becomes. Raises Unsupported for too large a vocabulary."""
    if len(ids) >= 1 << SYMBOL_BITS or len(merges) >= (1 << MERGE_BITS) - 1:
        raise Unsupported(f"has {len(ids):,} pieces and {len(merges):,} merges, which is too many")
    of_character = np.full(CODE_POINTS, -1, np.int32)
    of_character[[ord(c) for c in symbols]] = list(symbols.values())
    of_character[ord(" ")] = of_character[ord(SPACE)]
    first, lists = np.empty(len(ids), np.int32), []
    for symbol, found in enumerate(ids):
        if len(found) == 1:
            first[symbol] = found[0]
        else:
            first[symbol] = -1 - len(lists)
            lists += [len(found), *found]
    table = np.asarray(merges, np.int64).reshape(-1, 4)
    return Merges(
        False,
        of_character,
        bpe_merge.new_pairs(table[:, 0].copy(), table[:, 1].copy()),
        table[:, 3] << 32 | table[:, 2],
        first,
        np.asarray(lists or [0], np.int32),
        np.asarray(byte_ids, np.int32),
    )


def cuts_of(pieces: Iterable[str], users: dict[str, int]) -> Cuts:
    """Cuts where no piece has the two characters side by side, and around the symbols of users."""
    pairs = np.unique(_pairs(pieces))
    room = 1 << 16
    while room < PAIR_BITS * len(pairs):
        room *= 2
    bits, shift = bpe_cuts.new_pairs_bits(pairs >> 32, pairs & 0xFFFFFFFF, room)
    firsts = np.zeros(256, np.uint8)
    edges: dict[int, int] = {}
    ends = [-1]
    for symbol, number in users.items():
        spelled, node = symbol.encode("utf-8"), 0
        firsts[spelled[0]] = 1
        firsts[ord(" ")] |= symbol[0] == SPACE
        for byte in spelled:
            if node << 8 | byte not in edges:
                edges[node << 8 | byte] = len(ends)
                ends.append(-1)
            node = edges[node << 8 | byte]
        ends[node] = number
    nodes, places = new_table(keys_of(np.asarray(list(edges), np.uint64)))
    targets = np.zeros(len(nodes), np.int32)
    targets[places] = list(edges.values())
    return Cuts(bits, shift, firsts, nodes, targets, np.asarray(ends, np.int32))


def _pairs(pieces: Iterable[str]) -> np.ndarray:
    """Pairs of characters of all pieces: 32 bits for each, the number that its UTF-8 bytes are, the first one lowest."""
    longer = "\0".join(piece.replace(SPACE, " ") for piece in pieces if len(piece) > 1)
    text = np.frombuffer(longer.encode("utf-32-le"), np.uint32)
    distinct, places = np.unique(text, return_inverse=True)
    spelled = [int.from_bytes(chr(c).encode("utf-8"), "little") for c in distinct.tolist()]
    numbers = np.asarray(spelled, np.uint64)[places]
    return numbers[:-1] << np.uint64(32) | numbers[1:]
