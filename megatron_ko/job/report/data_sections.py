"""What the section about the mixture shows; funnel, examples and tokenizer are those of ``preprocessing.page``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from megatron_ko.job.report.collect import Facts
from preprocessing.page.charts import Bar, stacked_bars
from preprocessing.page.number_text import share_text
from preprocessing.page.palette import OTHER_COLORS, color_of, shades_of


def mixture(facts: Facts) -> dict[str, Any]:
    drawn_total = sum(item.drawn for item in facts.sets) or 1
    shades = shades_of(facts.set_names)

    def bars(values: list[tuple[str, float]]) -> list[Bar]:
        total = sum(value for _, value in values) or 1
        return [
            Bar(name, value, shades.get(name) or color_of(name), share_text(value / total))
            for name, value in values
            if value
        ]

    by_source = bars([(source["name"], source["bytes_out"]) for source in facts.funnel["sources"]])
    sources = [_neutral(bar, number) for number, bar in enumerate(by_source)]
    rows = [
        ("available  보유량", bars([(item.name, item.tokens) for item in facts.sets])),
        ("target  목표", bars([(item.name, item.share) for item in facts.sets])),
        ("trained  실제 학습", bars([(item.name, item.drawn) for item in facts.sets])),
        ("by source  출처별", sources),
    ]
    return {
        "chart": stacked_bars(rows, "Shares of the training sets"),
        "sources": sources,
        "rows": facts.sets,
        "drawn_total": drawn_total,
    }


def _neutral(bar: Bar, number: int) -> Bar:
    """A source has the color of its language where its name tells it, else one of the quiet ones."""
    return replace(bar, color=f"other{number % OTHER_COLORS}") if bar.color.startswith("other") else bar
