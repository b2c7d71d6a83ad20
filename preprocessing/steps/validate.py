"""Step ``validate``: checks the token files against the corpus.

Owns the checks: headers and sizes, hashes, ids within the vocabulary, EOD at the end of every document and nowhere
else, and a sample of documents, decoded and compared with the text.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from megatron_ko.errors import DataError, Problem
from megatron_ko.files import read_json, sha256_file
from megatron_ko.formats.manifest import Manifest, TokenPair, TokenSet, read_manifest
from megatron_ko.formats.tokenizer_folder import Tokenizer
from megatron_ko.progress import progress
from preprocessing.corpus.reading import shard_path
from preprocessing.documents import read_batches
from preprocessing.running.context import Context, Outcome
from preprocessing.tokens.indexed_dataset import REMEDY, read_index
from preprocessing.tokens.token_files import Pair, index_problems

STEP = "validate"
VERSION = 1
"""Increase when this step writes other bytes for the same inputs and configuration, shared code included."""
SAMPLE = 16


def run(context: Context) -> Outcome:
    """Raises DataError with every problem. Among several processes, the leading one checks."""
    if not context.runner.leads:
        return Outcome([], {})
    path = context.folder / "manifest.json"
    manifest = read_manifest(path)
    tokenizer = Tokenizer(manifest.tokenizer_folder)
    problems: list[Problem] = []
    if tokenizer.info.fingerprint != manifest.tokenizer_fingerprint:
        message = f"the tokenizer differs from the manifest's; {REMEDY}"
        problems.append(Problem(str(manifest.tokenizer_folder), "", message, "tokenizer-mismatch"))
    hashes = _hashes(read_json(path))
    parts = context.summary_of("encode")["parts"]
    for tokens in progress(manifest.sets, "validate", unit="set"):
        for pair in tokens.pairs:
            changed = _hash_problems(pair, hashes[str(pair.prefix.relative_to(path.parent))])
            problems += changed or [
                Problem("", "", problem, "token-file-damaged") for problem in pair_problems(pair, manifest)
            ]
        if not problems:
            problems += _text_problems(
                tokens, tokenizer, context.folder, parts[f"{tokens.name}_{tokens.split}"]
            )
    if problems:
        raise DataError(problems)
    totals = {"sets": len(manifest.sets), "tokens": sum(tokens.tokens for tokens in manifest.sets)}
    return Outcome([], totals)


def _hashes(manifest: Any) -> dict[str, dict[str, str]]:
    return {
        pair["prefix"]: pair["sha256"] for entry in manifest["sets"] for pair in entry.get("pairs", [entry])
    }


def _hash_problems(pair: TokenPair, expected: dict[str, str]) -> list[Problem]:
    files = {suffix: Path(f"{pair.prefix}.{suffix}") for suffix in ("bin", "idx")}
    return [
        Problem(
            str(file),
            "",
            f"SHA-256 differs from the manifest: the file is damaged or was replaced; {REMEDY}",
            "token-file-changed",
        )
        for suffix, file in files.items()
        if sha256_file(file) != expected[suffix]
    ]


def pair_problems(described: TokenPair, manifest: Manifest) -> list[str]:
    """Problems inside one pair of files that the manifest describes."""
    pair = Pair(described.prefix, read_index(Path(f"{described.prefix}.idx")))
    if problems := index_problems(pair):
        return [f"{problem}; {REMEDY}" for problem in problems]
    if pair.tokens != described.tokens:
        return [f"{pair.prefix}.idx: covers {pair.tokens:,} of {described.tokens:,} tokens; {REMEDY}"]
    if not np.array_equal(pair.index.documents, np.arange(len(pair.index.lengths) + 1)):
        return [f"{pair.prefix}.idx: documents are not one sequence each; {REMEDY}"]
    return [
        f"{problem}; {REMEDY}" for problem in content_problems(pair, manifest.vocab_size, manifest.eod_id)
    ]


def content_problems(pair: Pair, vocab_size: int | None, eod: int | None) -> list[str]:
    """Problems of the tokens: ids outside the vocabulary, documents without EOD at the end; None skips a check."""
    starts = pair.starts()
    last = starts[1:] - 1
    eods = open_ended = 0
    for at, block in pair.blocks():
        for extreme in (int(block.min()), int(block.max())):
            if extreme < 0 or (vocab_size is not None and extreme >= vocab_size):
                return [f"{pair.prefix}.bin: token id {extreme} is outside the vocabulary of {vocab_size}"]
        if eod is not None:
            ends = last[np.searchsorted(last, at) : np.searchsorted(last, at + len(block))]
            eods += int((block == eod).sum())
            open_ended += int((block[ends - at] != eod).sum())
    if eod is None:
        return []
    if (np.diff(starts) < 1).any():
        return [f"{pair.prefix}.idx: {int((np.diff(starts) < 1).sum()):,} documents have no tokens"]
    if open_ended:
        return [
            f"{pair.prefix}.bin: {open_ended:,} of {pair.documents:,} documents do not end with EOD (id {eod})"
        ]
    if eods != pair.documents:
        return [f"{pair.prefix}.bin: {eods:,} EOD tokens in {pair.documents:,} documents"]
    return []


# --- text ------------------------------------------------------------------------------------------------


def _text_problems(
    tokens: TokenSet, tokenizer: Tokenizer, folder: Path, parts: list[dict[str, Any]]
) -> list[Problem]:
    """Decodes a sample of documents, spread over the set, and compares it with the corpus."""
    wanted = np.unique(np.linspace(0, tokens.documents - 1, min(SAMPLE, tokens.documents)).astype(np.int64))
    texts = _texts_at(folder, parts, wanted.tolist())
    for (number, text), ids in zip(texts, _ids_at(tokens, wanted.tolist())):
        decoded = tokenizer.decode(ids[:-1])
        # an existing tokenizer may not give its text back; then the ids must be those of the text
        if decoded != text and tokenizer.encode(text) != ids[:-1].tolist():
            message = (
                f"document {number} of the set decodes to {decoded[:60]!r} instead of {text[:60]!r}; {REMEDY}"
            )
            return [Problem(str(tokens.pairs[0].prefix), "", message, "text-differs")]
    return []


def _ids_at(tokens: TokenSet, wanted: list[int]) -> Iterator[np.ndarray]:
    """Yields the tokens of the documents ``wanted`` (increasing) of a set."""
    first = 0
    for described in tokens.pairs:
        pair = Pair(described.prefix, read_index(Path(f"{described.prefix}.idx")))
        starts = pair.starts()
        for number in wanted:
            if first <= number < first + pair.documents:
                yield pair.ids[starts[number - first] : starts[number - first + 1]]
        first += pair.documents


def _texts_at(folder: Path, parts: list[dict[str, Any]], wanted: list[int]) -> Iterator[tuple[int, str]]:
    """Yields ``(number, text)`` of the documents ``wanted`` of a set; reads only files that contain one."""
    first = 0
    for part in parts:
        mine = [number for number in wanted if first <= number < first + part["documents"]]
        number = first
        if mine:
            for batch in read_batches(shard_path(folder, part["file"]), ["text"]):
                for text in filter(None, batch["text"].to_pylist()):
                    if number in mine:
                        yield number, text
                    number += 1
        first += part["documents"]
