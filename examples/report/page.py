"""The report as a page: the views of all sections, put into the template.

Owns which sections there are. Reading files is ``collect``'s, what a section shows ``*_sections``'; drawing, looks and
the template's environment are those of ``preprocessing.page``.
"""

from __future__ import annotations

import datetime
from pathlib import Path

from examples.report import data_sections, training_sections
from examples.report.collect import Facts
from examples.stages import duration
from megatron_ko.files import write_text
from preprocessing.page import funnel_view, tokenizer_view
from preprocessing.page.template import render_template

HERE = Path(__file__).resolve().parent


def write_report(facts: Facts, path: Path) -> None:
    sections = {
        "cards": training_sections.cards(facts),
        "training": training_sections.training(facts),
        "validation": training_sections.validation(facts),
        "mixture": data_sections.mixture(facts),
        "funnel": funnel_view.funnel(facts.funnel),
        "examples": funnel_view.examples(facts.funnel),
        "tokenizer": tokenizer_view.tokenizer(facts.tokenizer),
        "speed": training_sections.speed(facts),
    }
    page = render_template(
        HERE / "page.html.jinja",
        facts.set_names,
        {"duration": duration},
        facts=facts,
        made=_made(facts),
        **sections,
    )
    write_text(path, page)


def _made(facts: Facts) -> str:
    moment = datetime.datetime.fromtimestamp(facts.train[-1]["time"], datetime.timezone.utc)
    return moment.strftime("%Y-%m-%d %H:%M UTC")
