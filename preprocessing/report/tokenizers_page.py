"""The page that compares tokenizers: the numbers of ``measurements.json``, the chart, and texts as tokens."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from preprocessing.page.colored_tokens import for_page, tokens_for_display
from preprocessing.page.drawing import Drawing, inline_svg
from preprocessing.page.efficiency_chart import efficiency_chart
from preprocessing.page.template import render_template
from preprocessing.tokenizers.comparison import ALL
from preprocessing.tokenizers.opened import OpenedTokenizer

TEMPLATE = Path(__file__).resolve().parent / "tokenizers.html.jinja"


def chart_of(measurements: dict[str, Any], narrow: bool = False) -> Drawing:
    """A panel for each language with text; with several languages, a last panel for all text."""
    langs = [lang for lang, text in measurements["languages"].items() if text["bytes"] and lang != ALL]
    if len(langs) > 1:
        langs.append(ALL)
    panels = [
        (
            lang,
            {
                entry["name"]: entry["by_language"][lang]["relative_efficiency"]
                for entry in measurements["tokenizers"]
            },
        )
        for lang in langs
    ]
    return efficiency_chart(panels, measurements["relative_to"], narrow)


def page(measurements: dict[str, Any], opened: Sequence[OpenedTokenizer]) -> str:
    samples = {
        lang: [
            {"name": tokenizer.name, "tokens": len(tokens), "shown": for_page(tokens)}
            for tokenizer in opened
            for tokens in [tokens_for_display(tokenizer, text)]
        ]
        for lang, text in measurements["samples"].items()
    }
    return render_template(
        TEMPLATE,
        [],
        measurements=measurements,
        tokenizers=measurements["tokenizers"],
        texts=measurements["languages"],
        chart=inline_svg(chart_of(measurements), chart_of(measurements, narrow=True)),
        samples=samples,
        all=ALL,
        with_ratio=measurements["base"] != measurements["relative_to"],
    )
