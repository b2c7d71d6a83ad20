"""The report as a page: the views of all sections, put into the template.

Owns the template's environment. Reading files is ``collect``'s, what a section shows ``*_sections``', drawing
``charts``', looks ``style.css``'s.
"""

from __future__ import annotations

import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from examples.report import data_sections, number_text, text_diff, training_sections
from examples.report.collect import Facts
from examples.report.palette import LANGUAGES, colour_of, shades_of
from examples.stages import duration
from megatron_ko.files import write_text

HERE = Path(__file__).resolve().parent


def write_report(facts: Facts, path: Path) -> None:
    shades = shades_of(facts.set_names)
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        short=number_text.short,
        size=number_text.size,
        percent=number_text.percent,
        difference=number_text.difference,
        duration=duration,
        visible=text_diff.visible,
        colour=lambda name: shades.get(name) or colour_of(name),
    )
    sections = {
        "cards": training_sections.cards(facts),
        "training": training_sections.training(facts),
        "validation": training_sections.validation(facts),
        "mixture": data_sections.mixture(facts),
        "funnel": data_sections.funnel(facts),
        "examples": data_sections.examples(facts),
        "tokenizer": data_sections.tokenizer(facts),
        "speed": training_sections.speed(facts),
    }
    template = environment.get_template("page.html.jinja")
    style = Markup((HERE / "style.css").read_text(encoding="utf-8"))
    write_text(
        path, template.render(facts=facts, style=style, languages=LANGUAGES, made=_made(facts), **sections)
    )


def _made(facts: Facts) -> str:
    moment = datetime.datetime.fromtimestamp(facts.train[-1]["time"], datetime.timezone.utc)
    return moment.strftime("%Y-%m-%d %H:%M UTC")
