"""Operation ``from-hf``: converts a Hugging Face folder, with a LoRA adapter or without, to a megatron_ko checkpoint."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from checkpoint_tools.endpoints import (
    check_apart,
    convert_dtype,
    describe_checkpoint,
    open_source,
    verify_output,
    with_one_dtype,
    write_as_checkpoint,
)
from checkpoint_tools.formats import hf, lora
from checkpoint_tools.formats.tokenizer_files import info_of
from checkpoint_tools.options.conversion import FromHf
from megatron_ko.config.model import ModelConfig
from megatron_ko.errors import CheckpointError
from megatron_ko.wording import format_count


def run(options: FromHf) -> int:
    source = open_source(
        options.src, hf.is_hf, "a Hugging Face folder (config.json)",
        lambda folder: hf.open_hf(folder, options.max_sequence_length),
    )  # fmt: skip
    dtype, adapter = options.dtype, None
    if options.adapter:
        dtype = with_one_dtype(source, options.dtype).dtype
        adapter = lora.open_adapter(Path(options.adapter).expanduser(), source)
        check_apart(options.dst, adapter.folder, "the adapter")
        source = lora.merge(source, adapter)
        print(
            f"adapter {adapter.folder}\n"
            f"  adds to {format_count(len(adapter.updates), 'weight')}, replaces {format_count(len(adapter.replaced), 'weight')}"
        )
    if (options.max_sequence_length or 0) > source.model.max_sequence_length:
        print(
            f"warning: --max-sequence-length {options.max_sequence_length:,} is longer than the model's "
            f"{source.model.max_sequence_length:,};\n  it was not trained at the positions beyond"
        )
    length = options.max_sequence_length or source.model.max_sequence_length
    model: ModelConfig = replace(
        source.model, vocab_multiple=options.vocab_multiple, max_sequence_length=length
    )
    tokenizer = info_of(source.tokenizer)
    fingerprint = tokenizer.fingerprint if tokenizer else None
    if tokenizer is not None and tokenizer.vocab_size > source.vocab_size:
        raise CheckpointError(
            f"{source.origin}: the tokenizer has {tokenizer.vocab_size:,} tokens, but the embedding only {source.vocab_size:,} "
            "rows; add rows with 'mko checkpoint expand-vocab'",
            rule="vocabulary-mismatch",
        )
    store = convert_dtype(replace(source, model=model, tokenizer_fingerprint=fingerprint), options, dtype)
    if options.dry_run:
        return describe_checkpoint(store, source, options)
    written = write_as_checkpoint(store, source, options.dst, options.overwrite, options.allow_nonfinite)
    if tokenizer is not None and tokenizer.vocab_size < store.vocab_size:
        print(
            f"warning: the tokenizer has {tokenizer.vocab_size:,} tokens, but the embedding has {store.vocab_size:,} rows;\n"
            f"  training keeps them with model.vocab_size: {store.vocab_size} (model.from sets it)"
        )
    if tokenizer is None:
        print(
            f"warning: {source.origin} has no tokenizer;\n"
            "  training cannot check that its data was encoded with the tokenizer of this checkpoint"
        )
    return verify_output(store, written, options, source, adapter=adapter)
