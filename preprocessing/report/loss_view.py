"""Views of dropped and changed documents (where, why, how many), and of records that could not be read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from megatron_ko.wording import format_bytes, format_count
from preprocessing.page import text_diff
from preprocessing.page.charts import Bar, bar_chart, stacked_bars
from preprocessing.page.distributions import histogram
from preprocessing.page.funnel_view import total
from preprocessing.page.number_text import share_text
from preprocessing.report.facts import JUDGING, Facts
from preprocessing.report.groups import Group, Groups
from preprocessing.report.korean_labels import KOREAN

MANY = 5  # minimum documents of a large group
MAX_SOURCES = 10  # in the columns of a table
STEP_COLORS = {"lines": "other0", "filter": "other1", "deduplicate": "other3", "balance": "plain"}


# --- by source and reason --------------------------------------------------------------------------------


def sources(facts: Facts) -> dict[str, Any]:
    """A row per source: the share of its documents that is kept, and the share that each step dropped."""
    rows, used = [], []
    for source in facts.funnel["sources"]:
        read = source["documents_in"]
        lost = {step: _lost(facts, step, source["name"]) for step in JUDGING}
        parts = [("kept", source["documents_out"], "step")]
        parts += [(step, lost[step], STEP_COLORS[step]) for step in JUDGING if lost[step]]
        used += [step for step in JUDGING if lost[step]]
        bars = [
            Bar(
                name,
                count,
                color,
                share_text(count / read),
                f"{source['name']}, {name}: {count:,} of {read:,}",
            )
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
    """Masked spans by kind of personal data, and the documents that contain them."""
    documents = {kind: f"{count:,}" for kind, count in facts.columns.masked.items()}
    return _table(facts, "masked", total(facts.funnel["sources"], "masked"), documents)


def _table(
    facts: Facts, counter: str, order: Sequence[tuple[str, int]], beside: Mapping[str, str]
) -> dict[str, Any] | None:
    """A row per name with its count in each source, shaded by its share of the documents read from the source.

    ``counter``: dropped, changed or masked.
    """
    if not order:
        return None
    sources = sorted(facts.funnel["sources"], key=lambda source: -sum(source[counter].values()))
    sources = [source for source in sources if source[counter]]
    first = MAX_SOURCES if len(sources) <= MAX_SOURCES else MAX_SOURCES - 1
    rest = sources[first:]
    columns = [(source["name"], [source]) for source in sources[:first]]
    if rest:
        columns.append((f"{len(rest)} more", rest))
    rows = [
        {
            "name": name, "korean": KOREAN.get(name, ""), "count": count, "beside": beside.get(name, ""),
            "cells": [_cell(counter, name, members) for _, members in columns],
        }
        for name, count in order
    ]  # fmt: skip
    return {"sources": [name for name, _ in columns], "rows": rows}


def _cell(counter: str, name: str, members: Sequence[dict[str, Any]]) -> dict[str, Any]:
    count = sum(source[counter].get(name, 0) for source in members)
    read = sum(source["documents_in"] for source in members)
    return {"count": count, "heat": round(min(math.sqrt(count / read), 1.0), 3) if count else 0}


# --- duplicates ------------------------------------------------------------------------------------------


def duplicates(facts: Facts) -> dict[str, Any] | None:
    """None before step ``deduplicate`` is finished."""
    if facts.duplicates is None:
        return None
    groups = facts.duplicates
    rows = []
    for name, counts in facts.steps["deduplicate"]["sources"].items():
        exact, near = (counts["dropped"].get(reason, 0) for reason in ("exact_duplicate", "near_duplicate"))
        read = counts["documents_in"]
        share = (exact + near) / read if read else 0.0
        rows.append({"source": name, "documents": read, "exact": exact, "near": near, "share": share})
    bars = [Bar(name, count, "step", f"{count:,}") for name, count in _sizes(groups) if count]
    return {
        "groups": sum(groups.sizes.values()),
        "chart": bar_chart(bars, "Groups by number of documents", left=110, right=80, width=480)
        if bars
        else None,
        "similarities": _similarities(groups, facts.settings.deduplicate.threshold),
        "threshold": facts.settings.deduplicate.threshold,
        "rows": rows,
        "largest": [_group(group) for group in groups.largest],
    }


def _sizes(groups: Groups) -> list[tuple[str, int]]:
    limits = [MANY, 10, 100, 1000, 10_000]
    large = [
        (f"{low:,} to {high - 1:,}" if high else f"{low:,} or more",
         sum(n for size, n in groups.sizes.items() if size >= low and (high is None or size < high)))
        for low, high in zip(limits, [*limits[1:], None])
    ]  # fmt: skip
    return [*((str(size), groups.sizes[size]) for size in range(2, MANY)), *large]


def _similarities(groups: Groups, threshold: float) -> Any:
    """Near duplicates by similarity, in steps of two percent, starting at the threshold."""
    if not groups.similarities:
        return None
    first = min(int(threshold * 100), min(groups.similarities)) // 2 * 2
    heights = [
        sum(groups.similarities[percent] for percent in (low, low + 1, *([100] if low == 98 else [])))
        for low in range(first, 100, 2)
    ]
    edges = [f"{low}%" for low in range(first, 101, 2)]
    return histogram(heights, edges, "step", "Near duplicates by similarity", height=160)


def _group(group: Group) -> dict[str, Any]:
    entry = {
        "id": group.identity,
        "size": group.size,
        "source": group.source,
        "other": None,
        "similarity": None,
    }
    if group.other is None or group.other["similarity"] >= 1:
        return {**entry, "text": text_diff.visible(group.text)}
    kept, other = text_diff.before_and_after(group.text, group.other["text"])
    return {
        **entry,
        "text": kept,
        "other": other,
        "other_id": group.other["id"],
        "similarity": group.other["similarity"],
    }


def alarms(facts: Facts) -> list[str]:
    """Alarms of step ``deduplicate``, as sentences."""
    return [
        f"Source {alarm['source']}: duplicates are {alarm['duplicates']:,} of {format_count(alarm['documents'], 'document')}."
        if "source" in alarm
        else f"Cluster {alarm['cluster']}: {format_count(alarm['documents'], 'duplicate')}."
        for alarm in facts.steps.get("deduplicate", {}).get("alarms", ())
    ]


# --- evaluation sets and bad records ---------------------------------------------------------------------


def contamination(facts: Facts) -> list[dict[str, Any]]:
    """A row per evaluation set."""
    return [
        {
            "name": name,
            "items": entry["items"],
            "searched": entry["items_searched"],
            "found": entry["items_found"],
            "share": entry["items_found"] / entry["items"] if entry["items"] else 0.0,
            "documents": entry["documents"],
            "ignored": entry["ngrams_ignored"]["count"],
            "examples": entry["examples"],
        }
        for name, entry in (facts.contamination or {}).get("sets", {}).items()
    ]


def bad_records(facts: Facts) -> dict[str, Any] | None:
    """Causes, the most frequent first, each with a few examples."""
    records = facts.bad_records
    if not records.causes:
        return None
    return {
        "count": records.causes.total(),
        "causes": [
            {"cause": cause, "count": count, "examples": records.examples[cause]}
            for cause, count in records.causes.most_common()
        ],
        "files": records.files.most_common(MAX_SOURCES),
        "more_files": max(0, len(records.files) - MAX_SOURCES),
    }


def lead(facts: Facts) -> str:
    """The funnel in two sentences."""
    first, last = facts.funnel["steps"][0], facts.funnel["steps"][-1]
    return (
        f"{first['documents']:,} documents ({format_bytes(first['bytes'])}) were read, {last['documents']:,} "
        f"({format_bytes(last['bytes'])}) are kept. Every dropped document has a counted reason."
    )
