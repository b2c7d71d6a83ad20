"""Checks pairs of token files of any program for training, and counts what a manifest lists of them.

Owns the one pass over the tokens: ids within the vocabulary, EOD at the end of each document, counts, hash. Every problem
names the file, the document and the rule.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from megatron_ko.errors import DataError, Problem
from megatron_ko.files import sha256_file
from megatron_ko.formats.vocabulary import Vocabulary
from preprocessing.tokens.token_files import Pair, open_pair, prefix_of

COUNTED_TOKENS = 1 << 22  # numpy converts them to 8 bytes each


@dataclass(frozen=True)
class CheckedPair:
    """``entry``: what a manifest lists of the pair, without its prefix; ``counts``: [vocab_size] int64, how often each id
    occurs; ``inner_eods``: EOD tokens within documents; ``empty``: documents without a sequence."""

    prefix: Path
    dtype: str
    entry: dict[str, Any]
    counts: np.ndarray
    inner_eods: int
    empty: int


def check_pair(name: str | Path, vocab_size: int, eod: int) -> CheckedPair | list[Problem]:
    """Reads a pair once. Returns its problems, if it has any: the first of each rule."""
    try:
        pair = open_pair(name)
    except DataError as error:
        return error.problems
    if problems := list(_structure_problems(pair)):
        return problems
    ends = np.cumsum(pair.index.lengths, dtype=np.int64)
    counts, digest = np.zeros(vocab_size, np.int64), hashlib.sha256()
    problems: list[Problem] = []
    eods_at_ends = 0
    for at, block in pair.blocks():
        digest.update(block.data)
        inside = (block >= 0) & (block < vocab_size)
        if not inside.all():
            return [*problems, _id_problem(pair, ends, at, block, inside, vocab_size)]
        for start in range(0, len(block), COUNTED_TOKENS):
            counts += np.bincount(block[start : start + COUNTED_TOKENS], minlength=vocab_size)
        first, last = np.searchsorted(ends, (at, at + len(block)), side="right")
        final = block[ends[first:last] - 1 - at]
        eods_at_ends += int((final == eod).sum())
        if not problems and (final != eod).any():
            number = int((final != eod).argmax())
            problems.append(_eod_problem(pair, int(first) + number, int(final[number]), eod))
    if problems:
        return problems
    files = {suffix: Path(f"{pair.prefix}.{suffix}") for suffix in ("bin", "idx")}
    entry = {
        "documents": len(ends),
        "tokens": pair.tokens,
        "max_id": int(np.flatnonzero(counts)[-1]),
        **{f"{suffix}_bytes": file.stat().st_size for suffix, file in files.items()},
        "sha256": {"bin": digest.hexdigest(), "idx": sha256_file(files["idx"])},
    }
    empty = int((np.diff(pair.index.documents) == 0).sum())
    return CheckedPair(pair.prefix, pair.index.dtype, entry, counts, int(counts[eod]) - eods_at_ends, empty)


def _structure_problems(pair: Pair) -> Iterator[Problem]:
    """What the trainer cannot read although index and tokens agree."""
    where = f"{pair.prefix}.idx"
    if not pair.tokens:
        yield Problem(f"{pair.prefix}.bin", "", "contains no token; leave the pair out", "empty-pair")
        return
    per_document = np.diff(pair.index.documents)
    if (several := per_document > 1).any():
        number = int(several.argmax())
        message = f"has {per_document[number]} sequences; a document must be one sequence, encode without --split-sentences"
        yield Problem(where, f"document {number}", message, "several-sequences")
    if (bare := pair.index.lengths < 1).any():
        message = "has no token; encode the text again without empty documents"
        yield Problem(where, f"sequence {int(bare.argmax())}", message, "empty-document")


def _id_problem(
    pair: Pair, ends: np.ndarray, at: int, block: np.ndarray, inside: np.ndarray, vocab_size: int
) -> Problem:
    number = int((~inside).argmax())
    document = int(np.searchsorted(ends, at + number, side="right"))
    place = at + number - (int(ends[document - 1]) if document else 0)
    message = (
        f"token {place} has id {int(block[number])}, outside the vocabulary of {vocab_size}; name the tokenizer that encoded "
        "the file, or encode the text again"
    )
    return Problem(f"{pair.prefix}.bin", f"document {document}", message, "id-outside-vocabulary")


def _eod_problem(pair: Pair, document: int, last: int, eod: int) -> Problem:
    message = (
        f"ends with id {last} instead of EOD (id {eod}); encode with EOD (--append-eod of Megatron-LM), or name the token "
        "that ends documents with --eos-token"
    )
    return Problem(f"{pair.prefix}.bin", f"document {document}", message, "no-eod")


def bytes_of_ids(vocabulary: Vocabulary) -> np.ndarray:
    """``[vocab_size] int64``: bytes of text that each id stands for; 0 for special tokens."""
    return np.array([0 if content is None else len(content) for content in vocabulary.contents], np.int64)


def name_of_set(prefix: str | Path) -> str:
    """Name of a set whose files have this prefix: without the endings that programs add."""
    name = prefix_of(prefix).name.removesuffix("_text_document")
    return name.removesuffix("_train").removesuffix("_valid") or name
