"""Operation ``from-hf``: a Hugging Face folder as a megatron_ko checkpoint."""

from __future__ import annotations

from dataclasses import replace

from checkpoint_tools.ends import convert_dtype, open_source, verify_output, write_as_checkpoint
from checkpoint_tools.formats import hf, mcore
from checkpoint_tools.formats.tokenizer_files import info_of
from checkpoint_tools.options import FromHf
from megatron_ko.config.training import ModelConfig


def run(options: FromHf) -> int:
    source = open_source(options.src, hf.is_hf, "a Hugging Face folder (config.json)", hf.open_hf)
    length = options.max_sequence_length or source.model.max_sequence_length
    model: ModelConfig = replace(
        source.model, vocab_multiple=options.vocab_multiple, max_sequence_length=length
    )
    tokenizer = info_of(source.tokenizer)
    fingerprint = tokenizer.fingerprint if tokenizer else None
    store = convert_dtype(replace(source, model=model, tokenizer_fingerprint=fingerprint), options)
    folder = write_as_checkpoint(store, source, options.dst, options.overwrite)
    if tokenizer is not None and tokenizer.vocab_size != store.vocab_size:
        print(
            f"warning: the tokenizer has {tokenizer.vocab_size:,} tokens, the embedding {store.vocab_size:,} rows; "
            "training data of this tokenizer will not fit the checkpoint"
        )
    if tokenizer is None:
        print(
            f"warning: {source.origin} has no tokenizer; the checkpoint has no fingerprint that training could check"
        )
    return verify_output(store, mcore.open_mcore(folder), folder, options)
