"""Step ``encode``: encodes the corpus into token files and writes the manifest.

Owns the step: one part for each file of the corpus, parts joined into the pairs of a domain and split, EOD after each
document, and the manifest, written last. A pair has the same bytes as if its documents were encoded at once. The parts
stay in ``steps/encode/parts`` (as large as the tokens), so that a changed file of the corpus costs one part.
"""

from __future__ import annotations

import logging
import statistics
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from megatron_ko.errors import DataError
from megatron_ko.files import sha256_file
from megatron_ko.formats.tokenizer_folder import FILES, TokenizerInfo, read_tokenizer_folder
from megatron_ko.wording import format_count
from preprocessing.corpus.assignment import SPLITS
from preprocessing.corpus.reading import shard_path
from preprocessing.documents import read_batches
from preprocessing.running.context import Context, Outcome, Task
from preprocessing.running.processes import cores
from preprocessing.tokenizers import encoders
from preprocessing.tokens import manifest_files
from preprocessing.tokens.encode_columns import encode_and_check
from preprocessing.tokens.indexed_dataset import dtype_for, read_index
from preprocessing.tokens.token_files import Extent, copy_documents, cut_by_tokens

log = logging.getLogger(__name__)
STEP = "encode"
VERSION = 1
"""Increase when this step writes other bytes for the same inputs and configuration, shared code included."""


def run(context: Context) -> Outcome:
    """Encodes the corpus. Raises DataError if a domain has no training token."""
    info = read_tokenizer_folder(context.folder / "tokenizer")
    tokenizer = [
        info.fingerprint,
        *(sha256_file(info.folder / n) for n in FILES if (info.folder / n).is_file()),
    ]
    shards = context.summary_of("balance")["shards"]
    keys = [context.upstream("balance", f"shards/{shard['file']}") for shard in shards]
    engine = context.config.encode.engine
    # another version may give other ids
    engines = [[name, encoders.engine_version(name)] for name in encoders.candidates(info.folder, engine)]
    threads = max(1, cores() // max(len(shards), 1))
    parts = context.finish(
        STEP,
        [
            Task(f"parts/{shard['file']}", encode_part, (shard["file"], engine, threads), [tokenizer, engines, key], shard["bytes"])
            for shard, key in zip(shards, keys)
        ],
        VERSION,
    )  # fmt: skip
    sets = list(_sets(context, info, shards, parts))
    _check_domains(context, sets)
    depends = [tokenizer, sets, *context.sections("domains", "balance"), str(context.folder)]
    mixed = context.finish(STEP, [Task("manifest", write_manifest, (sets,), depends)], VERSION)[0]
    outputs = [
        context.folder / f"{pair['prefix']}{suffix}"
        for entry in sets
        for pair in _pairs(entry)
        for suffix in (".bin", ".idx")
    ]
    written = [*outputs, *(context.folder / name for name in mixed["files"])]
    if context.runner.leads:
        _remove_others(context.folder, written)
    used = statistics.mode(part["engine"] for part in parts)
    documents = {f"{name}_{split}": of_set for (name, split), of_set in _by_set(shards, parts).items()}
    manifest_files.warn(mixed["epochs"], mixed["stages"], context.config.balance.max_epochs)
    return Outcome(written, {"sets": sets, **mixed, "engine": used, "parts": documents}, shared=("parts",))


# --- parts -----------------------------------------------------------------------------------------------


def encode_part(context: Context, file: str, engine: str, threads: int) -> Outcome:
    """Encodes one file of the corpus."""
    info, path = read_tokenizer_folder(context.folder / "tokenizer"), shard_path(context.folder, file)
    prefix = context.path(STEP, f"parts/{file}", "")
    facts = encode_and_check(lambda: (batch["text"] for batch in read_batches(path, ["text"])), prefix, info, engine, threads, file)  # fmt: skip
    if facts["empty"]:
        log.warning("%s: skipped %s without text", file, format_count(facts["empty"], "document"))
    return Outcome([Path(f"{prefix}.bin"), Path(f"{prefix}.idx")], facts)


# --- sets ------------------------------------------------------------------------------------------------


def _by_set(
    shards: list[dict[str, Any]], values: list[dict[str, Any]]
) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """File and value of each shard, by domain and split."""
    by_set: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for shard, value in zip(shards, values):
        by_set.setdefault((shard["name"], shard["split"]), []).append({"file": shard["file"], **value})
    return by_set


def _sets(
    context: Context, info: TokenizerInfo, shards: list[dict[str, Any]], parts: list[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Joins the parts; yields the manifest entry of every set with tokens, in the order of the configuration."""
    grouped = {
        key: [part for part in of_set if part["documents"]] for key, of_set in _by_set(shards, parts).items()
    }
    order = [
        (name, split) for name in context.config.domains for split in SPLITS if grouped.get((name, split))
    ]
    tasks, owners = [], []
    for key in order:
        for prefix, extents in _pairs_to_join(context, key, [part["file"] for part in grouped[key]]):
            needed = {name: context.upstream(STEP, f"parts/{name}") for name, _, _ in extents}
            size = sum(part["tokens"] for part in grouped[key]) * 2
            tasks.append(Task(prefix, join_parts, (prefix, extents), [extents, needed], size))
            owners.append(key)
    pairs = [
        {"prefix": task.name, **summary} for task, summary in zip(tasks, context.finish(STEP, tasks, VERSION))
    ]
    for key in order:
        mine = [pair for pair, owner in zip(pairs, owners) if owner == key]
        size = sum(part["text_bytes"] for part in grouped[key])
        yield manifest_files.set_entry(*key, dtype_for(info.vocab_size), size, mine)


def _pairs_to_join(
    context: Context, key: tuple[str, str], files: list[str]
) -> Iterable[tuple[str, list[list[Any]]]]:
    """``(prefix, [[file, first document, end document], ...])`` of each pair of a set; a single pair takes whole parts."""
    name, max_tokens = f"tokens/{key[0]}_{key[1]}", context.config.encode.shard_tokens
    lengths = [read_index(context.path(STEP, f"parts/{file}", ".idx")).lengths for file in files]
    runs = (
        cut_by_tokens(lengths, max_tokens)
        if max_tokens
        else [[(n, 0, len(part)) for n, part in enumerate(lengths)]]
    )
    if len(runs) == 1:
        return [(name, [[files[part], first, last] for part, first, last in runs[0]])]
    return [
        (f"{name}-{n:05d}", [[files[part], first, last] for part, first, last in run])
        for n, run in enumerate(runs)
    ]


def join_parts(context: Context, prefix: str, extents: list[list[Any]]) -> Outcome:
    """Writes one pair from runs of documents of the parts."""
    runs = [Extent(context.path(STEP, f"parts/{file}", ""), first, last) for file, first, last in extents]
    target = context.folder / prefix
    return Outcome([Path(f"{target}.bin"), Path(f"{target}.idx")], copy_documents(runs, target))


def _pairs(entry: dict[str, Any]) -> list[dict[str, Any]]:
    return entry.get("pairs", [entry])


def _check_domains(context: Context, sets: list[dict[str, Any]]) -> None:
    with_tokens = {entry["name"] for entry in sets if entry["split"] == "train"}
    for name in context.config.domains:
        if name not in with_tokens:
            problem = context.loaded.problem(
                f"domains.{name}",
                "the domain has no training token; dropped/*.parquet has the reasons; remove the domain or give it text",
                "domain-without-tokens",
            )
            raise DataError([problem])


def write_manifest(context: Context, sets: list[dict[str, Any]]) -> Outcome:
    """Writes the manifest, where every reader of the token files starts."""
    info = read_tokenizer_folder(context.folder / "tokenizer")
    files, summary = manifest_files.write(context.folder, info, sets, context.config)
    return Outcome(files, {**summary, "files": [str(path.relative_to(context.folder)) for path in files]})


def _remove_others(folder: Path, written: list[Path]) -> None:
    for subfolder in (folder / "tokens", folder / "stages"):
        for path in subfolder.glob("*"):
            if path not in written:
                path.unlink()
