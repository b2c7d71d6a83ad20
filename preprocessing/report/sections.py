"""What each section of the page about the data shows, from the facts."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from preprocessing.page import number_text, text_diff
from preprocessing.page.charts import Bar, bar_chart, histogram, ring
from preprocessing.page.palette import LANGUAGES, OTHER_COLOURS, colour_of
from preprocessing.report.facts import SPREADS, Facts

MANY = 5  # documents of a cluster from which it is called large


def cards(facts: Facts) -> list[dict[str, str]]:
    steps = {step["name"]: step for step in facts.funnel["steps"]}
    read, last = facts.funnel["steps"][0], facts.funnel["steps"][-1]
    masked = sum(sum(source["masked"].values()) for source in facts.funnel["sources"])
    bad = sum(source["bad_records"] for source in facts.funnel["sources"])
    share = last["bytes"] / read["bytes"] if read["bytes"] else 0.0
    made = [
        _card(
            "read",
            "읽은 문서",
            number_text.short(read["documents"]),
            f"{number_text.size(read['bytes'])}, {bad:,} bad records",
        ),
        _card(
            "kept",
            "남은 문서",
            number_text.short(last["documents"]),
            f"{number_text.size(last['bytes'])}, {share:.1%} of the text",
        ),
    ]
    if "deduplicate" in steps:
        before, after = steps["filter"]["documents"], steps["deduplicate"]["documents"]
        gone = (before - after) / before if before else 0.0
        made.append(_card("duplicates", "중복", f"{gone:.1%}", f"{before - after:,} of {before:,} documents"))
    made.append(_card("personal data", "개인정보", number_text.short(masked), "places masked"))
    if facts.manifest:
        tokens = sum(entry["tokens"] for entry in facts.manifest["sets"])
        train = sum(entry["tokens"] for entry in facts.manifest["sets"] if entry["split"] == "train")
        made.append(
            _card("tokens", "토큰", number_text.short(tokens), f"{number_text.short(train)} to train on")
        )
    return made


def _card(name: str, korean: str, value: str, detail: str) -> dict[str, str]:
    return {"name": name, "korean": korean, "value": value, "detail": detail}


def composition(facts: Facts) -> dict[str, Any]:
    """Shares of the kept text by language and by source: two rings, as in GECKO's figure 1 (arXiv:2405.15640)."""
    by_language: Counter[str] = Counter()
    by_source: Counter[str] = Counter()
    for (source, lang), size in facts.bytes_of.items():
        by_language[lang] += size
        by_source[source] += size
    languages = _slices(by_language, {lang: colour_of(lang) for lang in by_language})
    sources = _slices(
        by_source, {name: f"other{n % OTHER_COLOURS}" for n, name in enumerate(sorted(by_source))}
    )
    total = number_text.size(sum(by_language.values()))
    return {
        "languages": ring(languages, "Text by language", total),
        "sources": ring(sources, "Text by source", total),
        "language_slices": languages,
        "source_slices": sources,
    }


def _slices(sizes: Counter[str], colours: dict[str, str]) -> list[Bar]:
    total = sum(sizes.values()) or 1
    return [
        Bar(
            LANGUAGES.get(name, name),
            size,
            colours[name],
            _share(size / total),
            f"{name}: {number_text.size(size)}",
        )
        for name, size in sizes.most_common()
        if size
    ]


def _share(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 else f"{share:.1%}"


def lengths(facts: Facts) -> list[dict[str, Any]]:
    """A histogram per language: documents by characters, in powers of two."""
    made = []
    for lang, counts in sorted(facts.lengths.items(), key=lambda pair: -int(pair[1].sum())):
        filled = np.flatnonzero(counts)
        first, last = int(filled[0]), int(filled[-1]) + 1
        edges = [number_text.short(2.0**power) for power in range(first, last + 1)]
        chart = histogram(counts[first:last].tolist(), edges, colour_of(lang), f"Lengths of {lang} documents")
        made.append({"lang": lang, "documents": int(counts.sum()), "chart": chart})
    return made


def spreads(facts: Facts) -> dict[str, list[dict[str, Any]]]:
    """Per language: how the numbers of the kept documents spread (1st, 10th, 50th, 90th and 99th percentile)."""
    return {
        lang: [
            {
                "what": what,
                "values": [f"{v:.4g}" for v in np.quantile(found[name], (0.01, 0.1, 0.5, 0.9, 0.99))],
            }
            for name, what in SPREADS
            if name in found and len(found[name])
        ]
        for lang, found in sorted(facts.spreads.items())
    }


def duplicates(facts: Facts) -> dict[str, Any]:
    sizes = facts.duplicates.sizes
    small = [(str(size), sizes[size]) for size in range(2, MANY)]
    limits = [MANY, 10, 100, 1000]
    large = [
        (f"{low} to {high - 1:,}" if high else f"{low:,} and more",
         sum(n for size, n in sizes.items() if size >= low and (high is None or size < high)))
        for low, high in zip(limits, [*limits[1:], None])
    ]  # fmt: skip
    bars = [Bar(name, count, "step", f"{count:,}") for name, count in [*small, *large] if count]
    rows = [
        {"source": source, "exact": found["exact_duplicate"], "near": found["near_duplicate"]}
        for source, found in sorted(facts.duplicates.by_source.items())
    ]
    largest = [
        {"id": c.survivor, "size": c.size, "source": c.source, "text": text_diff.visible(c.text)}
        for c in facts.duplicates.largest
    ]
    chart = bar_chart(bars, "Clusters by number of documents", left=140) if bars else None
    return {"chart": chart, "rows": rows, "largest": largest, "clusters": sum(sizes.values())}


def tokens(facts: Facts) -> list[dict[str, Any]] | None:
    """A row per token set, shards of one set together."""
    if not facts.manifest:
        return None
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for entry in facts.manifest["sets"]:
        row = rows.setdefault(
            (entry["name"], entry["split"]),
            {"name": entry["name"], "split": entry["split"], "documents": 0, "tokens": 0, "text_bytes": 0},
        )
        for field in ("documents", "tokens", "text_bytes"):
            row[field] += entry[field]
    for (name, split), row in rows.items():
        row["share"] = facts.manifest["mixture"].get(name) if split == "train" else None
    return list(rows.values())
