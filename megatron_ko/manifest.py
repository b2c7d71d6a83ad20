"""The data manifest: what preprocessing hands to training (``docs/formats.md``).

Owns reading and checking ``manifest.json`` and the sizes of the token files it names. No torch, no token is read
unless asked: ``check_tokens`` scans for ids beyond the vocabulary.
"""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, TypeAdapter, ValidationError

from megatron_ko.config.fields import NonNegativeInt, PositiveFloat, PositiveInt
from megatron_ko.errors import DataError
from megatron_ko.files import read_json

FORMAT = "megatron_ko-data-1"
INDEX_MAGIC = b"MMIDIDX\x00\x00"
DTYPES = {"uint16": (8, 2), "int32": (4, 4)}  # name: (code in the index, bytes per token)
HEADER = struct.Struct("<9sQBQQ")  # magic, version, dtype code, sequences, document boundaries
REMAKE = "write it again with 'python -m preprocessing encode'"


def _inside(path: Path) -> Path:
    if path.is_absolute() or ".." in path.parts:
        raise ValueError("leads out of the data folder; write it relative to the manifest, without '..'")
    return path


InsideFolder = Annotated[Path, AfterValidator(_inside)]


@dataclass(frozen=True)
class TokenSet:
    """One pair of ``.bin`` and ``.idx``; ``tokens`` counts EOD, ``text_bytes`` is UTF-8."""

    name: str
    split: Literal["train", "valid"]
    prefix: InsideFolder
    dtype: Literal["uint16", "int32"]
    documents: NonNegativeInt
    tokens: NonNegativeInt
    text_bytes: NonNegativeInt
    max_id: int
    bin_bytes: NonNegativeInt
    idx_bytes: NonNegativeInt


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


@dataclass(frozen=True)
class _Tokenizer:
    folder: InsideFolder
    fingerprint: str
    vocab_size: PositiveInt
    eod_id: NonNegativeInt


@dataclass(frozen=True)
class _Content:
    """The form of ``manifest.json``."""

    tokenizer: _Tokenizer
    sets: tuple[TokenSet, ...]
    mixture: dict[str, PositiveFloat]


def read_manifest(path: Path | str) -> Manifest:
    """Raises DataError when the manifest is missing, of another format, or its files are not whole."""
    path = Path(path).expanduser()
    data = read_json(path)
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise DataError(f"{path}: format is not {FORMAT!r}; {REMAKE}")
    try:
        content = TypeAdapter(_Content).validate_python(data)
    except ValidationError as error:
        _raise_any(
            [
                f"{path}: {'.'.join(map(str, item['loc']))}: {_sentence(item['msg'])}; {REMAKE}"
                for item in error.errors()
            ]
        )
        raise
    tokenizer = content.tokenizer
    manifest = Manifest(
        path=path,
        tokenizer_folder=path.parent / tokenizer.folder,
        tokenizer_fingerprint=tokenizer.fingerprint,
        vocab_size=tokenizer.vocab_size,
        eod_id=tokenizer.eod_id,
        sets=tuple(replace(tokens, prefix=path.parent / tokens.prefix) for tokens in content.sets),
        mixture=content.mixture,
    )
    _raise_any([f"{path}: {problem}; {REMAKE}" for problem in _contradictions(manifest)])
    _raise_any([problem for tokens in manifest.sets for problem in _file_problems(tokens, manifest)])
    return manifest


def _raise_any(problems: list[str]) -> None:
    if problems:
        raise DataError(
            "\n  ".join([f"{len(problems)} problems", *problems]) if len(problems) > 1 else problems[0]
        )


def _sentence(message: str) -> str:
    message = message.removeprefix("Value error, ")
    return message[0].lower() + message[1:]


def _contradictions(manifest: Manifest) -> list[str]:
    """Where the manifest does not fit itself."""
    found = []
    train = manifest.of_split("train")
    if not train:
        found.append("holds no training set")
    for (name, split), count in Counter((tokens.name, tokens.split) for tokens in manifest.sets).items():
        if count > 1:
            found.append(f"the set {name!r} of split {split} stands {count} times")
    if set(manifest.mixture) != set(train):
        found.append(f"mixture names {sorted(manifest.mixture)} where the training sets are {sorted(train)}")
    elif abs(sum(manifest.mixture.values()) - 1) > 1e-3:
        found.append(f"mixture sums to {sum(manifest.mixture.values()):.6g} and not to 1")
    if manifest.eod_id >= manifest.vocab_size:
        found.append(f"tokenizer.eod_id {manifest.eod_id} is beyond the vocabulary of {manifest.vocab_size}")
    return found


def _file_problems(tokens: TokenSet, manifest: Manifest) -> list[str]:
    found = []
    for suffix, expected in ((".bin", tokens.bin_bytes), (".idx", tokens.idx_bytes)):
        file = Path(f"{tokens.prefix}{suffix}")
        size = file.stat().st_size if file.is_file() else None
        if size is None:
            found.append(f"{file}: no such file; {REMAKE}")
        elif size != expected:
            found.append(
                f"{file}: {size:,} bytes where the manifest says {expected:,}: truncated or replaced; {REMAKE}"
            )
        elif suffix == ".idx":
            found += _index_problems(file, tokens)
    if tokens.split == "valid" and tokens.tokens == 1:
        found.append(
            f"{tokens.prefix}: holds one token, of which nothing can be predicted; leave the set out or fill it"
        )
    if not (tokens.tokens and tokens.text_bytes):
        found.append(
            f"{tokens.prefix}: holds no text; the corpus of {tokens.name!r} is empty, leave it out or fill it"
        )
    if tokens.max_id >= manifest.vocab_size:
        found.append(
            f"{tokens.prefix}: token id {tokens.max_id} is beyond the vocabulary of {manifest.vocab_size}; "
            f"encode it with the tokenizer of the manifest"
        )
    return found


def _index_problems(file: Path, tokens: TokenSet) -> list[str]:
    code, width = DTYPES[tokens.dtype]
    with open(file, "rb") as index:
        head = index.read(HEADER.size)
    if len(head) < HEADER.size or not head.startswith(INDEX_MAGIC):
        return [f"{file}: is not an index of megatron-core (wrong magic bytes); {REMAKE}"]
    _, _, found_code, sequences, boundaries = HEADER.unpack(head)
    problems = []
    if tokens.idx_bytes != HEADER.size + (4 + 8) * sequences + 8 * boundaries:
        problems.append(f"{file}: {tokens.idx_bytes:,} bytes cannot hold {sequences:,} sequences; {REMAKE}")
    if found_code != code:
        problems.append(f"{file}: dtype code {found_code} is not the {code} of {tokens.dtype}; {REMAKE}")
    if tokens.bin_bytes != tokens.tokens * width:
        problems.append(
            f"{tokens.prefix}.bin: {tokens.bin_bytes:,} bytes are not {tokens.tokens:,} tokens of {width}; {REMAKE}"
        )
    if sequences != tokens.documents:
        problems.append(
            f"{file}: {sequences:,} sequences where the manifest says {tokens.documents:,} documents; {REMAKE}"
        )
    return problems


def check_tokens(manifest: Manifest, eager_bytes: int = 64 << 20) -> None:
    """Scans files up to ``eager_bytes`` each: ids beyond the vocabulary, an index of other documents (the manifest may lie)."""
    import numpy as np

    for tokens in manifest.sets:
        if tokens.bin_bytes <= eager_bytes:
            ids = np.fromfile(f"{tokens.prefix}.bin", dtype=tokens.dtype)
            for seen in (int(ids.min()), int(ids.max())):
                if not 0 <= seen < manifest.vocab_size:
                    raise DataError(
                        f"{tokens.prefix}.bin: token id {seen} is beyond the vocabulary of {manifest.vocab_size}; "
                        "encode it with the tokenizer of the manifest"
                    )
        if tokens.idx_bytes <= eager_bytes:
            lengths = np.fromfile(
                f"{tokens.prefix}.idx", dtype=np.int32, count=tokens.documents, offset=HEADER.size
            )
            starts = np.fromfile(
                f"{tokens.prefix}.idx",
                dtype=np.int64,
                count=tokens.documents,
                offset=HEADER.size + lengths.nbytes,
            )
            ends = np.cumsum(lengths, dtype=np.int64) * DTYPES[tokens.dtype][1]
            if (
                lengths.min() < 0
                or ends[-1] != tokens.bin_bytes
                or starts[0] != 0
                or (starts[1:] != ends[:-1]).any()
            ):
                raise DataError(f"{tokens.prefix}.idx: its documents are not those of the .bin; {REMAKE}")
