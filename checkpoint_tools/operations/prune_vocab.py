"""Operation ``prune-vocab``: keeps the rows of a checkpoint that an id map lists."""

from __future__ import annotations

from pathlib import Path

from checkpoint_tools.embeddings import pruning
from checkpoint_tools.endpoints import (
    open_vocabulary_source,
    verify_output,
    with_one_dtype,
    write_like_source,
)
from checkpoint_tools.options.vocabulary import PruneVocab
from megatron_ko.planning.weights import parameter_count
from megatron_ko.wording import format_count


def run(options: PruneVocab) -> int:
    source = open_vocabulary_source(options)
    plan = pruning.plan_pruning(source, Path(options.tokenizer).expanduser(), Path(options.map).expanduser())
    store = with_one_dtype(pruning.prune_vocab(source, plan), options.dtype)
    count = len(plan.old_ids)
    before, after = (parameter_count(s.model, s.vocab_size) for s in (source, store))
    print(
        f"tokenizer {plan.new.folder}\n"
        f"  keeps {count:,} of {format_count(source.vocab_size, 'row')}, removes {format_count(before - after, 'parameter')}"
    )
    written = write_like_source(store, source, options, options.dst)
    return verify_output(store, written)
