"""Opens any tokenizer for reading: Hugging Face folders, ours, SentencePiece models, tiktoken files.

Owns the choice of the file and one interface to all of them: ids of texts, bytes of a token, special ids. Files are
data: nothing is downloaded, and code in a folder is never run. Text that spells a special token stays text.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from megatron_ko.errors import DataError
from megatron_ko.files import read_json
from megatron_ko.formats.sentencepiece_model import read_model
from megatron_ko.formats.tiktoken_ranks import is_tiktoken, read_ranks, vocabulary_of
from megatron_ko.formats.tokenizer_folder import MARKER, MODEL, join_rows
from megatron_ko.formats.tokenizer_json import mapped_special_tokens, vocabulary_in
from megatron_ko.formats.vocabulary import CONTROL, GAP, UNKNOWN, Vocabulary
from preprocessing.tokenizers import tiktoken_files

Encoded = tuple[np.ndarray, np.ndarray]
REMEDY = (
    "name a folder with tokenizer.json (AutoTokenizer.from_pretrained(...).save_pretrained(FOLDER) writes one), "
    "a SentencePiece model, or a tiktoken file"
)
_KINDS = {"bpe": "BPE", "unigram": "Unigram", "wordpiece": "WordPiece", "wordlevel": "WordLevel"}
_GENERIC = {"tokenizer", "tokenizer.model", "tokenizer.json", "hf", "data", "train"}


class Backend(Protocol):
    def encode_batch(self, texts: Sequence[str]) -> Encoded: ...

    def decode(self, ids: list[int]) -> str: ...


@dataclass(frozen=True)
class OpenedTokenizer:
    """A vocabulary and the library that encodes with it; ``kind`` describes it for people."""

    name: str
    kind: str
    path: Path
    vocabulary: Vocabulary
    backend: Backend

    @property
    def size(self) -> int:
        return self.vocabulary.size

    @functools.cached_property
    def special_ids(self) -> frozenset[int]:
        return frozenset(self.vocabulary.numbers(CONTROL, UNKNOWN))

    @property
    def missing_ids(self) -> list[int]:
        """Gaps: ids below ``size`` without a token."""
        return self.vocabulary.numbers(GAP)

    def encode_batch(self, texts: Sequence[str]) -> Encoded:
        """``(ids int32, offsets int64)``: the ids of text i are ``ids[offsets[i]:offsets[i + 1]]``."""
        return self.backend.encode_batch(texts)

    def decode(self, ids: Iterable[int]) -> str:
        """The text from the tokenizer's own decoder."""
        return self.backend.decode([int(number) for number in ids])

    def token_bytes(self, number: int) -> bytes | None:
        """None for special tokens and gaps."""
        return self.vocabulary.contents[number]


def open_tokenizer(path: Path | str, name: str | None = None, pattern: str | None = None) -> OpenedTokenizer:
    """Opens the tokenizer of a folder or file; ``pattern`` splits text for tiktoken files. Raises DataError."""
    source = Path(path).expanduser()
    if not source.exists():
        raise DataError(f"{source}: no such file or folder; {REMEDY}", rule="missing-file")
    file = choose_file(source) if source.is_dir() else source
    if not file.is_file() or file.stat().st_size == 0:
        raise DataError(f"{file}: is empty or not a file; {REMEDY}", rule="empty-file")
    if file.suffix == ".json":
        kind, vocabulary, backend = _open_json(file)
    elif is_tiktoken(file):
        kind, vocabulary, backend = _open_tiktoken(file, pattern)
    else:
        kind, vocabulary, backend = _open_sentencepiece(file)
    return OpenedTokenizer(name or name_of(source), kind, source, vocabulary, backend)


def name_of(path: Path) -> str:
    """The name of the folder or file, or of the nearest parent with a name that is not generic."""
    for part in (path.resolve(), *path.resolve().parents):
        if part.name not in _GENERIC and part.name:
            return part.name.removesuffix(".model").removesuffix(".tiktoken").removesuffix(".json")
    return path.name


def choose_file(folder: Path) -> Path:
    """The authoritative file. In our folders the model is the reference, and ``tokenizer.json`` is proven equal to it."""
    names = [MODEL, "tokenizer.json"] if (folder / MARKER).is_file() else ["tokenizer.json", MODEL]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    models = sorted(file for file in folder.glob("*") if file.suffix in (".model", ".tiktoken"))
    if len(models) == 1:
        return models[0]
    if models:
        raise DataError(
            f"{folder}: contains several models ({', '.join(f.name for f in models[:5])}); name one of them",
            rule="several-models",
        )
    config = folder / "tokenizer_config.json"
    if config.is_file() and "auto_map" in read_json(config):
        raise DataError(
            f"{folder}: this tokenizer is custom code (auto_map), which is never run, without a file to read; {REMEDY}",
            rule="custom-code",
        )
    raise DataError(f"{folder}: contains no tokenizer; {REMEDY}", rule="no-tokenizer")


# --- Hugging Face ----------------------------------------------------------------------------------------


class _Json:
    def __init__(self, backend: Any):
        self._backend = backend

    def encode_batch(self, texts: Sequence[str]) -> Encoded:
        return join_rows(
            [e.ids for e in self._backend.encode_batch_fast(list(texts), add_special_tokens=False)]
        )

    def decode(self, ids: list[int]) -> str:
        return self._backend.decode(ids, skip_special_tokens=False)


def _open_json(file: Path) -> tuple[str, Vocabulary, Backend]:
    # one thread per process, since parts of a text run in parallel; an existing setting is respected
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import tokenizers

    try:
        vocabulary = vocabulary_in(read_json(file), file, mapped_special_tokens(file.parent))
        backend = tokenizers.Tokenizer.from_file(str(file))
    except DataError:
        raise
    except Exception as error:  # tokenizers raises Exception itself; any error here means an invalid file
        reason = f"{type(error).__name__}: {error}" if isinstance(error, KeyError) else error
        raise DataError(
            f"{file}: the tokenizers library cannot read it ({reason}); {REMEDY}",
            rule="not-a-tokenizers-file",
        ) from None
    backend.encode_special_tokens = True
    backend.no_truncation()
    backend.no_padding()
    kind = _KINDS.get(vocabulary.algorithm, vocabulary.algorithm)
    if vocabulary.algorithm == "bpe" and vocabulary.spelling.byte_level:
        kind = "byte-level BPE"
    return f"{kind}, tokenizers", vocabulary, _Json(backend)


# --- SentencePiece ---------------------------------------------------------------------------------------


class _SentencePiece:
    def __init__(self, processor: Any):
        self._processor = processor

    def encode_batch(self, texts: Sequence[str]) -> Encoded:
        return join_rows(self._processor.encode(list(texts), num_threads=1))

    def decode(self, ids: list[int]) -> str:
        return self._processor.decode(ids)


def _open_sentencepiece(file: Path) -> tuple[str, Vocabulary, Backend]:
    import sentencepiece

    content = file.read_bytes()
    try:
        processor = sentencepiece.SentencePieceProcessor(model_proto=content)
    except RuntimeError:  # its message is a line of SentencePiece's source
        raise DataError(
            f"{file}: is neither a SentencePiece model nor a tiktoken file; {REMEDY}",
            rule="not-a-sentencepiece-model",
        ) from None
    return "SentencePiece", read_model(content, file).vocabulary, _SentencePiece(processor)


# --- tiktoken --------------------------------------------------------------------------------------------


class _Tiktoken:
    def __init__(self, encoding: Any):
        self._encoding = encoding

    def encode_batch(self, texts: Sequence[str]) -> Encoded:
        return join_rows([self._encoding.encode_ordinary(text) for text in texts])

    def decode(self, ids: list[int]) -> str:
        return self._encoding.decode(ids)


def _open_tiktoken(file: Path, pattern: str | None) -> tuple[str, Vocabulary, Backend]:
    chosen = tiktoken_files.pattern_of(file, pattern)
    ranks = read_ranks(file)
    encoding = tiktoken_files.encoding_of(file, ranks, chosen)
    return "byte-level BPE, tiktoken", vocabulary_of(ranks), _Tiktoken(encoding)
