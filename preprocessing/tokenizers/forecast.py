"""Estimates memory and time of training a tokenizer before it starts, and refuses settings that cannot work.

Owns the formulas, the free memory, and the count of characters. The coefficients were measured with
``tests/bench/tokenizer_training.py`` on Korean, English and Python text (sentencepiece 0.2.3, tokenizers 0.23.3);
memory and time grow roughly in proportion to the sample.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from megatron_ko.errors import DataError
from preprocessing.config.tokens import TokenizerConfig
from preprocessing.tokenizers.escapes import ESCAPES
from preprocessing.tokenizers.trainers import SPECIAL_TOKENS, required_characters, user_symbols

log = logging.getLogger(__name__)
CODE_POINTS = 0x110000
HANGUL = slice(0xAC00, 0xD7A4)
COUNTED_CHARACTERS = 1 << 20
CONTROL_GROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Cost:
    """Bytes of memory and CPU seconds per byte of the sample, 25 % above the measurements."""

    memory_per_byte: float
    seconds_per_byte: float


PROCESS_BYTES = 320 << 20
"""Memory of a preprocessing worker before it trains."""
COSTS = {"bpe": Cost(12, 0.3e-6), "unigram": Cost(28, 3.5e-6), "byte_bpe": Cost(11, 0.9e-6)}
MORPHEMES = Cost(4, 0.8e-6)
"""Analyzed words are cached, in at most MORPHEMES_MOST_BYTES."""
MORPHEMES_MOST_BYTES = 512 << 20


@dataclass(frozen=True)
class Forecast:
    """Peak memory of the process and CPU seconds of one training."""

    memory_bytes: int
    seconds: float

    def __str__(self) -> str:
        return f"about {self.memory_bytes / 2**30:.1f} GiB of memory and {_duration(self.seconds)}"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def forecast(settings: TokenizerConfig, sample_bytes: int) -> Forecast:
    """The forecast for training on a sample of this size."""
    cost = COSTS[settings.type]
    memory, seconds = (
        PROCESS_BYTES + cost.memory_per_byte * sample_bytes,
        cost.seconds_per_byte * sample_bytes,
    )
    if settings.morphemes != "none":
        memory += min(MORPHEMES.memory_per_byte * sample_bytes, MORPHEMES_MOST_BYTES)
        seconds += MORPHEMES.seconds_per_byte * sample_bytes
    return Forecast(int(memory), seconds)


def free_memory() -> int:
    """Bytes that this process may still allocate, limited by the machine and by its control group."""
    free = psutil.virtual_memory().available
    for limit, used, statistics in (
        ("memory.max", "memory.current", "memory.stat"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"),
    ):
        try:
            most, now = (CONTROL_GROUP / limit).read_text().strip(), int((CONTROL_GROUP / used).read_text())
            cached = dict(line.split()[:2] for line in (CONTROL_GROUP / statistics).read_text().splitlines())
        except OSError:
            continue
        if most.isdigit():  # "max" where there is no limit
            free = min(free, int(most) - now + int(cached.get("inactive_file", 0)))
    return max(free, 0)


def refuse_too_much(settings: TokenizerConfig, sample_bytes: int, trainings: int = 1) -> None:
    """Logs the forecast. Raises DataError when the memory is too small for ``trainings`` at once."""
    expected, free = forecast(settings, sample_bytes), free_memory()
    log.info(
        "train-tokenizer: %s of %s pieces from %.1f MB of text: %s%s (free: %.1f GiB)",
        *(settings.type, f"{settings.vocab_size:,}", sample_bytes / 1e6, expected),
        *("" if trainings == 1 else f", {trainings} at once", free / 2**30),
    )
    if trainings * expected.memory_bytes > free:
        fixed = forecast(settings, 0).memory_bytes
        fitting = int((free / trainings - fixed) / COSTS[settings.type].memory_per_byte)
        raise DataError(
            f"tokenizer.sample_bytes: training on {sample_bytes:,} bytes takes {expected}"
            + (f", and tokenizer.english_only trains {trainings} at once" if trainings > 1 else "")
            + f", but only {free / 2**30:.1f} GiB are free; "
            + (f"use at most {fitting:,}, or " if fitting > 0 else "")
            + "free memory",
            rule="too-little-memory",
        )


def refuse_impossible(settings: TokenizerConfig, texts: Iterable[str]) -> None:
    """Reads the sample once. Raises DataError for an empty sample or a vocabulary too small for its characters.

    Only warns about a sample without Hangul, since another language may be intended.
    """
    counts = count_characters(texts)
    if not counts.any():
        raise DataError(
            "there is no text to train a tokenizer on; funnel.json shows where the documents were dropped",
            rule="no-text",
        )
    share = counts[HANGUL].sum() / counts.sum()
    if share < 0.001:
        log.warning(
            "train-tokenizer: only %.3f %% of the characters of the sample are Hangul; a Korean tokenizer needs Korean text: "
            "check the shares of the domains",
            100 * share,
        )
    needed = smallest_vocabulary(settings, counts)
    if settings.vocab_size < needed:
        raise DataError(
            f"tokenizer.vocab_size: {settings.vocab_size} is too small: special tokens, bytes and the characters of this "
            f"corpus alone need {needed}; raise it, or lower tokenizer.character_coverage",
            rule="vocab-too-small",
        )


def count_characters(texts: Iterable[str]) -> np.ndarray:
    """How often each code point occurs. [0x110000] int64."""
    counts = np.zeros(CODE_POINTS, np.int64)
    waiting: list[str] = []
    size = 0
    for text in texts:
        waiting.append(text)
        size += len(text)
        if size > COUNTED_CHARACTERS:
            counts += _count("".join(waiting))
            waiting, size = [], 0
    return counts + _count("".join(waiting))


def _count(text: str) -> np.ndarray:
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    return np.bincount(points, minlength=CODE_POINTS)


def smallest_vocabulary(settings: TokenizerConfig, counts: np.ndarray) -> int:
    """The smallest size SentencePiece accepts: special tokens, symbols, bytes, and the covered characters."""
    fixed = 256 + len(settings.control_tokens) + len(user_symbols(settings))
    if settings.type == "byte_bpe":
        return fixed + len(SPECIAL_TOKENS) - 1
    counts = counts.copy()
    for character, (mark, digit) in ESCAPES:
        escaped, counts[ord(character)] = counts[ord(character)], 0
        counts[[ord(mark), ord(digit)]] += escaped
    counts[0] = 0
    order = np.argsort(-counts, kind="stable")
    covered = np.cumsum(counts[order]) / max(counts.sum(), 1)
    # SentencePiece adds characters until the coverage is reached; the last one may exceed it
    last = int(np.searchsorted(covered, settings.character_coverage)) + 1
    characters = {int(point) for point in order[: min(last, np.count_nonzero(counts))]}
    return fixed + len(SPECIAL_TOKENS) + len(characters.union(map(ord, required_characters(settings))))
