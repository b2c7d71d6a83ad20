"""Prunes a tokenizer to the pieces that a text uses, with the id map for its checkpoints.

Owns the choice of pieces and the check that ids only change by the map. Text whose tokens all remain is merged as before:
all merges inside its tokens remain (``intermediate_pieces``), and no other merge applied to it. The check compares the
ids of the text itself.
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
    "kept": "listed in --keep",
    "used": "occurs often enough in the text",
    "step": "another remaining piece is merged from it",
    "unused": "occurs too rarely in the text",
}


@dataclass(frozen=True)
class Pruning:
    """``reasons`` by old id (a key of REASONS; "" for an id without a token); ``old_ids[new]``: the old id."""

    reasons: list[str]
    old_ids: list[int]

    @property
    def moved(self) -> dict[int, int]:
        return {old: new for new, old in enumerate(self.old_ids)}


def decide(base: Base, counts: np.ndarray, min_count: int, keep: Iterable[int] = ()) -> Pruning:
    """Chooses the pieces. ``counts`` [base.size] int64: occurrences of each id; ``keep``: ids to keep at any count."""
    reasons, names = ["unused"] * base.size, base.vocabulary.names
    for number in range(base.size):
        name = names[number]
        if name is None:
            reasons[number] = ""
        elif _is_special(base, number, name):
            reasons[number] = "special"
        elif counts[number] >= min_count:
            reasons[number] = "used"
    for number in keep:
        if reasons[number] == "unused":
            reasons[number] = "kept"
    ids = {name: number for number, name in enumerate(names)}
    for number in [n for n, reason in enumerate(reasons) if reason in ("used", "kept")]:
        for piece in intermediate_pieces(names[number] or "", base.vocabulary.rank):
            if reasons[ids.get(piece, number)] == "unused":
                reasons[ids[piece]] = "step"
    return Pruning(reasons, [n for n, reason in enumerate(reasons) if reason not in ("", "unused")])


def _is_special(base: Base, number: int, name: str) -> bool:
    if isinstance(base, SentencePieceBase):
        return base.vocabulary.pieces[number].kind != NORMAL
    assert isinstance(base, ByteLevelBase)
    return name in base.added or name in base.special or (len(name) == 1 and name in byte_alphabet.LETTERS)


def intermediate_pieces(piece: str, rank: Rank) -> set[str]:
    """The characters of a piece, and all unions on the way to it."""
    return {*piece, *iterate_merges(list(piece), rank)}


def write_pruned(base: Base, pruning: Pruning, folder: Path) -> TokenizerInfo:
    """Writes the folder with the remaining pieces; pieces, scores and merges keep their order."""
    if isinstance(base, SentencePieceBase):
        return write_pieces(base, [base.vocabulary.pieces[old] for old in pruning.old_ids], folder)
    assert isinstance(base, ByteLevelBase)
    moved = pruning.moved
    vocab = {piece: moved[number] for piece, number in base.json["model"]["vocab"].items() if number in moved}
    merges = [pair for pair in base.merges if {*pair, "".join(pair)} <= vocab.keys()]
    return write_merges(base, vocab, merges, folder, moved)


# --- check -----------------------------------------------------------------------------------------------


@dataclass
class Comparison:
    """Documents of the text, those that lost a token (``changed``), and the number of tokens before and after."""

    documents: int = 0
    changed: int = 0
    tokens_before: int = 0
    tokens_after: int = 0

    def add(self, other: Comparison) -> None:
        self.documents += other.documents
        self.changed += other.changed
        self.tokens_before += other.tokens_before
        self.tokens_after += other.tokens_after


def compare(
    old: Path, new: Path, pruning: Pruning, parts: Sequence[TextPart], pool: WorkerPool
) -> Comparison:
    """Raises DataError when a document whose tokens all remain has ids other than the mapped old ones."""
    moved = np.full(len(pruning.reasons), -1, np.int64)
    moved[pruning.old_ids] = np.arange(len(pruning.old_ids))
    engines = [encoders.choose(folder, "auto", ()) for folder in (old, new)]
    total = Comparison()
    items = [(old, new, *engines, moved, part) for part in parts]
    for result in pool.map(_compare_part, items, "compare", [part.size for part in parts]):
        total.add(result)
    return total


def _compare_part(
    old: Path, new: Path, old_engine: str, new_engine: str, moved: np.ndarray, part: TextPart
) -> Comparison:
    before, after = encoders.encoder_of(old, old_engine), encoders.encoder_of(new, new_engine)
    total = Comparison()
    for batch in batches_of(part):
        texts = batch["text"].to_pylist()
        old_ids, old_bounds = (np.asarray(column, np.int64) for column in before.encode_batch(texts))
        new_ids, new_bounds = (np.asarray(column, np.int64) for column in after.encode_batch(texts))
        mapped = moved[old_ids]
        total.add(Comparison(len(texts), 0, len(old_ids), len(new_ids)))
        for row, text in enumerate(texts):
            expected = mapped[old_bounds[row] : old_bounds[row + 1]]
            if (expected < 0).any():
                total.changed += 1
            elif not np.array_equal(expected, new_ids[new_bounds[row] : new_bounds[row + 1]]):
                raise DataError(
                    f"{new}: gives other tokens than {old} for {text[:80]!r}, although all of its tokens remain; report this "
                    "text",
                    rule="kept-text-changed",
                )
    return total
