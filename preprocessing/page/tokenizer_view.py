"""What a page shows of ``tokenizer_report.json``: how many bytes a token holds, by language."""

from __future__ import annotations

from typing import Any

from preprocessing.page.charts import Bar, bar_chart
from preprocessing.page.drawing import inline_svg
from preprocessing.page.efficiency_chart import efficiency_chart
from preprocessing.page.palette import LANGUAGES, colour_of

OTHER = "English-only"


def tokenizer(report: dict[str, Any]) -> dict[str, Any]:
    """Charts and rows of ``tokenizer_report.json``, next to the English-only tokenizer where there is one."""
    this, other = report["tokenizers"]["this"], report["tokenizers"].get("english_only") or {}
    order = [name for name in LANGUAGES if name in this] + sorted(set(this) - set(LANGUAGES))
    bars, relative = [], []
    for lang in order:
        bars.append(_bar(LANGUAGES.get(lang, lang), this[lang], colour_of(lang)))
        if lang in other:
            bars.append(_bar(OTHER, other[lang], "plain"))
            # of the same text: 100 * tokens of the other / tokens of this one
            mine, its = this[lang]["bytes_per_token"], other[lang]["bytes_per_token"]
            value = 100 * mine / its if its else None
            relative.append((lang, {OTHER: 100.0, "this tokenizer": value}))
    return {
        "bytes": bar_chart(bars, "Bytes per token by language", left=130, width=480),
        "relative": inline_svg(
            efficiency_chart(relative, OTHER), efficiency_chart(relative, OTHER, narrow=True)
        )
        if relative
        else None,
        "problem": report.get("english_only_problem"),
        "rows": [{"lang": lang, "this": this[lang], "other": other.get(lang)} for lang in order],
        "vocab_size": report["vocab_size"],
    }


def _bar(name: str, found: dict[str, Any], colour: str) -> Bar:
    return Bar(name, found["bytes_per_token"], colour, f"{found['bytes_per_token']:.2f}")
