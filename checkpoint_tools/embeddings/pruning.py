"""Pruning a vocabulary: a Store with the rows that a map of ids names.

Owns the checks of the map (``docs/tokenizers.md``) against the checkpoint and the pruned tokenizer, and the new Store.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from checkpoint_tools.embeddings.expansion import vocabulary_of, with_vocabulary
from checkpoint_tools.embeddings.pieces import SHOWN, FolderVocabulary, read_vocabulary
from checkpoint_tools.formats.store import Store
from megatron_ko.errors import CheckpointError
from megatron_ko.formats.id_map import read_id_map
from megatron_ko.formats.tokenizer_folder import fingerprint_hf_folder


@dataclass(frozen=True)
class Pruning:
    """``old_ids[new]`` is the row that becomes row ``new``."""

    new: FolderVocabulary
    old_ids: Tensor


def plan_pruning(source: Store, tokenizer: Path, path: Path) -> Pruning:
    """Raises CheckpointError or DataError when the map, the checkpoint and the pruned tokenizer do not belong together."""
    old, new = vocabulary_of(source), read_vocabulary(tokenizer)
    found = read_id_map(path, old.size)
    for key, written, vocabulary in (
        ("source_fingerprint", found.source_fingerprint, old),
        ("target_fingerprint", found.target_fingerprint, new),
    ):
        if written != fingerprint_hf_folder(vocabulary.folder, written).fingerprint:
            raise CheckpointError(
                f"{path}: {key} is {written}, but {vocabulary.folder} has {vocabulary.info.fingerprint}; give the "
                "map that was written with these two tokenizers"
            )
    ids = found.old_ids
    if len(ids) != new.size or len(set(ids)) != len(ids):
        raise CheckpointError(
            f"{path}: old_ids names {len(ids):,} rows ({len(set(ids)):,} different ones) for {new.size:,} tokens; "
            "every token needs one row of its own"
        )
    _check_pieces(path, old, new, ids)
    return Pruning(new, torch.tensor(ids, dtype=torch.int64))


def _check_pieces(path: Path, old: FolderVocabulary, new: FolderVocabulary, ids: list[int]) -> None:
    differ = [
        f"  id {i}: {piece!r}, but old id {number} is {old.names[number]!r}"
        for i, (piece, number) in enumerate(zip(new.names, ids))
        if piece != old.names[number]
    ]
    if differ:
        more = [f"  ... and {len(differ) - SHOWN:,} more"] if len(differ) > SHOWN else []
        raise CheckpointError("\n".join([f"{path}: gives tokens the rows of others", *differ[:SHOWN], *more]))


def prune_vocab(source: Store, plan: Pruning) -> Store:
    """The Store with the rows of the plan, in its order; all other weights are those of ``source``, bit for bit."""
    pruned = with_vocabulary(source, plan.new, lambda _, tensor: tensor[plan.old_ids])
    return replace(pruned, special_ids=_renumber(source, plan))


def _renumber(source: Store, plan: Pruning) -> dict[str, Any]:
    """Special ids of the checkpoint by their new numbers. Raises CheckpointError when one was pruned away."""
    places = {old: new for new, old in enumerate(plan.old_ids.tolist())}

    def moved(name: str, value: Any) -> Any:
        if isinstance(value, list):
            return [moved(name, item) for item in value]
        if value is None:
            return None
        if value not in places:
            raise CheckpointError(
                f"{source.origin}: {name} is {value}, which the map drops; keep special tokens when pruning"
            )
        return places[value]

    return {name: moved(name, value) for name, value in source.special_ids.items()}
