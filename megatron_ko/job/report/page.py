"""The HTML page of a report: fills the template with all sections.

Owns the list of sections. ``collect`` reads the files, ``*_sections`` own their content, and ``preprocessing.page`` owns
drawing, style and the environment of templates.
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
    """Writes the page. Links to files are relative if the page is in the folder of runs, so that it can be copied."""
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
        made=_end_of_training(facts),
        **sections,
    )
    write_text(path, page)


def _end_of_training(facts: Facts) -> str:
    moment = datetime.datetime.fromtimestamp(facts.train[-1]["time"], datetime.timezone.utc)
    return moment.strftime("%Y-%m-%d %H:%M UTC")


def _links(runs: Path, page: Path) -> str:
    """Prefix of links from the page to the folder of runs."""
    if page.resolve().parent == runs.resolve():
        return ""
    return f"{runs.resolve().as_uri()}/"
