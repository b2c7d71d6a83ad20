"""Operation ``from-hf``: a Hugging Face folder as a checkpoint of ours."""

from __future__ import annotations

from dataclasses import replace

from checkpoint_tools.ends import converted, destination, opened, verified
from checkpoint_tools.formats import hf, mcore
from checkpoint_tools.formats.tokenizer_files import info_of
from checkpoint_tools.options import FromHf
from megatron_ko.config.training import ModelConfig


def run(options: FromHf) -> int:
    source = opened(options.src, hf.is_hf, "a Hugging Face folder (config.json)", hf.open_hf)
    length = options.max_sequence_length or source.model.max_sequence_length
    model: ModelConfig = replace(
        source.model, vocab_multiple=options.vocab_multiple, max_sequence_length=length
    )
    tokenizer = info_of(source.tokenizer)
    own = tokenizer.fingerprint if tokenizer else None
    store = converted(replace(source, model=model, tokenizer_fingerprint=own), options)
    mcore.check_writable(store)
    folder = destination(options.dst, source, options.overwrite, mcore.clear_mcore, "a checkpoint")
    mcore.write_mcore(store, folder)
    if tokenizer is not None and tokenizer.vocab_size != store.vocab_size:
        print(
            f"warning: the tokenizer has {tokenizer.vocab_size:,} tokens, the embedding {store.vocab_size:,} rows; "
            "training data of this tokenizer will not fit the checkpoint"
        )
    if tokenizer is None:
        print(
            f"warning: {source.origin} holds no tokenizer; the checkpoint has no fingerprint that training could check"
        )
    return verified(store, mcore.open_mcore(folder), folder, options)
