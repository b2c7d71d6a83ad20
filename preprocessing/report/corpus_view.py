"""What the page shows of the text that is kept: numbers at the top, composition, lengths, spreads, scores."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from preprocessing.page import number_text, text_diff
from preprocessing.page.charts import Bar
from preprocessing.page.distributions import PERCENTILES, Range, histogram, range_chart, ring
from preprocessing.page.palette import LANGUAGES, OTHER_COLOURS, colour_of, shaded
from preprocessing.report.columns import SPREADS, Spread
from preprocessing.report.facts import Facts
from preprocessing.report.tally import Tally

MAX_SLICES = 9
SCORE_STEPS = 20


def cards(facts: Facts) -> list[dict[str, str]]:
    """The numbers one asks for first."""
    read, last = facts.funnel["steps"][0], facts.funnel["steps"][-1]
    sources = facts.funnel["sources"]
    masked = sum(sum(source["masked"].values()) for source in sources)
    bad = sum(source["bad_records"] for source in sources)
    share = last["bytes"] / read["bytes"] if read["bytes"] else 0.0
    made = [
        _card(
            "read", "읽은 문서", read["documents"], f"{number_text.size(read['bytes'])}, {bad:,} bad records"
        ),
        _card(
            "kept",
            "남은 문서",
            last["documents"],
            f"{number_text.size(last['bytes'])}, {share:.1%} of the text",
        ),
    ]
    if "deduplicate" in facts.steps:
        counts = facts.steps["deduplicate"]["sources"].values()
        came, gone = (sum(c[k] for c in counts) for k in ("documents_in", "documents_out"))
        share = (came - gone) / came if came else 0.0
        made.append(_card("duplicates", "중복", f"{share:.1%}", f"{came - gone:,} of {came:,} documents"))
    made.append(_card("personal data", "개인정보", masked, "places masked"))
    if "encode" in facts.steps:
        sets = facts.steps["encode"]["sets"]
        train = sum(entry["tokens"] for entry in sets if entry["split"] == "train")
        made.append(
            _card(
                "tokens",
                "토큰",
                sum(entry["tokens"] for entry in sets),
                f"{number_text.short(train)} to train on",
            )
        )
    return made


def _card(name: str, korean: str, value: int | str, detail: str) -> dict[str, str]:
    shown = value if isinstance(value, str) else number_text.short(value)
    return {"name": name, "korean": korean, "value": shown, "detail": detail}


# --- composition -----------------------------------------------------------------------------------------


def composition(facts: Facts) -> list[dict[str, Any]]:
    """Shares of the text by language and by source, and by group of domains where they have one: the two rings of
    GECKO's figure 1 (arXiv:2405.15640, Korean 35, English 28, code 37 %; web, encyclopedia, news, books, ...)."""
    sizes = facts.columns.repeated_bytes
    languages, sources = Counter(), Counter()
    for (source, lang), size in sizes.items():
        languages[lang] += size
        sources[source] += size
    made = [
        _ring("By language", "언어별", languages, {lang: colour_of(lang) for lang in languages}),
        _ring("By source", "출처별", sources, _shades_of_sources(sizes, sources)),
    ]
    groups = Counter()
    for entry in facts.funnel["domains"] if facts.groups_of else ():
        groups[facts.groups_of.get(entry["name"], entry["name"])] += entry["bytes"]
    if groups:
        made.append(_ring("By kind", "종류별", groups, _quiet(groups)))
    return made


def _shades_of_sources(sizes: Mapping[tuple[str, str], int], sources: Counter[str]) -> dict[str, str]:
    """A source has the colour of the language that most of its text is in."""
    most = {
        source: max((size, lang) for (s, lang), size in sizes.items() if s == source)[1] for source in sources
    }
    return shaded((source, colour_of(most[source])) for source in _by_size(sources))


def _quiet(names: Iterable[str]) -> dict[str, str]:
    """The colour of a language where the name tells it, else the next of the quiet ones."""
    found: dict[str, str] = {}
    for name in names:
        colour = colour_of(name)
        used = sum(known.startswith("other") for known in found.values())
        found[name] = f"other{used % OTHER_COLOURS}" if colour.startswith("other") else colour
    return found


def _by_size(sizes: Counter[str]) -> list[str]:
    return sorted(sizes, key=lambda name: (-sizes[name], name))


def _ring(title: str, korean: str, sizes: Counter[str], colours: Mapping[str, str]) -> dict[str, Any]:
    total = sum(sizes.values())
    names = [name for name in _by_size(sizes) if sizes[name]]
    shown, rest = (
        (names, []) if len(names) <= MAX_SLICES else (names[: MAX_SLICES - 1], names[MAX_SLICES - 1 :])
    )
    parts = [(text_diff.short_name(LANGUAGES.get(name, name)), sizes[name], colours[name]) for name in shown]
    if rest:
        parts.append((f"{len(rest)} more", sum(sizes[name] for name in rest), f"other{OTHER_COLOURS - 1}"))
    slices = [
        Bar(
            name,
            size,
            colour,
            share_text(size / total),
            f"{name}: {number_text.size(size)}, {size / total:.2%}",
        )
        for name, size, colour in parts
    ]
    return {
        "title": title,
        "korean": korean,
        "chart": ring(slices, f"Text {title.lower()}", number_text.size(total)),
        "slices": slices,
    }


def share_text(share: float) -> str:
    """Whole percents, and one digit more below one."""
    return f"{share:.0%}" if share >= 0.01 else f"{share:.1%}" if share >= 0.001 else "<0.1%"


# --- lengths and spreads ---------------------------------------------------------------------------------


def lengths(facts: Facts) -> list[dict[str, Any]]:
    """A histogram per language: documents by characters, in powers of two."""
    made = []
    for lang in languages_of(facts):
        tally = facts.columns.spreads[lang, "characters"]
        chart = _by_powers(tally.by_power(), {}, colour_of(lang), f"Lengths of {lang} documents")
        made.append(
            {
                "lang": lang,
                "documents": tally.total,
                "middle": number_text.short(tally.quantile(0.5)),
                "chart": chart,
            }
        )
    return made


def languages_of(facts: Facts) -> list[str]:
    """Of documents that are kept."""
    found = {lang for (_, lang), documents in facts.columns.documents_of.items() if documents}
    return [lang for lang in LANGUAGES if lang in found] + sorted(found - set(LANGUAGES))


def _by_powers(counts: Mapping[int, int], behind: Mapping[int, int], colour: str, label: str) -> Any:
    powers = {**behind, **counts}
    shown = range(min(powers), max(powers) + 1)
    edges = [_power(power) for power in [*shown, shown[-1] + 1]]
    heights = [counts.get(power, 0) for power in shown]
    return histogram(
        heights, edges, colour, label, behind=[behind.get(p, 0) for p in shown] if behind else ()
    )


def _power(power: int) -> str:
    return f"{2**power:,}" if power <= 16 else number_text.short(2**power)


def spreads(facts: Facts) -> dict[str, Any]:
    """A chart per measure with a row per language, and the same numbers as a table per language."""
    langs = languages_of(facts)
    charts, tables = [], {lang: [] for lang in langs}
    for spread in SPREADS:
        shown = percent if spread.share else _short
        values = {lang: _percentiles(facts.columns.spreads[lang, spread.name]) for lang in langs}
        ranges = [Range(LANGUAGES.get(lang, lang), colour_of(lang), values[lang]) for lang in langs]
        charts.append(
            {"spread": spread, "chart": range_chart(ranges, spread.english, shown, log=_wide(spread))}
        )
        for lang in langs:
            tables[lang].append({"spread": spread, "values": [shown(value) for value in values[lang]]})
    return {"charts": charts, "tables": tables, "shares": [f"{share:.0%}" for share in PERCENTILES]}


def _short(number: float) -> str:
    """Three digits at most, without zeros behind the point: 0.5, 1.02 k, 10 k."""
    return re.sub(r"(\.\d*?)0+(?=\D|$)", r"\1", number_text.short(number)).replace(". ", " ").rstrip(".")


def _wide(spread: Spread) -> bool:
    return spread.name in ("characters", "mean_line_length")


def _percentiles(tally: Tally) -> list[float]:
    return [tally.quantile(share) for share in PERCENTILES]


def percent(share: float) -> str:
    """0%, 0.05%, 2.5%, 12%."""
    return f"{100 * share:.3g}%" if share < 0.0995 else f"{share:.0%}"


# --- scores ----------------------------------------------------------------------------------------------


def scores(facts: Facts) -> list[dict[str, Any]]:
    """A histogram per model and language: documents judged, and those in the corpus before them."""
    order = [*LANGUAGES, *sorted({lang for _, lang in facts.columns.scored} - set(LANGUAGES))]
    return [
        _scored(facts, column, lang, facts.columns.scored[column, lang])
        for column in sorted({column for column, _ in facts.columns.scored})
        for lang in order
        if (column, lang) in facts.columns.scored
    ]


def _scored(facts: Facts, column: str, lang: str, tally: Tally) -> dict[str, Any]:
    kept = facts.columns.scored_kept[column, lang]
    label = f"{column} of {lang} documents"
    if column.startswith("quality"):
        edges = np.linspace(0, 1, SCORE_STEPS + 1)
        names = [f"{edge:.2f}".rstrip("0").rstrip(".") for edge in edges]
        chart = histogram(kept.by_step(edges), names, colour_of(lang), label, behind=tally.by_step(edges))
    else:
        highest = max(1.0, tally.quantile(0.999))
        chart = _by_powers(kept.by_power(highest), tally.by_power(highest), colour_of(lang), label)
    return {
        "column": column, "lang": lang, "documents": tally.total, "kept": kept.total, "chart": chart,
        "middle": number_text.short(tally.quantile(0.5)), "limits": ", ".join(_limits(facts, column, lang)),
    }  # fmt: skip


def _limits(facts: Facts, column: str, lang: str) -> Iterable[str]:
    """The thresholds that were used."""
    kind, name = column.split("_", 1)
    model = getattr(facts.settings.score, kind)[name]
    for setting, word in (
        ("min_score", "at least"),
        ("min_perplexity", "at least"),
        ("max_perplexity", "at most"),
    ):
        if (value := getattr(model, setting, None)) is not None:
            yield f"{word} {number_text.short(value)}"
    if lang in (found := facts.steps["filter"].get("thresholds", {}).get(column, {})):
        yield " to ".join(map(number_text.short, found[lang]))
