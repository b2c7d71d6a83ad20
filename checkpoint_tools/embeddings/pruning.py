"""Pruning a vocabulary: a Store with the rows that an id map lists.

Owns the checks of the id map (``docs/tokenizers.md``) against the checkpoint and the pruned tokenizer, and the new Store.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from checkpoint_tools.embeddings.expansion import vocabulary_of, with_vocabulary
from checkpoint_tools.embeddings.pieces import MAX_LISTED, FolderVocabulary, read_vocabulary
from checkpoint_tools.formats.store import Store
from megatron_ko.errors import CheckpointError
from megatron_ko.formats.id_map import read_id_map
from megatron_ko.formats.tokenizer_folder import fingerprint_hf_folder


@dataclass(frozen=True)
class Pruning:
    """Row ``new`` is the old row ``old_ids[new]``."""

    new: FolderVocabulary
    old_ids: Tensor


def plan_pruning(source: Store, tokenizer: Path, path: Path) -> Pruning:
    """Raises CheckpointError or DataError unless the id map maps the pruned tokenizer to that of the checkpoint."""
    old, new = vocabulary_of(source), read_vocabulary(tokenizer)
    id_map = read_id_map(path, old.size)
    for key, written, vocabulary in (
        ("source_fingerprint", id_map.source_fingerprint, old),
        ("target_fingerprint", id_map.target_fingerprint, new),
    ):
        if written != fingerprint_hf_folder(vocabulary.folder, written).fingerprint:
            raise CheckpointError(
                f"{path}: {key} is {written}, but {vocabulary.folder} has {vocabulary.info.fingerprint}; give the "
                "id map that was written for these two tokenizers",
                rule="tokenizer-mismatch",
            )
    ids = id_map.old_ids
    if len(ids) != new.size or len(set(ids)) != len(ids):
        raise CheckpointError(
            f"{path}: old_ids lists {len(ids):,} rows ({len(set(ids)):,} of them different) for {new.size:,} tokens; "
            "every token needs its own row",
            rule="not-one-row-per-token",
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
        more = [f"  ... and {len(differ) - MAX_LISTED:,} more"] if len(differ) > MAX_LISTED else []
        first = f"{path}: maps tokens to rows of other tokens; give the id map of this tokenizer"
        raise CheckpointError("\n".join([first, *differ[:MAX_LISTED], *more]), rule="rows-of-other-tokens")


def prune_vocab(source: Store, plan: Pruning) -> Store:
    """The Store with the rows of the plan, in its order; all other weights stay bit for bit."""
    pruned = with_vocabulary(source, plan.new, lambda _, tensor: tensor[plan.old_ids])
    return replace(pruned, special_ids=_renumber(source, plan))


def _renumber(source: Store, plan: Pruning) -> dict[str, Any]:
    """New special ids of the checkpoint. Raises CheckpointError when the id map drops one."""
    new_ids = {old: new for new, old in enumerate(plan.old_ids.tolist())}

    def renumber(name: str, value: Any) -> Any:
        if isinstance(value, list):
            return [renumber(name, item) for item in value]
        if value is None:
            return None
        if value not in new_ids:
            raise CheckpointError(
                f"{source.origin}: {name} is {value}, which the id map drops; keep special tokens when pruning",
                rule="special-token-pruned",
            )
        return new_ids[value]

    return {name: renumber(name, value) for name, value in source.special_ids.items()}
