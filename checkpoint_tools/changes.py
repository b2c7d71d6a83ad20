"""The end of every operation that changes a model: writes it, verifies it, scores text before and after, records what it did.

Owns ``operations.json``, the record in the folder of a model: one entry for each operation, those of its source first, so
that a model which was grown and then pruned names both. The new Store and its facts belong to each operation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol

from checkpoint_tools import verify
from checkpoint_tools.endpoints import (
    OutputOptions,
    check_destination,
    describe_output,
    open_model,
    output_format,
    verify_output,
    with_one_dtype,
    write_like_source,
)
from checkpoint_tools.formats import hf, mcore
from checkpoint_tools.formats.hf_config import exported_family
from checkpoint_tools.formats.store import Store
from checkpoint_tools.formats.store_fingerprint import fingerprint_store
from checkpoint_tools.formats.tokenizer_files import info_of
from checkpoint_tools.scores import Scores, Stream, stream_of
from checkpoint_tools.texts import first_documents, separator_of, text_files
from megatron_ko.errors import CheckpointError, Problem
from megatron_ko.files import write_json
from megatron_ko.formats.operations_record import RECORD, read_record
from megatron_ko.formats.tokenizer_folder import Tokenizer
from megatron_ko.planning.weights import parameter_count
from megatron_ko.tables import format_table
from megatron_ko.wording import format_count

LOGITS = "fp32 logits"
"""Name of the check that ``mko checkpoint verify`` runs again."""


class ChangeOptions(OutputOptions, Protocol):
    """Options that every operation of this kind has."""

    @property
    def src(self) -> str: ...
    @property
    def dst(self) -> str: ...
    @property
    def dtype(self) -> Literal["bf16", "fp32"] | None: ...
    @property
    def dry_run(self) -> bool: ...
    @property
    def text(self) -> str | None: ...
    @property
    def text_tokens(self) -> int: ...
    @property
    def text_length(self) -> int: ...


@dataclass(frozen=True)
class Check:
    """One proof: what was compared, the measured value, and the bound that it must not exceed."""

    name: str
    value: float
    bound: float

    @property
    def ok(self) -> bool:
        return self.value <= self.bound


@dataclass(frozen=True)
class Change:
    """What an operation did. ``facts`` (JSON) are recorded; ``moments`` says what became of the optimizer's state.

    ``logits``: the logits of source and written model must agree within this share of the largest one; None compares none.
    """

    operation: str
    facts: dict[str, Any]
    moments: str = "dropped: the state of the optimizer belongs to the weights before"
    logits: float | None = None


def open_changed(options: ChangeOptions) -> Store:
    """Opens the source, and checks number format, destination and text, so that mistakes are reported before work starts."""
    source = open_model(options.src)
    with_one_dtype(source, options.dtype)
    check_destination(options.dst, source, options.overwrite)
    if options.text is not None:
        text_files(options.text, "--text")
        _tokenizer_of(source)
    return source


def finish(store: Store, source: Store, change: Change, options: ChangeOptions) -> int:
    """Writes ``store`` in the format of the options, verifies it, and records ``change`` with the scores of the text; returns 0.

    With ``dry_run`` prints what would be written instead. Raises CheckpointError when a check fails; nothing in the
    destination looks complete then.
    """
    store = with_one_dtype(store, options.dtype)
    if store.tokenizer_fingerprint is None and (info := info_of(store.tokenizer)):
        store = replace(store, tokenizer_fingerprint=info.fingerprint)
    texts = _read_texts(options, source)  # mistakes in them cost no conversion
    before, after = (parameter_count(s.model, s.vocab_size) for s in (source, store))
    change_of_size = f"-> {after:,} ({after / before:.4g} times)" if after != before else "before and after"
    print(f"parameters {before:,} {change_of_size}")
    if options.dry_run:
        folder = check_destination(options.dst, source, options.overwrite)
        as_hf = output_format(source, options) == "hf"
        if as_hf:
            exported_family(store.origin, store.model, store.family)
        else:
            mcore.check_writable(store)
        sizes = hf.shard_sizes(store, options.max_shard_gb) if as_hf else [mcore.written_bytes(store)]
        return describe_output(store, folder, sizes)
    written = write_like_source(store, source, options, options.dst)
    folder = written.folder
    checks = [] if change.logits is None else [compare_logits(source, folder, change.logits)]
    scores = _score(texts, source, folder)
    write_json(
        folder / RECORD,
        {
            "operations": [
                *read_record(Path(source.origin)),
                _entry(store, source, change, checks, texts, scores),
            ]
        },
    )
    for check in checks:
        print(f"verified {check.name}: {check.value:.3g} (tolerance {check.bound:.3g})")
    if texts:
        print("\n".join(["", *_table(texts, scores), ""]))
    return verify_output(store, written, beside=[RECORD])


def compare_logits(source: Store, folder: Path, tolerance: float) -> Check:
    """Logits of both models in fp32, relative to the largest of the source. Raises CheckpointError when they differ."""
    tokens = verify.sample_tokens(source, None)
    before, after = (verify.compute_logits(path, tokens) for path in (source.origin, str(folder)))
    check = Check(LOGITS, float((after - before).abs().max() / before.abs().max()), tolerance)
    if not check.ok:  # NaN is not, either
        message = f"{folder}: the logits differ by {check.value:.3g} of the largest, more than {tolerance:g}; do not use it"
        raise CheckpointError(message, rule="verification-failed")
    return check


def _entry(
    store: Store,
    source: Store,
    change: Change,
    checks: Sequence[Check],
    texts: Sequence[tuple[Path, Stream]],
    scores: list[list[Scores]],
) -> dict[str, Any]:
    again = {} if change.logits is None else {"source_fingerprint": fingerprint_store(source)}
    return {
        "operation": change.operation,
        "source": source.origin,
        **again,
        "parameters": {
            "before": parameter_count(source.model, source.vocab_size),
            "after": parameter_count(store.model, store.vocab_size),
        },
        **change.facts,
        "optimizer_state": change.moments,
        "checks": [{"name": c.name, "value": c.value, "bound": c.bound} for c in checks],
        "texts": [
            {"text": str(path), "text_bytes": stream.text_bytes, "tokens": stream.tokens,
             "before": _numbers(scores[0][number]), "after": _numbers(scores[1][number])}
            for number, (path, stream) in enumerate(texts)
        ],
    }  # fmt: skip


def _numbers(scores: Scores) -> dict[str, float]:
    return {"loss": scores.mean_loss, "accuracy": scores.accuracy, "bits_per_byte": scores.bits_per_byte}


# --- text before and after -------------------------------------------------------------------------------


def _tokenizer_of(source: Store) -> Path:
    if source.tokenizer is None:
        message = f"needs a tokenizer, but {source.origin} has none; leave out --text"
        raise CheckpointError([Problem("", "--text", message, "missing-tokenizer")])
    return source.tokenizer


def _read_texts(options: ChangeOptions, source: Store) -> list[tuple[Path, Stream]]:
    """The first documents of each file, in rows of at most ``text_length`` tokens."""
    if options.text is None:
        return []
    folder = _tokenizer_of(source)
    info = info_of(folder)  # ours or Hugging Face's
    assert info is not None
    tokenizer, separator = Tokenizer(folder), separator_of(info)
    length = min(options.text_length, source.model.max_sequence_length)
    streams = []
    for path in text_files(options.text, "--text"):
        chosen = first_documents(path, tokenizer, options.text_tokens)
        size = sum(len(text.encode()) for text in chosen)
        streams.append(
            (path, stream_of([tokenizer.encode(text) for text in chosen], separator, length, size))
        )
    return streams


def _score(texts: Sequence[tuple[Path, Stream]], source: Store, folder: Path) -> list[list[Scores]]:
    """Scores of the source and of the written model in fp32."""
    streams = [stream for _, stream in texts]
    return [verify.score_texts(path, streams) for path in (Path(source.origin), folder)] if texts else []


def _table(texts: Sequence[tuple[Path, Stream]], scores: list[list[Scores]]) -> list[str]:
    rows = [["text", "tokens", "loss before", "after", "bits/byte before", "after"]]
    for number, (path, stream) in enumerate(texts):
        before, after = (side[number] for side in scores)
        rows.append(
            [path.name, f"{stream.tokens:,}", f"{before.mean_loss:.4f}", f"{after.mean_loss:.4f}",
             f"{before.bits_per_byte:.4f}", f"{after.bits_per_byte:.4f}"]
        )  # fmt: skip
    return [f"in fp32, {format_count(len(texts), 'text')}:", *format_table(rows)]
