"""What a page shows of ``funnel.json``: bars of the steps, a row per source, examples with their differences marked."""

from __future__ import annotations

from typing import Any

from preprocessing.page import number_text, text_diff
from preprocessing.page.charts import Bar, bar_chart


def funnel(data: dict[str, Any]) -> dict[str, Any]:
    bars = [
        Bar(step["name"], step["documents"], "step", _shown(step, before), number_text.size(step["bytes"]))
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
        "totals": {kind: total(data["sources"], kind) for kind in ("dropped", "masked", "changed")},
        "bad_records": sum(source["bad_records"] for source in data["sources"]),
        "steps": data["steps"],
    }


def _shown(step: dict[str, Any], before: dict[str, Any]) -> str:
    """Documents, and what the step took of those before it."""
    lost = before["documents"] - step["documents"]
    return f"{step['documents']:,}" + (f"\u2002−{lost:,} ({lost / before['documents']:.1%})" if lost else "")


def total(sources: list[dict[str, Any]], kind: str) -> list[tuple[str, int]]:
    """Counts over all sources, largest first."""
    counts: dict[str, int] = {}
    for source in sources:
        for name, number in source[kind].items():
            counts[name] = counts.get(name, 0) + number
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def examples(data: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Grouped as dropped, masked and changed; the texts are marked up and safe."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for kind in ("dropped", "masked", "changed"):
        for reason, count in total(data["sources"], kind):
            found = data["examples"].get(reason, [])
            if found:
                groups.setdefault(kind, []).append(
                    {"reason": reason, "count": count, "texts": [_example(item) for item in found]}
                )
    return groups


def _example(item: dict[str, Any]) -> dict[str, Any]:
    if item["after"] is None:
        return {"id": item["id"], "before": text_diff.visible(item["before"]), "after": None}
    before, after = text_diff.before_and_after(item["before"], item["after"])
    return {"id": item["id"], "before": before, "after": after}
