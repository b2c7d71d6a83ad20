"""Step ``validate``: do the token files say what the corpus says?

Owns the checks: headers and sizes, hashes, ids within the vocabulary, EOD at the end of every document and nowhere
else, and a sample of documents decoded and compared with the text.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from megatron_ko.errors import DataError
from megatron_ko.files import read_json, sha256_file
from megatron_ko.manifest import Manifest, TokenSet, read_manifest
from megatron_ko.progress import progress
from megatron_ko.tokenizer import Tokenizer
from preprocessing import corpus
from preprocessing.context import Context, Outcome
from preprocessing.indexed_dataset import REMEDY, read_index

STEP = "validate"
SAMPLE = 16
BLOCK_TOKENS = 1 << 24


def run(context: Context) -> Outcome:
    """Raises DataError with every problem found."""
    path = context.folder / "manifest.json"
    manifest = read_manifest(path)
    tokenizer = Tokenizer(manifest.tokenizer_folder)
    problems = []
    if tokenizer.info.fingerprint != manifest.tokenizer_fingerprint:
        problems.append(f"{manifest.tokenizer_folder}: is another tokenizer than the manifest's; {REMEDY}")
    hashes = {entry["prefix"]: entry["sha256"] for entry in read_json(path)["sets"]}
    for tokens in progress(manifest.sets, "validate", unit="sets"):
        found = _hash_problems(tokens, hashes[str(tokens.prefix.relative_to(path.parent))])
        problems += found or token_problems(tokens, manifest)
        if not problems:
            problems += _text_problems(tokens, tokenizer, context.folder)
    if problems:
        raise DataError(
            "\n  ".join([f"{len(problems)} problems", *problems]) if len(problems) > 1 else problems[0]
        )
    checked = {"sets": len(manifest.sets), "tokens": sum(tokens.tokens for tokens in manifest.sets)}
    return Outcome([], checked)


def _hash_problems(tokens: TokenSet, expected: dict[str, str]) -> list[str]:
    files = {kind: Path(f"{tokens.prefix}.{kind}") for kind in ("bin", "idx")}
    return [
        f"{file}: SHA-256 differs from the manifest: damaged or replaced; {REMEDY}"
        for kind, file in files.items()
        if sha256_file(file) != expected[kind]
    ]


def token_problems(tokens: TokenSet, manifest: Manifest) -> list[str]:
    """What is wrong inside one pair of files."""
    index = read_index(Path(f"{tokens.prefix}.idx"))
    width = np.dtype(tokens.dtype).itemsize
    ends = np.cumsum(index.lengths, dtype=np.int64)
    problems = []
    if not len(ends) or ends[-1] != tokens.tokens:
        return [
            f"{tokens.prefix}.idx: covers {int(ends[-1]) if len(ends) else 0:,} of {tokens.tokens:,} tokens; {REMEDY}"
        ]
    if not np.array_equal(index.offsets, np.concatenate([[0], ends[:-1]]) * width):
        problems.append(f"{tokens.prefix}.idx: byte offsets do not follow from the lengths; {REMEDY}")
    if not np.array_equal(index.documents, np.arange(len(ends) + 1)):
        problems.append(f"{tokens.prefix}.idx: documents are not one sequence each; {REMEDY}")
    data = np.memmap(f"{tokens.prefix}.bin", tokens.dtype, "r")
    eods = 0
    for start in range(0, len(data), BLOCK_TOKENS):
        block = data[start : start + BLOCK_TOKENS]
        if int(block.max()) >= manifest.vocab_size or int(block.min()) < 0:
            problems.append(
                f"{tokens.prefix}.bin: holds ids beyond the vocabulary of {manifest.vocab_size}; {REMEDY}"
            )
            break
        eods += int((block == manifest.eod_id).sum())
    else:
        if eods != len(ends) or not (data[ends - 1] == manifest.eod_id).all():
            problems.append(
                f"{tokens.prefix}.bin: {eods:,} EOD tokens do not end its {len(ends):,} documents; {REMEDY}"
            )
    return problems


def _text_problems(tokens: TokenSet, tokenizer: Tokenizer, folder: Path) -> list[str]:
    """A sample of documents, spread over the set, decoded and compared with the corpus."""
    index = read_index(Path(f"{tokens.prefix}.idx"))
    data = np.memmap(f"{tokens.prefix}.bin", tokens.dtype, "r")
    ends = np.cumsum(index.lengths, dtype=np.int64)
    wanted = set(np.linspace(0, len(ends) - 1, min(SAMPLE, len(ends)), dtype=np.int64).tolist())
    for number, text in enumerate(text for text in corpus.texts(folder, tokens.name, tokens.split) if text):
        if number in wanted:
            decoded = tokenizer.decode(data[ends[number] - index.lengths[number] : ends[number] - 1])
            if decoded != text:
                return [
                    f"{tokens.prefix}: document {number} decodes to {decoded[:60]!r} instead of {text[:60]!r}; {REMEDY}"
                ]
    return []
