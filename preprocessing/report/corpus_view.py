"""Views of the kept text: the cards at the top of the page, and the composition."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from megatron_ko.wording import format_bytes, format_count
from preprocessing.page import number_text, text_diff
from preprocessing.page.charts import Bar
from preprocessing.page.distributions import ring
from preprocessing.page.palette import LANGUAGES, OTHER_COLORS, assign_shades, color_of
from preprocessing.report.facts import Facts

MAX_SLICES = 9


def cards(facts: Facts) -> list[dict[str, str]]:
    """Cards with the most important numbers."""
    read, last = facts.funnel["steps"][0], facts.funnel["steps"][-1]
    sources = facts.funnel["sources"]
    masked = sum(sum(source["masked"].values()) for source in sources)
    bad = sum(source["bad_records"] for source in sources)
    share = last["bytes"] / read["bytes"] if read["bytes"] else 0.0
    cards = [
        _card("read", "읽은 문서", read["documents"], f"{format_bytes(read['bytes'])}, {bad:,} bad records"),
        _card(
            "kept",
            "남은 문서",
            last["documents"],
            f"{format_bytes(last['bytes'])}, {share:.1%} of the text",
        ),
    ]
    if "deduplicate" in facts.steps:
        counts = facts.steps["deduplicate"]["sources"].values()
        before, after = (sum(c[k] for c in counts) for k in ("documents_in", "documents_out"))
        share = (before - after) / before if before else 0.0
        cards.append(
            _card(
                "duplicates",
                "중복",
                f"{share:.1%}",
                f"{before - after:,} of {format_count(before, 'document')}",
            )
        )
    cards.append(_card("personal data", "개인정보", masked, "spans masked"))
    if "encode" in facts.steps:
        sets = facts.steps["encode"]["sets"]
        train = sum(entry["tokens"] for entry in sets if entry["split"] == "train")
        cards.append(
            _card(
                "tokens",
                "토큰",
                sum(entry["tokens"] for entry in sets),
                f"{number_text.short(train)} for training",
            )
        )
    return cards


def _card(name: str, korean: str, value: int | str, detail: str) -> dict[str, str]:
    text = value if isinstance(value, str) else number_text.short(value)
    return {"name": name, "korean": korean, "value": text, "detail": detail}


# --- composition -----------------------------------------------------------------------------------------


def composition(facts: Facts) -> list[dict[str, Any]]:
    """Shares of the text by language, by source and, if domains have groups, by group, as in the rings of GECKO's
    figure 1 (arXiv:2405.15640: Korean 35, English 28, code 37 %; web, encyclopedia, news, books, ...)."""
    sizes = facts.columns.bytes_of
    languages, sources = Counter(), Counter()
    for (source, lang), size in sizes.items():
        languages[lang] += size
        sources[source] += size
    rings = [
        _ring("By language", "언어별", languages, {lang: color_of(lang) for lang in languages}),
        _ring("By source", "출처별", sources, _shades_of_sources(sizes, sources)),
    ]
    groups = Counter()
    for entry in facts.funnel["domains"] if facts.groups_of else ():
        groups[facts.groups_of.get(entry["name"], entry["name"])] += entry["bytes"]
    if groups:
        rings.append(_ring("By group", "그룹별", groups, _group_colors(groups)))
    return rings


def _shades_of_sources(sizes: Mapping[tuple[str, str], int], sources: Counter[str]) -> dict[str, str]:
    """Colors of sources: that of the language of most of a source's text."""
    main_language = {
        source: max((size, lang) for (s, lang), size in sizes.items() if s == source)[1] for source in sources
    }
    return assign_shades((source, color_of(main_language[source])) for source in _by_size(sources))


def _group_colors(names: Iterable[str]) -> dict[str, str]:
    """Colors of groups: a language's color if the name indicates a language, else the next neutral color."""
    colors: dict[str, str] = {}
    for name in names:
        color = color_of(name)
        used = sum(other.startswith("other") for other in colors.values())
        colors[name] = f"other{used % OTHER_COLORS}" if color.startswith("other") else color
    return colors


def _by_size(sizes: Counter[str]) -> list[str]:
    return sorted(sizes, key=lambda name: (-sizes[name], name))


def _ring(title: str, korean: str, sizes: Counter[str], colors: Mapping[str, str]) -> dict[str, Any]:
    total = sum(sizes.values())
    names = [name for name in _by_size(sizes) if sizes[name]]
    shown, rest = (
        (names, []) if len(names) <= MAX_SLICES else (names[: MAX_SLICES - 1], names[MAX_SLICES - 1 :])
    )
    parts = [(text_diff.short_name(LANGUAGES.get(name, name)), sizes[name], colors[name]) for name in shown]
    if rest:
        parts.append((f"{len(rest)} more", sum(sizes[name] for name in rest), f"other{OTHER_COLORS - 1}"))
    slices = [
        Bar(
            name,
            size,
            color,
            number_text.share_text(size / total),
            f"{name}: {format_bytes(size)}, {size / total:.2%}",
        )
        for name, size, color in parts
    ]
    return {
        "title": title,
        "korean": korean,
        "chart": ring(slices, f"Text {title.lower()}", format_bytes(total)),
        "slices": slices,
    }
