"""The report as a page: one view per section, then the template.

Owns which numbers and charts each section shows. Reading files is ``collect``'s, drawing ``charts``', looks ``style.css``'s.
"""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from examples.report import number_text, text_diff
from examples.report.charts import Bar, Line, Panel, bar_chart, line_chart, stacked_bars
from examples.report.collect import Facts, smoothed
from examples.stages import duration
from megatron_ko.files import write_text

HERE = Path(__file__).resolve().parent
LANGUAGES = {"ko": "Korean", "en": "English", "code": "code", "mixed": "both languages"}
_KINDS = {
    "ko": ("ko", "korean", "kor"),
    "en": ("en", "english", "eng"),
    "code": ("code", "python", "py", "source"),
    "mixed": ("mixed", "parallel", "bilingual"),
}
OTHER_COLOURS = 6
MIDDLE_DOT = "\u00b7"


def write_report(facts: Facts, path: Path) -> None:
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
        colour=colour_of,
    )
    sections = {
        "cards": cards(facts),
        "training": training(facts),
        "validation": validation(facts),
        "mixture": mixture(facts),
        "funnel": funnel(facts),
        "examples": examples(facts),
        "tokenizer": tokenizer(facts),
        "speed": speed(facts),
    }
    template = environment.get_template("page.html.jinja")
    style = Markup((HERE / "style.css").read_text(encoding="utf-8"))
    write_text(path, template.render(facts=facts, style=style, languages=LANGUAGES, made=_made(facts), **sections))


def _made(facts: Facts) -> str:
    moment = datetime.datetime.fromtimestamp(facts.train[-1]["time"], datetime.timezone.utc)
    return moment.strftime("%Y-%m-%d %H:%M UTC")


def colour_of(name: str) -> str:
    """The CSS class of a domain, language or source: the same one everywhere in the page."""
    words = name.lower().replace("-", "_").split("_")
    for colour, known in _KINDS.items():
        if any(word in known for word in words):
            return colour
    return f"other{sum(map(ord, name)) % OTHER_COLOURS}"


# --- training --------------------------------------------------------------------------------------------


def cards(facts: Facts) -> list[dict[str, str]]:
    """The five numbers one asks for first."""
    last, valid = facts.train[-1], facts.valid[-1]
    weights, logits = facts.verification["weights"], facts.verification.get("logits")
    bits = sorted(valid["bits_per_byte"].values())
    exact = "bit for bit" if weights["largest_difference"] == 0 else f"±{weights['largest_difference']:.2g}"
    detail = f"{len(weights['tensors'])} tensors {exact}"
    if logits:
        detail += f", logits ±{logits['difference']:.1g}"
    model = facts.config.model
    parts = [
        ("Parameters", "매개변수", number_text.short(facts.start["parameters"]),
         f"{model.layers} layers of width {model.hidden_size}"),
        ("Tokens", "토큰", number_text.short(last["tokens"]),
         f"{last['step']:,} steps of {facts.start['tokens_per_step']:,}"),
        ("Training time", "학습 시간", duration(facts.seconds),
         f"{facts.start['world_size']} × {facts.config.run.device}, {facts.config.precision.dtype}"),
        ("Final loss", "최종 손실", f"{_final_loss(facts):.3f}", f"validation {bits[0]:.2f} to {bits[-1]:.2f} bits per byte"),
        ("Export", "변환 검증", "verified" if _verified(facts) else "differs", detail),
    ]  # fmt: skip
    return [dict(zip(("name", "korean", "value", "detail"), part, strict=True)) for part in parts]


def _final_loss(facts: Facts) -> float:
    return smoothed([record["loss"] for record in facts.train])[-1]


def _verified(facts: Facts) -> bool:
    weights, logits = facts.verification["weights"], facts.verification.get("logits")
    names = weights["missing"] or weights["extra"] or weights["settings"]
    right = weights["largest_difference"] == 0 and not names
    return right and (logits is None or logits["difference"] <= logits["tolerance"])


def training(facts: Facts) -> dict[str, Any]:
    steps = [record["step"] for record in facts.train]
    losses = [record["loss"] for record in facts.train]
    raw = list(zip(steps, losses, strict=True))
    smooth = list(zip(steps, smoothed(losses), strict=True))
    rates = [(record["step"], record["learning_rate"]) for record in facts.train]
    loss = [Line("each report", "ink", raw, faint=True), Line("smoothed", "ink", smooth)]
    rate_panel = Panel(height=112, y_format="{:g}".format, zero=True, y_ticks=2)
    return {
        "loss": line_chart(loss, Panel(y_format="{:.2f}".format, bottom=16, x_ticks=0), "Training loss over steps"),
        "rate": line_chart([Line("learning rate", "muted", rates)], rate_panel, "Learning rate over steps"),
        "first": losses[0],
        "last": _final_loss(facts),
        "schedule": facts.config.schedule.type,
    }


def validation(facts: Facts) -> dict[str, Any]:
    names = [item["name"] for item in facts.manifest["sets"] if item["split"] == "valid"]
    names = [name for name in names if name in facts.valid[-1]["loss"]]
    charts = {}
    for key in ("loss", "bits_per_byte"):
        lines = [
            Line(name, colour_of(name), [(record["step"], record[key][name]) for record in facts.valid], dots=True)
            for name in names
        ]
        panel = Panel(width=480, height=290, right=76, left=44, y_format="{:.2f}".format)
        charts[key] = line_chart(lines, panel, f"Validation {key.replace('_', ' ')} over steps")
    sets = {item["name"]: item for item in facts.manifest["sets"] if item["split"] == "valid"}
    rows = [
        {
            "name": name,
            "tokens": sets[name]["tokens"],
            "text_bytes": sets[name]["text_bytes"],
            "first": facts.valid[0]["loss"][name],
            "loss": facts.valid[-1]["loss"][name],
            "first_bits": facts.valid[0]["bits_per_byte"][name],
            "bits": facts.valid[-1]["bits_per_byte"][name],
        }
        for name in names
    ]
    return {**charts, "rows": rows, "first_step": facts.valid[0]["step"], "last_step": facts.valid[-1]["step"]}


def speed(facts: Facts) -> dict[str, Any]:
    """Small charts of what a run costs; the first report holds the warm-up of the machine."""
    kinds = (
        ("tokens_per_s", "Tokens per second", "초당 토큰", number_text.short, 1.0),
        ("mfu", "Model FLOPs utilisation", "연산 활용률", "{:.0f}%".format, 100.0),
        ("memory_gib", "Memory of the fullest rank, GiB", "메모리", "{:.2f}".format, 1.0),
    )
    records = facts.train[1:] or facts.train
    charts = []
    for key, title, korean, shown, factor in kinds:
        steps, values = [record["step"] for record in records], [record[key] * factor for record in records]
        lines = [Line("", "ink", list(zip(steps, values, strict=True)), faint=key != "memory_gib")]
        if key != "memory_gib":  # speeds jitter, the most memory used so far does not
            lines.append(Line("smoothed", "ink", list(zip(steps, smoothed(values), strict=True))))
        middle = sorted(values)[len(values) // 2]
        panel = Panel(
            width=330, height=190, left=48, right=14, y_format=shown, x_label="", zero=True, x_ticks=3, y_ticks=4, names=False
        )
        chart = line_chart(lines, panel, title)
        charts.append({"title": title, "korean": korean, "chart": chart, "middle": shown(middle)})
    return {"charts": charts, "peak": facts.start["peak_tflops"], "peak_name": facts.start["peak_name"]}


# --- data ------------------------------------------------------------------------------------------------


def mixture(facts: Facts) -> dict[str, Any]:
    drawn_total = sum(item.drawn for item in facts.sets) or 1
    held_total = sum(item.tokens for item in facts.sets) or 1

    def share_text(share: float) -> str:
        return f"{share:.0%}" if share >= 0.01 else f"{share:.1%}"

    def bars(values: list[tuple[str, float]]) -> list[Bar]:
        total = sum(value for _, value in values) or 1
        return [Bar(name, value, colour_of(name), share_text(value / total)) for name, value in values if value]

    by_source = bars([(source["name"], source["bytes_out"]) for source in facts.funnel["sources"]])
    sources = [_neutral(bar, number) for number, bar in enumerate(by_source)]
    rows = [
        ("held  보유", bars([(item.name, item.tokens) for item in facts.sets])),
        ("asked for  요청", bars([(item.name, item.share) for item in facts.sets])),
        ("drawn  사용", bars([(item.name, item.drawn) for item in facts.sets])),
        ("by source  출처", sources),
    ]
    return {
        "chart": stacked_bars(rows, "Shares of the training sets"),
        "sources": sources,
        "rows": facts.sets,
        "drawn_total": drawn_total,
        "held_total": held_total,
    }


def _neutral(bar: Bar, number: int) -> Bar:
    """A source has the colour of its language where its name tells it, else one of the quiet ones."""
    return replace(bar, colour=f"other{number % OTHER_COLOURS}") if bar.colour.startswith("other") else bar


def funnel(facts: Facts) -> dict[str, Any]:
    steps = facts.funnel["steps"]
    bars = [
        Bar(step["name"], step["documents"], "step", f"{step['documents']:,}", f"{number_text.size(step['bytes'])}")
        for step in steps
    ]
    sources = [
        {
            **source,
            "dropped_total": sum(source["dropped"].values()),
            "changed_total": sum(source["changed"].values()),
            "masked_total": sum(source["masked"].values()),
            "kept": source["documents_out"] / source["documents_in"] if source["documents_in"] else 0.0,
            "why": sorted(source["dropped"].items(), key=lambda pair: -pair[1]),
        }
        for source in facts.funnel["sources"]
    ]
    return {
        "chart": bar_chart(bars, "Documents left after each step"),
        "sources": sources,
        "totals": {kind: _total(facts.funnel["sources"], kind) for kind in ("dropped", "masked", "changed")},
        "bad_records": sum(source["bad_records"] for source in facts.funnel["sources"]),
        "steps": steps,
    }


def _total(sources: list[dict[str, Any]], kind: str) -> list[tuple[str, int]]:
    """Counts over all sources, largest first."""
    counts: dict[str, int] = {}
    for source in sources:
        for name, number in source[kind].items():
            counts[name] = counts.get(name, 0) + number
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def examples(facts: Facts) -> dict[str, list[dict[str, Any]]]:
    """Grouped as dropped, masked and changed; the texts are marked up and safe."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for kind in ("dropped", "masked", "changed"):
        for reason, count in _total(facts.funnel["sources"], kind):
            found = facts.funnel["examples"].get(reason, [])
            if found:
                groups.setdefault(kind, []).append(
                    {"reason": reason, "count": count, "texts": [_example(item) for item in found]}
                )
    return groups


def _example(item: dict[str, Any]) -> dict[str, Any]:
    if item["after"] is None:
        return {"id": item["id"], "before": text_diff.visible(item["before"]), "after": None}
    before, after = text_diff.before_and_after(item["before"], item["after"])
    return {"id": item["id"], "before": before, "after": after}


def tokenizer(facts: Facts) -> dict[str, Any]:
    report = facts.tokenizer["tokenizers"]
    this, other = report["this"], report.get("english_only") or {}
    order = [name for name in LANGUAGES if name in this] + sorted(set(this) - set(LANGUAGES))
    bars, relative = [], []
    for lang in order:
        name = LANGUAGES.get(lang, lang)
        bars.append(Bar(name, this[lang]["bytes_per_token"], colour_of(lang), f"{this[lang]['bytes_per_token']:.2f}"))
        if lang in other:
            value = 100 * this[lang]["bytes_per_token"] / other[lang]["bytes_per_token"]
            bars.append(Bar("English-only", other[lang]["bytes_per_token"], "plain", f"{other[lang]['bytes_per_token']:.2f}"))
            relative.append(Bar(name, value, colour_of(lang), f"{value:.0f}"))
    mark = {"mark": 100.0, "mark_text": "English-only = 100"}
    return {
        "bytes": bar_chart(bars, "Bytes per token by language", left=130, width=480),
        "relative": bar_chart(relative, "Relative efficiency", left=130, width=480, **mark) if relative else None,
        "problem": facts.tokenizer.get("english_only_problem"),
        "rows": [{"lang": lang, "this": this[lang], "other": other.get(lang)} for lang in order],
        "vocab_size": facts.tokenizer["vocab_size"],
    }
