"""The page that compares tokenizers: the numbers of ``measurements.json``, the chart, and texts as tokens."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from preprocessing.page.coloured_tokens import for_page, shown_tokens
from preprocessing.page.drawing import Drawing, inline_svg
from preprocessing.page.efficiency_chart import efficiency_chart
from preprocessing.page.template import filled
from preprocessing.tokenizers.comparison import ALL
from preprocessing.tokenizers.opened import OpenedTokenizer

TEMPLATE = Path(__file__).resolve().parent / "tokenizers.html.jinja"


def chart_of(found: dict[str, Any], narrow: bool = False) -> Drawing:
    """A panel for each language with text, all of it together last where there are several."""
    langs = [lang for lang, text in found["languages"].items() if text["bytes"] and lang != ALL]
    if len(langs) > 1:
        langs.append(ALL)
    panels = [
        (
            lang,
            {made["name"]: made["by_language"][lang]["relative_efficiency"] for made in found["tokenizers"]},
        )
        for lang in langs
    ]
    return efficiency_chart(panels, found["relative_to"], narrow)


def page(found: dict[str, Any], opened: Sequence[OpenedTokenizer]) -> str:
    samples = {
        lang: [
            {"name": tokenizer.name, "tokens": len(tokens), "shown": for_page(tokens)}
            for tokenizer in opened
            for tokens in [shown_tokens(tokenizer, text)]
        ]
        for lang, text in found["samples"].items()
    }
    return filled(
        TEMPLATE,
        [],
        found=found,
        tokenizers=found["tokenizers"],
        texts=found["languages"],
        chart=inline_svg(chart_of(found), chart_of(found, narrow=True)),
        samples=samples,
        all=ALL,
        with_ratio=found["base"] != found["relative_to"],
    )
