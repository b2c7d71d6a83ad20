"""A fastText classifier of documents: training, validation of the file, scoring.

Owns the features, the model file and its measures. The method is fastText (Joulin et al. 2017, arXiv:1607.01759) as DCLM
and Kanana (arXiv:2502.18934) use it to choose pretraining text. Training and scoring read the same words
(``kernels.language_model.model_words``): runs of one script, so that in ``Python을`` and ``2024년에`` the particle is a
word and the noun is the same word with any particle. Hangul is split only at the blanks of the text;
``character_ngrams`` covers its endings. Signs are words, digits are 0, and no text can spell a label, since
``__label__`` is split at its underscores.
"""

from __future__ import annotations

import functools
import mmap
import struct
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from megatron_ko.errors import DataError, first_line
from megatron_ko.files import fsync_folder, read_json, sha256_file, write_json
from preprocessing.config.scoring import QualityTraining
from preprocessing.scoring.fasttext_training import train_apart
from preprocessing.scoring.perplexity import lines_of, prepare

GOOD, BAD = "good", "bad"
PREFIX = "__label__"
MAGIC, VERSIONS = 0x2F4F16BA, (11, 12)
MAX_WORDS = 30_000_000
_HEAD = struct.Struct("<ii12id")
_DICTIONARY = struct.Struct("<iiiqq")
_MATRIX = struct.Struct("<?qq")
_ENTRY_BYTES = 10  # an empty word: its end, count and type
RETRAIN = "train it with 'mko data train-quality CONFIG.yaml', or name a fastText classifier (.bin)"


def prepare_lines(column: pa.Array) -> list[str]:
    """One line per row of a large_string column: its words, as training and scoring read them."""
    return lines_of(*prepare(column))


def fasttext_module() -> Any:
    try:
        import fasttext
    except ImportError as error:
        raise DataError(
            f"the package fasttext cannot be imported ({first_line(error)}); pip install 'megatron_ko[quality]', or remove "
            "score.quality",
            rule="missing-package",
        ) from None
    return fasttext


# --- scoring ---------------------------------------------------------------------------------------------


class Classifier:
    """A validated model; the score of a document is the probability of ``label``."""

    def __init__(self, path: Path, label: str):
        labels = check_file(path)
        if label not in labels:
            raise DataError(
                f"{path}: has no label {label!r}; its labels are {', '.join(labels)}; correct 'label'",
                rule="unknown-label",
            )
        self._label = PREFIX + label
        self._model = fasttext_module().FastText._FastText(model_path=str(path))

    def scores(self, lines: Sequence[str]) -> np.ndarray:
        """``[rows] float32`` in [0, 1] of prepared lines."""
        out = np.zeros(len(lines), np.float32)
        if not len(lines):
            return out
        # a list, since fasttext-wheel fails on a single text under numpy 2
        all_labels, probabilities = self._model.predict(list(lines), k=-1)
        for row, (labels, values) in enumerate(zip(all_labels, probabilities)):
            out[row] = values[labels.index(self._label)] if self._label in labels else 0.0
        return np.clip(out, 0.0, 1.0)


@functools.lru_cache(maxsize=8)
def open_classifier(path: Path, label: str, fingerprint: str) -> Classifier:
    """Cached per process; ``fingerprint`` is the SHA-256 of the file."""
    return Classifier(path, label)


def fingerprint_of(path: Path) -> str:
    """SHA-256 of a model. Raises DataError when it is missing or differs from the one in its ``.json``."""
    if not path.is_file():
        raise DataError(f"{path}: no such quality model; {RETRAIN}", rule="missing-file")
    actual = sha256_file(path)
    if facts_path(path).is_file():
        expected = read_json(facts_path(path)).get("sha256")
        if expected != actual:
            raise DataError(
                f"{path}: SHA-256 is {actual[:16]}..., but {facts_path(path).name} expects {str(expected)[:16]}...; {RETRAIN}",
                rule="checksum-mismatch",
            )
    return actual


def facts_path(model: Path) -> Path:
    return model.with_name(f"{model.name}.json")


def check_file(path: Path) -> list[str]:
    """The labels of a fastText classifier. Raises DataError unless its sizes match the file.

    The library trusts the sizes in a file, so truncated, replaced or forged files are refused before it reads them.
    """
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _labels(data)
    except (OSError, ValueError, struct.error) as error:
        raise DataError(
            f"{path}: is not a fastText classifier ({first_line(error)}); {RETRAIN}",
            rule="not-a-classifier",
        ) from None


def _labels(data: mmap.mmap) -> list[str]:
    magic, version, dim, *_ = head = _HEAD.unpack_from(data, 0)
    if magic != MAGIC or version not in VERSIONS:
        raise ValueError(
            f"begins with {magic & 0xFFFFFFFF:#x}, version {version}; expected {MAGIC:#x} and 11 or 12"
        )
    loss, model, bucket = head[8], head[9], head[10]
    if model != 3 or loss not in (1, 2, 3, 4):
        raise ValueError("it contains word vectors, not a classifier")
    size, words, labels, _, pruned = _DICTIONARY.unpack_from(data, _HEAD.size)
    if (
        words < 0
        or labels < 2
        or size != words + labels
        or not size <= min(MAX_WORDS, len(data) // _ENTRY_BYTES)
    ):
        raise ValueError(f"{words} words and {labels} labels do not match {size} entries")
    if pruned > 0 or not (0 < dim <= 4096 and 0 <= bucket):
        raise ValueError("it is quantized or has an impossible size; use the model before 'quantize'")
    at = _HEAD.size + _DICTIONARY.size
    names = []
    for entry in range(size):
        end = data.find(b"\0", at)
        if end < 0 or end + _ENTRY_BYTES > len(data) or data[end + 9] != (entry >= words):
            raise ValueError(f"entry {entry} of its dictionary is broken")
        if entry >= words:
            names.append(data[at:end].decode("utf-8").removeprefix(PREFIX))
        at = end + _ENTRY_BYTES
    at = _matrix(data, at, dim, (words + bucket, words))
    if _matrix(data, at, dim, (labels,)) != len(data):
        raise ValueError("it is longer than its parts")
    return names


def _matrix(data: mmap.mmap, at: int, dim: int, rows: tuple[int, ...]) -> int:
    quantized, height, width = _MATRIX.unpack_from(data, at)
    if quantized:
        raise ValueError("it is quantized; use the model before 'quantize'")
    end = at + _MATRIX.size + 4 * height * width
    if height not in rows or width != dim or end > len(data):
        raise ValueError(
            f"a matrix is {height} x {width}; expected {rows[0]} x {dim}, or the file is truncated"
        )
    return end


# --- training --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measures:
    """Quality on held-out documents: area under the ROC curve; accuracy, precision and recall at 0.5."""

    auc: float
    accuracy: float
    precision: float
    recall: float
    documents: int


def measure(scores: np.ndarray, good: np.ndarray) -> Measures:
    """``good: [rows] bool``. The AUC is the Mann-Whitney statistic with middle ranks for ties."""
    predicted = scores >= 0.5
    correct = np.count_nonzero(predicted & good)
    return Measures(
        auc=auc_of(scores, good),
        accuracy=float(np.mean(predicted == good)),
        precision=float(correct / max(np.count_nonzero(predicted), 1)),
        recall=float(correct / max(np.count_nonzero(good), 1)),
        documents=len(good),
    )


def auc_of(scores: np.ndarray, good: np.ndarray) -> float:
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse.reshape(-1)]
    positives = int(np.count_nonzero(good))
    negatives = len(good) - positives
    if not positives or not negatives:
        raise DataError(
            "all held-out documents are of one class; add documents, or raise held_out", rule="one-class"
        )
    return float((ranks[good].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def train(lines: Sequence[str], good: Iterable[bool], path: Path, config: QualityTraining) -> None:
    """Trains on prepared lines in their order, with one thread and a seed: the same lines give the same bytes."""
    fasttext_module()
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp") as name:
        folder = Path(name).resolve()
        with open(folder / "train.txt", "w", encoding="utf-8") as file:
            for line, is_good in zip(lines, good):
                file.write(f"{PREFIX}{GOOD if is_good else BAD} {line}\n")
        settings = {
            "input": str(folder / "train.txt"), "dim": config.dim, "epoch": config.epochs, "lr": config.learning_rate,
            "wordNgrams": config.word_ngrams, "minn": 2 if config.character_ngrams else 0, "maxn": config.character_ngrams,
            "bucket": config.buckets, "minCount": config.min_count, "seed": config.seed, "thread": 1, "verbose": 0,
            "loss": "softmax",
        }  # fmt: skip
        problem = train_apart(settings, folder / "model.bin", folder)
        if problem is not None:
            raise DataError(
                f"{path}: fastText could not train on {len(lines):,} documents ({problem}); add documents, or lower learning_rate "
                "or min_count",
                rule="fasttext-training",
            )
        (folder / "model.bin").replace(path)
    fsync_folder(path.parent)


def write_facts(path: Path, facts: dict[str, Any]) -> None:
    """Writes facts about the model and its SHA-256 beside it."""
    write_json(facts_path(path), {"sha256": sha256_file(path), "labels": [GOOD, BAD], **facts})
