"""Operation ``from-megatron``: converts the weights of a checkpoint of Megatron-LM to a megatron_ko checkpoint."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from checkpoint_tools.endpoints import (
    check_apart,
    describe_checkpoint,
    open_source,
    verify_output,
    with_one_dtype,
    write_as_checkpoint,
)
from checkpoint_tools.formats.megatron_lm import is_megatron_lm, open_megatron_lm
from checkpoint_tools.options.conversion import FromMegatron


def run(options: FromMegatron) -> int:
    tokenizer = Path(options.tokenizer).expanduser()
    source = open_source(
        options.src, is_megatron_lm, "a checkpoint of Megatron-LM (iter_0001000)",
        lambda folder: open_megatron_lm(folder, tokenizer),
    )  # fmt: skip
    check_apart(options.dst, tokenizer, "the tokenizer folder")
    check_apart(options.dst, Path(options.src).expanduser(), "the source")
    model = replace(source.model, vocab_multiple=options.vocab_multiple)
    store = with_one_dtype(replace(source, model=model), options.dtype)
    if options.dry_run:
        return describe_checkpoint(store, source, options)
    written = write_as_checkpoint(store, source, options.dst, options.overwrite, options.allow_nonfinite)
    return verify_output(store, written, unrounded=source)
