"""What training a tokenizer will take, said before it starts, and what cannot work, refused before it starts.

Owns the formulas of memory and time, the memory that is free, and the count of characters. The coefficients were
measured with ``tests/bench/tokenizer_training.py`` on Korean, English and Python text (sentencepiece 0.2.3, tokenizers
0.23.3): memory and time grow about in proportion to the sample.
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
from preprocessing.tokenizers.escapes import NORMALISED
from preprocessing.tokenizers.trainers import SPECIAL_TOKENS, required_characters, user_symbols

log = logging.getLogger(__name__)
CODE_POINTS = 0x110000
HANGUL = slice(0xAC00, 0xD7A4)
COUNTED_CHARACTERS = 1 << 20
CONTROL_GROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Cost:
    """Of a kind of training: bytes of memory and CPU seconds per byte of the sample, a quarter above what was measured."""

    memory_per_byte: float
    seconds_per_byte: float


PROCESS_BYTES = 320 << 20
"""What a worker of preprocessing holds before it trains."""
COSTS = {"bpe": Cost(12, 0.3e-6), "unigram": Cost(28, 3.5e-6), "byte_bpe": Cost(11, 0.9e-6)}
MORPHEMES = Cost(4, 0.8e-6)
"""Words that were analysed are remembered, up to a number that takes MORPHEMES_MOST_BYTES."""
MORPHEMES_MOST_BYTES = 512 << 20


@dataclass(frozen=True)
class Forecast:
    """Of one training: the peak of the process, and CPU seconds."""

    memory_bytes: int
    seconds: float

    def __str__(self) -> str:
        return f"about {self.memory_bytes / 2**30:.1f} GiB of memory and {_duration(self.seconds)}"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def forecast(settings: TokenizerConfig, sample_bytes: int) -> Forecast:
    """Of training on a sample of that size."""
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
    """Bytes this process may still take: of the machine, and of its control group where one has a limit."""
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
    """Says what training will take; raises DataError when memory does not suffice for ``trainings`` at once."""
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
            + f"; only {free / 2**30:.1f} GiB are free: "
            + (f"use at most {fitting:,}, or " if fitting > 0 else "")
            + "free memory"
        )


def refuse_impossible(settings: TokenizerConfig, texts: Iterable[str]) -> None:
    """Reads the sample once; raises DataError for none and for a vocabulary without room for its characters.

    A sample without Hangul is said in the log: another language may be meant.
    """
    counts = count_characters(texts)
    if not counts.any():
        raise DataError("no text to train a tokenizer on; see funnel.json for where the documents went")
    share = counts[HANGUL].sum() / counts.sum()
    if share < 0.001:
        log.warning(
            "train-tokenizer: %.3f %% of the characters of the sample are Hangul; a tokenizer made for Korean needs Korean "
            "text: see the shares of the domains",
            100 * share,
        )
    needed = smallest_vocabulary(settings, counts)
    if settings.vocab_size < needed:
        raise DataError(
            f"tokenizer.vocab_size: {settings.vocab_size} is too small: special tokens, bytes and the characters of this "
            f"corpus alone need {needed}; raise it, or lower tokenizer.character_coverage"
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
            counts += _counted("".join(waiting))
            waiting, size = [], 0
    return counts + _counted("".join(waiting))


def _counted(text: str) -> np.ndarray:
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    return np.bincount(points, minlength=CODE_POINTS)


def smallest_vocabulary(settings: TokenizerConfig, counts: np.ndarray) -> int:
    """Size below which SentencePiece refuses: special tokens, symbols, bytes, and the characters that are covered."""
    fixed = 256 + len(settings.control_tokens) + len(user_symbols(settings))
    if settings.type == "byte_bpe":
        return fixed + len(SPECIAL_TOKENS) - 1
    counts = counts.copy()
    for escaped, (written, digit) in NORMALISED:
        found, counts[ord(escaped)] = counts[ord(escaped)], 0
        counts[[ord(written), ord(digit)]] += found
    counts[0] = 0
    order = np.argsort(-counts, kind="stable")
    covered = np.cumsum(counts[order]) / max(counts.sum(), 1)
    # characters are added until the share is reached; the last one may go beyond it
    last = int(np.searchsorted(covered, settings.character_coverage)) + 1
    seen = {int(point) for point in order[: min(last, np.count_nonzero(counts))]}
    return fixed + len(SPECIAL_TOKENS) + len(seen.union(map(ord, required_characters(settings))))
