"""One HTML page about the data of a finished run, without scripts or outside files.

Owns the command; what the page shows is in ``preprocessing/report``.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from megatron_ko.config.loading import Loaded
from megatron_ko.files import write_text
from preprocessing.context import Context
from preprocessing.page import funnel_view
from preprocessing.page.template import filled
from preprocessing.report import facts as gathered
from preprocessing.report import sections
from preprocessing.schema import Config

TEMPLATE = Path(gathered.__file__).resolve().parent / "data.html.jinja"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", metavar="FILE", help="where to write (default OUTPUT/report.html)")


def run(loaded: Loaded[Config], arguments: argparse.Namespace) -> int:
    context = Context(loaded)
    facts = gathered.read_facts(context)
    path = Path(arguments.out).expanduser() if arguments.out else context.folder / "report.html"
    write_text(path, page(facts))
    print(f"wrote {path}")
    return 0


def page(facts: gathered.Facts) -> str:
    domains = [entry["name"] for entry in (facts.manifest or {}).get("sets", ())]
    return filled(
        TEMPLATE,
        dict.fromkeys(domains),
        folder=facts.folder,
        vocab_size=(facts.manifest or {}).get("tokenizer", {}).get("vocab_size", 0),
        alarms=facts.alarms,
        cards=sections.cards(facts),
        composition=sections.composition(facts),
        funnel=funnel_view.funnel(facts.funnel),
        lengths=sections.lengths(facts),
        duplicates=sections.duplicates(facts),
        contamination=_evaluation_sets(facts.contamination),
        tokens=sections.tokens(facts),
        spreads=sections.spreads(facts),
        examples=funnel_view.examples(facts.funnel),
    )


def _evaluation_sets(contamination: dict[str, Any] | None) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "items": found["items"],
            "found": found["items_found"],
            "documents": found["documents"],
        }
        for name, found in (contamination or {}).get("sets", {}).items()
    ]
