"""What a page shows of ``tokenizer_report.json``: how many bytes a token holds, by language."""

from __future__ import annotations

from typing import Any

from preprocessing.page.charts import Bar, bar_chart
from preprocessing.page.palette import LANGUAGES, colour_of


def tokenizer(report: dict[str, Any]) -> dict[str, Any]:
    """Charts and rows of ``tokenizer_report.json``, next to the English-only tokenizer where there is one."""
    this, other = report["tokenizers"]["this"], report["tokenizers"].get("english_only") or {}
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
        "problem": report.get("english_only_problem"),
        "rows": [{"lang": lang, "this": this[lang], "other": other.get(lang)} for lang in order],
        "vocab_size": report["vocab_size"],
    }
