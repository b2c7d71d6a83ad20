"""Engines that turn texts into ids, behind one protocol, and the proof that a fast one agrees with the reference.

Owns the engines and their choice. The reference is SentencePiece where the folder has ``tokenizer.model``, else
``tokenizers``; a faster engine is left as soon as it gives another id. Text that spells a control token stays text.
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
    """The ids of text i are ``ids[offsets[i]:offsets[i + 1]]``; ids uint32 or int32, offsets int64."""

    name: str

    def encode_batch(self, texts: list[str]) -> Encoded: ...

    def encode_column(self, column: pa.Array) -> Encoded:
        """The same of a large_string column without nulls."""
        ...


class TextEncoder:
    """An engine that takes Python strings."""

    name: str

    def encode_batch(self, texts: list[str]) -> Encoded:
        raise NotImplementedError

    def encode_column(self, column: pa.Array) -> Encoded:
        return self.encode_batch(column.to_pylist())


class ReferenceEncoder(TextEncoder):
    """``sentencepiece`` or ``tokenizers``, as the tokenizer folder has it."""

    def __init__(self, folder: Path, name: str, threads: int):
        self.name = name
        self._tokenizer, self._threads = Tokenizer(folder, prefer_json=name == "tokenizers"), threads

    def encode_batch(self, texts: list[str]) -> Encoded:
        return self._tokenizer.encode_batch(texts, self._threads)


class FastokensEncoder(TextEncoder):
    """fastokens reads ``tokenizer.json``; its threads are counted once per process, by the environment."""

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
    """gigatoken reads ``tokenizer.json``; it would turn the control tokens of ``tokenizer.model`` into ids."""

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
    """A fast engine for all texts but those that spell a piece no merge makes, such as ``<s>`` or ``<0x41>``.

    fastokens 0.3.5 looks whole words up in the vocabulary where merges do not cross blanks, and finds such pieces;
    the reference writes them as text.
    """

    def __init__(self, fast: Encoder, reference: Encoder, unmade: Sequence[str]):
        self.name = fast.name
        self._fast, self._reference = fast, reference
        self._unmade = re.compile("|".join(map(re.escape, unmade))) if unmade else None

    def encode_batch(self, texts: list[str]) -> Encoded:
        rows = [
            row for row, text in enumerate(texts) if self._unmade is not None and self._unmade.search(text)
        ]
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


def unmade_pieces(description: dict[str, Any]) -> list[str]:
    """Pieces of a ``tokenizer.json`` of several characters that no merge makes, and its special tokens; sorted."""
    model, added = description["model"], description.get("added_tokens") or ()
    special = {token["content"] for token in added if token["special"]}
    if model.get("type", "BPE") != "BPE" or model.get("ignore_merges"):
        return sorted(special)
    made = {"".join(merge.split(" ", 1) if isinstance(merge, str) else merge) for merge in model["merges"]}
    ordinary = {token["content"] for token in added if not token["special"]}
    return sorted({piece for piece in model["vocab"] if len(piece) > 1} - made - ordinary | special)


FAST: dict[str, Callable[[Path, int], Encoder]] = {
    "fastokens": FastokensEncoder,
    "gigatoken": GigatokenEncoder,
}
OWN = "bpe"


def reference_name(folder: Path) -> str:
    """``sentencepiece`` where the folder has its model, else ``tokenizers``, as in ``Tokenizer``."""
    return "sentencepiece" if (folder / MODEL).is_file() and (folder / MARKER).is_file() else "tokenizers"


def reference_of(folder: Path, threads: int = 1) -> Encoder:
    return encoder_of(folder, reference_name(folder), threads)


def encoder_of(folder: Path, engine: str, threads: int = 1) -> Encoder:
    """The engine of that name for a tokenizer folder; raises DataError where it cannot be had, and what the engine raises
    (ValueError, RuntimeError, TypeError) where it does not know this kind of tokenizer.

    A process keeps the last one: loading takes as long as some megabytes of text.
    """
    facts = (folder / "tokenizer.json").stat()
    return _loaded(folder, engine, threads, (facts.st_ino, facts.st_size, facts.st_mtime_ns))


@functools.lru_cache(maxsize=4)
def _loaded(folder: Path, engine: str, threads: int, version: tuple[int, ...]) -> Encoder:
    if engine == OWN:
        from preprocessing.tokenizers.bpe_encoder import BpeEncoder

        return BpeEncoder(folder, threads)
    if engine in FAST:
        if importlib.util.find_spec(engine) is None:
            raise DataError(f"encode.engine: {engine} is not installed; pip install {engine}, or use auto")
        unmade = unmade_pieces(read_json(folder / "tokenizer.json"))
        return GuardedEncoder(FAST[engine](folder, threads), reference_of(folder, threads), unmade)
    if engine == "sentencepiece" and reference_name(folder) != engine:
        raise DataError(f"encode.engine: {engine} needs a {MODEL} in {folder}; use tokenizers, or auto")
    return ReferenceEncoder(folder, engine, threads)


def candidates(folder: Path, wanted: str) -> list[str]:
    """Engines to try, the reference last: ``wanted``, or for ``auto`` ours and the fast one that is installed."""
    names = [OWN, "fastokens"] if wanted == "auto" else [wanted]
    reference = reference_name(folder)
    return [name for name in names if name != reference and (wanted != "auto" or installed(name))] + [
        reference
    ]


def choose(folder: Path, wanted: str, texts: Sequence[str], threads: int = 1) -> str:
    """Name of the first candidate that reads the tokenizer and agrees with the reference.

    Compared are HARD_TEXTS, ALL_BYTES and ``texts``. An engine that differs is left with one line in the log.
    """
    reference, names = reference_of(folder), candidates(folder, wanted)
    if wanted in ("sentencepiece", "tokenizers"):
        return wanted
    for name, other in zip(names[:-1], names[1:]):
        try:
            encoder = encoder_of(folder, name, threads)
        except (
            ValueError,
            RuntimeError,
            TypeError,
        ) as error:  # the engine does not know this kind of tokenizer
            level = logging.INFO if wanted == "auto" else logging.WARNING
            log.log(level, "encode: %s cannot read %s (%s); %s is used", name, folder, error, other)
            continue
        different = first_difference(encoder, reference, [*HARD_TEXTS, *ALL_BYTES, *texts])
        if different is None:
            return name
        log.warning("encode: %s gives other ids for %r; %s is used", name, different[:80], other)
    if wanted == "auto" and names[-1] == "tokenizers" and not installed("fastokens"):
        _report_missing_fastokens()
    return names[-1]


@functools.cache
def _report_missing_fastokens() -> None:
    """Once in a process."""
    log.info(
        "encode: tokenizers is used; fastokens, which is not installed, gives the same ids faster: "
        "pip install 'megatron_ko[fastokens]'"
    )


# what a byte alone would be in Latin-1, and every control character, in runs and between letters
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
    """The first text that the two give different ids for."""
    texts = list(texts)
    ids, offsets = encoder.encode_batch(texts)
    expected, bounds = reference.encode_batch(texts)
    if len(offsets) != len(bounds):
        return texts[0]
    for row, text in enumerate(texts):
        found = ids[offsets[row] : offsets[row + 1]]
        if not np.array_equal(found, expected[bounds[row] : bounds[row + 1]]):
            return text
    return None


class Differs(Exception):
    """An engine gave other ids than the reference; its argument is the beginning of the text."""


def compare(found: Sequence[np.ndarray], texts: list[str], reference: Encoder) -> None:
    """Raises Differs unless the ids of each text are those of the reference."""
    for ids, expected, text in zip(found, _rows(reference.encode_batch(texts)), texts, strict=True):
        if not np.array_equal(ids, expected):
            raise Differs(repr(text[:80]))


def installed(engine: str) -> str | None:
    """Version of an engine's package, None without one; another one may give other ids."""
    if engine == OWN:
        return "built in"
    return importlib.metadata.version(engine) if importlib.util.find_spec(engine) else None
