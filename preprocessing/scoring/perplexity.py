"""Perplexity of a document under a language model of good text.

Owns a trigram model over words, its file (.npz, no pickle) and the perplexity per word; KenLM models work as well. Words
are those of ``kernels.language_model``: runs of one script, so that a particle after a foreign word or a number is a
word.

A second model of the same type (``kneser_ney``), over the characters of the distinct words, gives an unknown word the
probability of its spelling: endings known from other words are likely, random letters are not.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from megatron_ko.errors import DataError, first_line
from megatron_ko.files import atomic_file
from preprocessing.documents import utf8_buffer
from preprocessing.kernels import language_model as kernels
from preprocessing.kernels.tables import keys_of
from preprocessing.scoring.kneser_ney import FIRST, START, Ngrams, estimate

FORMAT = 1
MAX_WORDS = 1 << kernels.BITS
KENLM_SUFFIXES = (".arpa", ".klm", ".binary", ".bin")
_ARRAYS = {
    "symbols": np.uint64, "log1": np.float32, "back1": np.float32, "pairs": np.uint64, "log2": np.float32,
    "back2": np.float32, "triples": np.uint64, "log3": np.float32, "start": np.float64,
}  # fmt: skip


def prepare(column: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """``(text, starts)`` from ``kernels.language_model.model_words``; a null row has no words."""
    return kernels.model_words(*utf8_buffer(column))


class WordModel:
    """A model over words, and one over their characters."""

    def __init__(self, words: Ngrams, spelling: Ngrams):
        self.words, self.spelling = words, spelling
        self._levels = words.level(), spelling.level()

    def perplexities(self, column: pa.Array) -> np.ndarray:
        """``[rows] float32``: perplexity per word of a large_string column; NaN without words."""
        return np.exp(kernels.log_perplexities(*prepare(column), *self._levels)).astype(np.float32)


# --- training --------------------------------------------------------------------------------------------


def train(text: np.ndarray, starts: np.ndarray, max_ngrams: int) -> WordModel:
    """The model of prepared text. Raises DataError for text without words."""
    hashes, begins, ends, counts = kernels.word_hashes(text, starts)
    if not len(hashes):
        raise DataError(
            "the reference contains no words; name paths or sources with text in the languages of the model",
            rule="no-text",
        )
    known, first, numbers = _vocabulary(hashes)
    distinct = [text[begins[i] : ends[i]].tobytes().decode("utf-8") for i in first]
    stream = np.insert(numbers, np.cumsum(counts) - counts, START)
    spelling = _train_spelling(distinct, max_ngrams)
    base = _log_spellings(spelling, distinct)
    numbered = np.arange(FIRST, FIRST + len(known), dtype=np.int64)
    return WordModel(estimate(stream, known, numbered, base, max_ngrams), spelling)


def _vocabulary(hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``(known, first, numbers)``: distinct words by hash, first position of each, number of every word (0: unknown)."""
    known, first, inverse, counts = np.unique(
        hashes, return_index=True, return_inverse=True, return_counts=True
    )
    room = MAX_WORDS - FIRST
    keep = np.ones(len(known), bool)
    if len(known) > room:
        keep[np.argsort(-counts, kind="stable")[room:]] = False
    numbers = np.where(keep, np.cumsum(keep) - 1 + FIRST, 0)
    return known[keep], first[keep], numbers[inverse.reshape(-1)]


def _train_spelling(distinct: list[str], max_ngrams: int) -> Ngrams:
    joined = "".join(f"{chr(START)}{word}{chr(kernels.END)}" for word in distinct)
    stream = np.frombuffer(joined.encode("utf-32-le"), np.uint32).astype(np.int64)
    numbers = np.unique(stream[stream != START])
    base = np.full(len(numbers), -kernels.LOG_CHARACTERS)
    return estimate(stream, keys_of(numbers.astype(np.uint64)), numbers, base, max_ngrams)


def _log_spellings(spelling: Ngrams, distinct: list[str]) -> np.ndarray:
    column = pa.array(distinct, pa.large_string())
    return kernels.log_spellings(*utf8_buffer(column), spelling.level())


# --- files -----------------------------------------------------------------------------------------------


def save(model: WordModel, path: Path) -> None:
    """Writes an uncompressed .npz; the same model gives the same bytes."""
    arrays: dict[str, Any] = {"format": np.array([FORMAT], np.int64)}
    for level, ngrams in (("words", model.words), ("spelling", model.spelling)):
        arrays[f"{level}_numbers"] = ngrams.numbers
        arrays.update({f"{level}_{name}": getattr(ngrams, name) for name in _ARRAYS})
    with atomic_file(path) as file:
        np.savez(file, **arrays)


def load(path: Path) -> WordModel:
    """Reads a model without executing anything in the file. Raises DataError when it is not such a model."""
    remedy = "train it with 'mko data train-quality CONFIG.yaml'"
    if not path.is_file():
        raise DataError(f"{path}: no such language model; {remedy}", rule="missing-file")
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(item.file_size for item in archive.infolist()) > path.stat().st_size:
                raise ValueError("its parts are larger than the file")
        with np.load(path, allow_pickle=False) as arrays:
            if arrays["format"].tolist() != [FORMAT]:
                raise ValueError(f"its format is {arrays['format'].tolist()}; this program reads {FORMAT}")
            return WordModel(_read_ngrams(arrays, "words"), _read_ngrams(arrays, "spelling"))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path}: is not a language model of this program ({first_line(error)}); {remedy}",
            rule="not-a-language-model",
        ) from error


def _read_ngrams(file: Any, level: str) -> Ngrams:
    arrays = {name: file[f"{level}_{name}"] for name in ("numbers", *_ARRAYS)}
    for name, array in arrays.items():
        dtype = np.dtype(_ARRAYS.get(name, np.int32))
        if array.dtype != dtype or array.ndim != 1:
            raise ValueError(
                f"{level}_{name} is {array.dtype} in {array.ndim} dimensions; expected one dimension of {dtype}"
            )
        if dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{level}_{name} contains numbers that are not finite")
    sizes = [len(arrays[name]) for name in ("symbols", "numbers", "log1", "back1")]
    same = [
        sizes,
        [len(arrays[name]) for name in ("pairs", "log2", "back2")],
        [len(arrays["triples"]), len(arrays["log3"])],
    ]
    if any(len(set(row)) != 1 for row in same) or len(arrays["start"]) != 3:
        raise ValueError(f"the arrays of {level} differ in length")
    if arrays["start"][0] != START:
        raise ValueError(f"{level}_start is {arrays['start'][0]}; expected {START}")
    if len(np.unique(arrays["symbols"])) != sizes[0] or (arrays["symbols"] == 0).any():
        raise ValueError(f"{level}_symbols are not distinct")
    return Ngrams(**arrays)


class KenlmModel:
    """A KenLM model over the same words (Heafield 2011), with begin and end of the document.

    The kenlm package does not validate the file; use only files from people you trust.
    """

    def __init__(self, path: Path):
        try:
            import kenlm
        except ImportError:
            raise DataError(
                f"{path}: is a KenLM model, but the package kenlm is not installed; pip install 'megatron_ko[kenlm]' (needs a C++ "
                "compiler), or train a model of this program (.npz) with 'mko data train-quality CONFIG.yaml'",
                rule="missing-package",
            ) from None
        if not path.is_file():
            raise DataError(f"{path}: no such KenLM model; check the path", rule="missing-file")
        try:
            self._model = kenlm.Model(str(path))
        except (OSError, RuntimeError) as error:
            raise DataError(
                f"{path}: is not a KenLM model ({first_line(error)}); check the file, or build it again with lmplz",
                rule="not-a-language-model",
            ) from None

    def perplexities(self, column: pa.Array) -> np.ndarray:
        """``[rows] float32``: perplexity per word and end; NaN without words."""
        out = np.full(len(column), np.nan, np.float32)
        for row, text in enumerate(lines_of(*prepare(column))):
            if text:
                out[row] = 10 ** min(
                    -self._model.score(text) / (text.count(" ") + 2), kernels.MAX_LOG / np.log(10)
                )
        return out


def lines_of(text: np.ndarray, starts: np.ndarray) -> list[str]:
    """Prepared text as one string per row."""
    view, bounds = text.data, starts.tolist()
    return [str(view[begin:end], "utf-8") for begin, end in zip(bounds, bounds[1:])]


def open_model(path: Path) -> WordModel | KenlmModel:
    return KenlmModel(path) if path.suffix in KENLM_SUFFIXES else load(path)
