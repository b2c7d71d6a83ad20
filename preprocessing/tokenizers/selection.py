"""EEVE's choice of new Korean tokens (arXiv 2402.14714 and its model card), to a fixed point.

Owns the rounds: candidates are the pieces of an intermediate Korean tokenizer that the base lacks; every token is counted
over the text tokenized with base and candidates; new tokens seen fewer than the minimum go, syllables without a token that
are seen more often come, until nothing changes. The minimum is published for 100 GB; for less it is
``max(50, 6000 * GB / 100)`` (our choice), GB being the text of Korean documents that was counted.
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
from preprocessing.kernels.word_counts import FIRST_SYLLABLE
from preprocessing.running.worker_pool import WorkerPool
from preprocessing.tokenizers.appending import Appended, append, new_tokens, plan
from preprocessing.tokenizers.bases import Base
from preprocessing.tokenizers.counting import MAX_WORDS, Counted, count_words
from preprocessing.tokenizers.cutting import Cut, cut_of, is_korean_piece
from preprocessing.tokenizers.decisions import NOTHING_FORCED, Decision, Forced
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
RETURNING = 16  # pieces that a budget may have room for after all
# of the forecast: different words in a byte of compressed text (0.058 in film reviews as .zst); a process before it counts;
# a word in its table (115 bytes measured with 0.98 million words; the table doubles when it is full)
WORDS_PER_BYTE, BASE_BYTES, BYTES_PER_COUNTED_WORD = 0.06, 320 << 20, 230


@dataclass(frozen=True)
class Settings:
    intermediate_size: int = 40_000
    min_count: int | None = None  # None: by the size of the text
    max_new: int | None = None
    multiple_of: int = 1  # of the size of the vocabulary
    max_rounds: int = 30


@dataclass(frozen=True)
class Round:
    """What was counted in a round, and what followed from it."""

    number: int
    new_tokens: int
    needed: int
    dropped: int
    added: int
    korean_tokens: int  # tokens of all Korean words of the text


@dataclass(frozen=True)
class Selection:
    surfaces: list[str]  # to append, in order
    needed: list[str]  # appended beside them
    decisions: list[Decision]
    rounds: list[Round]
    min_count: int
    base_size: int
    base_korean_tokens: int  # of the same words, with the base
    counted: Counted
    cut: Cut


def min_count_of(korean_gigabytes: float) -> int:
    return max(LEAST_COUNT, round(PUBLISHED_COUNT * korean_gigabytes / PUBLISHED_GIGABYTES))


def refuse_without_korean(parts: Sequence[TextPart]) -> None:
    """Raises DataError unless there is Hangul: sought at the beginnings of all parts, then in the rest of them."""
    documents = 0
    for begin, end in ((0, 1), (1, None)):
        for part in parts:
            for batch in itertools.islice(batches_of(part), begin, end):
                if any(HANGUL.search(text) for text in batch["text"].to_pylist()):
                    return
                documents += batch.num_rows
    raise DataError(
        f"no Hangul in {documents:,} documents of {len(parts)} parts of the text; give Korean text with --text"
    )


def refuse_too_little_memory(text_bytes: int, workers: int) -> None:
    """Raises DataError when counting or training the intermediate tokenizer would not fit. ``text_bytes`` on disk."""
    words = min(MAX_TRAINED_WORDS, text_bytes * WORDS_PER_BYTE)
    counting = workers * (BASE_BYTES + BYTES_PER_COUNTED_WORD * min(MAX_WORDS, words))
    training = BASE_BYTES + MEMORY_BYTES_PER_WORD * words
    needed, free = int(max(counting, training)), free_memory()
    if needed > free:
        raise DataError(
            f"{needed / 2**30:.1f} GiB of memory are needed at most, and {free / 2**30:.1f} GiB are free; "
            + (
                f"use fewer than {workers} workers (--workers)"
                if counting > max(free, training)
                else "free memory"
            )
        )


def select(
    base: Base,
    parts: Sequence[TextPart],
    folder: Path,
    settings: Settings,
    workers: int,
    forced: Forced = NOTHING_FORCED,
) -> Selection:
    """Counts the text and chooses; ``folder`` keeps the counts, so that another choice from the same text takes seconds.

    Raises DataError for text without Korean, decisions that contradict each other, and when no fixed point is reached.
    """
    refuse_without_korean(parts)
    refuse_too_little_memory(sum(part.size for part in parts), workers)
    with locked_folder(folder), WorkerPool(workers) as pool:
        alone = append(base, [], folder / "base")
        description = read_json(alone.info.folder / "tokenizer.json")
        cut = cut_of(description)
        counted = count_words(parts, cut, folder, pool)
        log.info(
            "%s documents, %.2f GB of them Korean: %s different Korean words, seen %s times",
            f"{counted.documents:,}", counted.korean_gigabytes, f"{counted.words:,}", f"{counted.words_seen:,}",
        )  # fmt: skip
        candidates = train_intermediate(counted, settings.intermediate_size)
        rounds = _Rounds(base, counted, cut, folder, settings, pool, forced)
        before = tokens_of_text(
            counted.files, alone.info.folder / "tokenizer.json", pool, "count with the base"
        )
        return rounds.run(candidates, int(before.sum()))


@dataclass
class _Rounds:
    base: Base
    counted: Counted
    cut: Cut
    folder: Path
    settings: Settings
    pool: WorkerPool
    forced: Forced
    origins: dict[str, str] = field(default_factory=dict)  # of all pieces that were ever new
    kept: dict[str, None] = field(default_factory=dict)
    gone: dict[str, Decision] = field(default_factory=dict)
    added_once: set[str] = field(default_factory=set)
    rounds: list[Round] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.min_count = self.settings.min_count or min_count_of(self.counted.korean_gigabytes)
        self.base_surfaces = set(self.base.vocabulary.ids)

    def run(self, candidates: list[str], base_korean_tokens: int) -> Selection:
        self._begin(candidates)
        for number in range(1, self.settings.max_rounds + 1):
            appended = self._appended()
            counts = self._counts(appended, number)
            going, coming = self._change(appended, counts)
            total = appended.info.vocab_size - self.base.size
            self.rounds.append(
                Round(number, total, len(appended.needed), len(going), len(coming), int(counts.sum()))
            )
            log.info(
                "round %d: %s new tokens; %s go, %s come",
                number, f"{total:,}", f"{len(going):,}", f"{len(coming):,}",
            )  # fmt: skip
            if not going and not coming:
                return self._selection(appended, counts, base_korean_tokens)
            for surface, reason in going.items():
                count = int(counts[appended.ids[surface]])
                self.gone[surface] = Decision(surface, count, self.origins[surface], False, reason)
                del self.kept[surface]
            for surface in coming:
                self.origins[surface] = "syllable"
                self.kept[surface] = None
                self.gone.pop(surface, None)
                self.added_once.add(surface)
        last = self.rounds[-1]
        raise DataError(
            f"no fixed point after {last.number} rounds: in the last one {last.dropped:,} tokens went and {last.added:,} "
            "came; raise --rounds (the counts are kept)"
        )

    def _begin(self, candidates: list[str]) -> None:
        self.forced.refuse_known(self.base_surfaces)
        known = set(candidates)
        for surface in candidates:
            self.origins[surface] = "intermediate"
            if surface not in self.base_surfaces:
                self.kept[surface] = None
        for surface in self.forced.keep:
            if surface not in known:
                self.origins[surface] = "hand"
                self.kept[surface] = None
        for surface in self.forced.drop:
            self.kept.pop(surface, None)

    def _appended(self) -> Appended:
        """Base and kept pieces; pieces that a person dropped are not needed: what is built from them goes too."""
        while True:
            appended = append(self.base, self._ordered(), self.folder / "target")
            self._refuse(appended.refused)
            unwanted = [surface for surface in appended.needed if surface in self.forced.drop]
            if not unwanted:
                return appended
            description = read_json(appended.info.folder / "tokenizer.json")
            for surface in unwanted:
                self._block(surface, unreachable_without(description, surface, self.kept))

    def _refuse(self, refused: dict[str, str]) -> None:
        """Pieces that the base's pre-tokenizer or merges would never let a text become."""
        for surface, reason in refused.items():
            if surface in self.forced.keep:
                raise DataError(
                    f"{self.forced.place(surface)}: {surface!r} cannot be kept: {reason}; drop the line"
                )
            self.gone[surface] = Decision(surface, 0, self.origins[surface], False, f"refused: {reason}")
            del self.kept[surface]

    def _block(self, unwanted: str, blocked: list[str]) -> None:
        if not blocked:
            raise DataError(
                f"{self.forced.place(unwanted)}: {unwanted!r} cannot be dropped: the base's own merges need it; drop the line"
            )
        for surface in blocked:
            if surface in self.forced.keep:
                raise DataError(
                    f"{self.forced.place(surface)}: {surface!r} is kept by hand, but it is built from {unwanted!r}, which "
                    f"{self.forced.place(unwanted)} drops; keep both or drop both"
                )
            reason = f"blocked: built from {unwanted!r}, which was dropped by hand"
            self.gone[surface] = Decision(surface, 0, self.origins[surface], False, reason)
            del self.kept[surface]

    def _ordered(self) -> list[str]:
        """Single letters, then the order in which the intermediate tokenizer learned them, then those added by hand."""
        return sorted(self.kept, key=lambda surface: len(surface) > 1)

    def _counts(self, appended: Appended, number: int) -> np.ndarray:
        tokenizer_json = appended.info.folder / "tokenizer.json"
        return tokens_of_text(self.counted.files, tokenizer_json, self.pool, f"round {number}")

    def _change(self, appended: Appended, counts: np.ndarray) -> tuple[dict[str, str], list[str]]:
        """``(pieces that go with the reason, syllables that come)``; nothing once the fixed point is reached."""
        going = {
            surface: f"rare: below {self.min_count:,}"
            for surface in self.kept
            if surface not in self.forced.keep and counts[appended.ids[surface]] < self.min_count
        }
        coming = self._missing_syllables(appended)
        if not going and not coming:
            going = self._beyond_budget(appended, counts)
        return going, coming

    def _missing_syllables(self, appended: Appended) -> list[str]:
        """Syllables that have no token and stand in the text more often than the minimum.

        One that was added and went again stays away: that it would come and go for ever is the one way not to end.
        """
        frequent = np.flatnonzero(self.counted.syllables > self.min_count) + FIRST_SYLLABLE
        known = (self.base_surfaces, appended.ids, set(appended.needed), self.added_once, self.forced.drop)
        found = (chr(c) for c in frequent.tolist())
        return [syllable for syllable in found if not any(syllable in names for names in known)]

    def _beyond_budget(self, appended: Appended, counts: np.ndarray) -> dict[str, str]:
        """The rarest pieces, as many as are too many: with them go the steps that only they needed."""
        total = appended.info.vocab_size - self.base.size
        limit = total if self.settings.max_new is None else min(total, self.settings.max_new)
        limit -= (self.base.size + limit) % self.settings.multiple_of
        if total <= limit:
            return {}
        found = sorted(
            (surface for surface in self.kept if surface not in self.forced.keep),
            key=lambda surface: (counts[appended.ids[surface]], -len(surface), surface),
        )
        if limit < 0 or not found or self._size_without(found) > limit:
            raise DataError(
                f"more new tokens are kept by hand than allowed ({max(limit, 0):,}); raise --max-new, or lower --multiple-of"
            )
        least = bisect.bisect_left(
            range(1, len(found)), True, key=lambda count: self._size_without(found[:count]) <= limit
        )
        going = found[: least + 1]
        for surface in going[-2 : -RETURNING - 2 : -1]:  # room that is left, by the most frequent that fit
            without = [other for other in going if other != surface]
            if self._size_without(without) <= limit:
                going = without
        return {surface: f"budget: at most {limit:,} new tokens" for surface in going}

    def _size_without(self, going: Sequence[str]) -> int:
        """New tokens when these pieces go."""
        gone = set(going)
        left = [surface for surface in self._ordered() if surface not in gone]
        return len(new_tokens(self.base, plan(self.base, left).additions))

    def _selection(self, appended: Appended, counts: np.ndarray, base_korean_tokens: int) -> Selection:
        asked = set(appended.ids.values())
        others = [number for number in range(self.base.size, len(counts)) if number not in asked]
        needed = {name: int(counts[number]) for name, number in zip(appended.needed, others, strict=True)}
        rows = [self._kept_row(surface, int(counts[appended.ids[surface]])) for surface in self.kept]
        rows += [
            Decision(surface, count, "needed", True, "needed: longer pieces are built from it")
            for surface, count in needed.items()
        ]
        gone = [decision for surface, decision in self.gone.items() if surface not in needed]
        gone += [
            Decision(surface, 0, self.origins.get(surface, "hand"), False, "hand")
            for surface in self.forced.drop
            if surface not in self.gone
        ]
        return Selection(
            surfaces=self._ordered(),
            needed=list(appended.needed),
            decisions=sorted([*rows, *gone], key=lambda row: (not row.keep, -row.count, row.surface)),
            rounds=self.rounds,
            min_count=self.min_count,
            base_size=self.base.size,
            base_korean_tokens=base_korean_tokens,
            counted=self.counted,
            cut=self.cut,
        )

    def _kept_row(self, surface: str, count: int) -> Decision:
        by_hand = surface in self.forced.keep
        reason = "hand" if by_hand else f"frequent: {self.min_count:,} or more"
        return Decision(surface, count, self.origins[surface], True, reason)


def why_impossible(surface: str) -> str | None:
    """Why a piece cannot be added by hand, or None."""
    if is_korean_piece(surface):
        return None
    return (
        "only Korean letters, with or without one blank before them, leave texts without Hangul as they are"
    )
