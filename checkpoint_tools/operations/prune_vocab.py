"""Operation ``prune-vocab``: a checkpoint with the rows that a map of ids names."""

from __future__ import annotations

from pathlib import Path

from checkpoint_tools import verify
from checkpoint_tools.embeddings import pruning
from checkpoint_tools.ends import in_one_dtype, verified
from checkpoint_tools.options import PruneVocab
from checkpoint_tools.vocabulary_ends import open_source, write


def run(options: PruneVocab) -> int:
    source = open_source(options)
    plan = pruning.plan_pruning(source, Path(options.tokenizer).expanduser(), Path(options.map).expanduser())
    store = in_one_dtype(pruning.prune_vocab(source, plan), options.dtype)
    count, size = len(plan.old_ids), store.model.hidden_size
    matrices = 1 if store.model.tied_embeddings else 2
    print(
        f"{plan.new.folder}: {count:,} of {source.vocab_size:,} rows stay, "
        f"{(source.vocab_size - count) * size * matrices:,} parameters fewer"
    )
    folder = write(store, source, options, options.dst)
    return verified(store, verify.open_store(str(folder)), folder)
