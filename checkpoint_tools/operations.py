"""What each operation does, from its options to its printed verification.

Owns the order of things: open, check the destination, write, read back, compare, report. Formats are ``hf``'s and
``mcore``'s; the operations that change the vocabulary are in ``vocabulary_operations``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from checkpoint_tools import hf, mcore, verify
from checkpoint_tools.ends import converted, destination, opened, verified
from checkpoint_tools.hf_config import check_exportable
from checkpoint_tools.options import Compare, FromHf, ToHf
from checkpoint_tools.tokenizer_files import info_of
from checkpoint_tools.vocabulary_operations import expand_vocab, prune_vocab
from megatron_ko.config.schema import ModelConfig
from megatron_ko.errors import CheckpointError


def to_hf(options: ToHf) -> int:
    source = opened(
        options.src, mcore.is_mcore, "a checkpoint or run folder (checkpoint.json)", mcore.open_mcore
    )
    store = converted(source, options)
    check_exportable(store.origin, store.model)
    folder = destination(options.dst, source, options.overwrite, hf.clear_hf, "an export")
    hf.write_hf(store, folder, options.max_shard_gb)
    return verified(store, hf.open_hf(folder), folder, options)


def from_hf(options: FromHf) -> int:
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


def compare(options: Compare) -> int:
    a, b = verify.open_store(options.a), verify.open_store(options.b)
    failures = []
    if options.weights:
        found = verify.compare(a, b)
        print(found.table())
        print(found.summary())
        if not found.same_form or found.largest > options.tolerance:
            failures.append(f"the weights are not the same within {options.tolerance:g}")
    if options.logits:
        result = verify.parity(
            options.a,
            options.b,
            verify.sample_tokens(a, options.tokens),
            options.tolerance,
            options.tensor_parallel,
        )
        print(result.summary())
        if not result.ok:
            failures.append(f"the logits differ by {result.difference:.3g}, more than {options.tolerance:g}")
    if failures:
        raise CheckpointError(f"{options.a} and {options.b}: {'; '.join(failures)}")
    return 0


RUN: dict[str, Callable[[Any], int]] = {
    "to-hf": to_hf,
    "from-hf": from_hf,
    "compare": compare,
    "expand-vocab": expand_vocab,
    "prune-vocab": prune_vocab,
}
