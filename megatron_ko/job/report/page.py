"""The report as a page: the views of all sections, put into the template.

Owns which sections there are. Reading files is ``collect``'s, what a section shows ``*_sections``'; drawing, looks and
the template's environment are those of ``preprocessing.page``.
"""

from __future__ import annotations

import datetime
from pathlib import Path

from megatron_ko.files import write_text
from megatron_ko.job.report import data_sections, training_sections
from megatron_ko.job.report.collect import Facts
from megatron_ko.job.steps import duration
from preprocessing.page import funnel_view, tokenizer_view
from preprocessing.page.template import render_template

HERE = Path(__file__).resolve().parent


def write_report(facts: Facts, path: Path) -> None:
    """Links to files are relative when the page is in the folder of runs, so that a copied folder keeps them."""
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
        links=_links(facts.runs, path),
        made=_made(facts),
        **sections,
    )
    write_text(path, page)


def _made(facts: Facts) -> str:
    moment = datetime.datetime.fromtimestamp(facts.train[-1]["time"], datetime.timezone.utc)
    return moment.strftime("%Y-%m-%d %H:%M UTC")


def _links(runs: Path, page: Path) -> str:
    """Prefix that leads from the page to the folder of runs."""
    if page.resolve().parent == runs.resolve():
        return ""
    return f"{runs.resolve().as_uri()}/"
