"""The data manifest: what preprocessing hands to training (``docs/formats.md``).

Owns reading and checking ``manifest.json`` and the sizes of the token files it names. No torch, no token is read
unless asked: ``check_tokens`` scans for ids beyond the vocabulary.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from megatron_ko.errors import DataError
from megatron_ko.files import read_json

FORMAT = "megatron_ko-data-1"
INDEX_MAGIC = b"MMIDIDX\x00\x00"
DTYPES = {"uint16": (8, 2), "int32": (4, 4)}  # name: (code in the index, bytes per token)
REMAKE = "write it again with 'python -m preprocessing encode'"


@dataclass(frozen=True)
class TokenSet:
    """One pair of ``.bin`` and ``.idx``; ``tokens`` counts EOD, ``text_bytes`` is UTF-8."""

    name: str
    split: str
    prefix: Path
    dtype: str
    documents: int
    tokens: int
    text_bytes: int
    max_id: int
    bin_bytes: int
    idx_bytes: int


@dataclass(frozen=True)
class Manifest:
    path: Path
    tokenizer_folder: Path
    tokenizer_fingerprint: str
    vocab_size: int
    eod_id: int
    sets: tuple[TokenSet, ...]
    mixture: dict[str, float]

    def of_split(self, split: str) -> dict[str, TokenSet]:
        return {s.name: s for s in self.sets if s.split == split}


def read_manifest(path: Path | str) -> Manifest:
    """Raises DataError when the manifest is missing, of another format, or its files are not whole."""
    path = Path(path).expanduser()
    data = read_json(path)
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise DataError(f"{path}: format is not {FORMAT!r}; {REMAKE}")
    try:
        tokenizer = data["tokenizer"]
        manifest = Manifest(
            path=path,
            tokenizer_folder=path.parent / tokenizer["folder"],
            tokenizer_fingerprint=tokenizer["fingerprint"],
            vocab_size=tokenizer["vocab_size"],
            eod_id=tokenizer["eod_id"],
            sets=tuple(
                TokenSet(prefix=path.parent / item["prefix"], **{k: item[k] for k in _PLAIN_KEYS}) for item in data["sets"]
            ),
            mixture=data["mixture"],
        )
    except (KeyError, TypeError) as error:
        raise DataError(f"{path}: the key {error} is missing or has the wrong form; {REMAKE}") from None
    problems = [problem for tokens in manifest.sets for problem in _file_problems(tokens, manifest)]
    if not manifest.of_split("train"):
        problems.append(f"{path}: holds no training set; {REMAKE}")
    if problems:
        raise DataError("\n  ".join([f"{len(problems)} problems", *problems]) if len(problems) > 1 else problems[0])
    return manifest


_PLAIN_KEYS = ("name", "split", "dtype", "documents", "tokens", "text_bytes", "max_id", "bin_bytes", "idx_bytes")


def _file_problems(tokens: TokenSet, manifest: Manifest) -> list[str]:
    found = []
    for suffix, expected in ((".bin", tokens.bin_bytes), (".idx", tokens.idx_bytes)):
        file = Path(f"{tokens.prefix}{suffix}")
        size = file.stat().st_size if file.is_file() else None
        if size is None:
            found.append(f"{file}: no such file; {REMAKE}")
        elif size != expected:
            found.append(f"{file}: {size:,} bytes where the manifest says {expected:,}: truncated or replaced; {REMAKE}")
        elif suffix == ".idx":
            found += _index_problems(file, tokens)
    if tokens.tokens <= 0:
        found.append(f"{tokens.prefix}: holds no token; the corpus of {tokens.name!r} is empty")
    if tokens.max_id >= manifest.vocab_size:
        found.append(
            f"{tokens.prefix}: token id {tokens.max_id} is beyond the vocabulary of {manifest.vocab_size}; "
            f"encode it with the tokenizer of the manifest"
        )
    return found


def _index_problems(file: Path, tokens: TokenSet) -> list[str]:
    if tokens.dtype not in DTYPES:
        return [f"{file}: dtype {tokens.dtype!r} is unknown; use one of {sorted(DTYPES)}"]
    code, width = DTYPES[tokens.dtype]
    with open(file, "rb") as index:
        head = index.read(34)
    if len(head) < 34 or head[:9] != INDEX_MAGIC:
        return [f"{file}: is not an index of megatron-core (wrong magic bytes); {REMAKE}"]
    _, found_code, sequences, _ = struct.unpack("<QBQQ", head[9:])
    problems = []
    if found_code != code:
        problems.append(f"{file}: dtype code {found_code} is not the {code} of {tokens.dtype}; {REMAKE}")
    if tokens.bin_bytes != tokens.tokens * width:
        problems.append(f"{tokens.prefix}.bin: {tokens.bin_bytes:,} bytes are not {tokens.tokens:,} tokens of {width}")
    if sequences != tokens.documents:
        problems.append(f"{file}: {sequences:,} sequences where the manifest says {tokens.documents:,} documents")
    return problems


def check_tokens(manifest: Manifest, eager_bytes: int = 64 << 20) -> None:
    """Scans token files up to ``eager_bytes`` each for ids beyond the vocabulary (the manifest may lie)."""
    import numpy as np

    for tokens in manifest.sets:
        if tokens.bin_bytes > eager_bytes:
            continue
        seen = int(np.fromfile(f"{tokens.prefix}.bin", dtype=tokens.dtype).max())
        if seen >= manifest.vocab_size:
            raise DataError(
                f"{tokens.prefix}.bin: token id {seen} is beyond the vocabulary of {manifest.vocab_size}; "
                "encode it with the tokenizer of the manifest"
            )
