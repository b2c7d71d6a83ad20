"""The ends of operations that change the rows of the vocabulary: source opened, destination checked and written."""

from __future__ import annotations

from pathlib import Path

from checkpoint_tools import verify
from checkpoint_tools.ends import checked_destination, either, format_of, in_one_dtype, opened, written
from checkpoint_tools.formats.store import Store
from checkpoint_tools.options import ExpandVocab, PruneVocab
from megatron_ko.errors import CheckpointError


def open_source(options: ExpandVocab | PruneVocab) -> Store:
    """Opened, with everything checked that the destination can be checked for before work starts."""
    what = "a Hugging Face folder (config.json) or a checkpoint or run folder (checkpoint.json)"
    source = opened(options.src, either, what, lambda folder: verify.open_store(str(folder)))
    if source.dtype == "mixed" and options.dtype is None:
        in_one_dtype(source, None)
    if options.dst is not None:
        folder = checked_destination(options.dst, source, options.overwrite)
        tokenizer = Path(options.tokenizer).expanduser().resolve()
        if folder.resolve() in (tokenizer, *tokenizer.parents) or tokenizer in folder.resolve().parents:
            raise CheckpointError(
                f"{folder}: is, holds or is inside the tokenizer {tokenizer}; choose another dst"
            )
    return source


def write(store: Store, source: Store, options: ExpandVocab | PruneVocab, dst: str) -> Path:
    form = options.format or format_of(source)
    return written(store, source, dst, form, options.overwrite, options.max_shard_gb)
