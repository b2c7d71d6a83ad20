"""What the sections about the data show: mixture, funnel, examples, tokenizer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from examples.report.collect import Facts
from preprocessing.page.charts import Bar, bar_chart, stacked_bars
from preprocessing.page.palette import LANGUAGES, OTHER_COLOURS, colour_of, shades_of


def mixture(facts: Facts) -> dict[str, Any]:
    drawn_total = sum(item.drawn for item in facts.sets) or 1
    shades = shades_of(facts.set_names)

    def share_text(share: float) -> str:
        return f"{share:.0%}" if share >= 0.01 else f"{share:.1%}"

    def bars(values: list[tuple[str, float]]) -> list[Bar]:
        total = sum(value for _, value in values) or 1
        return [
            Bar(name, value, shades.get(name) or colour_of(name), share_text(value / total))
            for name, value in values
            if value
        ]

    by_source = bars([(source["name"], source["bytes_out"]) for source in facts.funnel["sources"]])
    sources = [_neutral(bar, number) for number, bar in enumerate(by_source)]
    rows = [
        ("held  보유", bars([(item.name, item.tokens) for item in facts.sets])),
        ("asked for  요청", bars([(item.name, item.share) for item in facts.sets])),
        ("drawn  사용", bars([(item.name, item.drawn) for item in facts.sets])),
        ("by source  출처", sources),
    ]
    return {
        "chart": stacked_bars(rows, "Shares of the training sets"),
        "sources": sources,
        "rows": facts.sets,
        "drawn_total": drawn_total,
    }


def _neutral(bar: Bar, number: int) -> Bar:
    """A source has the colour of its language where its name tells it, else one of the quiet ones."""
    return replace(bar, colour=f"other{number % OTHER_COLOURS}") if bar.colour.startswith("other") else bar


def tokenizer(facts: Facts) -> dict[str, Any]:
    report = facts.tokenizer["tokenizers"]
    this, other = report["this"], report.get("english_only") or {}
    order = [name for name in LANGUAGES if name in this] + sorted(set(this) - set(LANGUAGES))
    bars, relative = [], []
    for lang in order:
        name = LANGUAGES.get(lang, lang)
        bars.append(
            Bar(name, this[lang]["bytes_per_token"], colour_of(lang), f"{this[lang]['bytes_per_token']:.2f}")
        )
        if lang in other:
            value = 100 * this[lang]["bytes_per_token"] / other[lang]["bytes_per_token"]
            bars.append(
                Bar(
                    "English-only",
                    other[lang]["bytes_per_token"],
                    "plain",
                    f"{other[lang]['bytes_per_token']:.2f}",
                )
            )
            relative.append(Bar(name, value, colour_of(lang), f"{value:.0f}"))
    mark = {"mark": 100.0, "mark_text": "English-only = 100"}
    return {
        "bytes": bar_chart(bars, "Bytes per token by language", left=130, width=480),
        "relative": bar_chart(relative, "Relative efficiency", left=130, width=480, **mark)
        if relative
        else None,
        "problem": facts.tokenizer.get("english_only_problem"),
        "rows": [{"lang": lang, "this": this[lang], "other": other.get(lang)} for lang in order],
        "vocab_size": facts.tokenizer["vocab_size"],
    }
