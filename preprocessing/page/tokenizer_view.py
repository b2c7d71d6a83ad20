"""View of ``tokenizer_report.json``: bytes per token by language."""

from __future__ import annotations

from typing import Any

from preprocessing.page.charts import Bar, bar_chart
from preprocessing.page.drawing import inline_svg
from preprocessing.page.efficiency_chart import efficiency_chart
from preprocessing.page.palette import LANGUAGES, color_of

OTHER = "English-only"


def tokenizer(report: dict[str, Any]) -> dict[str, Any]:
    """Charts and rows of ``tokenizer_report.json``, compared with the English-only tokenizer if there is one."""
    this, other = report["tokenizers"]["this"], report["tokenizers"].get("english_only") or {}
    order = [name for name in LANGUAGES if name in this] + sorted(set(this) - set(LANGUAGES))
    bars, relative = [], []
    for lang in order:
        bars.append(_bar(LANGUAGES.get(lang, lang), this[lang], color_of(lang)))
        if lang in other:
            bars.append(_bar(OTHER, other[lang], "plain"))
            # for the same text: 100 * tokens of the other / tokens of this tokenizer
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


def _bar(name: str, measured: dict[str, Any], color: str) -> Bar:
    return Bar(name, measured["bytes_per_token"], color, f"{measured['bytes_per_token']:.2f}")
