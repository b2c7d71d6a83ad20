"""Views of ``funnel.json``: bars of the steps, a row per source, examples with marked differences."""

from __future__ import annotations

from typing import Any

from megatron_ko.wording import format_bytes
from preprocessing.page import text_diff
from preprocessing.page.charts import Bar, bar_chart


def funnel(data: dict[str, Any]) -> dict[str, Any]:
    bars = [
        Bar(step["name"], step["documents"], "step", _describe(step, before), format_bytes(step["bytes"]))
        for step, before in zip(data["steps"], [data["steps"][0], *data["steps"]])
    ]
    sources = [
        {
            **source,
            "dropped_total": sum(source["dropped"].values()),
            "changed_total": sum(source["changed"].values()),
            "masked_total": sum(source["masked"].values()),
            "kept": source["documents_out"] / source["documents_in"] if source["documents_in"] else 0.0,
            "why": sorted(source["dropped"].items(), key=lambda pair: -pair[1]),
        }
        for source in data["sources"]
    ]
    return {
        "chart": bar_chart(bars, "Documents left after each step", right=170),
        "sources": sources,
        "totals": {counter: total(data["sources"], counter) for counter in ("dropped", "masked", "changed")},
        "bad_records": sum(source["bad_records"] for source in data["sources"]),
        "steps": data["steps"],
    }


def _describe(step: dict[str, Any], before: dict[str, Any]) -> str:
    """Documents after a step, and the number that it dropped."""
    lost = before["documents"] - step["documents"]
    return f"{step['documents']:,}" + (f"\u2002−{lost:,} ({lost / before['documents']:.1%})" if lost else "")


def total(sources: list[dict[str, Any]], counter: str) -> list[tuple[str, int]]:
    """Counts (``counter``: dropped, masked or changed) over all sources, largest first."""
    counts: dict[str, int] = {}
    for source in sources:
        for name, number in source[counter].items():
            counts[name] = counts.get(name, 0) + number
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def examples(data: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Examples grouped by dropped, masked and changed; texts are escaped and marked up."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for counter in ("dropped", "masked", "changed"):
        for reason, count in total(data["sources"], counter):
            of_reason = data["examples"].get(reason, [])
            if of_reason:
                groups.setdefault(counter, []).append(
                    {"reason": reason, "count": count, "texts": [_example(item) for item in of_reason]}
                )
    return groups


def _example(item: dict[str, Any]) -> dict[str, Any]:
    if item["after"] is None:
        return {"id": item["id"], "before": text_diff.visible(item["before"]), "after": None}
    before, after = text_diff.before_and_after(item["before"], item["after"])
    return {"id": item["id"], "before": before, "after": after}
