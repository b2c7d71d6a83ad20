"""The data manifest: what preprocessing hands to training (``docs/formats.md``).

Owns reading and checking ``manifest.json`` and the sizes of the token files it names. No torch, no token is read
unless asked: ``check_tokens`` scans for ids beyond the vocabulary.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Union

from pydantic import AfterValidator, Discriminator, Field, Tag, TypeAdapter, ValidationError

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
class TokenPair:
    """One pair of ``.bin`` and ``.idx``; ``tokens`` counts EOD."""

    prefix: InsideFolder
    documents: NonNegativeInt
    tokens: NonNegativeInt
    max_id: int
    bin_bytes: NonNegativeInt
    idx_bytes: NonNegativeInt


@dataclass(frozen=True)
class TokenSet:
    """The tokens of a domain and split, in one pair of files or several; ``text_bytes`` is UTF-8."""

    name: str
    split: str
    dtype: str
    text_bytes: int
    pairs: tuple[TokenPair, ...]

    @property
    def documents(self) -> int:
        return sum(pair.documents for pair in self.pairs)

    @property
    def tokens(self) -> int:
        return sum(pair.tokens for pair in self.pairs)

    @property
    def max_id(self) -> int:
        return max(pair.max_id for pair in self.pairs)

    @property
    def prefix(self) -> Path:
        """Of the only pair."""
        (pair,) = self.pairs
        return pair.prefix


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


@dataclass(frozen=True, kw_only=True)
class _Set:
    """What every entry of ``sets`` holds."""

    name: str
    split: Literal["train", "valid"]
    dtype: Literal["uint16", "int32"]
    documents: NonNegativeInt
    tokens: NonNegativeInt
    text_bytes: NonNegativeInt
    max_id: int


@dataclass(frozen=True, kw_only=True)
class _SetOfOnePair(_Set):
    prefix: InsideFolder
    bin_bytes: NonNegativeInt
    idx_bytes: NonNegativeInt

    def pairs_of(self) -> tuple[TokenPair, ...]:
        return (
            TokenPair(self.prefix, self.documents, self.tokens, self.max_id, self.bin_bytes, self.idx_bytes),
        )


@dataclass(frozen=True, kw_only=True)
class _SetOfPairs(_Set):
    pairs: Annotated[tuple[TokenPair, ...], Field(min_length=1)]

    def pairs_of(self) -> tuple[TokenPair, ...]:
        return self.pairs


_FORMS = ("one pair", "several pairs")


def _form_of(entry: Any) -> str:
    return _FORMS["pairs" in entry] if isinstance(entry, dict) else _FORMS[0]


_AnySet = Annotated[
    Union[Annotated[_SetOfOnePair, Tag(_FORMS[0])], Annotated[_SetOfPairs, Tag(_FORMS[1])]],
    Discriminator(_form_of),
]


@dataclass(frozen=True)
class _Content:
    """The form of ``manifest.json``."""

    tokenizer: _Tokenizer
    sets: tuple[_AnySet, ...]
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
                f"{path}: {'.'.join(str(part) for part in item['loc'] if part not in _FORMS)}: "
                f"{_sentence(item['msg'])}; {REMAKE}"
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
        sets=tuple(_set_in(path.parent, entry) for entry in content.sets),
        mixture=content.mixture,
    )
    wrong = [*_contradictions(manifest), *(problem for entry in content.sets for problem in _sums(entry))]
    _raise_any([f"{path}: {problem}; {REMAKE}" for problem in wrong])
    _raise_any([problem for tokens in manifest.sets for problem in _set_problems(tokens, manifest)])
    return manifest


def _set_in(folder: Path, entry: _SetOfOnePair | _SetOfPairs) -> TokenSet:
    pairs = tuple(replace(pair, prefix=folder / pair.prefix) for pair in entry.pairs_of())
    return TokenSet(entry.name, entry.split, entry.dtype, entry.text_bytes, pairs)


def _sums(entry: _SetOfOnePair | _SetOfPairs) -> Iterator[str]:
    """Where a set does not fit its pairs."""
    pairs = entry.pairs_of()
    found = {
        "documents": sum(pair.documents for pair in pairs),
        "tokens": sum(pair.tokens for pair in pairs),
        "max_id": max(pair.max_id for pair in pairs),
    }
    for name, value in found.items():
        if getattr(entry, name) != value:
            yield f"the set {entry.name!r} of split {entry.split} says {name} {getattr(entry, name)}, its pairs {value}"


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


def _set_problems(tokens: TokenSet, manifest: Manifest) -> list[str]:
    found = [problem for pair in tokens.pairs for problem in _file_problems(pair, tokens.dtype, manifest)]
    where = ", ".join(str(pair.prefix) for pair in tokens.pairs[:1]) + (
        " ..." if len(tokens.pairs) > 1 else ""
    )
    if tokens.split == "valid" and tokens.tokens == 1:
        found.append(
            f"{where}: holds one token, of which nothing can be predicted; leave the set out or fill it"
        )
    if not (all(pair.tokens for pair in tokens.pairs) and tokens.text_bytes):
        found.append(
            f"{where}: holds no text; the corpus of {tokens.name!r} is empty, leave it out or fill it"
        )
    return found


def _file_problems(pair: TokenPair, dtype: str, manifest: Manifest) -> list[str]:
    found = []
    for suffix, expected in ((".bin", pair.bin_bytes), (".idx", pair.idx_bytes)):
        file = Path(f"{pair.prefix}{suffix}")
        size = file.stat().st_size if file.is_file() else None
        if size is None:
            found.append(f"{file}: no such file; {REMAKE}")
        elif size != expected:
            found.append(
                f"{file}: {size:,} bytes where the manifest says {expected:,}: truncated or replaced; {REMAKE}"
            )
        elif suffix == ".idx":
            found += _index_problems(file, pair, dtype)
    if pair.max_id >= manifest.vocab_size:
        found.append(
            f"{pair.prefix}: token id {pair.max_id} is beyond the vocabulary of {manifest.vocab_size}; "
            f"encode it with the tokenizer of the manifest"
        )
    return found


def _index_problems(file: Path, pair: TokenPair, dtype: str) -> list[str]:
    code, width = DTYPES[dtype]
    with open(file, "rb") as index:
        head = index.read(HEADER.size)
    if len(head) < HEADER.size or not head.startswith(INDEX_MAGIC):
        return [f"{file}: is not an index of megatron-core (wrong magic bytes); {REMAKE}"]
    _, _, found_code, sequences, boundaries = HEADER.unpack(head)
    problems = []
    if pair.idx_bytes != HEADER.size + (4 + 8) * sequences + 8 * boundaries:
        problems.append(f"{file}: {pair.idx_bytes:,} bytes cannot hold {sequences:,} sequences; {REMAKE}")
    if found_code != code:
        problems.append(f"{file}: dtype code {found_code} is not the {code} of {dtype}; {REMAKE}")
    if pair.bin_bytes != pair.tokens * width:
        problems.append(
            f"{pair.prefix}.bin: {pair.bin_bytes:,} bytes are not {pair.tokens:,} tokens of {width}; {REMAKE}"
        )
    if sequences != pair.documents:
        problems.append(
            f"{file}: {sequences:,} sequences where the manifest says {pair.documents:,} documents; {REMAKE}"
        )
    return problems


def check_tokens(manifest: Manifest, eager_bytes: int = 64 << 20) -> None:
    """Scans files up to ``eager_bytes`` each: ids beyond the vocabulary, an index of other documents (the manifest may lie)."""
    for tokens in manifest.sets:
        for pair in tokens.pairs:
            if pair.bin_bytes <= eager_bytes:
                _check_ids(pair, tokens.dtype, manifest.vocab_size)
            if pair.idx_bytes <= eager_bytes:
                _check_documents(pair, DTYPES[tokens.dtype][1])


def _check_ids(pair: TokenPair, dtype: str, vocab_size: int) -> None:
    import numpy as np

    ids = np.fromfile(f"{pair.prefix}.bin", dtype=dtype)
    for seen in (int(ids.min()), int(ids.max())):
        if not 0 <= seen < vocab_size:
            raise DataError(
                f"{pair.prefix}.bin: token id {seen} is beyond the vocabulary of {vocab_size}; "
                "encode it with the tokenizer of the manifest"
            )


def _check_documents(pair: TokenPair, width: int) -> None:
    import numpy as np

    file = Path(f"{pair.prefix}.idx")
    lengths = np.fromfile(file, dtype=np.int32, count=pair.documents, offset=HEADER.size)
    starts = np.fromfile(file, dtype=np.int64, count=pair.documents, offset=HEADER.size + lengths.nbytes)
    ends = np.cumsum(lengths, dtype=np.int64) * width
    if lengths.min() < 0 or ends[-1] != pair.bin_bytes or starts[0] != 0 or (starts[1:] != ends[:-1]).any():
        raise DataError(f"{file}: its documents are not those of the .bin; {REMAKE}")
