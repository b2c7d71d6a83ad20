"""RedWhale's hybrid tokenizer (arXiv 2408.11294): a Korean SentencePiece model, cleaned by rules and merged with a base.

Owns the choice of pieces. The paper publishes the procedure and about 20,000 pieces; the rules are our choice: the most
frequent pieces that are all Hangul, with or without a blank before, of 1 to 8 letters. Digits, bytes and everything that
is not Korean stay as in the base.
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
from preprocessing.tokenizers.decisions import NEEDED, NO_OVERRIDES, Decision, Overrides
from preprocessing.tokenizers.hybrid_rules import DEFAULT_RULES, SENTENCES, Rules
from preprocessing.tokenizers.text_files import TextPart
from preprocessing.tokenizers.token_use import use_of

log = logging.getLogger(__name__)
FREE = 500


@dataclass(frozen=True)
class Candidates:
    """``surfaces`` in the order of the donor's merges; ``dropped``: surface to rule."""

    surfaces: list[str]
    dropped: dict[str, str]


@dataclass(frozen=True)
class Choice:
    """``surfaces`` to append, in order; ``needed``: intermediate pieces appended with them; ``by_rule``: dropped pieces."""

    surfaces: list[str]
    needed: list[str]
    decisions: list[Decision]
    by_rule: dict[str, int]


@dataclass(frozen=True)
class Settings:
    new: int = 20_000
    min_count: int = 1
    rules: Rules = Rules.of(DEFAULT_RULES)


def find_candidates(base: Base, pieces: Sequence[Piece], rules: Rules) -> Candidates:
    """The donor's pieces that the base lacks and the rules allow, in the order of their merges."""
    candidates, dropped = [], {}
    for piece in sorted(pieces, key=lambda piece: -piece.score):
        surface = piece.text.replace(BLANK, " ")
        rule = (
            "special"
            if piece.kind != NORMAL
            else "known"
            if surface in base.vocabulary.ids
            else rules.broken_by(surface)
        )
        if rule is None:
            candidates.append(surface)
        else:
            dropped[surface] = rule
    return Candidates(candidates, dropped)


def choose(
    base: Base,
    donor: Sequence[Piece],
    parts: Sequence[TextPart],
    work: Path,
    settings: Settings,
    pool: WorkerPool,
    overrides: Overrides = NO_OVERRIDES,
) -> Choice:
    """The most frequent of the allowed pieces, counted in the text as encoded with all of them."""
    found = find_candidates(base, donor, settings.rules)
    candidates, dropped = _apply_overrides(base, found, overrides)
    if not candidates:
        raise DataError(_describe_empty(dropped), rule="no-pieces-left")
    everything = append(base, candidates, work / "all")
    dropped |= dict.fromkeys(everything.refused, "reach")
    use = use_of(everything.info.folder, parts, pool, "count candidates").counts
    counts = {surface: int(use[number]) for surface, number in everything.ids.items()}
    rare = {s for s in counts if counts[s] < settings.min_count and s not in overrides.keep}
    frequent = [s for s in candidates if s in counts and s not in rare]
    dropped |= dict.fromkeys((s for s in counts if s in rare), "rare")
    surfaces, needed = _most_frequent(base, frequent, counts, settings.new, overrides)
    for surface in overrides.drop.keys() & set(needed):
        log.warning("%s: %r is kept because longer pieces need it", overrides.where(surface), surface)
    taken = {*surfaces, *needed}
    dropped |= dict.fromkeys((surface for surface in frequent if surface not in taken), "budget")
    decisions = _decisions(
        surfaces, needed, {s: r for s, r in dropped.items() if s not in taken}, counts, overrides
    )
    by_rule = Counter(dropped.values())
    return Choice(surfaces, needed, decisions, {rule: by_rule[rule] for rule in SENTENCES if by_rule[rule]})


def _apply_overrides(base: Base, found: Candidates, overrides: Overrides) -> tuple[list[str], dict[str, str]]:
    """``(candidates, dropped)`` after the decisions by hand."""
    overrides.refuse_known(base.vocabulary.ids)
    candidates = [surface for surface in found.surfaces if surface not in overrides.drop]
    dropped = {**found.dropped, **{s: "hand" for s in found.surfaces if s in overrides.drop}}
    known = set(candidates)
    added = [surface for surface in overrides.keep if surface not in known]
    for surface in added:
        dropped.pop(surface, None)
    return [*candidates, *added], dropped


def _describe_empty(dropped: dict[str, str]) -> str:
    counts = ", ".join(f"{rule} {number:,}" for rule, number in Counter(dropped.values()).most_common())
    return f"the rules drop every piece of the Korean model ({counts}); use a model or text with more Korean, or other --rules"


def _most_frequent(
    base: Base, frequent: Sequence[str], counts: dict[str, int], new: int, overrides: Overrides
) -> tuple[list[str], list[str]]:
    """``(surfaces, needed)``: at most ``new`` together, surfaces in the donor's order.

    Bisects the number of most frequent pieces that fit, since each may need others; leaves at most one in FREE unused.
    """
    order = {surface: number for number, surface in enumerate(frequent)}
    ranked = sorted(
        frequent, key=lambda surface: (surface not in overrides.keep, -counts[surface], order[surface])
    )
    fits, too_many = 0, min(new, len(ranked)) + 1
    count, best = too_many - 1, ([], [])
    while count > fits:
        surfaces = sorted(ranked[:count], key=order.__getitem__)
        additions = new_tokens(base, plan(base, surfaces).additions)
        if len(additions) <= new:
            fits = count
            needed = [
                base.vocabulary.format_piece(addition.piece)
                for addition in additions
                if not addition.requested
            ]
            best = (surfaces, needed)
            count = fits + max((too_many - fits) // 2, 0) if new - len(additions) > new // FREE else fits
        else:
            too_many = count
            count = (fits + too_many) // 2
    if fits < min(len(overrides.keep), len(frequent)) or not best[0]:
        raise DataError(
            f"--new {new:,}: is too small for the first pieces and their intermediate pieces; raise it",
            rule="budget-too-small",
        )
    return best


def _decisions(
    surfaces: Sequence[str],
    needed: Sequence[str],
    dropped: dict[str, str],
    counts: dict[str, int],
    overrides: Overrides,
) -> list[Decision]:
    """Rows of the table: kept pieces first, then by count."""
    rows = []
    for s in surfaces:
        origin, reason = ("hand", "hand") if s in overrides.keep else ("donor", "frequent")
        rows.append(Decision(s, counts[s], origin, True, reason))
    for s in needed:
        rows.append(Decision(s, counts.get(s, 0), "needed", True, NEEDED))
    for s, rule in dropped.items():
        reason = rule if rule == "hand" else f"{rule}: {SENTENCES[rule]}"
        rows.append(Decision(s, counts.get(s, 0), "donor", False, reason))
    return sorted(rows, key=lambda row: (not row.keep, -row.count, row.surface))
