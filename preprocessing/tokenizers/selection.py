"""Selects new Korean tokens by EEVE's method (arXiv 2402.14714 and its model card), to a fixed point.

Owns the rounds. Candidates are the pieces of an intermediate Korean tokenizer that the base lacks. Each round counts all
tokens of the text encoded with base and candidates, drops new tokens below the minimum count, and adds syllables without
a token that occur more often, until nothing changes. EEVE publishes the minimum for 100 GB; for less text we use
``max(50, 6000 * GB / 100)``, where GB is the size of the Korean documents.
"""

from __future__ import annotations

import bisect
import itertools
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from megatron_ko.errors import DataError
from megatron_ko.files import locked_folder, read_json
from megatron_ko.wording import format_count
from preprocessing.kernels.word_counts import FIRST_SYLLABLE
from preprocessing.running.worker_pool import WorkerPool
from preprocessing.tokenizers.appending import Extension, append, new_tokens, plan
from preprocessing.tokenizers.bases import Base
from preprocessing.tokenizers.counting import MAX_WORDS, WordCounts, count_words
from preprocessing.tokenizers.cutting import Cut, cut_of, is_korean_piece
from preprocessing.tokenizers.decisions import NEEDED, NO_OVERRIDES, Decision, Overrides
from preprocessing.tokenizers.forecast import free_memory
from preprocessing.tokenizers.hangul import HANGUL
from preprocessing.tokenizers.intermediate import MAX_WORDS as MAX_TRAINED_WORDS
from preprocessing.tokenizers.intermediate import MEMORY_BYTES_PER_WORD, train_intermediate
from preprocessing.tokenizers.reach import unreachable_without
from preprocessing.tokenizers.text_files import TextPart, batches_of
from preprocessing.tokenizers.token_counts import tokens_of_text

log = logging.getLogger(__name__)
PUBLISHED_COUNT, PUBLISHED_GIGABYTES = 6_000, 100
LEAST_COUNT = 50
RETURNING = 16  # dropped pieces to try again within the budget
# for the memory forecast: distinct words per byte of compressed text (0.058 in film reviews as .zst); a process before it
# counts; a word in the table (115 bytes measured with 0.98 million words; a full table doubles)
WORDS_PER_BYTE, BASE_BYTES, BYTES_PER_COUNTED_WORD = 0.06, 320 << 20, 230


@dataclass(frozen=True)
class Settings:
    intermediate_size: int = 40_000
    min_count: int | None = None  # None: from the size of the text
    max_new: int | None = None
    multiple_of: int = 1  # divides the size of the vocabulary
    max_rounds: int = 30


@dataclass(frozen=True)
class Round:
    """Counts of one round, and the pieces dropped and added after it."""

    number: int
    new_tokens: int
    needed: int
    dropped: int
    added: int
    korean_tokens: int  # of all Korean words of the text


@dataclass(frozen=True)
class Selection:
    surfaces: list[str]  # to append, in order
    needed: list[str]  # intermediate pieces, appended with them
    decisions: list[Decision]
    rounds: list[Round]
    min_count: int
    base_size: int
    base_korean_tokens: int  # of the same words, with the base
    words: WordCounts
    cut: Cut


def min_count_of(korean_gigabytes: float) -> int:
    return max(LEAST_COUNT, round(PUBLISHED_COUNT * korean_gigabytes / PUBLISHED_GIGABYTES))


def refuse_without_korean(parts: Sequence[TextPart]) -> None:
    """Raises DataError unless the text contains Hangul; searches the beginning of every part first."""
    documents = 0
    for begin, end in ((0, 1), (1, None)):
        for part in parts:
            for batch in itertools.islice(batches_of(part), begin, end):
                if any(HANGUL.search(text) for text in batch["text"].to_pylist()):
                    return
                documents += batch.num_rows
    raise DataError(
        f"no Hangul in {format_count(documents, 'document')} of {format_count(len(parts), 'part')} of the text; name Korean text in --text",
        rule="no-korean-text",
    )


def refuse_too_little_memory(text_bytes: int, workers: int) -> None:
    """Raises DataError when counting or training the intermediate tokenizer needs too much memory.

    ``text_bytes``: size of the text on disk.
    """
    words = min(MAX_TRAINED_WORDS, text_bytes * WORDS_PER_BYTE)
    counting = workers * (BASE_BYTES + BYTES_PER_COUNTED_WORD * min(MAX_WORDS, words))
    training = BASE_BYTES + MEMORY_BYTES_PER_WORD * words
    needed, free = int(max(counting, training)), free_memory()
    if needed > free:
        fewer = counting > max(free, training)
        raise DataError(
            f"up to {needed / 2**30:.1f} GiB of memory are needed, but only {free / 2**30:.1f} GiB are free; "
            + (f"use fewer than {workers} workers (--workers)" if fewer else "free memory"),
            rule="too-little-memory",
        )


def select(
    base: Base,
    parts: Sequence[TextPart],
    folder: Path,
    settings: Settings,
    workers: int,
    overrides: Overrides = NO_OVERRIDES,
) -> Selection:
    """Counts the text and selects new tokens; the counts stay in ``folder``, so that another selection takes seconds.

    Raises DataError for text without Korean, contradictory decisions, or when no fixed point is reached.
    """
    refuse_without_korean(parts)
    refuse_too_little_memory(sum(part.size for part in parts), workers)
    with locked_folder(folder), WorkerPool(workers) as pool:
        alone = append(base, [], folder / "base")
        description = read_json(alone.info.folder / "tokenizer.json")
        cut = cut_of(description)
        words = count_words(parts, cut, folder, pool)
        log.info(
            "%s documents, %.1f MB of them Korean: %s distinct Korean words, %s in total",
            f"{words.documents:,}", words.korean_bytes / 1e6, f"{words.words:,}", f"{words.words_seen:,}",
        )  # fmt: skip
        candidates = train_intermediate(words, settings.intermediate_size)
        rounds = _Rounds(base, words, cut, folder, settings, pool, overrides)
        base_json = alone.info.folder / "tokenizer.json"
        before = tokens_of_text(words.files, base_json, pool, "count base tokens")
        return rounds.run(candidates, int(before.sum()))


@dataclass
class _Rounds:
    base: Base
    words: WordCounts
    cut: Cut
    folder: Path
    settings: Settings
    pool: WorkerPool
    overrides: Overrides
    origins: dict[str, str] = field(default_factory=dict)  # of all pieces that were new in any round
    kept: dict[str, None] = field(default_factory=dict)
    dropped: dict[str, Decision] = field(default_factory=dict)
    added_once: set[str] = field(default_factory=set)
    rounds: list[Round] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.min_count = self.settings.min_count or min_count_of(self.words.korean_gigabytes)
        self.base_surfaces = set(self.base.vocabulary.ids)

    def run(self, candidates: list[str], base_korean_tokens: int) -> Selection:
        self._begin(candidates)
        for number in range(1, self.settings.max_rounds + 1):
            extension = self._extend()
            counts = self._count(extension, number)
            drops, additions = self._change(extension, counts)
            total = extension.info.vocab_size - self.base.size
            self.rounds.append(
                Round(number, total, len(extension.needed), len(drops), len(additions), int(counts.sum()))
            )
            log.info(
                "round %d: %s new tokens; %s dropped, %s added",
                number, f"{total:,}", f"{len(drops):,}", f"{len(additions):,}",
            )  # fmt: skip
            if not drops and not additions:
                return self._select(extension, counts, base_korean_tokens)
            for surface, reason in drops.items():
                count = int(counts[extension.ids[surface]])
                self.dropped[surface] = Decision(surface, count, self.origins[surface], False, reason)
                del self.kept[surface]
            for surface in additions:
                self.origins[surface] = "syllable"
                self.kept[surface] = None
                self.dropped.pop(surface, None)
                self.added_once.add(surface)
        last = self.rounds[-1]
        raise DataError(
            f"no fixed point after {format_count(last.number, 'round')}: the last one dropped {format_count(last.dropped, 'token')} and added "
            f"{last.added:,}; raise --rounds (the counts are reused)",
            rule="no-fixed-point",
        )

    def _begin(self, candidates: list[str]) -> None:
        self.overrides.refuse_known(self.base_surfaces)
        known = set(candidates)
        for surface in candidates:
            self.origins[surface] = "intermediate"
            if surface not in self.base_surfaces:
                self.kept[surface] = None
        for surface in self.overrides.keep:
            if surface not in known:
                self.origins[surface] = "hand"
                self.kept[surface] = None
        for surface in self.overrides.drop:
            self.kept.pop(surface, None)

    def _extend(self) -> Extension:
        """Appends the kept pieces to the base; a piece dropped by hand also drops the pieces that need it."""
        while True:
            extension = append(self.base, self._order(), self.folder / "target")
            self._refuse(extension.refused)
            unwanted = [surface for surface in extension.needed if surface in self.overrides.drop]
            if not unwanted:
                return extension
            description = read_json(extension.info.folder / "tokenizer.json")
            for surface in unwanted:
                self._block(surface, unreachable_without(description, surface, self.kept))

    def _refuse(self, refused: dict[str, str]) -> None:
        """Drops pieces that the base's pre-tokenizer or merges make unreachable."""
        for surface, reason in refused.items():
            if surface in self.overrides.keep:
                message = f"cannot be kept: {reason}; delete the line"
                raise self.overrides.error(surface, message, "impossible-piece")
            self.dropped[surface] = Decision(surface, 0, self.origins[surface], False, f"refused: {reason}")
            del self.kept[surface]

    def _block(self, unwanted: str, blocked: list[str]) -> None:
        if not blocked:
            message = "cannot be dropped: the base's own merges need it; delete the line"
            raise self.overrides.error(unwanted, message, "piece-needed-by-base")
        for surface in blocked:
            if surface in self.overrides.keep:
                message = (
                    f"is kept by hand, but is built from {unwanted!r}, which {self.overrides.where(unwanted)} drops; keep "
                    "both or drop both"
                )
                raise self.overrides.error(surface, message, "contradictory-decisions")
            reason = f"blocked: built from {unwanted!r}, which was dropped by hand"
            self.dropped[surface] = Decision(surface, 0, self.origins[surface], False, reason)
            del self.kept[surface]

    def _order(self) -> list[str]:
        """Single letters, then the others in the order of the intermediate tokenizer, then those added by hand."""
        return sorted(self.kept, key=lambda surface: len(surface) > 1)

    def _count(self, extension: Extension, number: int) -> np.ndarray:
        tokenizer_json = extension.info.folder / "tokenizer.json"
        return tokens_of_text(self.words.files, tokenizer_json, self.pool, f"round {number}")

    def _change(self, extension: Extension, counts: np.ndarray) -> tuple[dict[str, str], list[str]]:
        """``(pieces to drop with the reason, syllables to add)``; both empty at the fixed point."""
        drops = {
            surface: f"rare: below {self.min_count:,}"
            for surface in self.kept
            if surface not in self.overrides.keep and counts[extension.ids[surface]] < self.min_count
        }
        additions = self._missing_syllables(extension)
        if not drops and not additions:
            drops = self._beyond_budget(extension, counts)
        return drops, additions

    def _missing_syllables(self, extension: Extension) -> list[str]:
        """Syllables without a token that occur more often than the minimum.

        A syllable that was added and dropped again is not added a second time; otherwise the rounds might never end.
        """
        frequent = np.flatnonzero(self.words.syllables > self.min_count) + FIRST_SYLLABLE
        needed, drop = set(extension.needed), self.overrides.drop
        known = (self.base_surfaces, extension.ids, needed, self.added_once, drop)
        syllables = (chr(c) for c in frequent.tolist())
        return [syllable for syllable in syllables if not any(syllable in names for names in known)]

    def _beyond_budget(self, extension: Extension, counts: np.ndarray) -> dict[str, str]:
        """The rarest pieces beyond the budget; intermediate pieces that only they need are dropped with them."""
        total = extension.info.vocab_size - self.base.size
        limit = total if self.settings.max_new is None else min(total, self.settings.max_new)
        limit -= (self.base.size + limit) % self.settings.multiple_of
        if total <= limit:
            return {}
        rarest = sorted(
            (surface for surface in self.kept if surface not in self.overrides.keep),
            key=lambda surface: (counts[extension.ids[surface]], -len(surface), surface),
        )
        if limit < 0 or not rarest or self._size_without(rarest) > limit:
            raise DataError(
                f"only {max(limit, 0):,} of the {total:,} new tokens fit --max-new and --multiple-of {self.settings.multiple_of}, "
                "fewer than the decisions keep or the base needs; lower --multiple-of or --min-count, or raise --max-new",
                rule="budget-too-small",
            )
        least = bisect.bisect_left(
            range(1, len(rarest)), True, key=lambda count: self._size_without(rarest[:count]) <= limit
        )
        drops = rarest[: least + 1]
        for surface in drops[-2 : -RETURNING - 2 : -1]:  # the most frequent that still fit
            fewer = [other for other in drops if other != surface]
            if self._size_without(fewer) <= limit:
                drops = fewer
        return {surface: f"budget: at most {limit:,} new tokens" for surface in drops}

    def _size_without(self, drops: Sequence[str]) -> int:
        """Number of new tokens without these pieces."""
        dropped = set(drops)
        left = [surface for surface in self._order() if surface not in dropped]
        return len(new_tokens(self.base, plan(self.base, left).additions))

    def _select(self, extension: Extension, counts: np.ndarray, base_korean_tokens: int) -> Selection:
        requested = set(extension.ids.values())
        others = [number for number in range(self.base.size, len(counts)) if number not in requested]
        needed = {name: int(counts[number]) for name, number in zip(extension.needed, others, strict=True)}
        rows = [self._decide_kept(surface, int(counts[extension.ids[surface]])) for surface in self.kept]
        rows += [Decision(surface, count, "needed", True, NEEDED) for surface, count in needed.items()]
        dropped = [decision for surface, decision in self.dropped.items() if surface not in needed]
        dropped += [
            Decision(surface, 0, self.origins.get(surface, "hand"), False, "hand")
            for surface in self.overrides.drop
            if surface not in self.dropped
        ]
        return Selection(
            surfaces=self._order(),
            needed=list(extension.needed),
            decisions=sorted([*rows, *dropped], key=lambda row: (not row.keep, -row.count, row.surface)),
            rounds=self.rounds,
            min_count=self.min_count,
            base_size=self.base.size,
            base_korean_tokens=base_korean_tokens,
            words=self.words,
            cut=self.cut,
        )

    def _decide_kept(self, surface: str, count: int) -> Decision:
        by_hand = surface in self.overrides.keep
        reason = "hand" if by_hand else f"frequent: {self.min_count:,} or more"
        return Decision(surface, count, self.origins[surface], True, reason)


def reason_against(surface: str) -> str | None:
    """Why a piece cannot be added by hand, or None."""
    if is_korean_piece(surface):
        return None
    return "a new piece must be Korean letters with or without one blank before, or other text would change"
