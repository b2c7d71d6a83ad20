"""What the page shows of what is not kept or was changed: where, why and how much; records that could not be read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from preprocessing.page import number_text, text_diff
from preprocessing.page.charts import Bar, bar_chart, stacked_bars
from preprocessing.page.distributions import histogram
from preprocessing.page.funnel_view import total
from preprocessing.report.facts import JUDGING, Facts
from preprocessing.report.groups import Group, Groups
from preprocessing.report.korean_labels import KOREAN

MANY = 5  # documents of a group from which it is called large
MAX_SOURCES = 10  # in the columns of a table
STEP_COLORS = {"lines": "other0", "filter": "other1", "deduplicate": "other3", "balance": "plain"}


# --- by source and reason --------------------------------------------------------------------------------


def sources(facts: Facts) -> dict[str, Any]:
    """A row per source: the share of its documents that is kept, and what each step took."""
    rows, used = [], []
    for source in facts.funnel["sources"]:
        read = source["documents_in"]
        lost = {step: _lost(facts, step, source["name"]) for step in JUDGING}
        parts = [("kept", source["documents_out"], "step")]
        parts += [(step, lost[step], STEP_COLORS[step]) for step in JUDGING if lost[step]]
        used += [step for step in JUDGING if lost[step]]
        bars = [
            Bar(name, count, color, f"{count / read:.0%}", f"{source['name']}, {name}: {count:,} of {read:,}")
            for name, count, color in parts
            if count
        ]
        rows.append((text_diff.short_name(source["name"]), bars))
    legend = [("kept", "step"), *((step, STEP_COLORS[step]) for step in JUDGING if step in used)]
    return {"chart": stacked_bars(rows, "Documents kept and lost by source"), "legend": legend}


def _lost(facts: Facts, step: str, source: str) -> int:
    summary = facts.steps.get(step, {}).get("sources", {}).get(source)
    return sum(summary["dropped"].values()) if summary else 0


def reasons(facts: Facts) -> dict[str, Any] | None:
    """Dropped documents by reason, in the order of the steps."""
    step_of = {
        reason: step
        for step in JUDGING
        for counts in facts.steps.get(step, {}).get("sources", {}).values()
        for reason in counts["dropped"]
    }
    order = sorted(
        total(facts.funnel["sources"], "dropped"), key=lambda pair: JUDGING.index(step_of[pair[0]])
    )
    return _table(facts, "dropped", order, step_of)


def changes(facts: Facts) -> dict[str, Any] | None:
    """Changed documents by operation."""
    return _table(facts, "changed", total(facts.funnel["sources"], "changed"), {})


def masked(facts: Facts) -> dict[str, Any] | None:
    """Masked places by kind of personal data, and the documents they are in."""
    documents = {kind: f"{count:,}" for kind, count in facts.columns.masked.items()}
    return _table(facts, "masked", total(facts.funnel["sources"], "masked"), documents)


def _table(
    facts: Facts, kind: str, order: Sequence[tuple[str, int]], beside: Mapping[str, str]
) -> dict[str, Any] | None:
    """A row per name with its counts in each source, shaded by their share of the documents read there."""
    if not order:
        return None
    found = sorted(facts.funnel["sources"], key=lambda source: -sum(source[kind].values()))
    found = [source for source in found if source[kind]]
    shown, rest = (
        (found, []) if len(found) <= MAX_SOURCES else (found[: MAX_SOURCES - 1], found[MAX_SOURCES - 1 :])
    )
    columns = [(source["name"], [source]) for source in shown]
    if rest:
        columns.append((f"{len(rest)} more", rest))
    rows = [
        {
            "name": name, "korean": KOREAN.get(name, ""), "count": count, "beside": beside.get(name, ""),
            "cells": [_cell(kind, name, members) for _, members in columns],
        }
        for name, count in order
    ]  # fmt: skip
    return {"sources": [name for name, _ in columns], "rows": rows}


def _cell(kind: str, name: str, members: Sequence[dict[str, Any]]) -> dict[str, Any]:
    count = sum(source[kind].get(name, 0) for source in members)
    read = sum(source["documents_in"] for source in members)
    return {"count": count, "heat": round(min(math.sqrt(count / read), 1.0), 3) if count else 0}


# --- duplicates ------------------------------------------------------------------------------------------


def duplicates(facts: Facts) -> dict[str, Any] | None:
    """None before step ``deduplicate`` is finished."""
    if facts.duplicates is None:
        return None
    found = facts.duplicates
    rows = []
    for name, counts in facts.steps["deduplicate"]["sources"].items():
        exact, near = (counts["dropped"].get(reason, 0) for reason in ("exact_duplicate", "near_duplicate"))
        came = counts["documents_in"]
        share = (exact + near) / came if came else 0.0
        rows.append({"source": name, "documents": came, "exact": exact, "near": near, "share": share})
    bars = [Bar(name, count, "step", f"{count:,}") for name, count in _sizes(found) if count]
    return {
        "groups": sum(found.sizes.values()),
        "chart": bar_chart(bars, "Groups by number of documents", left=110, right=80, width=480)
        if bars
        else None,
        "similarities": _similarities(found, facts.settings.deduplicate.threshold),
        "threshold": facts.settings.deduplicate.threshold,
        "rows": rows,
        "largest": [_group(group) for group in found.largest],
    }


def _sizes(found: Groups) -> list[tuple[str, int]]:
    limits = [MANY, 10, 100, 1000, 10_000]
    large = [
        (f"{low:,} to {high - 1:,}" if high else f"{low:,} and more",
         sum(n for size, n in found.sizes.items() if size >= low and (high is None or size < high)))
        for low, high in zip(limits, [*limits[1:], None])
    ]  # fmt: skip
    return [*((str(size), found.sizes[size]) for size in range(2, MANY)), *large]


def _similarities(found: Groups, threshold: float) -> Any:
    """Near duplicates by similarity, in steps of two percent from the threshold's on."""
    if not found.similarities:
        return None
    first = min(int(threshold * 100), min(found.similarities)) // 2 * 2
    heights = [
        sum(found.similarities[percent] for percent in (low, low + 1, *([100] if low == 98 else [])))
        for low in range(first, 100, 2)
    ]
    edges = [f"{low}%" for low in range(first, 101, 2)]
    return histogram(heights, edges, "step", "Near duplicates by similarity", height=160)


def _group(group: Group) -> dict[str, Any]:
    shown = {
        "id": group.identity,
        "size": group.size,
        "source": group.source,
        "other": None,
        "similarity": None,
    }
    if group.other is None or group.other["similarity"] >= 1:
        return {**shown, "text": text_diff.visible(group.text)}
    kept, other = text_diff.before_and_after(group.text, group.other["text"])
    return {
        **shown,
        "text": kept,
        "other": other,
        "other_id": group.other["id"],
        "similarity": group.other["similarity"],
    }


def alarms(facts: Facts) -> list[str]:
    """What step ``deduplicate`` found suspicious, as sentences."""
    return [
        f"Source {alarm['source']} loses {alarm['duplicates']:,} of {alarm['documents']:,} documents as duplicates."
        if "source" in alarm
        else f"{alarm['documents']:,} documents are taken for the same as {alarm['cluster']}."
        for alarm in facts.steps.get("deduplicate", {}).get("alarms", ())
    ]


# --- evaluation sets and bad records ---------------------------------------------------------------------


def contamination(facts: Facts) -> list[dict[str, Any]]:
    """A row per evaluation set."""
    return [
        {
            "name": name,
            "items": found["items"],
            "searched": found["items_searched"],
            "found": found["items_found"],
            "share": found["items_found"] / found["items"] if found["items"] else 0.0,
            "documents": found["documents"],
            "ignored": found["ngrams_ignored"]["count"],
            "examples": found["examples"],
        }
        for name, found in (facts.contamination or {}).get("sets", {}).items()
    ]


def bad_records(facts: Facts) -> dict[str, Any] | None:
    """Causes, the most frequent first, each with a few examples."""
    found = facts.bad_records
    if not found.causes:
        return None
    return {
        "count": found.causes.total(),
        "causes": [
            {"cause": cause, "count": count, "examples": found.examples[cause]}
            for cause, count in found.causes.most_common()
        ],
        "files": found.files.most_common(MAX_SOURCES),
        "more_files": max(0, len(found.files) - MAX_SOURCES),
    }


def lead(facts: Facts) -> str:
    """The funnel in a sentence."""
    first, last = facts.funnel["steps"][0], facts.funnel["steps"][-1]
    return (
        f"{first['documents']:,} documents ({number_text.size(first['bytes'])}) were read, {last['documents']:,} "
        f"({number_text.size(last['bytes'])}) are kept. Each that is missing has a counted reason."
    )
