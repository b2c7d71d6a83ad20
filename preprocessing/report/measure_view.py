"""Views of numbers about documents: lengths, distributions of measures, scores of models."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from preprocessing.page import number_text
from preprocessing.page.distributions import PERCENTILES, Range, histogram, range_chart
from preprocessing.page.palette import LANGUAGES, color_of
from preprocessing.report.columns import SPREADS, Spread
from preprocessing.report.facts import Facts
from preprocessing.report.tally import Tally

SCORE_STEPS = 20
MAX_COLUMNS = 24


def lengths(facts: Facts) -> list[dict[str, Any]]:
    """A histogram per language: documents by characters, in powers of two."""
    histograms = []
    for lang in languages_of(facts):
        tally = facts.columns.spreads[lang, "characters"]
        chart = _by_powers(tally.by_power(), {}, color_of(lang), f"Lengths of {lang} documents")
        histograms.append(
            {
                "lang": lang,
                "documents": tally.total,
                "middle": number_text.short(tally.quantile(0.5)),
                "chart": chart,
            }
        )
    return histograms


def languages_of(facts: Facts) -> list[str]:
    """Languages of kept documents."""
    kept = {lang for (_, lang), documents in facts.columns.documents_of.items() if documents}
    return [lang for lang in LANGUAGES if lang in kept] + sorted(kept - set(LANGUAGES))


def _by_powers(
    counts: Mapping[int, int], behind: Mapping[int, int], color: str, label: str, *, open_end: bool = False
) -> Any:
    """Histogram with a column per power of two, or per several powers if there are many."""
    powers = {**behind, **counts}
    lowest, highest = min(powers), max(powers)
    width = -(-(highest + 1 - lowest) // MAX_COLUMNS)
    starts = range(lowest, highest + 1, width)
    edges = [_power(power) for power in [*starts, starts[-1] + width]]
    heights, all_heights = (
        [sum(by_power.get(power, 0) for power in range(start, start + width)) for start in starts]
        for by_power in (counts, behind)
    )
    edges[-1] = "more" if open_end else edges[-1]
    return histogram(heights, edges, color, label, behind=all_heights if behind else ())


def _power(power: int) -> str:
    return f"{2**power:,}" if power <= 16 else number_text.short(2**power)


def spreads(facts: Facts) -> dict[str, Any]:
    """A chart per measure with a row per language, and the same numbers as a table per language."""
    langs = languages_of(facts)
    charts, tables = [], {lang: [] for lang in langs}
    for spread in SPREADS:
        format_value = percent if spread.share else _short
        values = {lang: _percentiles(facts.columns.spreads[lang, spread.name]) for lang in langs}
        ranges = [Range(LANGUAGES.get(lang, lang), color_of(lang), values[lang]) for lang in langs]
        charts.append(
            {
                "spread": spread,
                "chart": range_chart(ranges, spread.english, format_value, log=_is_wide(spread)),
            }
        )
        for lang in langs:
            tables[lang].append({"spread": spread, "values": [format_value(value) for value in values[lang]]})
    return {"charts": charts, "tables": tables, "shares": [f"{share:.0%}" for share in PERCENTILES]}


def _short(number: float) -> str:
    """At most three digits, without trailing zeros: 0.5, 1.02 k, 10 k."""
    return re.sub(r"(\.\d*?)0+(?=\D|$)", r"\1", number_text.short(number)).replace(". ", " ").rstrip(".")


def _is_wide(spread: Spread) -> bool:
    return spread.name in ("characters", "mean_line_length")


def _percentiles(tally: Tally) -> list[float]:
    return [tally.quantile(share) for share in PERCENTILES]


def percent(share: float) -> str:
    """Percent with at most three digits: 0%, 0.05%, 2.5%, 12%."""
    return f"{100 * share:.3g}%" if share < 0.0995 else f"{share:.0%}"


# --- scores ----------------------------------------------------------------------------------------------


def scores(facts: Facts) -> list[dict[str, Any]]:
    """A histogram per model and language: kept documents in front of all scored documents."""
    order = [*LANGUAGES, *sorted({lang for _, lang in facts.columns.scored} - set(LANGUAGES))]
    return [
        _score(facts, column, lang, facts.columns.scored[column, lang])
        for column in sorted({column for column, _ in facts.columns.scored})
        for lang in order
        if (column, lang) in facts.columns.scored
    ]


def _score(facts: Facts, column: str, lang: str, tally: Tally) -> dict[str, Any]:
    kept = facts.columns.scored_kept[column, lang]
    label = f"{column} of {lang} documents"
    if column.startswith("quality"):
        edges = np.linspace(0, 1, SCORE_STEPS + 1)
        names = [f"{edge:.2f}".rstrip("0").rstrip(".") for edge in edges]
        chart = histogram(kept.by_step(edges), names, color_of(lang), label, behind=tally.by_step(edges))
    else:
        highest = max(1.0, tally.quantile(0.99))
        chart = _by_powers(
            kept.by_power(highest), tally.by_power(highest), color_of(lang), label, open_end=True
        )
    return {
        "column": column, "lang": lang, "documents": tally.total, "kept": kept.total, "chart": chart,
        "middle": number_text.short(tally.quantile(0.5)), "limits": ", ".join(_limits(facts, column, lang)),
    }  # fmt: skip


def _limits(facts: Facts, column: str, lang: str) -> Iterable[str]:
    """The thresholds in use."""
    section, name = column.split("_", 1)
    model = getattr(facts.settings.score, section)[name]
    for setting, word in (
        ("min_score", "at least"),
        ("min_perplexity", "at least"),
        ("max_perplexity", "at most"),
    ):
        if (value := getattr(model, setting, None)) is not None:
            yield f"{word} {number_text.short(value)}"
    if lang in (quantiles := facts.steps["filter"].get("thresholds", {}).get(column, {})):
        yield " to ".join(map(number_text.short, quantiles[lang]))
