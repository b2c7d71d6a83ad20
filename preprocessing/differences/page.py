"""The page of documents before and after a run: numbers, legend, and a card for each document.

Input is untrusted: every text goes through ``visible``, and rules appear in classes as numbers only.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from preprocessing.differences.attribution import UNEXPLAINED, Segment, compose, rule_names
from preprocessing.differences.documents_of_run import stages_of
from preprocessing.differences.fates import failed_rules
from preprocessing.differences.rows import BEGINNING, SHOWN_WHOLE, Row, rows_of, shorten_change
from preprocessing.differences.selection import Query, Selected, Selection
from preprocessing.page.template import render_template
from preprocessing.page.text_diff import mark, visible
from preprocessing.report.korean_labels import KOREAN
from preprocessing.running.context import Context

TEMPLATE = Path(__file__).resolve().parent / "differences.html.jinja"
_MARKUP = re.compile(r"<[^<>\n]{1,300}>")
HUES = {
    "main_content": 190, "html": 212, "mediawiki": 212, "namumark": 212, "latex": 212, "rst": 212, "asciidoc": 212, "notebook": 212, "org": 212, "po": 212, "mojibake": 285, "control": 255,
    "full_width": 235, "nfc": 265, "stray_jamo": 310, "typed_jamo": 325, "squeeze": 38, "whitespace": 95,
    "boilerplate": 18, "frequent_lines": 150, "embedded_data": 170, UNEXPLAINED: 55,
}  # fmt: skip
HUE_OF_PERSONAL_DATA, HUE_OF_OTHERS = 350, 125


@dataclass(frozen=True)
class Compared:
    """A document with its segments. ``lost``: letters and digits of the input that the run does not keep."""

    selected: Selected
    segments: list[Segment]
    lost: int

    @property
    def rules(self) -> set[str]:
        """Every rule with a change, and the reason of the drop."""
        reason = {self.selected.drop.reason} if self.selected.drop else set()
        return {segment.rule for segment in self.segments if segment.rule} | reason

    @property
    def is_exact(self) -> bool:
        """Whether recomputing the document gives what the run wrote."""
        return all(segment.rule != UNEXPLAINED for segment in self.segments)


def compare(context: Context, selection: Selection) -> list[Compared]:
    """The documents of the sample, those that lost most first."""
    compared = []
    for selected in selection.documents:
        stages = stages_of(context, selected.document)
        segments = compose(selected.document.first, stages)
        size = count_letters(selected.document.first)
        compared.append(
            Compared(selected, segments, size if selected.drop else lost_letters(segments).total())
        )
    return sorted(compared, key=lambda one: -one.lost)


def count_letters(text: str) -> int:
    """Letters and digits outside of tags."""
    return sum(map(str.isalnum, _MARKUP.sub("", text)))


def lost_letters(segments: Sequence[Segment]) -> Counter[str]:
    """Letters and digits that each rule removed and did not replace."""
    lost: Counter[str] = Counter()
    for segment in segments:
        if segment.kind != "kept":
            lost[segment.rule] += count_letters(segment.text) * (1 if segment.kind == "removed" else -1)
    return +lost


def page(context: Context, query: Query, selection: Selection, is_outdated: bool) -> str:
    """HTML of the page. ``is_outdated``: the run's text belongs to another configuration, version or input."""
    compared = compare(context, selection)
    legend = _legend(context, compared)
    numbers = {entry["rule"]: entry["number"] for entry in legend}
    return render_template(
        TEMPLATE,
        (),
        folder=str(context.folder),
        query=query,
        selection=selection,
        is_outdated=is_outdated,
        inexact=sum(not one.is_exact for one in compared),
        cards=_cards(compared, selection),
        legend=legend,
        documents=[_card(context, one, numbers) for one in compared],
        shown_whole=SHOWN_WHOLE,
    )


def _cards(compared: Sequence[Compared], selection: Selection) -> list[dict[str, str]]:
    dropped = sum(one.selected.drop is not None for one in compared)
    changed = sum(one.selected.document.first != one.selected.document.text for one in compared)
    exact = sum(one.is_exact for one in compared)
    letters = sum(count_letters(one.selected.document.first) for one in compared)
    lost = sum(one.lost for one in compared)
    entries = (
        ("shown", "표시", f"{len(compared):,}", f"of {selection.matching:,} that match, {selection.total:,} in all"),
        ("changed", "수정", f"{changed:,}", "documents whose text changed"),
        ("dropped", "제거", f"{dropped:,}", "documents that a step dropped"),
        ("lost", "손실", f"{lost / letters:.1%}" if letters else "0", f"{lost:,} of {letters:,} letters and digits"),
        ("recomputed", "재계산", "verified" if exact == len(compared) else "differs",
         f"{exact:,} of {len(compared):,} equal what the run wrote"),
    )  # fmt: skip
    return [dict(zip(("name", "korean", "value", "detail"), entry)) for entry in entries]


def _legend(context: Context, compared: Sequence[Compared]) -> list[dict[str, Any]]:
    """The rules of the page in the order of the changes, then the reasons of drops, the most frequent first."""
    documents = Counter(rule for one in compared for rule in one.rules)
    changes = Counter(s.rule for one in compared for s in one.segments if s.rule)
    lost: Counter[str] = Counter()
    for one in compared:
        lost.update(lost_letters(one.segments))
    reasons = Counter(one.selected.drop.reason for one in compared if one.selected.drop)
    names = [name for name in rule_names(context.config.clean) if changes[name]]
    masked = set(context.config.clean.mask)
    entries = [
        {
            "rule": name, "changes": changes[name], "lost": lost[name],
            "hue": HUES.get(name, HUE_OF_PERSONAL_DATA if name in masked else HUE_OF_OTHERS),
        }
        for name in names
    ]  # fmt: skip
    entries += [{"rule": name, "changes": 0, "lost": 0, "hue": None} for name, _ in reasons.most_common()]
    return [
        {
            **entry,
            "number": number,
            "documents": documents[entry["rule"]],
            "korean": KOREAN.get(entry["rule"], ""),
        }
        for number, entry in enumerate(entries)
    ]


# --- a document ------------------------------------------------------------------------------------------


def _card(context: Context, one: Compared, numbers: dict[str, int]) -> dict[str, Any]:
    document, drop = one.selected.document, one.selected.drop
    failed = failed_rules(context, document) if drop and drop.step == "filter" else []
    return {
        "id": document.identity,
        "source": document.source,
        "lang": document.lang,
        "before": len(document.first),
        "after": len(document.text),
        "lost": one.lost,
        "drop": drop,
        "korean": KOREAN.get(drop.reason, "") if drop else "",
        "failed": [(rule.reason, _number(rule.value), _number(rule.limit)) for rule in failed],
        "is_exact": one.is_exact,
        "is_changed": document.first != document.text,
        "classes": " ".join(f"u{numbers[rule]}" for rule in sorted(one.rules)),
        "rows": [_row(row, numbers) for row in rows_of(one.segments, 3 * BEGINNING if drop else BEGINNING)],
    }


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _row(row: Row, numbers: dict[str, int]) -> dict[str, Any]:
    return {
        "left_out": row.left_out,
        "changes": row.changes,
        "is_changed": row.is_changed,
        "before": _side(row.segments, "added", numbers),
        "after": _side(row.segments, "removed", numbers),
    }


def _side(segments: Sequence[Segment], hidden: str, numbers: dict[str, int]) -> Markup:
    return Markup("").join(_show(segment, numbers) for segment in segments if segment.kind != hidden)


def _show(segment: Segment, numbers: dict[str, int]) -> Markup:
    if segment.kind == "kept":
        return visible(segment.text)
    tag = "del" if segment.kind == "removed" else "ins"
    css, title = (
        f"c{numbers[segment.rule]}",
        " ".join(filter(None, (segment.rule, KOREAN.get(segment.rule, "")))),
    )
    beginning, left_out, end = shorten_change(segment.text)
    middle = (
        Markup('<span class="cut">… {} characters …</span>').format(f"{left_out:,}")
        if left_out
        else Markup("")
    )
    return mark(tag, beginning, css, title) + middle + mark(tag, end, css, title)
