"""The data manifest, the interface between preprocessing and training (``docs/formats.md``).

Owns reading and checking ``manifest.json`` and the sizes of the token files it lists. No torch. Only ``check_tokens``
reads tokens, to find ids outside the vocabulary.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Union

from pydantic import AfterValidator, Discriminator, Field, Tag, TypeAdapter, ValidationError

from megatron_ko.config.fields import NonNegativeInt, PositiveFloat, PositiveInt
from megatron_ko.config.loading import in_plain_words
from megatron_ko.errors import DataError, Problem
from megatron_ko.files import read_json

FORMAT = "megatron_ko-data-1"
INDEX_MAGIC = b"MMIDIDX\x00\x00"
DTYPES = {"uint16": (8, 2), "int32": (4, 4)}  # name: (code in the index, bytes per token)
HEADER = struct.Struct("<9sQBQQ")  # magic, version, dtype code, sequences, document boundaries
REMEDY = "run 'mko data encode' again"


def _check_inside(path: Path) -> Path:
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{path} must be relative to the folder of the manifest and must not contain '..'")
    return path


InsideFolder = Annotated[Path, AfterValidator(_check_inside)]


@dataclass(frozen=True)
class TokenPair:
    """A ``.bin`` file and its ``.idx``; ``tokens`` includes EOD."""

    prefix: InsideFolder
    documents: NonNegativeInt
    tokens: NonNegativeInt
    max_id: int
    bin_bytes: NonNegativeInt
    idx_bytes: NonNegativeInt
    sha256: dict[str, str] | None = field(default=None, compare=False)
    """Checksums of both files (keys bin and idx), if the manifest has them."""


@dataclass(frozen=True)
class TokenSet:
    """Tokens of one domain and split, in one or more pairs of files; ``text_bytes`` counts UTF-8 bytes."""

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
        """Prefix of the only pair."""
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
    """Fields of every entry of ``sets``."""

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
    sha256: dict[str, str] | None = None

    def pairs_of(self) -> tuple[TokenPair, ...]:
        sizes = (self.bin_bytes, self.idx_bytes)
        return (TokenPair(self.prefix, self.documents, self.tokens, self.max_id, *sizes, self.sha256),)


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
    """Structure of ``manifest.json``."""

    tokenizer: _Tokenizer
    sets: tuple[_AnySet, ...]
    mixture: dict[str, PositiveFloat]


def read_manifest(path: Path | str) -> Manifest:
    """Raises DataError if the manifest is missing, has another format or contradicts itself or the token files."""
    path = Path(path).expanduser()
    if not path.exists():
        message = (
            f"{path}: does not exist; write it with 'mko data run DATA.yaml', or correct data.manifest"
            " ('mko plan' needs only model.vocab_size instead)"
        )
        raise DataError(message, rule="unreadable-file")
    if path.is_dir():
        raise DataError(
            f"{path}: is a folder; name the file in it, {path / 'manifest.json'}", rule="is-a-folder"
        )
    data = read_json(path)
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise DataError(f"{path}: its format is not {FORMAT!r}; {REMEDY}", rule="unknown-format")
    try:
        content = TypeAdapter(_Content).validate_python(data)
    except ValidationError as error:
        raise DataError([_explain(path, item) for item in error.errors()]) from None
    tokenizer = content.tokenizer
    manifest = Manifest(
        path=path,
        tokenizer_folder=path.parent / tokenizer.folder,
        tokenizer_fingerprint=tokenizer.fingerprint,
        vocab_size=tokenizer.vocab_size,
        eod_id=tokenizer.eod_id,
        sets=tuple(_token_set(path.parent, entry) for entry in content.sets),
        mixture=content.mixture,
    )
    sums = (problem for entry in content.sets for problem in _sum_problems(path, entry))
    _raise_any([*_contradictions(manifest), *sums])
    _raise_any([problem for tokens in manifest.sets for problem in _set_problems(tokens, manifest)])
    return manifest


def _token_set(folder: Path, entry: _SetOfOnePair | _SetOfPairs) -> TokenSet:
    pairs = tuple(replace(pair, prefix=folder / pair.prefix) for pair in entry.pairs_of())
    return TokenSet(entry.name, entry.split, entry.dtype, entry.text_bytes, pairs)


def _raise_any(problems: list[Problem]) -> None:
    if problems:
        raise DataError(problems)


def _explain(file: Path, item: Any) -> Problem:
    """Describes an error of pydantic."""
    path = ".".join(str(part) for part in item["loc"] if part not in _FORMS)
    rule = "outside-folder" if item["type"] == "value_error" else item["type"].replace("_", "-")
    return Problem(str(file), path, f"{in_plain_words(item['msg'])}; {REMEDY}", rule)


def _sum_problems(file: Path, entry: _SetOfOnePair | _SetOfPairs) -> Iterator[Problem]:
    """Reports numbers of a set that do not match its pairs."""
    pairs = entry.pairs_of()
    expected = {
        "documents": sum(pair.documents for pair in pairs),
        "tokens": sum(pair.tokens for pair in pairs),
        "max_id": max(pair.max_id for pair in pairs),
    }
    for name, value in expected.items():
        if (listed := getattr(entry, name)) != value:
            message = f"{name} of set {entry.name!r} (split {entry.split}) is {listed}, but its pairs give {value}; {REMEDY}"
            yield Problem(str(file), "sets", message, "wrong-sum")


def _contradictions(manifest: Manifest) -> Iterator[Problem]:
    """Reports fields of the manifest that contradict each other."""
    file, train = str(manifest.path), manifest.of_split("train")
    if not train:
        yield Problem(file, "sets", f"there is no training set (split train); {REMEDY}", "no-training-set")
    for (name, split), count in Counter((tokens.name, tokens.split) for tokens in manifest.sets).items():
        if count > 1:
            message = f"duplicate set {name!r} (split {split}): listed {count} times; {REMEDY}"
            yield Problem(file, "sets", message, "duplicate-set")
    if set(manifest.mixture) != set(train):
        message = (
            f"must name the training sets {sorted(train)}, but names {sorted(manifest.mixture)}; {REMEDY}"
        )
        yield Problem(file, "mixture", message, "mixture-names")
    elif train and abs(sum(manifest.mixture.values()) - 1) > 1e-3:
        message = f"shares must sum to 1, but sum to {sum(manifest.mixture.values()):.6g}; {REMEDY}"
        yield Problem(file, "mixture", message, "mixture-sum")
    if manifest.eod_id >= manifest.vocab_size:
        message = f"{manifest.eod_id} is outside the vocabulary of {manifest.vocab_size} tokens; {REMEDY}"
        yield Problem(file, "tokenizer.eod_id", message, "id-outside-vocabulary")


def _set_problems(tokens: TokenSet, manifest: Manifest) -> Iterator[Problem]:
    for pair in tokens.pairs:
        yield from _file_problems(pair, tokens.dtype, manifest)
    where = str(tokens.pairs[0].prefix)
    if tokens.split == "valid" and tokens.tokens == 1:
        message = f"validation set {tokens.name!r} has one token, so nothing can be predicted; add text or leave it out"
        yield Problem(where, "", message, "single-token")
    if not (all(pair.tokens for pair in tokens.pairs) and tokens.text_bytes):
        yield Problem(
            where, "", f"set {tokens.name!r} contains no text; add text or leave it out", "empty-set"
        )


def _file_problems(pair: TokenPair, dtype: str, manifest: Manifest) -> Iterator[Problem]:
    for suffix, expected in ((".bin", pair.bin_bytes), (".idx", pair.idx_bytes)):
        file = Path(f"{pair.prefix}{suffix}")
        size = file.stat().st_size if file.is_file() else None
        if size is None:
            yield Problem(str(file), "", f"is missing; {REMEDY}", "missing-file")
        elif size != expected:
            message = f"has {size:,} bytes, but the manifest lists {expected:,}; it was truncated or replaced, {REMEDY}"
            yield Problem(str(file), "", message, "wrong-size")
        elif suffix == ".idx":
            yield from _index_problems(file, pair, dtype)
    if pair.max_id >= manifest.vocab_size:
        yield _id_problem(str(pair.prefix), pair.max_id, manifest.vocab_size)


def _id_problem(where: str, token_id: int, vocab_size: int) -> Problem:
    message = (
        f"token id {token_id} is outside the vocabulary of {vocab_size} tokens; "
        "encode the text with the manifest's tokenizer, or, if the file is damaged, run 'mko data encode' again"
    )
    return Problem(where, "", message, "id-outside-vocabulary")


def _index_problems(file: Path, pair: TokenPair, dtype: str) -> Iterator[Problem]:
    """Reports contradictions between the header of the index, the pair and the data type."""
    code, width = DTYPES[dtype]
    with open(file, "rb") as index:
        head = index.read(HEADER.size)
    if len(head) < HEADER.size or not head.startswith(INDEX_MAGIC):
        message = f"is not an index of megatron-core (wrong magic bytes); {REMEDY}"
        yield Problem(str(file), "", message, "not-an-index")
        return
    _, _, code_in_index, sequences, boundaries = HEADER.unpack(head)
    needed = HEADER.size + (4 + 8) * sequences + 8 * boundaries
    if pair.idx_bytes != needed:
        message = f"has {pair.idx_bytes:,} bytes, but {sequences:,} sequences need {needed:,}; {REMEDY}"
        yield Problem(str(file), "", message, "wrong-index-size")
    if code_in_index != code:
        message = f"dtype code is {code_in_index}, but {dtype} has code {code}; {REMEDY}"
        yield Problem(str(file), "", message, "wrong-dtype")
    if pair.bin_bytes != pair.tokens * width:
        message = f"has {pair.bin_bytes:,} bytes, but {pair.tokens:,} tokens of {width} bytes need {pair.tokens * width:,}; {REMEDY}"
        yield Problem(f"{pair.prefix}.bin", "", message, "wrong-token-count")
    if sequences != pair.documents:
        message = (
            f"has {sequences:,} sequences, but the manifest lists {pair.documents:,} documents; {REMEDY}"
        )
        yield Problem(str(file), "", message, "wrong-document-count")


def check_tokens(manifest: Manifest, eager_bytes: int = 64 << 20) -> None:
    """Checks ids and document boundaries of files up to ``eager_bytes`` each. Raises DataError."""
    for tokens in manifest.sets:
        for pair in tokens.pairs:
            if pair.bin_bytes <= eager_bytes:
                _check_ids(pair, tokens.dtype, manifest.vocab_size)
            if pair.idx_bytes <= eager_bytes:
                _check_documents(pair, DTYPES[tokens.dtype][1])


def _check_ids(pair: TokenPair, dtype: str, vocab_size: int) -> None:
    import numpy as np

    ids = np.fromfile(f"{pair.prefix}.bin", dtype=dtype)
    for token_id in (int(ids.min()), int(ids.max())):
        if not 0 <= token_id < vocab_size:
            raise DataError([_id_problem(f"{pair.prefix}.bin", token_id, vocab_size)])


def _check_documents(pair: TokenPair, width: int) -> None:
    import numpy as np

    file = Path(f"{pair.prefix}.idx")
    lengths = np.fromfile(file, dtype=np.int32, count=pair.documents, offset=HEADER.size)
    starts = np.fromfile(file, dtype=np.int64, count=pair.documents, offset=HEADER.size + lengths.nbytes)
    ends = np.cumsum(lengths, dtype=np.int64) * width
    if lengths.min() < 0 or ends[-1] != pair.bin_bytes or starts[0] != 0 or (starts[1:] != ends[:-1]).any():
        message = f"its documents do not match {pair.prefix}.bin; {REMEDY}"
        raise DataError([Problem(str(file), "", message, "documents-do-not-match")])
