"""What each operation does, from its options to its printed verification.

Owns the order of things: open, check the destination, write, read back, compare, report. Formats are ``hf``'s and
``mcore``'s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from checkpoint_tools import hf, mcore, verify
from checkpoint_tools.hf_config import check_exportable
from checkpoint_tools.options import Compare, FromHf, ToHf
from checkpoint_tools.store import Store, loses_digits, with_dtype
from checkpoint_tools.tokenizer_files import info_of
from checkpoint_tools.weights import parameter_count
from megatron_ko.config.schema import ModelConfig
from megatron_ko.errors import CheckpointError, ConfigError
from megatron_ko.files import write_json


def to_hf(options: ToHf) -> int:
    source = _opened(
        options.src, mcore.is_mcore, "a checkpoint or run folder (checkpoint.json)", mcore.open_mcore
    )
    store = _converted(source, options)
    check_exportable(store.origin, store.model)
    folder = _destination(options.dst, source, options.overwrite, hf.clear_hf, "an export")
    hf.write_hf(store, folder, options.max_shard_gb)
    return _verify(store, hf.open_hf(folder), folder, options)


def from_hf(options: FromHf) -> int:
    source = _opened(options.src, hf.is_hf, "a Hugging Face folder (config.json)", hf.open_hf)
    length = options.max_sequence_length or source.model.max_sequence_length
    model: ModelConfig = replace(
        source.model, vocab_multiple=options.vocab_multiple, max_sequence_length=length
    )
    tokenizer = info_of(source.tokenizer)
    own = tokenizer.fingerprint if tokenizer else None
    store = _converted(replace(source, model=model, tokenizer_fingerprint=own), options)
    mcore.check_writable(store)
    folder = _destination(options.dst, source, options.overwrite, mcore.clear_mcore, "a checkpoint")
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
    return _verify(store, mcore.open_mcore(folder), folder, options)


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


RUN: dict[str, Callable[[Any], int]] = {"to-hf": to_hf, "from-hf": from_hf, "compare": compare}


def _opened(path: str, fits: Callable[[Path], bool], what: str, open_it: Callable[[Path], Store]) -> Store:
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise CheckpointError(f"{folder}: no such folder; check src")
    if not fits(folder):
        raise CheckpointError(f"{folder}: is not {what}; check src")
    store = open_it(folder)
    count = parameter_count(store.model, store.vocab_size)
    print(
        f"{store.origin}: {count:,} parameters, {store.model.layers} layers, {store.vocab_size:,} tokens, {store.dtype}"
    )
    return store


def _converted(source: Store, options: ToHf | FromHf) -> Store:
    if options.dtype is None and source.dtype == "mixed":
        raise CheckpointError(
            f"{source.origin}: tensors have several number formats; give dtype=fp32 or dtype=bf16"
        )
    store = with_dtype(source, options.dtype)
    if options.logits and loses_digits(source.dtype, store.dtype):
        raise ConfigError(
            f"logits=true needs equal weights, but {store.dtype} rounds {source.dtype}; leave out one of them"
        )
    return store


def _destination(path: str, source: Store, overwrite: bool, clear: Callable[[Path], None], what: str) -> Path:
    """An empty or new folder apart from the source; with ``overwrite``, one emptied of what ``what`` consists of."""
    folder, origin = Path(path).expanduser(), Path(source.origin).resolve()
    resolved = folder.resolve()
    if resolved == origin or resolved in origin.parents or origin in resolved.parents:
        raise CheckpointError(
            f"{folder}: is, holds or is inside the source {source.origin}; choose another dst"
        )
    if folder.exists() and not folder.is_dir():
        raise CheckpointError(f"{folder}: is a file; choose another dst")
    if folder.is_dir() and any(folder.iterdir()):
        if not overwrite:
            raise CheckpointError(f"{folder}: is not empty; choose another dst or give overwrite=true")
        clear(folder)
        if left := sorted(
            path.name for path in folder.iterdir() if path.suffix in (".distcp", ".safetensors", ".bin")
        ):
            raise CheckpointError(
                f"{folder}: holds {left[0]}, which is no part of {what}; choose another dst"
            )
    return folder


def _verify(store: Store, written: Store, folder: Path, options: ToHf | FromHf) -> int:
    """Reads the output back against the source and writes ``verification.json`` into it."""
    found = verify.compare(store, written)
    print(found.summary())
    report: dict[str, Any] = {"weights": found.report()}
    failures = (
        [] if found.same_form and found.largest == 0 else ["what was read back is not what was written"]
    )
    if options.logits:
        tokens = verify.sample_tokens(store, None)
        result = verify.parity(store.origin, str(folder), tokens, options.tolerance, options.tensor_parallel)
        print(result.summary())
        report["logits"] = asdict(result)
        failures += (
            []
            if result.ok
            else [f"the logits differ by {result.difference:.3g}, more than {options.tolerance:g}"]
        )
    write_json(folder / "verification.json", report)
    if failures:
        raise CheckpointError(f"{folder}: {'; '.join(failures)}; do not use it, see verification.json")
    print(f"wrote {folder}")
    return 0
