"""The page about the data: fills the template with the views of all sections."""

from __future__ import annotations

from pathlib import Path

from preprocessing.page import funnel_view, tokenizer_view
from preprocessing.page.template import render_template
from preprocessing.report import corpus_view, loss_view, measure_view, token_view
from preprocessing.report.facts import JUDGING, Facts
from preprocessing.report.korean_labels import KOREAN

TEMPLATE = Path(__file__).resolve().parent / "data.html.jinja"


def page(facts: Facts) -> str:
    """HTML of the whole page; omits sections of steps that are off or not finished."""
    encoded = "encode" in facts.steps
    return render_template(
        TEMPLATE,
        token_view.domains_of(facts),
        folder=facts.folder,
        korean=KOREAN,
        unfinished=unfinished(facts),
        alarms=loss_view.alarms(facts),
        cards=corpus_view.cards(facts),
        composition=corpus_view.composition(facts),
        repeated=bool(facts.settings.balance.rehydrate),
        lead=loss_view.lead(facts),
        funnel=funnel_view.funnel(facts.funnel),
        sources=loss_view.sources(facts),
        reasons=loss_view.reasons(facts),
        changes=loss_view.changes(facts),
        masked=loss_view.masked(facts),
        bad_records=loss_view.bad_records(facts),
        duplicates=loss_view.duplicates(facts),
        contamination=loss_view.contamination(facts),
        lengths=measure_view.lengths(facts),
        spreads=measure_view.spreads(facts),
        scores=measure_view.scores(facts),
        sets=token_view.sets(facts) if encoded else [],
        mixture=token_view.mixture(facts) if encoded else None,
        stages=token_view.stages(facts) if encoded else None,
        tokenizer=tokenizer_view.tokenizer(facts.tokenizer) if facts.tokenizer else None,
        examples=funnel_view.examples(facts.funnel),
    )


def unfinished(facts: Facts) -> list[str]:
    """Unfinished steps after ``filter``, about which the page has no facts yet."""
    return [step for step in (*JUDGING[2:], "encode") if step not in facts.steps]
