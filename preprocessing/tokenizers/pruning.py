"""Pruning: a tokenizer without the pieces that a text never uses, and the map of ids for its checkpoints.

Owns what stays and why ids of kept text are the old ones under the map. A text whose tokens all stay is merged as before:
the merges within its tokens all stay (``steps``), and others never took part. That is checked on the text itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from megatron_ko.errors import DataError
from megatron_ko.formats import byte_alphabet
from megatron_ko.formats.tokenizer_folder import TokenizerInfo
from megatron_ko.formats.vocabulary import NORMAL, Rank, iterate_merges
from preprocessing.running.worker_pool import WorkerPool
from preprocessing.tokenizers import encoders
from preprocessing.tokenizers.bases import Base, ByteLevelBase, SentencePieceBase
from preprocessing.tokenizers.derived_folders import write_merges, write_pieces
from preprocessing.tokenizers.text_files import TextPart, batches_of

REASONS = {
    "special": "control token, byte, placeholder or added token",
    "kept": "named in --keep",
    "used": "stands in the text often enough",
    "step": "a kept piece is merged from it",
    "unused": "stands in the text too seldom",
}


@dataclass(frozen=True)
class Pruning:
    """``reasons`` by old id (a name of REASONS; "" for an id without a token); ``old_ids[new]``: the id it had."""

    reasons: list[str]
    old_ids: list[int]

    @property
    def moved(self) -> dict[int, int]:
        return {old: new for new, old in enumerate(self.old_ids)}


def decide(base: Base, counts: np.ndarray, min_count: int, keep: Iterable[int] = ()) -> Pruning:
    """``counts`` [base.size] int64: how often each id stands in the text; ``keep``: ids that stay whatever they count."""
    reasons, names = ["unused"] * base.size, base.vocabulary.names
    for number in range(base.size):
        name = names[number]
        if name is None:
            reasons[number] = ""
        elif _always_stays(base, number, name):
            reasons[number] = "special"
        elif counts[number] >= min_count:
            reasons[number] = "used"
    for number in keep:
        if reasons[number] == "unused":
            reasons[number] = "kept"
    ids = {name: number for number, name in enumerate(names)}
    for number in [n for n, reason in enumerate(reasons) if reason in ("used", "kept")]:
        for step in steps(names[number] or "", base.vocabulary.rank):
            if reasons[ids.get(step, number)] == "unused":
                reasons[ids[step]] = "step"
    return Pruning(reasons, [n for n, reason in enumerate(reasons) if reason not in ("", "unused")])


def _always_stays(base: Base, number: int, name: str) -> bool:
    if isinstance(base, SentencePieceBase):
        return base.vocabulary.pieces[number].kind != NORMAL
    assert isinstance(base, ByteLevelBase)
    return name in base.added or name in base.special or (len(name) == 1 and name in byte_alphabet.LETTERS)


def steps(piece: str, rank: Rank) -> set[str]:
    """The characters of a piece, and everything that stands between them and the piece when it is merged."""
    return {*piece, *iterate_merges(list(piece), rank)}


def write_pruned(base: Base, pruning: Pruning, folder: Path) -> TokenizerInfo:
    """The folder with the kept pieces, in their old order; scores and merges that are left keep their order too."""
    if isinstance(base, SentencePieceBase):
        return write_pieces(base, [base.vocabulary.pieces[old] for old in pruning.old_ids], folder)
    assert isinstance(base, ByteLevelBase)
    moved = pruning.moved
    vocab = {piece: moved[number] for piece, number in base.json["model"]["vocab"].items() if number in moved}
    merges = [pair for pair in base.merges if {*pair, "".join(pair)} <= vocab.keys()]
    return write_merges(base, vocab, merges, folder, moved)


# --- the check -------------------------------------------------------------------------------------------


@dataclass
class Compared:
    """Documents of the text: all, those that lost a token, and tokens before and after."""

    documents: int = 0
    changed: int = 0
    tokens_before: int = 0
    tokens_after: int = 0

    def add(self, other: Compared) -> None:
        self.documents += other.documents
        self.changed += other.changed
        self.tokens_before += other.tokens_before
        self.tokens_after += other.tokens_after


def compare(old: Path, new: Path, pruning: Pruning, parts: Sequence[TextPart], pool: WorkerPool) -> Compared:
    """Raises DataError for a document whose tokens all stay, and whose ids are not the old ones under the map."""
    moved = np.full(len(pruning.reasons), -1, np.int64)
    moved[pruning.old_ids] = np.arange(len(pruning.old_ids))
    engines = [encoders.choose(folder, "auto", ()) for folder in (old, new)]
    total = Compared()
    items = [(old, new, *engines, moved, part) for part in parts]
    for found in pool.map(_compare_part, items, "compare", [part.size for part in parts]):
        total.add(found)
    return total


def _compare_part(
    old: Path, new: Path, old_engine: str, new_engine: str, moved: np.ndarray, part: TextPart
) -> Compared:
    before, after = encoders.encoder_of(old, old_engine), encoders.encoder_of(new, new_engine)
    total = Compared()
    for batch in batches_of(part):
        texts = batch["text"].to_pylist()
        ids, bounds = (np.asarray(column, np.int64) for column in before.encode_batch(texts))
        found, other_bounds = (np.asarray(column, np.int64) for column in after.encode_batch(texts))
        expected = moved[ids]
        total.add(Compared(len(texts), 0, len(ids), len(found)))
        for row, text in enumerate(texts):
            wanted = expected[bounds[row] : bounds[row + 1]]
            if (wanted < 0).any():
                total.changed += 1
            elif not np.array_equal(wanted, found[other_bounds[row] : other_bounds[row + 1]]):
                raise DataError(
                    f"{new}: gives other tokens than {old} for {text[:80]!r}, though all of them were kept; report this text"
                )
    return total
