"""Engines that encode texts, behind one protocol, and the check of a fast engine against the reference.

Owns the engines and their choice. The reference is SentencePiece if the folder has ``tokenizer.model``, else
``tokenizers``; a faster engine is abandoned at the first differing id. Text that spells a control token stays text.
"""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import logging
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from megatron_ko.errors import DataError
from megatron_ko.files import read_json
from megatron_ko.formats.tokenizer_folder import MARKER, MODEL, Tokenizer
from preprocessing.tokenizers.hard_texts import HARD_TEXTS

log = logging.getLogger(__name__)
Encoded = tuple[np.ndarray, np.ndarray]


class Encoder(Protocol):
    """Encodes texts; the ids of text i are ``ids[offsets[i]:offsets[i + 1]]``; ids uint32 or int32, offsets int64."""

    name: str

    def encode_batch(self, texts: list[str]) -> Encoded: ...

    def encode_column(self, column: pa.Array) -> Encoded:
        """Encodes a large_string column without nulls."""
        ...


class TextEncoder:
    """An engine that takes Python strings."""

    name: str

    def encode_batch(self, texts: list[str]) -> Encoded:
        raise NotImplementedError

    def encode_column(self, column: pa.Array) -> Encoded:
        return self.encode_batch(column.to_pylist())


class ReferenceEncoder(TextEncoder):
    """``sentencepiece`` or ``tokenizers``, with the files of a tokenizer folder."""

    def __init__(self, folder: Path, name: str, threads: int):
        self.name = name
        self._tokenizer, self._threads = Tokenizer(folder, prefer_json=name == "tokenizers"), threads

    def encode_batch(self, texts: list[str]) -> Encoded:
        return self._tokenizer.encode_batch(texts, self._threads)


class FastokensEncoder(TextEncoder):
    """fastokens reads ``tokenizer.json``; it reads its number of threads once per process, from the environment."""

    name = "fastokens"

    def __init__(self, folder: Path, threads: int):
        os.environ["FASTOKENS_BPE_THREADS"] = str(threads)
        import fastokens

        self._backend = fastokens.Tokenizer.from_file(str(folder / "tokenizer.json"))

    def encode_batch(self, texts: list[str]) -> Encoded:
        ids, offsets = self._backend.encode_batch_flat(
            texts, add_special_tokens=False, split_special_tokens=True
        )
        return np.frombuffer(ids, "<u4"), np.frombuffer(offsets, "<u8").astype(np.int64)


class GigatokenEncoder(TextEncoder):
    """gigatoken reads ``tokenizer.json``; given ``tokenizer.model`` it would encode text to control tokens."""

    name = "gigatoken"

    def __init__(self, folder: Path, threads: int):
        os.environ["RAYON_NUM_THREADS"] = str(threads)
        import gigatoken

        self._backend, self._parallel = gigatoken.Tokenizer(str(folder / "tokenizer.json")), threads > 1

    def encode_batch(self, texts: list[str]) -> Encoded:
        return _flat(
            [np.asarray(row, np.uint32) for row in self._backend.encode_batch(texts, parallel=self._parallel)]
        )


class GuardedEncoder(TextEncoder):
    """A fast engine, except for texts that spell an unmergeable piece, such as ``<s>`` or ``<0x41>``.

    fastokens 0.3.5 looks up whole words in the vocabulary where merges do not cross blanks, and so encodes text to such
    pieces; the reference encodes it as text.
    """

    def __init__(self, fast: Encoder, reference: Encoder, unmergeable: Sequence[str]):
        self.name = fast.name
        self._fast, self._reference = fast, reference
        self._pattern = re.compile("|".join(map(re.escape, unmergeable))) if unmergeable else None

    def encode_batch(self, texts: list[str]) -> Encoded:
        pattern = self._pattern
        rows = [row for row, text in enumerate(texts) if pattern is not None and pattern.search(text)]
        if not rows:
            return self._fast.encode_batch(texts)
        guarded = set(rows)
        fast = _rows(self._fast.encode_batch([text for row, text in enumerate(texts) if row not in guarded]))
        slow = _rows(self._reference.encode_batch([texts[row] for row in rows]))
        return _flat([next(slow) if row in guarded else next(fast) for row in range(len(texts))])


def _rows(encoded: Encoded) -> Iterator[np.ndarray]:
    ids, offsets = encoded
    return (ids[start:stop] for start, stop in zip(offsets[:-1], offsets[1:]))


def _flat(rows: Sequence[np.ndarray]) -> Encoded:
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(row) for row in rows], out=offsets[1:])
    return np.concatenate(rows).astype(np.uint32, copy=False) if rows else np.zeros(0, np.uint32), offsets


def unmergeable_pieces(description: dict[str, Any]) -> list[str]:
    """Pieces of several characters that no merge of the ``tokenizer.json`` produces, and its special tokens; sorted."""
    model, added = description["model"], description.get("added_tokens") or ()
    special = {token["content"] for token in added if token["special"]}
    if model.get("type", "BPE") != "BPE" or model.get("ignore_merges"):
        return sorted(special)
    products = {
        "".join(merge.split(" ", 1) if isinstance(merge, str) else merge) for merge in model["merges"]
    }
    ordinary = {token["content"] for token in added if not token["special"]}
    return sorted({piece for piece in model["vocab"] if len(piece) > 1} - products - ordinary | special)


FAST: dict[str, Callable[[Path, int], Encoder]] = {
    "fastokens": FastokensEncoder,
    "gigatoken": GigatokenEncoder,
}
OWN = "bpe"


def reference_name(folder: Path) -> str:
    """``sentencepiece`` if the folder has its model, else ``tokenizers``, as in ``Tokenizer``."""
    return "sentencepiece" if (folder / MODEL).is_file() and (folder / MARKER).is_file() else "tokenizers"


def reference_of(folder: Path, threads: int = 1) -> Encoder:
    return encoder_of(folder, reference_name(folder), threads)


def encoder_of(folder: Path, engine: str, threads: int = 1) -> Encoder:
    """Loads the engine with this name for a tokenizer folder.

    Raises DataError when it is not available, and the engine's own ValueError, RuntimeError or TypeError when it does
    not support the tokenizer. Loading takes as long as encoding some megabytes, so a process caches the last engines.
    """
    facts = (folder / "tokenizer.json").stat()
    return _load(folder, engine, threads, (facts.st_ino, facts.st_size, facts.st_mtime_ns))


@functools.lru_cache(maxsize=4)
def _load(folder: Path, engine: str, threads: int, version: tuple[int, ...]) -> Encoder:
    if engine == OWN:
        from preprocessing.tokenizers.bpe_encoder import BpeEncoder

        return BpeEncoder(folder, threads)
    if engine in FAST:
        if importlib.util.find_spec(engine) is None:
            raise DataError(
                f"encode.engine: {engine} is not installed; pip install {engine}, or use auto",
                rule="missing-package",
            )
        unmergeable = unmergeable_pieces(read_json(folder / "tokenizer.json"))
        return GuardedEncoder(FAST[engine](folder, threads), reference_of(folder, threads), unmergeable)
    if engine == "sentencepiece" and reference_name(folder) != engine:
        raise DataError(
            f"encode.engine: {engine} needs a {MODEL} in {folder}; use tokenizers, or auto",
            rule="not-a-sentencepiece-model",
        )
    return ReferenceEncoder(folder, engine, threads)


def candidates(folder: Path, wanted: str) -> list[str]:
    """Engines to try, the reference last: ``wanted``, or for ``auto`` ours and fastokens if it is installed."""
    names = [OWN, "fastokens"] if wanted == "auto" else [wanted]
    reference = reference_name(folder)
    others = [name for name in names if name != reference]
    return [name for name in others if wanted != "auto" or engine_version(name)] + [reference]


def choose(folder: Path, wanted: str, texts: Sequence[str], threads: int = 1) -> str:
    """Name of the first candidate that supports the tokenizer and agrees with the reference.

    Compares HARD_TEXTS, ALL_BYTES and ``texts``; logs every engine that differs.
    """
    reference, names = reference_of(folder), candidates(folder, wanted)
    if wanted in ("sentencepiece", "tokenizers"):
        return wanted
    for name, other in zip(names[:-1], names[1:]):
        try:
            encoder = encoder_of(folder, name, threads)
        except (ValueError, RuntimeError, TypeError) as error:  # the engine does not support the tokenizer
            level = logging.INFO if wanted == "auto" else logging.WARNING
            log.log(level, "encode: %s does not support %s (%s); using %s", name, folder, error, other)
            continue
        different = first_difference(encoder, reference, [*HARD_TEXTS, *ALL_BYTES, *texts])
        if different is None:
            return name
        log.warning("encode: %s gives other ids for %r; using %s", name, different[:80], other)
    if wanted == "auto" and names[-1] == "tokenizers" and not engine_version("fastokens"):
        _report_missing_fastokens()
    return names[-1]


@functools.cache
def _report_missing_fastokens() -> None:
    """Once in a process."""
    log.info(
        "encode: using tokenizers; fastokens, which is not installed, gives the same ids faster: "
        "pip install 'megatron_ko[fastokens]'"
    )


# every byte as Latin-1, alone and in one run; every control character between letters and in runs
ALL_BYTES = (
    *(chr(byte) for byte in range(256)),
    "".join(map(chr, range(256))),
    *(f"a{chr(byte)}가{chr(byte) * 3}" for byte in (*range(33), 127, 160, 173)),
    "".join(map(chr, range(0x2000, 0x2070))),
    "\u200b\u200d\ufeff\u2028\u2029\u3164\uffa0",
    "\u1100\u1161\u11a8가\u11a8\u1161 ㅎㅏㄴㄱㅡㄹ",
    "한" * 4000,
    " " * 3000 + "\n" * 3000,
    "ab" * 3000,
    "<|endoftext|><bos><eos><mask>[CLS][SEP]",
)


def first_difference(encoder: Encoder, reference: Encoder, texts: Sequence[str]) -> str | None:
    """The first text for which the two give different ids."""
    texts = list(texts)
    ids, offsets = encoder.encode_batch(texts)
    expected, bounds = reference.encode_batch(texts)
    if len(offsets) != len(bounds):
        return texts[0]
    for row, text in enumerate(texts):
        if not np.array_equal(ids[offsets[row] : offsets[row + 1]], expected[bounds[row] : bounds[row + 1]]):
            return text
    return None


class Mismatch(Exception):
    """An engine gave other ids than the reference; the argument is the beginning of the text."""


def compare(rows: Sequence[np.ndarray], texts: list[str], reference: Encoder) -> None:
    """Raises Mismatch unless the ids of each text equal those of the reference."""
    for ids, expected, text in zip(rows, _rows(reference.encode_batch(texts)), texts, strict=True):
        if not np.array_equal(ids, expected):
            raise Mismatch(repr(text[:80]))


def engine_version(engine: str) -> str | None:
    """Version of an engine's package, or None; another version may give other ids."""
    if engine == OWN:
        return "built in"
    return importlib.metadata.version(engine) if importlib.util.find_spec(engine) else None
