"""RedWhale's hybrid tokenizer (arXiv 2408.11294): a Korean SentencePiece model, cleaned by rule, merged with a base.

Owns the rules and the choice. Published are the steps and about 20,000 pieces; the rules themselves are our choice: pieces
that are all Hangul with or without a blank before, 1 to 8 letters, the most frequent ones; digits, bytes and everything
that is not Korean stay the base's.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from megatron_ko.errors import DataError
from megatron_ko.formats.vocabulary import BLANK, NORMAL, Piece
from preprocessing.running.worker_pool import WorkerPool
from preprocessing.tokenizers.appending import append, new_tokens, plan
from preprocessing.tokenizers.bases import Base
from preprocessing.tokenizers.decisions import NOTHING_FORCED, Decision, Forced
from preprocessing.tokenizers.hybrid_rules import DEFAULT_RULES, SENTENCES, Rules
from preprocessing.tokenizers.text_files import TextPart
from preprocessing.tokenizers.token_use import use_of

log = logging.getLogger(__name__)
FREE = 500


@dataclass(frozen=True)
class Cleaned:
    """``candidates`` in the order of the donor's merges; ``dropped``: surface to rule."""

    candidates: list[str]
    dropped: dict[str, str]


@dataclass(frozen=True)
class Choice:
    """``surfaces`` to append, in order; ``needed`` will be appended beside them; ``by_rule``: pieces dropped by each rule."""

    surfaces: list[str]
    needed: list[str]
    decisions: list[Decision]
    by_rule: dict[str, int]


@dataclass(frozen=True)
class Settings:
    new: int = 20_000
    min_count: int = 1
    rules: Rules = Rules.of(DEFAULT_RULES)


def cleaned(base: Base, pieces: Sequence[Piece], rules: Rules) -> Cleaned:
    """The donor's pieces that the base lacks and the rules let through, those that merge first in front."""
    candidates, dropped = [], {}
    for piece in sorted(pieces, key=lambda piece: -piece.score):
        surface = piece.text.replace(BLANK, " ")
        rule = (
            "special"
            if piece.kind != NORMAL
            else "known"
            if surface in base.vocabulary.ids
            else rules.against(surface)
        )
        if rule is None:
            candidates.append(surface)
        else:
            dropped[surface] = rule
    return Cleaned(candidates, dropped)


def choose(
    base: Base,
    donor: Sequence[Piece],
    parts: Sequence[TextPart],
    work: Path,
    settings: Settings,
    pool: WorkerPool,
    forced: Forced = NOTHING_FORCED,
) -> Choice:
    """The most frequent pieces of the donor that the rules let through; counted in the text, cut with all of them."""
    clean = cleaned(base, donor, settings.rules)
    candidates, dropped = _with_forced(base, clean, forced)
    if not candidates:
        raise DataError(_nothing_left(dropped))
    everything = append(base, candidates, work / "all")
    dropped |= dict.fromkeys(everything.refused, "reach")
    counts = use_of(everything.info.folder, parts, pool, "count candidates").counts
    seen = {surface: int(counts[number]) for surface, number in everything.ids.items()}
    frequent = [s for s in candidates if s in seen and (seen[s] >= settings.min_count or s in forced.keep)]
    dropped |= dict.fromkeys(
        (s for s in seen if seen[s] < settings.min_count and s not in forced.keep), "rare"
    )
    surfaces, needed = _most_frequent(base, frequent, seen, settings.new, forced)
    for surface in forced.drop.keys() & set(needed):
        log.warning("%s: %r stays, since longer pieces are built from it", forced.place(surface), surface)
    taken = {*surfaces, *needed}
    dropped |= dict.fromkeys((surface for surface in frequent if surface not in taken), "budget")
    decisions = _decisions(
        surfaces, needed, {s: r for s, r in dropped.items() if s not in taken}, seen, forced
    )
    by_rule = Counter(dropped.values())
    return Choice(surfaces, needed, decisions, {rule: by_rule[rule] for rule in SENTENCES if by_rule[rule]})


def _with_forced(base: Base, clean: Cleaned, forced: Forced) -> tuple[list[str], dict[str, str]]:
    """Candidates without those that a person dropped, and with those that a person wants."""
    forced.refuse_known(base.vocabulary.ids)
    candidates = [surface for surface in clean.candidates if surface not in forced.drop]
    dropped = {**clean.dropped, **{s: "hand" for s in clean.candidates if s in forced.drop}}
    known = set(candidates)
    wanted = [surface for surface in forced.keep if surface not in known]
    for surface in wanted:
        dropped.pop(surface, None)
    return [*candidates, *wanted], dropped


def _nothing_left(dropped: dict[str, str]) -> str:
    counts = ", ".join(f"{rule} {number:,}" for rule, number in Counter(dropped.values()).most_common())
    return (
        f"no piece of the Korean model is left after the rules ({counts}); give a model or text with more Korean, or other "
        "--rules"
    )


def _most_frequent(
    base: Base, frequent: Sequence[str], seen: dict[str, int], new: int, forced: Forced
) -> tuple[list[str], list[str]]:
    """``(surfaces, needed)``: at most ``new`` together, surfaces in the donor's order.

    How many of the most frequent pieces fit is found by halving, since each may need others; what is left free is at most
    one in FREE.
    """
    place = {surface: number for number, surface in enumerate(frequent)}
    ranked = sorted(
        frequent, key=lambda surface: (surface not in forced.keep, -seen[surface], place[surface])
    )
    fits, too_many = 0, min(new, len(ranked)) + 1
    count, best = too_many - 1, ([], [])
    while count > fits:
        surfaces = sorted(ranked[:count], key=place.__getitem__)
        additions = new_tokens(base, plan(base, surfaces).additions)
        if len(additions) <= new:
            fits = count
            best = (
                surfaces,
                [
                    base.vocabulary.format_piece(addition.piece)
                    for addition in additions
                    if not addition.asked
                ],
            )
            count = fits + max((too_many - fits) // 2, 0) if new - len(additions) > new // FREE else fits
        else:
            too_many = count
            count = (fits + too_many) // 2
    if fits < min(len(forced.keep), len(frequent)) or not best[0]:
        raise DataError(
            f"--new {new:,}: is too few for the first pieces and what they are built from; raise it"
        )
    return best


def _decisions(
    surfaces: Sequence[str],
    needed: Sequence[str],
    dropped: dict[str, str],
    seen: dict[str, int],
    forced: Forced,
) -> list[Decision]:
    """Rows of the table: what is kept first, the most frequent in front."""
    rows = [
        Decision(
            s,
            seen[s],
            "hand" if s in forced.keep else "donor",
            True,
            "hand" if s in forced.keep else "frequent",
        )
        for s in surfaces
    ]
    rows += [
        Decision(s, seen.get(s, 0), "needed", True, "needed: longer pieces are built from it") for s in needed
    ]
    rows += [
        Decision(s, seen.get(s, 0), "donor", False, rule if rule == "hand" else f"{rule}: {SENTENCES[rule]}")
        for s, rule in dropped.items()
    ]
    return sorted(rows, key=lambda row: (not row.keep, -row.count, row.surface))
